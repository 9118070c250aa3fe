"""What was seen of a call, and how that differs from what must be seen. All times are seconds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from .scenario import Expect, Mode

__all__ = ["Handle", "Outcome", "differences"]

TOLERANCE = 0.03
"""Seconds of audio; in virtual time an interruption comes up to 10 ms late."""


@dataclass(frozen=True, slots=True)
class Handle:
    """A speech: what became of it, and seconds from its creation to its end (None: never)."""

    ended: str
    took: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was seen of a call. The fields that :class:`Expect` has too mean what they mean there.

    Attributes:
        silence: the longest wait, in seconds: from a question to the first sound, between sounds
            until the speech is done; where no sound comes, until the application is told, and if
            it is not, to the next question or the end of the call.
        unanswered: the longest silence was not ended by an answer, nor by word of its failure.
        unheard: words that the model remembers to have said and nobody heard.
        attempts: connections that were asked for.
        broken: guarantees that the call broke, as ``check_all`` tells them.
        complaints: exceptions in our own code that nobody caught, or that we logged.
    """

    scenario: str
    mode: Mode
    heard: tuple[float, ...]
    silence: float
    unanswered: bool
    repeated: int
    unheard: int
    handles: tuple[Handle, ...]
    creates: int
    collisions: int
    errors: tuple[str, ...]
    closed: bool
    remembered: tuple[str, ...]
    questions: int
    tools: int
    state: str
    attempts: int
    runs: tuple[str, ...]
    refused: tuple[str, ...]
    shown: tuple[str, ...]
    broken: tuple[str, ...]
    complaints: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The figures, for ``json.dumps``, rounded to milliseconds."""
        rounded = replace(
            self,
            heard=tuple(round(s, 3) for s in self.heard),
            silence=round(self.silence, 3),
            handles=tuple(
                Handle(h.ended, None if h.took is None else round(h.took, 3)) for h in self.handles
            ),
        )
        return asdict(rounded)


def differences(expected: Expect, seen: Outcome, *, tolerance: float = TOLERANCE) -> list[str]:
    """What is not as expected, in words; empty when all is. *tolerance*: seconds of audio."""
    found = []
    if len(expected.heard) != len(seen.heard) or any(
        abs(a - b) > tolerance for a, b in zip(expected.heard, seen.heard, strict=False)
    ):
        heard = tuple(round(s, 3) for s in seen.heard)
        found.append(f"heard: {heard} s, not {expected.heard}")
    ends = tuple(handle.ended for handle in seen.handles)
    if len(ends) != len(expected.handles) or not all(
        _same(a, b) for a, b in zip(expected.handles, ends, strict=False)
    ):
        found.append(f"handles: {ends}, not {expected.handles}")
    if expected.errors is not None and (
        len(seen.errors) != len(expected.errors)
        or not all(_same(a, b) for a, b in zip(expected.errors, seen.errors, strict=False))
    ):
        found.append(f"errors: {seen.errors}, not {expected.errors}")
    if not all(a in b for a, b in zip(expected.refused, seen.refused, strict=False)) or len(
        expected.refused
    ) != len(seen.refused):
        found.append(f"refused: {seen.refused}, not {expected.refused}")
    for name in ("collisions", "closed", "tools", "repeated"):
        found += _differs(name, getattr(expected, name), getattr(seen, name))
    for name in ("creates", "remembered", "state", "runs", "shown", "questions"):
        if getattr(expected, name) is not None:
            found += _differs(name, getattr(expected, name), getattr(seen, name))
    if expected.fatals is not None:
        found += _differs("fatals", expected.fatals, sum("FATAL" in e for e in seen.errors))
    for name, bounds, value in (
        ("silence", expected.silence, seen.silence),
        ("connections", expected.connections, seen.attempts),
    ):
        if bounds is not None and not bounds[0] <= value <= bounds[1]:
            found.append(f"{name}: {round(value, 3)}, not within {bounds}")
    return found


def _same(expected: str, seen: str) -> bool:
    return expected == seen or (
        expected not in ("ok", "interrupted", "never done") and expected in seen
    )


def _differs(name: str, expected: object, seen: object) -> list[str]:
    return [] if expected == seen else [f"{name}: {seen!r}, not {expected!r}"]
