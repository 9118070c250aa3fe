"""What happened in a call, as data: what every judge looks at, and nothing else.

A call is a stream of facts in the order in which they were seen, :class:`Begun` first. They come from
a call that runs, from a simulated one, or from a trace: each is one :class:`Line`, and a trace is what
is left of them in a file. What nobody saw is not in the stream; rules that need it do not judge.
Times are seconds since the call began, positions seconds of audio.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, ClassVar, cast

from .format import Header, Line

__all__ = [
    "AgentState", "Asked", "Begun", "Closed", "Context", "CutIn", "ErrorTold", "Fact", "FactReader", "Forgot", "Frame", "ItemAdded",
    "LetGo", "Link", "Look", "LossTold", "Moved", "Recorded", "Remembered", "Segment", "SessionMade", "SoundBegan",
    "SoundPaused", "SoundResumed", "SpeechCreated", "SpeechDone", "TextShown", "ToolBegan",
    "ToolEnded", "ToolRan", "TurnOver", "UserState", "Waiting", "facts_of",
]  # fmt: skip


@dataclass(slots=True, eq=False)  # not frozen: that would take three times as long to make
class Fact:
    """Something that was seen. Nobody changes one.

    Attributes:
        line: as a trace tells it: when, by whom, and in which line.
    """

    line: Line
    #: Who did it, and what, in a trace.
    told_as: ClassVar[tuple[str, str]] = ("", "")

    @property
    def t(self) -> float:
        """When: seconds."""
        return self.line.t


@dataclass(slots=True, eq=False)
class Begun(Fact):
    """A call begins. *header* says who recorded it, and with what policy."""

    header: Header


# --- the wire


@dataclass(slots=True, eq=False)
class Frame(Fact):
    """A frame of the wire, where the wire is shown. Audio is its length in ms."""

    @property
    def type(self) -> str:
        return self.line.type

    @property
    def event(self) -> dict[str, Any]:
        return self.line.event


@dataclass(slots=True, eq=False)
class Link(Fact):
    """A connection: ``accepted``, ``refused``, or over (``lost``, ``closed``, ``dropped``,
    ``disconnected``)."""


# --- LiveKit


@dataclass(slots=True, eq=False)
class SessionMade(Fact):
    """The model made a realtime session."""

    told_as = ("session", "realtime_session")
    model: str = ""


@dataclass(slots=True, eq=False)
class SpeechCreated(Fact):
    """A speech handle. *source* is ``say`` or ``generate_reply``."""

    told_as = ("session", "speech_created")
    speech: str = ""
    user_initiated: bool | None = None
    source: str = ""


@dataclass(slots=True, eq=False)
class SpeechDone(Fact):
    """A speech handle is done. *exception* is a class, *code* the provider's."""

    told_as = ("session", "speech_done")
    speech: str = ""
    interrupted: bool = False
    exception: str | None = None
    code: str | None = None


@dataclass(slots=True, eq=False)
class AgentState(Fact):
    """``initializing``, ``idle``, ``listening``, ``thinking`` or ``speaking``."""

    told_as = ("session", "agent_state")
    old: str = ""
    new: str = ""


@dataclass(slots=True, eq=False)
class UserState(Fact):
    """``speaking``, ``listening`` or ``away``."""

    told_as = ("user", "state")
    old: str = ""
    new: str = ""


@dataclass(slots=True, eq=False)
class ItemAdded(Fact):
    """LiveKit's history has an item more. *item* is its type: ``message``, ``agent_handoff``, ...;
    *text* its words, or how many characters."""

    told_as = ("session", "item_added")
    item_id: str = ""
    item: str = ""
    role: str = ""
    text: str | int | None = None
    interrupted: bool | None = None


@dataclass(slots=True, eq=False)
class Context(Fact):
    """The messages that the current agent means the model to know, after some were deleted."""

    told_as = ("session", "context")
    items: tuple[Remembered, ...] = ()


