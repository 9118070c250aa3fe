"""Which message was heard when. A sink's report has no id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from .wire import Item

__all__ = ["Played", "fits", "pair"]

_STEPS = 20_000  # of looking for what was played when


class Played(Protocol):
    """A segment that is over: seconds heard, and whether it was cut."""

    @property
    def position(self) -> float: ...
    @property
    def interrupted(self) -> bool: ...


P = TypeVar("P", bound=Played)


def pair(
    queues: Iterable[Sequence[Item]],
    segments: Sequence[P],
    tolerance: float,
    possible: Callable[[Item, P], bool] = lambda item, segment: True,
) -> list[tuple[Item, P]]:
    """Pair segments with messages.

    The messages of a response are played in order, and those of different responses do not mix: of
    the ways that leaves, the first that explains most segments.

    Args:
        queues: the messages of each response, in order.
        segments: what was heard, in order.
        tolerance: seconds by which the two may differ.
        possible: whether a segment can be that message, for other reasons than its length.
    """
    best: list[tuple[Item, P]] = []
    steps = 0
    # What is left to explain, what explains the rest, the response that plays, those that may.
    todo: list[tuple[int, list[tuple[Item, P]], list[Item], list[list[Item]]]]
    todo = [(0, [], [], [list(queue) for queue in queues if queue])]
    while todo and len(best) < len(segments) and steps < _STEPS:
        steps += 1
        at, pairs, playing, waiting = todo.pop()
        best = max(best, pairs, key=len)
        if at == len(segments):
            continue
        ways = [(playing, waiting)]
        ways += [(queue, waiting[:n] + waiting[n + 1 :]) for n, queue in enumerate(waiting)]
        found = [
            (at + 1, [*pairs, (item, segments[at])], queue[n + 1 :], rest)
            for queue, rest in ways
            for n, item in enumerate(queue)
            if fits(item, segments[at], tolerance) and possible(item, segments[at])
        ]
        todo.append((at + 1, pairs, playing, waiting))
        todo += reversed(found)
    return best


def fits(item: Item, segment: Played, tolerance: float) -> bool:
    """Whether the segment can be this message, whole or cut."""
    left = item.ms / 1000 - segment.position
    return left > -tolerance if segment.interrupted else abs(left) < tolerance
