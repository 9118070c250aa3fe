"""What was lived in a call, as far as it matters to whoever was in it: pure data.

The same call is lived twice, on plain LiveKit and controlled; :func:`judge` compares the two. All
times are seconds since the call began.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = [
    "Attempt", "Collision", "Deed", "Ending", "Heard", "Life", "Message", "Question", "Span", "Speech",
    "Wait",
]  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A time, from *begin* to *end*."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.begin

    def within(self, other: Span) -> Span | None:
        """The part of it that lies in *other*, None if there is none."""
        begin, end = max(self.begin, other.begin), min(self.end, other.end)
        return Span(begin, end) if end > begin else None


@dataclass(frozen=True, slots=True)
class Question:
    """Something that was asked, of which an answer is due.

    Attributes:
        key: names it, in both lives: the words that the user said or wrote, the instructions of the
            application, or ``"<key> > <tool>"`` for what is to be said of a tool's output.
        at: when asking was done; of a tool's output, when it was there.
        times: how often an answer was asked for, by whom ever: server VAD and the application may
            both.
        gone: the question and the number of the attempt at which the server's end of the connection
            went, while the user said this: the server never had it. None if it had.
    """

    key: str
    at: float
    times: int = 1
    gone: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of the model.

    Attributes:
        id: of its item.
        question: which it answers.
        attempt: the how-many-th attempt at it, from 1.
        number: the how-many-th message of that attempt, from 1.
        seconds: of its sound, as far as it was generated.
        whole: whether it was generated to its end.
        server: seconds of it that the server remembers; None where it was not to, since the call was
            handed over to an agent who was not to know of it.
        handover: which handover that was, by how it came and what it followed; empty if none.
        knew: the handovers since, to an agent who was to know of it.
        word: seconds of a word of it.
        written: it is text and never had sound; no client can cut it at the server.
        by_words: the server has only its words left, as after a reconnect, and no sound.
        local: as *server*, of LiveKit's own history, which has its words.
        place: its place in the server's memory, None if it has none.
    """

    id: str
    question: str
    attempt: int
    number: int = 1
    seconds: float
    whole: bool = True
    server: float | None = None
    handover: str = ""
    knew: tuple[str, ...] = ()
    word: float = 0.5
    written: bool = False
    by_words: bool = False
    local: float | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A piece of a message that was heard without a break, of *seconds* of its sound. *message* is
    its id; None is the application's own sound."""

    message: str | None
    span: Span
    seconds: float


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that was done: a tool of the application that ran, or what the server ran itself. The one
    response that asked for it asked *times* times."""

    question: str
    what: str
    t: float
    times: int = 1


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait that the controlled call names in its trace, and no longer than *bound* seconds."""

    name: str
    span: Span
    bound: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """A response that the server made.

    Attributes:
        question: which it answers.
        number: the how-many-th attempt at it, from 1.
        span: from when it was asked for until the server, and the tools that it called, were done, or
            its connection was. One that was refused, or never answered, until that was told, or nobody
            waited for it any more.
        told: whether its end could be: not on a connection on which nothing arrived any more, nor
            where a ``response.done`` that a fault put in had ended it before.
        cancelled: when the client had it cancelled; None if it had not.
        tools: seconds of the span in which only its tools still ran.
    """

    question: str
    number: int
    span: Span
    told: bool = True
    cancelled: float | None = None
    tools: float = 0.0

    @property
    def ended(self) -> float:
        """When the server was done with it."""
        return self.span.end - self.tools


@dataclass(frozen=True, slots=True)
class Collision:
    """A create for *question* met a taken slot. *holder* is the question whose answer had it, if that
    is known."""

    question: str
    t: float
    holder: str = ""


