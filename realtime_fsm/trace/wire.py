"""What went over the wire so far: creates, responses, items and cancels."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .format import Line
from .redact import words_in

__all__ = [
    "ACTIVE", "ASKS_WHETHER_OVER", "AUDIO_DELTAS", "CONFLICTS", "FATAL", "LOST", "NOT_ACTIVE", "TEXT_DELTAS", "Create", "Item", "Response", "Wire",
    "body_of", "text_of",
]  # fmt: skip

NOT_ACTIVE = "response_cancel_not_active"
#: How the event id begins of a second cancel that asks whether its response is over.
ASKS_WHETHER_OVER = "rfsm_over_"
ACTIVE = "conversation_already_has_active_response"
#: Codes that say that the client's picture was stale, and no more.
CONFLICTS = frozenset(
    {
        ACTIVE, NOT_ACTIVE, "response_not_active", "response_cancel_no_active_response",
        "input_audio_buffer_commit_empty",
    }
)  # fmt: skip
#: Codes and types after which nothing can succeed with this key.
FATAL = frozenset(
    {
        "insufficient_quota", "credit_balance_exhausted", "invalid_api_key", "account_deactivated",
        "billing_hard_limit_reached", "authentication_error", "permission_error",
    }
)  # fmt: skip
#: How a connection ends, in lines of ``net``.
LOST = ("closed", "dropped", "disconnected", "lost")
AUDIO_DELTAS = ("response.output_audio.delta", "response.audio.delta")
_WRITTEN = ("response.output_text.delta", "response.text.delta")
TEXT_DELTAS = (
    "response.output_audio_transcript.delta", "response.audio_transcript.delta", *_WRITTEN,
)  # fmt: skip
_TEXT = 4096  # characters of a message that are kept
_KEPT = 256  # responses, creates, cancels and error ids of a long call


@dataclass(eq=False, slots=True)
class Item:
    """An output item. *ms* of audio, and *chars* and *words* of text were received of it, the first
    audio at *sounds*; the client said that it ends at *cut_ms*, or is to be deleted. *words* is None
    where nobody tells how many."""

    id: str
    type: str
    response: Response
    added: Line
    call_id: str | None = None
    ms: float = 0.0
    chars: int = 0
    words: int | None = 0
    text: str = ""  # where words are told
    written: bool = False  # text is all there is of it
    done: Line | None = None
    status: str = ""
    sounds: float | None = None
    cuts: list[Line] = field(default_factory=list)
    deleted: Line | None = None

    @property
    def cut_ms(self) -> float | None:
        """Where it was truncated, as far as that was not refused."""
        at = self.cuts[-1].event.get("audio_end_ms") if self.cuts else None
        return at if isinstance(at, (int, float)) else None


@dataclass(eq=False, slots=True)
class Response:
    id: str
    created: Line | None = None
    done: Line | None = None
    status: str = ""
    lost: Line | None = None
    items: list[Item] = field(default_factory=list)
    cancels: list[Line] = field(default_factory=list)
    denied: Line | None = None  # "nothing to cancel", in answer to a cancel of it
    outside: bool = False  # of the default conversation
    create: Create | None = None

    @property
    def over(self) -> bool:
        return bool(self.done or self.lost or self.denied)

    @property
    def calls(self) -> list[Item]:
        """Function calls of it that arrived whole, and that it was free to make."""
        if self.create is not None and self.create.forbids_tools:
            return []  # LiveKit ignores them
        return [i for i in self.items if i.type == "function_call" and i.status == "completed"]

    @property
    def only_acted(self) -> bool:
        """Whether the server ran something by itself in it, and said nothing."""
        kinds = {i.type for i in self.items} - {"reasoning"}
        return bool(kinds) and not kinds & {"message", "function_call"}

    @property
    def messages(self) -> list[Item]:
        """Its messages, in order."""
        return [i for i in self.items if i.type == "message"]


@dataclass(eq=False, slots=True)
class Create:
    sent: Line
    answers: list[Line] = field(default_factory=list)
    response: Response | None = None

    @property
    def event_id(self) -> object:
        return self.sent.event.get("event_id")

    @property
    def settled(self) -> bool:
        """Whether something answered it for certain: another error that names nothing may."""
        return any(
            each.type != "error"
            or _names(each) is not None
            or each.body("error").get("code") == NOT_ACTIVE
            for each in self.answers
        )

    @property
    def metadata(self) -> dict[str, Any]:
        return body_of(self.sent.body("response").get("metadata"))

    @property
    def outside(self) -> bool:
        return self.sent.body("response").get("conversation") == "none"

    @property
    def forbids_tools(self) -> bool:
        """Whether it says that no tool is to be called."""
        return self.sent.body("response").get("tool_choice") == "none"


class Wire:
    """Built up by :meth:`apply`, event by event.

    What is long over is forgotten, so that a call of any length takes the same memory.
    """

    def __init__(self) -> None:
        self.creates: list[Create] = []
        self.responses: OrderedDict[str, Response] = OrderedDict()
        self.items: dict[str, Item] = {}
        self.cancels: list[tuple[Line, list[Response]]] = []
        self.connection = 0
        self.lost = 0  # the newest connection that is over
        self._echoes = False  # the server sends metadata back
        self._committing = 0  # commits of the client that the server has not told of
        self._vad_owes = False  # speech was committed, by the server, and no response began since
        self._names: OrderedDict[str, None] = OrderedDict()

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

    def apply(self, each: Line) -> None:
        """Take the next event."""
        if each.by == "server":
            if each.connection > self.connection:
                self._moved_on(each)
            takes = _TAKES.get(each.type)
            if takes is not None:
                takes(self, each, each.event)
        elif each.by == "client":
            if each.connection > self.connection:
                self._moved_on(each)
            self._sent(each)
            self._forget()
        elif each.by == "net" and each.type in LOST:
            self._lost(each, each.connection)

    def _moved_on(self, each: Line) -> None:
        """A client has one connection at a time: with the next one the one before is gone."""
        # Those that something happened on: a trace may give any number to the next one.
        known = {create.sent.connection for create in self.creates}
        known |= {r.created.connection for r in self.responses.values() if r.created}
        for connection in sorted(known):
            if max(1, self.connection) <= connection < each.connection:
                self._lost(each, connection)
        self.connection = each.connection

    def _sent(self, each: Line) -> None:
        if each.type == "input_audio_buffer.commit":
            self._committing += 1
        elif each.type == "response.create":
            self.creates.append(Create(each))
        elif each.type == "response.cancel":
            named = self.responses.get(str(each.event.get("response_id")))
            bare = each.event.get("response_id") is None
            meant = self.alive(each.connection) if bare else [named] if named else []
            for response in meant:
                response.cancels.append(each)
            self.cancels.append((each, meant))
        elif (item := self.items.get(str(each.event.get("item_id")))) is not None:
            if each.type == "conversation.item.truncate":
                item.cuts.append(each)
            elif each.type == "conversation.item.delete":
                item.deleted = each

    def _lost(self, each: Line, connection: int) -> None:
        self.lost = max(self.lost, connection)
        for create in self.asked(connection):
            create.answers.append(each)
        for response in self.alive(connection):
            response.lost = each

    def _vad_takes(self, each: Line, event: dict[str, Any]) -> None:
        self._vad_owes = not self._committing
        self._committing = max(0, self._committing - 1)

    def _item_added(self, each: Line, event: dict[str, Any]) -> None:
        item, response = body_of(event.get("item")), self._of(event)
        made = Item(str(item.get("id")), str(item.get("type")), response, each)
        made.call_id = text_of(item.get("call_id"))
        if made.id not in self.items:
            self.items[made.id] = made
            response.items.append(made)
        self._forget()

    def _in_conversation(self, each: Line, event: dict[str, Any]) -> None:
        """An item of a response whose ``response.created`` got lost: that it is in the conversation says
        that the response has the slot. It answers the only create that waits, or server VAD's debt."""
        known = self.items.get(str(body_of(event.get("item")).get("id")))
        response = None if known is None else known.response
        if response is None or response.created or response.over or self.alive(each.connection):
            return
        waiting = self.asked(each.connection)
        if self._vad_owes if not waiting else len(waiting) == 1 and not self._vad_owes:
            response.created, self._vad_owes = each, False
            for create in waiting:
                create.answers.append(each)
                create.response, response.create = response, create

    def _item_done(self, each: Line, event: dict[str, Any]) -> None:
        item = body_of(event.get("item"))
        known = self.items.get(str(item.get("id")))
        if known is not None and known.done is None:
            known.done, known.status = each, str(item.get("status"))
            known.call_id = known.call_id or text_of(item.get("call_id"))

    def _audio(self, each: Line, event: dict[str, Any]) -> None:
        known, delta = self.items.get(str(event.get("item_id"))), event.get("delta")
        if known is not None and isinstance(delta, (int, float)):
            known.ms += delta
            if known.sounds is None:
                known.sounds = each.t

    def _words(self, each: Line, event: dict[str, Any]) -> None:
        known, delta = self.items.get(str(event.get("item_id"))), event.get("delta")
        if known is not None and isinstance(delta, (int, str)):
            spaces = words_in(event, "delta")
            if known.words is not None:  # the first word has no space before it
                first = not known.chars
                known.words = None if spaces is None else known.words + spaces + first
            known.chars += delta if isinstance(delta, int) else len(delta)
            known.written = each.type in _WRITTEN
            if isinstance(delta, str) and len(known.text) < _TEXT:
                known.text += delta

    def _of(self, event: dict[str, Any]) -> Response:
        response_id = str(event.get("response_id"))
        return self.responses.setdefault(response_id, Response(response_id))

    def _response(self, each: Line, event: dict[str, Any]) -> None:
        body = body_of(event.get("response"))
        response_id = text_of(body.get("id"))
        if response_id is None:
            return  # no response can be told from it
        known = self.responses.setdefault(response_id, Response(response_id))
        first = known.created is None and known.done is None
        known.outside = "conversation_id" in body and body["conversation_id"] is None
        if first:
            self._answer(each, known, body_of(body.get("metadata")))
        if each.type == "response.created":
            known.created = known.created or each
        elif known.done is None:
            known.done, known.status = each, str(body.get("status"))
        self._forget()

    def _answer(self, each: Line, response: Response, metadata: dict[str, Any]) -> None:
        """Find the create that a response answers: by its metadata, or the oldest without any. Some
        servers send none back: then it is the only one that waits, if server VAD owes nothing."""
        mine = [c for c in self.creates if c.sent.connection == each.connection]
        if metadata:
            found = [c for c in mine if c.metadata == metadata][-1:]
            self._echoes = self._echoes or bool(found)
        else:
            found = [c for c in mine if not c.answers and not c.metadata][:1]
            if not found and not self._echoes and not response.outside and not self._vad_owes:
                waiting = self.asked(each.connection)
                found = waiting if len(waiting) == 1 else []
            self._vad_owes = False
        for create in found:
            create.answers.append(each)
            create.response = response
            response.create = create

    def _refused(self, each: Line, event: dict[str, Any]) -> None:
        error = body_of(event.get("error"))
        name = str(each.event.get("event_id"))
        if name in self._names:
            return  # the same frame twice is one answer
        self._names[name] = None
        code, event_id = error.get("code"), _names(each)
        if event_id is not None:
            for create in self.creates:
                if create.event_id == event_id:
                    create.answers.append(each)
            for item in self.items.values():
                item.cuts = [cut for cut in item.cuts if cut.event.get("event_id") != event_id]
        elif code != NOT_ACTIVE and len(waiting := self.asked(each.connection)) == 1:
            waiting[0].answers.append(each)  # it can be about the only request there is
        if code == NOT_ACTIVE:
            self._nothing_to_cancel(each, event_id)
        self._forget()

    def _nothing_to_cancel(self, each: Line, event_id: object) -> None:
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

    def _forget(self) -> None:
        if len(self.creates) > _KEPT:
            del self.creates[0]
        if len(self.cancels) > _KEPT:
            del self.cancels[0]
        if len(self._names) > _KEPT:
            self._names.popitem(last=False)
        if len(self.responses) > _KEPT:
            _, old = self.responses.popitem(last=False)
            for item in old.items:
                self.items.pop(item.id, None)
            # They refer to one another: without this they would wait for the garbage collector.
            old.items.clear()
            create, old.create = old.create, None
            if create is not None:
                create.response = None


#: What takes which event of the server.
_TAKES: dict[str, Callable[[Wire, Line, dict[str, Any]], None]] = {
    "input_audio_buffer.committed": Wire._vad_takes,
    "input_audio_buffer.timeout_triggered": Wire._vad_takes,
    "response.created": Wire._response,
    "response.done": Wire._response,
    "response.output_item.added": Wire._item_added,
    "response.output_item.done": Wire._item_done,
    **dict.fromkeys(
        ("conversation.item.added", "conversation.item.created"), Wire._in_conversation
    ),
    **dict.fromkeys(AUDIO_DELTAS, Wire._audio),
    **dict.fromkeys(TEXT_DELTAS, Wire._words),
    "error": Wire._refused,
}


def _names(error: Line) -> object:
    """The client event that an error answers, if it says so."""
    return error.body("error").get("event_id")


def text_of(value: object) -> str | None:
    return value if isinstance(value, str) else None


def body_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
