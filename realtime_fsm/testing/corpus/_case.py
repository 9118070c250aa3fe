"""A case, and an ordering without one, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ._grammar import Word
from ._outcome import Outcome

__all__ = ["Case", "Gap", "Line", "Result"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a case.

    Attributes:
        number: where in the text, from 1.
        actor: C, S, P, U, T or N; ``setup``, ``expect``, ``plain`` and ``newer`` for those
            headers.
        words: what it says.
    """

    number: int
    actor: str
    words: tuple[Word, ...]

    def __str__(self) -> str:
        said = " ".join(f'"{w.text}"' if w.quoted else w.text for w in self.words)
        return f"{self.actor} {said}".replace(" ,", ",")


@dataclass(frozen=True, slots=True)
class Case:
    """One ordering of events, and what must come out of it.

    Attributes:
        id: its name, such as ``A7``; a second case of the same ordering is ``A7.exact``.
        title: what happens, in a few words.
        source: where it was reported: ``owner/repo#number`` and the like.
        guarantees: the guarantees it exercises.
        level: ``call`` is a real session with the real plugin against the simulated server,
            ``exact`` is the controller alone, event by event.
        status: ``holds``, or ``open``: it does not hold yet, for the *reason*.
        skip: ids of the general checks that do not apply.
        note: how an ordering of a layer that is not here was carried over to this one.
        setup: how the call is set up.
        body: the events, in order.
        expect: what must come out.
        plain: what comes out on LiveKit without us; nothing is said where it is empty.
        newer: the same on a newer LiveKit, where that is something else.
        text: the case as it was written.
    """

    id: str
    title: str
    source: str
    guarantees: tuple[str, ...]
    level: Literal["call", "exact"]
    status: Literal["holds", "open"]
    reason: str
    skip: tuple[str, ...]
    note: str
    setup: tuple[Line, ...]
    body: tuple[Line, ...]
    expect: tuple[Line, ...]
    plain: tuple[Line, ...]
    newer: tuple[Line, ...]
    text: str

    def of_plain(self, livekit: str) -> tuple[Line, ...]:
        """What must come out on LiveKit without us, of the version *livekit*."""
        return (self.newer if livekit.startswith("2.") else ()) or self.plain or self.expect

    @property
    def ordering(self) -> str:
        """The id of the ordering that it is a case of."""
        return self.id.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Gap:
    """An ordering that belongs to a layer that is not here, and why."""

    id: str
    title: str
    source: str
    guarantees: tuple[str, ...]
    reason: str

    @property
    def ordering(self) -> str:
        """Its id."""
        return self.id


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found.

    Attributes:
        problems: what did not come out as expected, one sentence each; empty if the case holds.
        log: what happened, line by line.
        seen: what was seen of a call; None of the level ``exact``, and where the call broke off.
    """

    problems: tuple[str, ...]
    log: tuple[str, ...] = ()
    seen: Outcome | None = None

    @property
    def holds(self) -> bool:
        """Whether everything came out as expected."""
        return not self.problems
