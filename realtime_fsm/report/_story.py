"""What a page tells of a call, as data. Times are seconds, as in the trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from .._core.words import heard_words
from ..trace import Header, Issue

__all__ = [
    "MOST_EVENTS",
    "MOST_IDS",
    "MOST_MARKS",
    "Call",
    "Event",
    "Mark",
    "Message",
    "Move",
    "Side",
    "Span",
    "Turn",
]

#: Events of one turn that are kept; how many more there were is counted.
MOST_EVENTS = 300
#: Ids of frames of one turn that are kept, to be searched for.
MOST_IDS = 1_000
#: Marks, stretches of speech and connections of one call that are kept.
MOST_MARKS = 20_000


@dataclass(slots=True)
class Span:
    """A stretch of time. *end* is None while it goes on."""

    start: float
    end: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: a cancel, a truncation, an error. *turn* is the number of its turn."""

    t: float
    kind: str
    text: str
    turn: int | None
    line: int


@dataclass(frozen=True, slots=True)
class Move:
    """One transition, as the trace has it."""

    t: float
    source: str
    event: str
    dest: str
    attempt: int


@dataclass(slots=True, eq=False)
class Event:
    """One line of the trace, in words; *count* when several like it stand together."""

    line: int
    t: float
    by: str
    type: str
    text: str
    count: int = 1

    def again(self, told: str) -> None:
        """Another like it came. Of sound the milliseconds are added up."""
        self.count += 1
        if told.endswith(" ms") and self.text.endswith(" ms"):
            self.text = f"{float(self.text[:-3]) + float(told[:-3]):g} ms"


@dataclass(slots=True, eq=False)
class Message:
    """A message of a turn.

    Attributes:
        id: the item's.
        response: the response's.
        connection: on which it came.
        received: when its audio came, as first and last moment.
        ms: audio received.
        heard: when it played.
        heard_ms: audio heard; None while no playback is known.
        cut: it was cut short.
        kept_ms: what the server was told to keep of it; None: all.
        told: characters of it that a later connection was told; None: nothing was.
        chars: of text received.
        local: characters of it in the session's history; None: unknown.
        words: the text, where the trace has words.
        right: it is remembered as it was heard (G16); None: that was not judged.
        sure: nothing is missing of the trace while it was under way.
    """

    id: str
    response: str
    connection: int
    received: Span | None = None
    ms: float = 0.0
    heard: list[Span] = field(default_factory=list)
    heard_ms: float | None = None
    cut: bool = False
    kept_ms: float | None = None
    told: int | None = None
    chars: int = 0
    local: int | None = None
    words: str = ""
    right: bool | None = None
    sure: bool = True

    @property
    def heard_words(self) -> str:
        """The words that were heard to their end; all of them where that is not known."""
        if self.heard_ms is None or (self.heard_ms and not self.cut):
            return self.words
        return heard_words(self.words, self.heard_ms, self.ms)

    @property
    def unheard_words(self) -> str:
        """The other ones."""
        return " ".join(self.words.split()[len(self.heard_words.split()) :])


@dataclass(slots=True, eq=False)
class Turn:
    """A turn, or, where the trace has no turns, a response and the request for it.

    Attributes:
        number: from 0, in order of their beginning.
        asked: when the user had stopped speaking, or else when it began.
        states: each state and when it was entered.
        attempts: the number of each attempt and when it was asked for.
        backoffs: waits before another attempt; the text is why.
        generation: from the response's creation to its end; the text is its status.
        outcome: how it ended, ``open`` if it did not.
        failures: when attempts failed.
        broken: ids of guarantees.
        event_ids: of its frames, as far as they are kept.
        words: what the user had said.
    """

    number: int
    id: str
    start: float
    asked: float
    derived: bool = False
    end: float | None = None
    states: list[tuple[float, str, str]] = field(default_factory=list)
    attempts: list[tuple[float, int]] = field(default_factory=list)
    backoffs: list[Span] = field(default_factory=list)
    generation: list[tuple[Span, str]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    outcome: str = "open"
    error: str = ""
    broken: dict[str, None] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    more_events: int = 0
    event_ids: list[str] = field(default_factory=list)
    words: str = ""

    @property
    def first_audio(self) -> float | None:
        """When something of it was heard first, or, without playback, received."""
        heard = [span.start for message in self.messages for span in message.heard]
        if heard:
            return min(heard)
        if any(message.heard_ms is not None for message in self.messages):
            return None
        return min((m.received.start for m in self.messages if m.received), default=None)

    @property
    def lost(self) -> float:
        """Seconds between a failure and the first sound, or the end, after it."""
        total, until = 0.0, float("-inf")
        for backoff in self.backoffs:
            if backoff.start < until:
                continue  # the same silence
            sounds = [s.start for m in self.messages for s in m.heard if s.start >= backoff.start]
            sounds += [
                m.received.start
                for m in self.messages
                if m.heard_ms is None and m.received and m.received.start >= backoff.start
            ]
            until = min(sounds, default=self.end if self.end is not None else backoff.start)
            total += until - backoff.start
        return total

    @property
    def recovered(self) -> bool:
        """It failed, and spoke after all."""
        return bool(self.backoffs) and self.outcome == "completed"


@dataclass(slots=True, eq=False)
class Call:
    """One call of a trace.

    Attributes:
        begin: time of its first line.
        end: time of its last one.
        has: kinds of lines in it.
        turns: in order of their beginning.
        user: when the user spoke.
        connections: each with its number as text.
        marks: cancels, truncations, deletions, errors, breaches.
        history: messages of the conversation as the server has them at the end.
        more_turns: turns that are left out.
        complete: it is there to its end.
    """

    header: Header
    first_line: int = 0
    last_line: int = 0
    begin: float = 0.0
    end: float = 0.0
    has: set[str] = field(default_factory=set)
    turns: list[Turn] = field(default_factory=list)
    more_turns: int = 0
    user: list[Span] = field(default_factory=list)
    connections: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    more_marks: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    complete: bool = False

    @property
    def seconds(self) -> float:
        """How long it was."""
        return max(0.0, self.end - self.begin)

    def mark(self, mark: Mark) -> None:
        """Keep a mark, if there are not too many."""
        if len(self.marks) < MOST_MARKS:
            self.marks.append(mark)
        else:
            self.more_marks += 1


@dataclass(slots=True, eq=False)
class Side:
    """What one file has to tell: its calls, how it was judged, what could not be read.

    Attributes:
        label: for people.
        calls: in the order of the file.
        broken: (id, name, text, line, number of the call, number of the turn or None).
        not_judged: id of a guarantee to why not.
        notes: what could not be read and what is not judged for it, in a line each, the first few.
        lines: how many could be read.
        note: a sentence for people.
        file: where it can be read again.
        first: the number of the first of these calls in the file.
    """

    label: str
    calls: list[Call] = field(default_factory=list)
    broken: list[tuple[str, str, str, int, int, int | None]] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    not_judged: Mapping[str, str] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    unreadable: int = 0
    notes: list[str] = field(default_factory=list)
    lines: int = 0
    note: str = ""
    file: str = ""
    first: int = 1