@dataclass(slots=True, eq=False)
class ToolBegan(Fact):
    """A function of the application runs for a call."""

    told_as = ("session", "tool_began")
    call_id: str = ""
    name: str = ""


@dataclass(slots=True, eq=False)
class ToolEnded(Fact):
    """It is over: ``done``, ``error`` or ``cancelled``."""

    told_as = ("session", "tool_ended")
    call_id: str = ""
    status: str = ""


@dataclass(slots=True, eq=False)
class ToolRan(Fact):
    """LiveKit has the output of a call that a response made; *reply*: and will have it answered."""

    told_as = ("session", "tool_executed")
    call_id: str = ""
    name: str = ""
    reply: bool | None = None


@dataclass(slots=True, eq=False)
class ErrorTold(Fact):
    """An ``error`` event of the session. *error* is a class."""

    told_as = ("session", "error")
    recoverable: bool | None = None
    error: str = ""
    code: str | None = None
    error_type: str | None = None


@dataclass(slots=True, eq=False)
class Closed(Fact):
    """The session closed. *reason* is ``error`` when an error ended it."""

    told_as = ("session", "close")
    reason: str = ""


# --- what is heard and read


@dataclass(slots=True, eq=False)
class SoundBegan(Fact):
    """A segment is heard from now on.

    Attributes:
        sink: number of the output that plays it, from 1, in the order in which they were seen.
        speech: the session's current speech, if that is known.
        item_id: the message, as the controller has it.
    """

    told_as = ("playback", "started")
    sink: int = 1
    speech: str | None = None
    item_id: str | None = None


@dataclass(slots=True, eq=False)
class SoundPaused(Fact):
    """The sink stopped, and keeps what it has."""

    told_as = ("playback", "paused")
    sink: int = 1


@dataclass(slots=True, eq=False)
class SoundResumed(Fact):
    """The sink goes on."""

    told_as = ("playback", "resumed")
    sink: int = 1


@dataclass(slots=True, eq=False)
class Segment(Fact):
    """A segment is over, as the sink played it. ``t`` is its end.

    Attributes:
        position: seconds of its audio that were heard.
        interrupted: whether it was cut.
        sink, speech, item_id: as of :class:`SoundBegan`; *speech* is the current one when the
            segment's first audio was handed to the sink, if that was seen, or else when it began.
        begun: when its first audio was heard, None if none was.
        captured: when its first audio was handed to the sink, if that is known.
        pushed: seconds of audio that the sink was given, if that is known.
        paused: seconds it stood still, if that is known.
    """

    told_as = ("playback", "finished")
    position: float = 0.0
    interrupted: bool = False
    sink: int = 1
    speech: str | None = None
    item_id: str | None = None
    begun: float | None = None
    captured: float | None = None
    pushed: float | None = None
    paused: float | None = None


@dataclass(slots=True, eq=False)
class TextShown(Fact):
    """A message was shown as text, where nothing is played. ``t`` is the last of it.

    Attributes:
        begun: when its first word was shown.
        whole: its text came to an end.
        text: its words, or how many characters.
    """

    told_as = ("playback", "shown")
    begun: float | None = None
    whole: bool = False
    text: str | int | None = None
    speech: str | None = None


# --- who called


@dataclass(slots=True, eq=False)
class Asked(Fact):
    """A question was asked; ``t`` is when that was done.

    Attributes:
        key: names the question: the same in the plain and the controlled call of one seed.
        kind: ``speech``; ``text`` and ``app`` are ``generate_reply`` with the user's words, and with
            instructions.
        begun: when the caller began.
        item_id: of the user's item, where it is known beforehand.
        speech: the handle that asking returned.
        refused: asking raised: why.
    """

    told_as = ("caller", "asked")
    key: str = ""
    kind: str = ""
    begun: float | None = None
    item_id: str | None = None
    speech: str | None = None
    refused: str | None = None


