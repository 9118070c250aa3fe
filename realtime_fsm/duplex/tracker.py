"""Follows the delegations of one GPT-Live session by its frames. Sends nothing, and has no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from .book import FINAL, Book, Work
from .connection import Connections
from .fields import (
    CLIENT,
    EXPIRED,
    FREQUENT,
    OUTPUTS_REQUIRED,
    SERVER,
    body,
    code_of,
    text,
    unknown_fields,
)
from .records import ClientDelegation, Delegation, Loss, Moved, Step, WatchPolicy
from .states import ClientEvent, ClientState, DelegationEvent, DelegationState, LossKind

E = DelegationEvent
S = DelegationState
_Handler = Callable[["DelegationTracker", Mapping[str, Any], float], None]

_MOST_CALLS = 10_000
_MOST_NAMES = 100
_ENDS = {
    "response.completed": E.RESPONSE_COMPLETED,
    "response.failed": E.RESPONSE_FAILED,
    "response.incomplete": E.RESPONSE_INCOMPLETE,
}


class DelegationTracker:
    """Where the delegated work of one session stands, and what of it was lost.

    ::

        tracker = DelegationTracker()
        tracker.sent(client_frame, now)
        tracker.received(server_frame, now)
        for each in tracker.take():  # `Moved` and `Loss`, in order
            ...
        tracker.advance(tracker.next_deadline())

    Times are seconds on one clock of the caller's. No frame raises: what is unknown or malformed is
    counted.

    Attributes:
        policy: From when on something counts as lost.
        connections: How many there were, and how they ended.
        unknown: Types of events, and fields (``type: field``), that are not known, and how often they came.
        unreadable: Frames that are no events.
    """

    def __init__(self, policy: WatchPolicy | None = None) -> None:
        self.policy = WatchPolicy() if policy is None else policy
        self.connections = Connections(self.policy)
        self.unknown: Counter[str] = Counter()
        self.unreadable = 0
        self._book = Book(self.policy)
        self._calls: set[str] = set()
        self._closed = False

    # --- what a caller does

    @property
    def live(self) -> tuple[Work, ...]:
        """What is under way, oldest first."""
        return tuple(self._book.live)

    @property
    def ignored(self) -> Counter[str]:
        """Events that concern nothing that is followed, and how often they came."""
        return self._book.ignored

    def received(self, frame: object, now: float) -> bool:
        """A frame came from the service. Returns whether it may have moved something."""
        if not isinstance(frame, dict) or not isinstance(kind := frame.get("type"), str):
            self.unreadable += 1
            return False
        if kind in FREQUENT or self._closed:
            return False
        if kind not in SERVER:
            self._count_unknown(kind)
            return False
        self._known(now)
        for name in unknown_fields(kind, frame):
            self._count_unknown(f"{kind}: {name}")
        handler = _SERVER.get(kind)
        if handler is not None:
            handler(self, frame, now)
        return handler is not None

    def sent(self, frame: object, now: float) -> bool:
        """A frame goes to the service. Returns whether it may have moved something."""
        if not isinstance(frame, dict) or not isinstance(kind := frame.get("type"), str):
            self.unreadable += 1
            return False
        if kind in FREQUENT or self._closed:
            return False
        if kind not in CLIENT:
            self._count_unknown(kind)
            return False
        handler = _CLIENT.get(kind)
        if handler is None:
            return False
        if kind != "session.start":
            self._known(now)
        handler(self, frame, now)
        return True

    def reconnected(self, now: float) -> None:
        """There is another connection."""
        if not self._closed:
            self._next_connection(now)

    def close(self, now: float) -> None:
        """The application closes the session. Nothing is told of what is under way."""
        self._book.over(now, lost=False)
        self._closed = True

    def take(self) -> list[Moved | Loss]:
        """What happened since, in order."""
        out, self._book.out = self._book.out, []
        return out

    def next_deadline(self) -> float | None:
        """When `advance` has something to do; None: never, as things stand."""
        return self._book.next_deadline()

    def advance(self, now: float) -> None:
        """Time went by: tell what is due."""
        self._book.advance(now)

    def _count_unknown(self, name: str) -> None:
        name = name[:200]
        if name in self.unknown or len(self.unknown) < _MOST_NAMES:
            self.unknown[name] += 1

    # --- connections

    def _known(self, now: float) -> None:
        """Whoever looks late finds a connection that is up."""
        if not self.connections.number:
            self.connections.next(now)
            self.connections.started = True

    def _start(self, frame: Mapping[str, Any], now: float) -> None:
        if self.connections.started or not self.connections.number:
            self._next_connection(now)  # nobody told of it
        self.connections.started = True

    def _next_connection(self, now: float) -> None:
        self._book.over(now, lost=True)
        self._book.forget_names()
        self._calls.clear()
        connections = self.connections
        first = connections.number == 0
        if connections.next(now) and not first:
            self._book.out.append(
                Loss(
                    kind=LossKind.CONNECTION_STORM,
                    t=now,
                    code=connections.reason,
                    seconds=now - connections.storm_at,
                    connections=self.policy.storm_connections + 1,
                    connection=connections.number,
                )
            )

    def _close_asked(self, frame: Mapping[str, Any], now: float) -> None:
        self.connections.closing = True

    def _session_closed(self, frame: Mapping[str, Any], now: float) -> None:
        reason = text(frame, "reason")
        if not self.connections.ended(reason):
            return
        if reason == EXPIRED and not self.connections.storm:
            self._book.out.append(
                Loss(
                    kind=LossKind.SESSION_EXPIRED,
                    t=now,
                    code=reason,
                    connection=self.connections.number,
                )
            )
        self._book.over(now, lost=True, code=reason)

    # --- delegations

    def _delegated(self, frame: Mapping[str, Any], now: float) -> None:
        told = body(frame, "delegation")
        named, target = text(told, "id"), text(told, "target") or "responses"
        if named is None:
            self._book.ignore("a delegation without an id")
        elif (found := self._book.known(named)) is not None and found.state not in FINAL:
            self._book.ignore("a delegation told twice")
        elif target not in ("responses", "client"):
            self._count_unknown(f"session.delegation.created: target {target}")
        elif self._book.room():
            kind: type[Work] = Delegation if target == "responses" else ClientDelegation
            number = self._book.next_number()
            self._book.begin(kind(named, number, self.connections.number, now, now), named, now)

    def _response_event(self, frame: Mapping[str, Any], now: float) -> None:
        wire_id, event = text(frame, "delegation_id"), body(frame, "event")
        kind, response = text(event, "type") or "", body(event, "response")
        if kind == "response.created":
            self._response_created(wire_id, text(response, "id") or "", now)
            return
        of = self._book.find(wire_id)
        if kind == "response.output_item.done":
            self._item_done(of, wire_id, body(event, "item"), now)
        elif kind in _ENDS:
            self._response_over(of, _ENDS[kind], response, now)
        elif not kind.startswith("response."):
            self._count_unknown(f"response.event: {kind}")
        elif of is not None:
            of.moved_at = now

    def _response_created(self, wire_id: str | None, response_id: str, now: float) -> None:
        of = self._asked_for(wire_id) or self._book.find(wire_id)
        if of is None:
            if self._book.room():
                number, at = self._book.next_number(), self.connections.number
                born = Delegation(wire_id, number, at, now, now, S.RUNNING, {response_id: {}})
                self._book.begin(born, wire_id, now)
            return
        self._book.rename(of, wire_id)
        create = of.create_id
        together = self._book.backend(S.CREATE_SENT) if of.state is S.CREATE_SENT else []
        step = Step(now, response_id=response_id)
        self._book.apply(of, E.RESPONSE_CREATED, step)
        for each in together:
            if each is not of and each.create_id == create:
                self._book.apply(each, E.CONTINUED_TOGETHER, Step(now))

    def _asked_for(self, wire_id: str | None) -> Delegation | None:
        """Whose ``response.create`` a response answers that has no id, or one that was never told."""
        if wire_id is not None and self._book.known(wire_id) is not None:
            return None
        asked = self._book.backend(S.CREATE_SENT)
        own = [each for each in asked if each.id is None]
        if own:
            return own[0]
        one = len({each.create_id for each in asked}) == 1
        return asked[0] if wire_id is None and one else None

    def _item_done(
        self, of: Delegation | None, wire_id: str | None, item: Mapping[str, Any], now: float
    ) -> None:
        if item.get("type") != "function_call" or item.get("status") != "completed":
            if of is not None:
                of.moved_at = now
            return
        call_id = text(item, "call_id")
        if call_id is None or len(self._calls) >= _MOST_CALLS:
            self._book.ignore("a call without an id" if call_id is None else "too many calls")
            return
        if call_id in self._calls:
            self._book.ignore("a call told twice")
            return
        if of is None:
            if not self._book.room():
                return
            number, at = self._book.next_number(), self.connections.number
            of = Delegation(wire_id, number, at, now, now, S.RUNNING, {"": {}})
            self._book.begin(of, wire_id, now)
        self._calls.add(call_id)
        self._book.apply(of, E.CALL_RECEIVED, Step(now, call_id=call_id))

    def _response_over(
        self, of: Delegation | None, event: E, response: Mapping[str, Any], now: float
    ) -> None:
        named = text(response, "id") or ""
        if of is None or _is_stale(of, named):
            self._book.ignore("the end of a response that does not run")
            return
        code = code_of(body(response, "error"))
        if event is E.RESPONSE_INCOMPLETE:
            code = code or text(body(response, "incomplete_details"), "reason")
        self._book.apply(of, event, Step(now, response_id=named), code=code)

    # --- what the client sends

    def _item_created(self, frame: Mapping[str, Any], now: float) -> None:
        item = body(frame, "item")
        call_id = text(item, "call_id")
        if item.get("type") != "function_call_output" or call_id is None:
            return
        for of in self._book.backend(*S):
            if call_id in of.calls:
                step = Step(now, call_id=call_id, event_id=text(frame, "event_id") or "")
                self._book.apply(of, E.RESULT_SENT, step)
                return
        self._book.ignore("a result of no open call")

    def _created(self, frame: Mapping[str, Any], now: float) -> None:
        event_id = text(frame, "event_id") or f"unnamed create {self._book.next_number()}"
        concerned = [d for d in self._book.backend(S.READY, S.REFUSED) if not d.open]
        concerned = concerned or self._book.backend(S.OWING, S.REFUSED)
        for of in concerned:
            self._book.apply(of, E.CREATE_SENT, Step(now, event_id=event_id))
        if not concerned and self._book.room():
            number, at = self._book.next_number(), self.connections.number
            born = Delegation(None, number, at, now, now, S.CREATE_SENT, create_id=event_id)
            self._book.begin(born, None, now, named=self._book.find(None) is None)

    def _appended(self, frame: Mapping[str, Any], now: float) -> None:
        named = text(frame, "delegation_id")
        if named is None:
            return
        of = self._book.known(named)
        if not isinstance(of, ClientDelegation) or of.state in FINAL:
            answered = isinstance(of, ClientDelegation) and of.state is ClientState.ANSWERED
            if not answered:  # an answer may come in parts
                self._book.ignore("an append for no delegation that waits")
            return
        answer = frame["type"] == "session.commentary.append"
        event = ClientEvent.ANSWER_SENT if answer else ClientEvent.PROGRESS_SENT
        self._book.apply(of, event, Step(now, event_id=text(frame, "event_id") or ""))

    # --- what the service answers

    def _answer_taken(self, frame: Mapping[str, Any], now: float) -> None:
        event_id, named = text(frame, "client_event_id"), text(frame, "delegation_id")
        for of in self.live:
            if not isinstance(of, ClientDelegation) or not of.answers:
                continue
            if event_id in of.answers or (event_id is None and of.id == named):
                step = Step(now, event_id=event_id or "")
                self._book.apply(of, ClientEvent.ANSWER_TAKEN, step)
                return

    def _error(self, frame: Mapping[str, Any], now: float) -> None:
        error = body(frame, "error")
        event_id = text(error, "client_event_id") or text(frame, "client_event_id")
        code = code_of(error)
        if event_id is None and code == OUTPUTS_REQUIRED:
            creates = {each.create_id for each in self._book.backend(S.CREATE_SENT)}
            event_id = creates.pop() if len(creates) == 1 else None
        if event_id is None or not self._refused(event_id, code, now):
            self._book.ignore("an error that answers nothing that is followed")

    def _refused(self, event_id: str, code: str | None, now: float) -> bool:
        """Whether something waits for the answer to that event of the client's."""
        told = False
        for of in self.live:
            step = Step(now, event_id=event_id, told=told)
            if isinstance(of, ClientDelegation):
                if event_id in of.answers:
                    self._book.apply(of, ClientEvent.ANSWER_REFUSED, step, code=code)
                    return True
            elif of.create_id == event_id:
                self._book.apply(of, E.CREATE_REFUSED, step, code=code)
                told = True
            elif event_id in of.results:
                step.call_id = of.results.pop(event_id)
                self._book.apply(of, E.RESULT_REFUSED, step, code=code)
                return True
        return told


def _is_stale(of: Delegation, response_id: str) -> bool:
    """Whether it is the end of a response that is none of those that run: told twice, or late."""
    running = of.running
    return bool(response_id and running) and response_id not in running and "" not in running


_SERVER: dict[str, _Handler] = {
    "session.closed": DelegationTracker._session_closed,
    "session.delegation.created": DelegationTracker._delegated,
    "session.commentary.appended": DelegationTracker._answer_taken,
    "response.event": DelegationTracker._response_event,
    "error": DelegationTracker._error,
}
_CLIENT: dict[str, _Handler] = {
    "session.start": DelegationTracker._start,
    "session.close": DelegationTracker._close_asked,
    "response.item.create": DelegationTracker._item_created,
    "response.create": DelegationTracker._created,
    "session.commentary.append": DelegationTracker._appended,
    "session.thinking.append": DelegationTracker._appended,
    "session.instructions.append": DelegationTracker._appended,
}