@dataclass(frozen=True, slots=True)
class Speech:
    """How a speech of the application came to its end.

    Attributes:
        questions: what it was to answer.
        failed: its handle has an exception, or it was refused.
        told: an ``error`` event told of a failure.
    """

    questions: tuple[str, ...]
    failed: bool
    told: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """The session ended, and nobody had asked for it.

    Attributes:
        t: when.
        why: in words.
        code: of the error that ended it, as the server named it.
        told: when the server told that error; None if it did not.
    """

    t: float
    why: str
    code: str = ""
    told: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One call as it was lived.

    Attributes:
        questions: what was asked, in order.
        messages: what the model generated, in the order of its beginning.
        heard: what was heard, in order.
        deeds: what was done, in order.
        waits: those that are named in the trace.
        spoke: when the user spoke.
        turns: when the server took the user to be speaking, as it arrived: longer, for it waits
            whether more comes.
        handovers: each by its name, from when the application asked for it until the next agent had the
            call: LiveKit waits for what goes on.
        held_up: when a fault let the frames stand still on their way, or a server that had gone refused
            the next connection.
        cuts: when the application interrupted, or the call was ended.
        attempts: the responses that the server made.
        collisions: creates that met a taken slot.
        speeches: of the application, in order, but those that were interrupted or never ended.
        faults: errors that nobody caught, and what was left over.
        stuck: when a tool began that never ended: one that asks the user, whom LiveKit lets nobody
            hear, for it waits for a speech that waits for this one.
        ended: how the session ended, if it did.
        hung: what never came to its end, in words; empty if all did.
        remembers: whether both memories can be compared with what was heard: there was a connection
            and time to agree on it.
        making: seconds within which a turn promises the first output, however often it is asked for.
        ending: seconds within which a server ends what it is told to cancel, as far as it is waited for.
        seconds: how long it was.
    """

    questions: tuple[Question, ...] = ()
    messages: tuple[Message, ...] = ()
    heard: tuple[Heard, ...] = ()
    deeds: tuple[Deed, ...] = ()
    waits: tuple[Wait, ...] = ()
    spoke: tuple[Span, ...] = ()
    turns: tuple[Span, ...] = ()
    handovers: tuple[tuple[str, Span], ...] = ()
    held_up: tuple[Span, ...] = ()
    cuts: tuple[float, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    collisions: tuple[Collision, ...] = ()
    speeches: tuple[Speech, ...] = ()
    faults: tuple[str, ...] = ()
    stuck: float | None = None
    ended: Ending | None = None
    hung: str = ""
    remembers: bool = True
    making: float = math.inf
    ending: float = math.inf
    seconds: float = 0.0
    _by_id: dict[str, Message] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_id", {each.id: each for each in self.messages})

    # --- what of it belongs to a question

    def asked(self, key: str) -> Question | None:
        """The question of that key, None if it was not asked."""
        return next((each for each in self.questions if each.key == key), None)

    def message(self, piece: Heard) -> Message | None:
        """The message of which a piece was heard; None for the application's own sound."""
        return None if piece.message is None else self._by_id.get(piece.message)

    def messages_of(self, key: str) -> list[Message]:
        """What was generated for a question."""
        return [each for each in self.messages if each.question == key]

    def pieces_of(self, key: str) -> list[Heard]:
        """What was heard of the answers to a question, in order."""
        ids = {each.id for each in self.messages_of(key)}
        return [piece for piece in self.heard if piece.message in ids]

    def heard_of(self, message: Message) -> float:
        """Seconds that were heard of a message."""
        return sum(piece.seconds for piece in self.heard if piece.message == message.id)

    def inverted(self) -> list[tuple[Message, Message]]:
        """Pairs of messages that were heard in one order and are remembered in the other."""
        begun: dict[str, float] = {}
        for piece in self.heard:
            if piece.message is not None:
                begun.setdefault(piece.message, piece.span.begin)
        known = [m for m in self.messages if m.id in begun and m.place is not None]
        known.sort(key=lambda message: begun[message.id])
        return [
            (first, second)
            for n, first in enumerate(known)
            for second in known[n + 1 :]
            if (first.place or 0) > (second.place or 0)
        ]


def total(spans: Iterable[Span]) -> float:
    """How long *spans* are together; what lies in several counts once."""
    seconds, until = 0.0, float("-inf")
    for span in sorted(spans):
        seconds += max(0.0, span.end - max(span.begin, until))
        until = max(until, span.end)
    return seconds
