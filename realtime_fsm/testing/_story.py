"""What a record says of creates, responses, items and cancels, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..simulator.record import Record

__all__ = ["NOT_ACTIVE", "Create", "Item", "Problem", "Response", "Story", "body_of", "require"]

NOT_ACTIVE = "response_cancel_not_active"
_SHOWN = 12  # events in the account of one problem


# --- what went over the wire


@dataclass(eq=False)
class Item:
    id: str
    type: str
    response: Response
    added: Record
    call_id: str | None = None
    ms: float = 0.0
    done: Record | None = None
    status: str = ""


@dataclass(eq=False)
class Response:
    id: str
    created: Record | None = None
    done: Record | None = None
    status: str = ""
    lost: Record | None = None
    items: list[Item] = field(default_factory=list)
    cancels: list[Record] = field(default_factory=list)
    denied: Record | None = None  # "nothing to cancel", in answer to a cancel of it
    outside: bool = False  # of the default conversation

    @property
    def over(self) -> bool:
        return bool(self.done or self.lost or self.denied)


@dataclass(eq=False)
class Create:
    sent: Record
    answers: list[Record] = field(default_factory=list)
    response: Response | None = None

    @property
    def event_id(self) -> object:
        return self.sent.event.get("event_id")

    @property
    def metadata(self) -> dict[str, Any]:
        return body_of(body_of(self.sent.event.get("response")).get("metadata"))

    @property
    def outside(self) -> bool:
        return body_of(self.sent.event.get("response")).get("conversation") == "none"


@dataclass(eq=False)
class Problem:
    text: str
    events: list[Record]


class Story:
    """The record, read from its beginning; :meth:`read` stops after each event."""

    def __init__(self, wire: Any) -> None:
        self.record = _record(wire)
        self.creates: list[Create] = []
        self.responses: dict[str, Response] = {}
        self.items: dict[str, Item] = {}
        self.cancels: list[tuple[Record, list[Response]]] = []
        self._names: set[str] = set()

    def read(self) -> Iterator[Record]:
        """Yield each event *before* it takes effect here."""
        for each in self.record:
            yield each
            if each.direction == "client":
                self._sent(each)
            elif each.direction == "server":
                self._received(each)
            elif each.type in ("closed", "dropped", "disconnected"):
                self._lost(each)

    def all(self) -> Story:
        """Read to the end."""
        for _ in self.read():
            pass
        return self

    def asked(self, connection: int) -> list[Create]:
        """The creates that have no answer yet."""
        return [
            c
            for c in self.creates
            if c.sent.connection == connection and not c.answers and not c.outside
        ]

    def alive(self, connection: int) -> list[Response]:
        """The responses of the default conversation that were created and are not over."""
        return [
            r
            for r in self.responses.values()
            if r.created and r.created.connection == connection and not r.over and not r.outside
        ]

    def _sent(self, each: Record) -> None:
        if each.type == "response.create":
            self.creates.append(Create(each))
        elif each.type == "response.cancel":
            named = self.responses.get(str(each.event.get("response_id")))
            bare = each.event.get("response_id") is None
            meant = self.alive(each.connection) if bare else [named] if named else []
            for response in meant:
                response.cancels.append(each)
            self.cancels.append((each, meant))

    def _lost(self, each: Record) -> None:
        for create in self.asked(each.connection):
            create.answers.append(each)
        for response in self.alive(each.connection):
            response.lost = each

    def _received(self, each: Record) -> None:
        event = each.event
        if each.type in ("response.created", "response.done"):
            self._response(each, body_of(event.get("response")))
        elif each.type == "response.output_item.added":
            item, response = body_of(event.get("item")), self._of(event)
            made = Item(str(item.get("id")), str(item.get("type")), response, each)
            made.call_id = item.get("call_id")
            if made.id not in self.items:
                self.items[made.id] = made
                response.items.append(made)
        elif each.type == "response.output_item.done":
            item = body_of(event.get("item"))
            known = self.items.get(str(item.get("id")))
            if known is not None and known.done is None:
                known.done, known.status = each, str(item.get("status"))
        elif each.type in ("response.output_audio.delta", "response.audio.delta"):
            known = self.items.get(str(event.get("item_id")))
            if known is not None and isinstance(event.get("delta"), (int, float)):
                known.ms += event["delta"]
        elif each.type == "error":
            self._refused(each, body_of(event.get("error")))

    def _of(self, event: dict[str, Any]) -> Response:
        response_id = str(event.get("response_id"))
        return self.responses.setdefault(response_id, Response(response_id))

    def _response(self, each: Record, body: dict[str, Any]) -> None:
        response_id = str(body.get("id"))
        known = self.responses.setdefault(response_id, Response(response_id))
        first = known.created is None and known.done is None
        known.outside = "conversation_id" in body and body["conversation_id"] is None
        if first:
            self._answer(each, known, body_of(body.get("metadata")))
        if each.type == "response.created":
            known.created = known.created or each
        elif known.done is None:
            known.done, known.status = each, str(body.get("status"))

    def _answer(self, each: Record, response: Response, metadata: dict[str, Any]) -> None:
        """Find the create that a response answers: by its metadata, or the oldest without any."""
        mine = [c for c in self.creates if c.sent.connection == each.connection]
        if metadata:
            found = [c for c in mine if c.metadata == metadata][-1:]
        else:
            found = [c for c in mine if not c.answers and not c.metadata][:1]
        for create in found:
            create.answers.append(each)
            create.response = response

    def _refused(self, each: Record, error: dict[str, Any]) -> None:
        name = str(each.event.get("event_id"))
        if name in self._names:
            return  # the same frame twice is one answer
        self._names.add(name)
        code, event_id = error.get("code"), error.get("event_id")
        if event_id is not None:
            for create in self.creates:
                if create.event_id == event_id:
                    create.answers.append(each)
        elif code != NOT_ACTIVE and len(waiting := self.asked(each.connection)) == 1:
            waiting[0].answers.append(each)  # it can be about the only request there is
        if code == NOT_ACTIVE:
            self._nothing_to_cancel(each, event_id)

    def _nothing_to_cancel(self, each: Record, event_id: object) -> None:
        for sent, meant in self.cancels:
            if sent.connection != each.connection or sent.event.get("event_id") != event_id:
                continue
            for response in meant:
                response.denied = response.denied or (None if response.over else each)
            if sent.event.get("response_id") is None:
                # The protocol is ordered: the creates before it came to nothing.
                for create in self.asked(each.connection):
                    if create.sent.t <= sent.t:
                        create.answers.append(each)


def _record(wire: Any) -> list[Record]:
    server = getattr(wire, "server", wire)
    return list(getattr(server, "record", server))


def body_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


# --- how a problem is told


def require(id: str, name: str, problems: Sequence[Problem]) -> None:
    if not problems:
        return
    lines: list[str] = []
    for problem in problems:
        lines.append(f"{id} {name}: {problem.text}")
        lines += [f"    {_line(each)}" for each in problem.events[-_SHOWN:]]
    raise AssertionError("\n".join(lines))


def _line(each: Record) -> str:
    event = each.event
    body, item, error = (body_of(event.get(key)) for key in ("response", "item", "error"))
    shown = {
        "event_id": event.get("event_id") if each.direction == "client" else None,
        "response": event.get("response_id") or body.get("id"),
        "item": event.get("item_id") or item.get("id"),
        "status": body.get("status") if each.type == "response.done" else None,
        "call": event.get("call_id") or item.get("call_id"),
        "audio_end_ms": event.get("audio_end_ms"),
        "error": error.get("code"),
        "answers": error.get("event_id"),
    }
    words = "  ".join(f"{key}={value}" for key, value in shown.items() if value is not None)
    head = f"{each.t:9.3f} s  connection {each.connection}  {each.direction:6}  {each.type}"
    return f"{head}  {words}".rstrip()
