"""The delegations of one session: which are under way, what moves them, and what is due."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum
from typing import Union

from .._core.machine import Fired, fire
from . import client_table, delegation_table
from .machines import CLIENT_MACHINE, DELEGATION_MACHINE
from .records import ClientDelegation, Delegation, Loss, Moved, Step, WatchPolicy
from .states import ClientEvent, ClientState, DelegationEvent, DelegationState

E = DelegationEvent
S = DelegationState
Work = Union[Delegation, ClientDelegation]
Event = Union[DelegationEvent, ClientEvent]
_ENUMS: tuple[type[Enum], ...] = (DelegationState, ClientState, DelegationEvent, ClientEvent)

FINAL = delegation_table.FINAL | client_table.FINAL
#: By name, whose hash is ready: that of a member is a function written in Python.
_FINAL = frozenset(state.name for state in FINAL)
_TIMERS = frozenset(event.name for event in delegation_table.TIMERS | client_table.TIMERS)
#: States in which the service, or the plugin, owes a word.
_STALLS = frozenset({S.CREATED, S.RUNNING, S.READY, S.CREATE_SENT})
#: Of one session at once: what comes beyond is not followed, and counted.
_MOST = 1000
_MOST_NAMES = 100


class Book:
    """Keeps them, and applies events to them.

    Attributes:
        out: What happened since it was taken last, in order.
        live: What is under way, oldest first.
        ignored: Events that concern nothing that is followed, and how often they came.
    """

    def __init__(self, policy: WatchPolicy) -> None:
        self._policy = policy
        self.out: list[Moved | Loss] = []
        self.live: list[Work] = []
        self.ignored: Counter[str] = Counter()
        #: By the id of the wire, of this connection; None: the application's own response.
        self._named: dict[str | None, Work] = {}
        self._count = 0

    def apply(
        self,
        of: Work,
        event: Event,
        step: Step,
        *,
        code: str | None = None,
        since: float | None = None,
    ) -> Fired:
        """One event of its machine. What is lost by it is told with *code*, and as waited for *since*
        then, by default since it began."""
        machine = DELEGATION_MACHINE if isinstance(of, Delegation) else CLIENT_MACHINE
        before = of.state
        fired = fire(machine, of, event, step)
        if fired is not Fired.TAKEN:
            if event._name_ not in _TIMERS:
                self.ignore(f"{_name(event)} while {_name(before)}")
            return fired
        row = step.taken
        since = of.created_at if since is None else since
        if event._name_ not in _TIMERS:
            of.moved_at = step.now
            if isinstance(of, Delegation):
                of.stalled = False
        if of.state is not before:
            self._moved(of, _NAMES[before._name_], _NAMES[event._name_], step.now)
        if row.tells is not None:
            self.out.append(
                Loss(
                    kind=row.tells,
                    t=step.now,
                    delegation=of.id,
                    number=of.number,
                    target=_target(of),
                    code=code,
                    call_id=step.call_id or None,
                    seconds=step.now - since,
                    connection=of.connection,
                )
            )
        if of.state._name_ in _FINAL:
            self.live.remove(of)
        return fired

    def _moved(self, of: Work, source: str, event: str, now: float) -> None:
        dest = _name(of.state)
        self.out.append(Moved(now, of.id, of.number, _target(of), source, event, dest))

    def over(self, now: float, *, lost: bool, code: str | None = None) -> None:
        """The connection is over for everything: *lost*, or hung up by the application."""
        for each in tuple(self.live):
            event: Event
            if isinstance(each, Delegation):
                event = E.CONNECTION_LOST if lost else E.CLOSED
            else:
                event = ClientEvent.CONNECTION_LOST if lost else ClientEvent.CLOSED
            self.apply(each, event, Step(now), code=code)

    def forget_names(self) -> None:
        """Ids are of one connection."""
        self._named.clear()

    def begin(self, of: Work, wire_id: str | None, now: float, *, named: bool = True) -> None:
        """A delegation is born; *named*: what bears that id from now on is it."""
        if named:
            self._named[wire_id] = of
        self.live.append(of)
        self._moved(of, "", "began", now)

    def rename(self, of: Work, wire_id: str | None) -> None:
        """It goes on under another id."""
        self._named[wire_id] = of

    def known(self, wire_id: str | None) -> Work | None:
        """What has, or had, that id on this connection."""
        return self._named.get(wire_id)

    def room(self) -> bool:
        """Whether one more can be followed."""
        if len(self.live) < _MOST:
            return True
        self.ignore("too many delegations at once")
        return False

    def next_number(self) -> int:
        """The number of the next one."""
        self._count += 1
        return self._count

    def find(self, wire_id: str | None) -> Delegation | None:
        """The backend work of that id, if it lives."""
        found = self._named.get(wire_id)
        if isinstance(found, Delegation) and found.state._name_ not in _FINAL:
            return found
        return None

    def backend(self, *states: S) -> list[Delegation]:
        """The backend work in these states, oldest first."""
        return [d for d in self.live if isinstance(d, Delegation) and d.state in states]

    def ignore(self, what: str) -> None:
        """Count an event that concerns nothing."""
        if what in self.ignored or len(self.ignored) < _MOST_NAMES:
            self.ignored[what] += 1

    def next_deadline(self) -> float | None:
        """When `advance` has something to do; None: never, as things stand."""
        return min((due for each in self.live for due, _, _ in self._due(each)), default=None)

    def advance(self, now: float) -> None:
        """Time went by: tell what is due."""
        for each in tuple(self.live):
            for due, event, call_id in sorted(self._due(each), key=lambda d: d[0]):
                if due > now:
                    continue
                since = self._since(each, call_id)
                step = Step(now, call_id=call_id, owed=self._owed_beside(each))
                fired = self.apply(each, event, step, code=_name(each.state), since=since)
                if fired is not Fired.TAKEN:
                    each.moved_at = now  # somebody else is in its way: asked again later

    def _due(self, of: Work) -> Iterable[tuple[float, Event, str]]:
        if isinstance(of, ClientDelegation):
            if of.state in (ClientState.CREATED, ClientState.WORKING):
                yield of.moved_at + self._policy.call_after, ClientEvent.OVERDUE, ""
            return
        calls = of.calls
        if of.state in (S.RUNNING, S.OWING):
            for call_id, since in calls.items():
                if call_id not in of.overdue:
                    yield since + self._policy.call_after, E.CALL_OVERDUE, call_id
        # A response whose call is open waits for the application, which the call's timer tells.
        waits = of.state is S.RUNNING and calls
        if of.state in _STALLS and not of.stalled and not waits:
            yield of.moved_at + self._policy.stall_after, E.STALLED, ""

    def _since(self, of: Work, call_id: str) -> float:
        return of.calls[call_id] if isinstance(of, Delegation) and call_id else of.moved_at

    def _owed_beside(self, of: Work) -> bool:
        waits = (S.RUNNING, S.OWING, S.CREATE_SENT)
        return any(each.state in waits for each in self.live if each is not of)


def _target(of: Work) -> str:
    return "responses" if isinstance(of, Delegation) else "client"


#: As a member's `name` is asked for through a property written in Python.
_NAMES = {each.name: each.name.lower() for kinds in _ENUMS for each in kinds}


def _name(of: Enum) -> str:
    return _NAMES[of._name_]