@dataclass(slots=True, eq=False)
class CutIn(Fact):
    """The caller cut in on the answer to a question: ``speaks_over``, ``stops``, ``coughs`` or
    ``hangs_up``; or ``listens`` after all."""

    told_as = ("caller", "cut_in")
    key: str = ""
    how: str = ""


@dataclass(slots=True, eq=False)
class LetGo(Fact):
    """The caller does not wait for the answer to a question any more."""

    told_as = ("caller", "let_go")
    key: str = ""


@dataclass(slots=True, eq=False)
class Forgot(Fact):
    """The application is about to push a history without an item that its agent's has."""

    told_as = ("caller", "forgot")
    item_id: str = ""


# --- what the controller says of itself


@dataclass(slots=True, eq=False)
class Moved(Fact):
    """A turn took a row of the table."""

    told_as = ("turn", "moved")
    turn: str = ""
    source: str = ""
    event: str = ""
    dest: str = ""
    attempt: int = 0
    label: str = ""
    response: str | None = None


@dataclass(slots=True, eq=False)
class Waiting(Fact):
    """A turn waits, and says for what: the waits that lateness is excused by are these.

    Attributes:
        wait: seconds from now, at most.
        code, kind: what it waits for, or what failed.
    """

    told_as = ("turn", "recovering")
    turn: str = ""
    attempt: int = 0
    wait: float = 0.0
    code: str | None = None
    kind: str | None = None


@dataclass(slots=True, eq=False)
class TurnOver(Fact):
    """A turn ended. *outcome* is ``completed``, ``interrupted``, ``incomplete``, ``superseded`` or
    ``failed``."""

    told_as = ("turn", "ended")
    turn: str = ""
    outcome: str = ""
    code: str | None = None
    kind: str | None = None


# --- what is watched of a full-duplex model


@dataclass(slots=True, eq=False)
class LossTold(Fact):
    """Somebody was told that something of GPT-Live's delegated work was lost.

    Attributes:
        kind: ``backend_failed``, ``continuation_refused``, ...: see `realtime_fsm.duplex.LossKind`.
        delegation: whose.
        code: the service's word for why.
    """

    told_as = ("session", "loss")
    kind: str = ""
    delegation: str | None = None
    code: str | None = None


# --- who watched


@dataclass(frozen=True, slots=True)
class Remembered:
    """An item of somebody's memory.

    Attributes:
        id: the item's.
        type: ``message``, ``function_call``, ``function_call_output``, ...
        role: of a message.
        text: its words, or how many characters.
        words: how many words.
        audio_ms: of sound; 0 when there is none, None when that is not known.
    """

    id: str = ""
    type: str = ""
    role: str = ""
    text: str | int = ""
    words: int = 0
    audio_ms: float | None = None


@dataclass(slots=True, eq=False)
class Look(Fact):
    """What was to be seen at one moment.

    Attributes:
        rest: whether the call should be at rest now: everything that was asked has come to its end.
        connected: whether a connection is up, if that is known.
        speeches: handles that are not done, if that is known.
        agent: the agent's state.
        playing: whether a sink plays, or holds audio.
        history: LiveKit's history of the session, in its order.
        context: the current agent's own, as for :class:`Context`: what it means the model to know.
        memory: the server's memory, in its order, where somebody can look into it.
        differences: ids of the messages of which the controller itself says that they differ.
    """

    told_as = ("watch", "look")
    rest: bool = False
    connected: bool | None = None
    speeches: tuple[str, ...] | None = None
    agent: str = ""
    playing: bool | None = None
    history: tuple[Remembered, ...] | None = None
    context: tuple[Remembered, ...] | None = None
    memory: tuple[Remembered, ...] | None = None
    differences: tuple[str, ...] | None = None


@dataclass(slots=True, eq=False)
class Recorded(Fact):
    """The recorder stopped, of its own will: without this fact the rest is missing."""

    told_as = ("session", "recorded")


# --- from lines


