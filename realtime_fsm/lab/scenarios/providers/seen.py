"""What was seen of a call with a provider's plugin. All times are seconds since the call began."""

from __future__ import annotations

from dataclasses import dataclass, field

from ....compare import Life

__all__ = ["TOOL_OUTPUT", "Heard", "Question", "Seen", "Speech"]

TOOL_OUTPUT = "tool"
"""The question that a tool's output asks."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Sound that was played in one piece.

    Attributes:
        question: What it answers, "" if nobody knows.
        attempt: The number of the attempt at it, from 1.
    """

    question: str
    attempt: int
    began: float
    seconds: float
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked.

    Attributes:
        t: When it was asked; for what is spoken, when the user was done.
        sound: When the first sound of an answer was heard, None: never.
        seconds: Of answers to it that were heard.
        times: How often it was answered: attempts of which something was heard.
    """

    text: str
    t: float
    sound: float | None
    seconds: float
    times: int


@dataclass(frozen=True, slots=True)
class Speech:
    """A speech handle of the application's.

    Attributes:
        ended: ``ok``, ``interrupted``, ``never done``, ``refused`` where the session was closed,
            or the class of its exception.
        took: Seconds from its creation to its end, None: never.
    """

    question: str
    ended: str
    took: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One call.

    Attributes:
        questions: In the order in which they were asked.
        heard: In the order in which it was heard.
        speeches: Of the application, in order.
        errors: ``error`` events: when, whether recoverable, and the class.
        closed: When the session ended by itself, None: it did not.
        history: The session's history.
        tools: How often the tool ran.
        wire: What the server saw the plugin do.
        faults: Tasks left over, exceptions nobody caught, messages the provider does not know.
        hangs: What did not end in the time it was given.
        turns: Of the controller: question's attempts and outcome.
        life: All of it, for the differential judge.
    """

    questions: tuple[Question, ...]
    heard: tuple[Heard, ...]
    speeches: tuple[Speech, ...]
    errors: tuple[tuple[float, bool, str], ...]
    closed: float | None
    history: tuple[tuple[str, str], ...]
    tools: int
    wire: tuple[tuple[float, str], ...]
    faults: tuple[str, ...]
    hangs: tuple[str, ...]
    turns: tuple[str, ...] = ()
    life: Life = field(default_factory=Life, repr=False)
