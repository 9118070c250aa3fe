"""A recorded call as it is looked at here: before anything is lived, and without what lives it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from ..report._collect import collect_entries
from ..report._story import Side, Turn
from ..trace import Header, Issue, Line
from ..trace.reader import End, Entry, follow
from ._ordering import Ordering
from ._reading import OrderingReader

__all__ = ["Incident", "Recorded", "incident", "read_recorded", "step"]

_VARIES = re.compile(r"'[^']*'|\b\w*_\w*\d\w*\b|\d+(\.\d+)?")
#: Frames that only repeat others, come by the second, or come when they like.
_NOISE = re.compile(
    r"session\.|rate_limits|conversation\.item\.(added|done|created|input)|input_audio_buffer\.(append|clear)"
    r"|response\.(content_part|.*\.(delta|done)$)(?<!response\.done)"
)


@dataclass(frozen=True, slots=True)
class Incident:
    """What became of one turn.

    Attributes:
        rules: the guarantees that were broken about it, and in which way: the text of each breach,
            without ids and numbers.
        outcome, code: how it ended.
    """

    rules: frozenset[tuple[str, str]]
    outcome: str
    code: str

    @property
    def ids(self) -> tuple[str, ...]:
        """The guarantees alone."""
        return tuple(sorted({rule for rule, _ in self.rules}, key=lambda rule: int(rule[1:])))

    def only(self, rule: str) -> Incident:
        """The same with one guarantee."""
        return Incident(frozenset(r for r in self.rules if r[0] == rule), self.outcome, self.code)


def incident(side: Side, call: int, turn: Turn) -> Incident:
    """What became of *turn* of a call."""
    rules = frozenset(
        (rule, _VARIES.sub("#", text))
        for rule, _, text, _, at, number in side.broken
        if at == call and number == turn.number
    )
    return Incident(rules, turn.outcome, turn.error)


@dataclass(slots=True)
class Recorded:
    """A file, as it is judged and as a case could say it.

    Attributes:
        side: what the report tells of it.
        orderings: of each call.
        gaps: lines that could not be read, and why.
        steps: of each call, what went over the wire, with the lines.
    """

    side: Side
    orderings: list[Ordering]
    gaps: list[Issue]
    steps: list[list[tuple[int, str]]]


def read_recorded(file: IO[bytes], label: str) -> Recorded:
    """Read a trace, or a log of raw events. Never raises for what is in it."""
    readers: list[OrderingReader] = []
    gaps: list[Issue] = []
    wires: list[list[tuple[int, str]]] = []

    def watched() -> Iterator[Entry | End]:
        for entry in follow(file):
            if isinstance(entry, Header):
                readers.append(OrderingReader(entry))
                wires.append([])
            elif isinstance(entry, Line):
                readers[-1].line(entry)
                if (told := step(entry.by, entry.type)) is not None:
                    wires[-1].append((entry.number, told))
            elif isinstance(entry, Issue) and entry.gap:
                gaps.append(entry)
            yield entry

    side = collect_entries(watched(), label)
    return Recorded(side, [each.finish() for each in readers], gaps, wires)


def step(by: object, kind: object) -> str | None:
    """What a line of a trace is in the order of a call, or None if it is none of it."""
    if by not in ("server", "client", "net") or _NOISE.match(str(kind)):
        return None
    return f"{by} {kind}"