def facts_of(entries: Iterable[object]) -> Iterator[Fact]:
    """The facts that headers and lines tell, in their order. Others, and lines of an unknown kind, are
    passed over; a field of the wrong kind is as if it were not there."""
    reader = FactReader()
    for entry in entries:
        fact = reader.read(entry)
        if fact is not None:
            yield fact


class FactReader:
    """Reads the facts of a call one by one; a header begins another call."""

    def __init__(self) -> None:
        self._began: dict[int, float] = {}  # what plays, by sink

    def read(self, entry: object) -> Fact | None:
        """What a header or a line tells, if it tells a fact."""
        if isinstance(entry, Header):
            self._began.clear()
            return Begun(Line(0, 0.0, "", "begun", 0, {}), entry)
        return self.line(entry) if isinstance(entry, Line) else None

    def line(self, line: Line) -> Fact | None:
        """What a line tells, if it tells a fact."""
        by = line.by
        if by == "server" or by == "client":
            return Frame(line)
        if by == "net":
            return Link(line)
        kind = _KINDS.get((by, line.type))
        if kind is None:
            return None
        values = _values(kind, line.event)
        if kind is SoundBegan:
            self._began[values.get("sink", 1)] = line.t
        elif kind is Segment:
            for name in ("position", "pushed"):
                if name in values:
                    values[name] /= 1000
            values.setdefault("begun", self._began.pop(values.get("sink", 1), None))
        fact: Fact = kind(line, **values)
        return fact


@cache
def _fields(kind: Hashable) -> Mapping[str, tuple[type, ...] | Callable[[object], Any]]:
    """What a fact's fields may hold, by name: a scalar's types, or what reads them."""
    return {
        f.name: _reader(str(f.type)) for f in fields(cast("Any", kind)) if f.default is not MISSING
    }


def _reader(wanted: str) -> tuple[type, ...] | Callable[[object], Any]:
    if wanted.startswith("tuple[Remembered"):
        return _remembered
    if wanted.startswith("tuple[str"):
        return _strings
    return tuple(kind for kind in (bool, str, float, int) if kind.__name__ in wanted)


def _values(kind: Any, told: Mapping[str, Any]) -> dict[str, Any]:
    """What a line tells of the fields of a fact; not what is of another kind than is wanted."""
    found: dict[str, Any] = {}
    wanted = _fields(kind)
    for name, value in told.items():
        reads = wanted.get(name)
        if reads is None or value is None:
            continue
        if not isinstance(reads, tuple):
            value = reads(value)
        elif type(value) not in reads or type(value) is float:  # else it is right, as most are
            value = _scalar(value, reads)
        if value is not None:
            found[name] = value
    return found


def _scalar(value: object, wanted: tuple[type, ...]) -> Any:
    """*value*, if it is of one of these kinds."""
    if isinstance(value, bool):
        return value if bool in wanted else None
    if isinstance(value, str):
        return value if str in wanted else None
    if isinstance(value, (int, float)) and math.isfinite(value):
        if float in wanted:
            return float(value)
        return value if int in wanted and isinstance(value, int) else None
    return None


def _remembered(value: object) -> Any:
    if not isinstance(value, list):
        return None
    return tuple(Remembered(**_values(Remembered, e)) for e in value if isinstance(e, dict))


def _strings(value: object) -> Any:
    return tuple(e for e in value if isinstance(e, str)) if isinstance(value, list) else None


_KINDS: dict[tuple[str, str], type[Any]] = {
    kind.told_as: kind
    for kind in cast(
        "tuple[type[Fact], ...]",
        (
            SessionMade, SpeechCreated, SpeechDone, AgentState, UserState, ItemAdded, ToolBegan,
            ToolEnded, ToolRan, Context, ErrorTold, Closed, SoundBegan, SoundPaused, SoundResumed, Segment,
            TextShown, Asked, CutIn, LetGo, Forgot, Moved, Waiting, TurnOver, LossTold, Look, Recorded,
        ),
    )
}  # fmt: skip
