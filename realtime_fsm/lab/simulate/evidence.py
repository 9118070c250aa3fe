"""What was seen of a call, for the judge. Times are seconds since the server was started."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...compare import Life
from ...simulator.record import Record
from ...trace.facts import Fact
from .scenario import Turn

__all__ = ["Asked", "Evidence", "Reported", "Spoken"]


@dataclass(slots=True, eq=False)
class Asked:
    """A turn that was asked.

    Attributes:
        turn: what it was.
        begun: when the caller began to speak, or the request was made.
        at: when they had finished; the same for a request.
        item_id: the item that server VAD makes of it.
        interrupted: when the caller cut in: the next turn, a cough, or an interrupt.
        by: how.
        over: when the caller stopped caring: asked the next thing, or ended the call.
        hung_up: the caller ended the call over it.
        key: names it in the facts.
    """

    turn: Turn
    begun: float
    at: float
    item_id: str | None = None
    interrupted: float | None = None
    by: str = ""
    over: float | None = None
    hung_up: bool = False
    key: str = ""


@dataclass(slots=True, eq=False)
class Spoken:
    """A message that LiveKit handed to its output.

    Attributes:
        begun: when it was handed over.
        text: as much of it as arrived.
        whole: its text came to an end.
        started: when its first sound was heard, in a call by text its first word.
    """

    begun: float
    text: str = ""
    whole: bool = False
    started: float | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """Something the application was told went wrong.

    Attributes:
        what: ``error`` (an event of the session), ``turn`` (a turn was given up, with this reason),
            ``handle`` (``SpeechHandle.exception()``), ``request`` (asking raised).
        final: the reader may take it that something failed for good.
    """

    t: float
    what: str
    text: str
    final: bool


@dataclass(slots=True, eq=False)
class Evidence:
    """Everything seen of one call.

    Attributes:
        asked: the turns, in order.
        spoken: the messages, in order.
        reported: failures that the application was told of, in order.
        notes: the rest, for people: (time, who, text).
        facts: all that was seen, as every judge has it.
        record: what went over the wire.
        differences: of how many messages the controller says that heard, shown and remembered differ.
        collisions: creates of the client that met a taken slot.
        vad_collisions: creates of server VAD that did.
        seconds: how long the call was.
        stuck: speeches that never ended.
        broken: what ended the run, if anything did; empty otherwise.
        hang: whether it was that nothing could happen any more.
        life: what was lived, for the comparison with the same call on plain LiveKit.
    """

    asked: list[Asked] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    reported: list[Reported] = field(default_factory=list)
    notes: list[tuple[float, str, str]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    record: list[Record] = field(default_factory=list)
    differences: int = 0
    collisions: int = 0
    vad_collisions: int = 0
    seconds: float = 0.0
    stuck: int = 0
    broken: str = ""
    hang: bool = False
    life: Life = field(default_factory=Life)
