"""What was measured in one call."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["MODES", "NAMES", "Answer", "Mode", "Remembered", "Result"]

Mode = Literal["plain", "controlled"]
MODES: tuple[Mode, ...] = ("plain", "controlled")
#: For people.
NAMES: dict[Mode, str] = {"plain": "plain LiveKit", "controlled": "controlled"}

_TOLERANCE = 0.05  # seconds; a truncation is in whole milliseconds and a little later than the cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one question. Times in seconds.

    Attributes:
        question: The words.
        asked_at: Since the call's first question.
        first_sound: From asking to the first sound, None if none came before the next question
            or the end of the call.
        heard: Sound heard before the next question or the end of the call.
        silence: The longest silence from asking to the last sound, or to the next question or
            the end of the call if there was no sound.
        done: Whether the speech handle was done when the caller hung up.
        exception: What ``handle.exception()`` said then.
    """

    question: str
    asked_at: float
    first_sound: float | None
    heard: float
    silence: float
    done: bool
    exception: str | None


@dataclass(frozen=True, slots=True)
class Remembered:
    """An assistant message in the server's conversation, *seconds* long."""

    text: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One call in one mode.

    Attributes:
        call: The call's name.
        mode: How it was run.
        seconds: From the first question to the end of the call.
        answers: One per question.
        heard: Seconds heard of each message of which anything was heard, in order.
        creates: ``response.create`` that reached the server.
        collisions: Those that met a response still alive.
        recoveries: Retries that were planned.
        error_events: ``error`` events of the AgentSession.
        remembered: What the model remembers of its own messages, in order.
        history: What LiveKit's own history has of them, in order.
        logged_errors: Records of level ERROR and above, by the logger's top name.
    """

    call: str
    mode: Mode
    seconds: float
    answers: tuple[Answer, ...]
    heard: tuple[float, ...]
    creates: int
    collisions: int
    recoveries: int
    error_events: tuple[str, ...]
    remembered: tuple[Remembered, ...]
    history: tuple[str, ...]
    logged_errors: dict[str, int]

    @property
    def heard_seconds(self) -> float:
        """Sound heard in the whole call."""
        return sum(self.heard)

    @property
    def longest_silence(self) -> float:
        """The longest wait for sound that any question caused, in seconds."""
        return max(answer.silence for answer in self.answers)

    @property
    def unanswered(self) -> tuple[Answer, ...]:
        """Questions after which nothing was heard."""
        return tuple(answer for answer in self.answers if answer.first_sound is None)

    @property
    def exceptions(self) -> tuple[str, ...]:
        """The exceptions of the speech handles."""
        return tuple(answer.exception for answer in self.answers if answer.exception is not None)

    @property
    def memory(self) -> tuple[tuple[Remembered, bool], ...]:
        """Each message remembered, and whether that much of it was heard.

        The sink does not know which message it plays, so the two are matched in order, by length.
        """
        heard = list(self.heard)
        judged = []
        for item in self.remembered:
            at = next((i for i, s in enumerate(heard) if abs(s - item.seconds) <= _TOLERANCE), None)
            if at is not None:
                del heard[: at + 1]
            judged.append((item, at is not None))
        return tuple(judged)

    @property
    def shown(self) -> tuple[tuple[str, bool], ...]:
        """Each of its own messages as LiveKit shows it, and whether the model remembers just that
        and that much was heard."""
        agreed = [item.text for item, right in self.memory if right]
        return tuple((text, text in agreed) for text in self.history if text)

    @property
    def memory_is_right(self) -> bool:
        """Whether the model remembers what was heard, message by message, and nothing else."""
        return len(self.remembered) == len(self.heard) and all(right for _, right in self.memory)

    def as_json(self) -> dict[str, Any]:
        """The figures, for ``json.dumps``. Seconds are rounded to milliseconds."""
        figures: dict[str, Any] = {
            **asdict(self),
            "heard_seconds": self.heard_seconds,
            "longest_silence": self.longest_silence,
            "unanswered": len(self.unanswered),
            "exceptions": self.exceptions,
            "memory_is_right": self.memory_is_right,
        }
        del figures["call"], figures["mode"]
        rounded: dict[str, Any] = _rounded(figures)
        return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return value
