"""Several things measured side by side, in short alternating rounds of one process.

A ratio is taken within each round, where both sides met the same machine; the median over the
rounds is the result, the quartiles are its spread. Time is this process's CPU time, so a busy
machine widens the spread and moves the median little.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Thunk = Callable[[], object]


@dataclass(frozen=True)
class Figure:
    """One result.

    Attributes:
        value: The median.
        low, high: The quartiles.
        rounds: What each round gave.
    """

    value: float
    low: float
    high: float
    rounds: tuple[float, ...] = field(repr=False)

    @classmethod
    def of(cls, rounds: list[float]) -> Figure:
        low, middle, high = statistics.quantiles(rounds, n=4, method="inclusive")
        return cls(middle, low, high, tuple(rounds))


@dataclass(frozen=True)
class Rounds:
    """Seconds of CPU time by what was measured, one entry a round."""

    seconds: Mapping[str, list[float]]

    def cost(self, name: str, *, per: int = 1, scale: float = 1e6) -> Figure:
        """What it takes; microseconds unless scaled otherwise."""
        return Figure.of([s / per * scale for s in self.seconds[name]])

    def ratio(self, over: str, under: str, *, per: float = 1.0) -> Figure:
        """One divided by the other, times *per*."""
        pairs = zip(self.seconds[over], self.seconds[under], strict=True)
        return Figure.of([a / b * per for a, b in pairs])

    def added(self, with_us: str, without: str) -> Figure:
        """How much more the first takes, as a share of the second."""
        pairs = zip(self.seconds[with_us], self.seconds[without], strict=True)
        return Figure.of([(a - b) / b for a, b in pairs])


def cpu(thunk: Thunk) -> float:
    """Seconds of CPU time of one call."""
    start = time.process_time()
    thunk()
    return time.process_time() - start


def alternate(thunks: Mapping[str, Thunk], *, rounds: int, between: Thunk = lambda: None) -> Rounds:
    """Run each of *thunks* once a round; every other round in reverse, against drift.

    The cyclic collector runs between the measurements and not within them, as does *between*.
    """
    names = list(thunks)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for thunk in thunks.values():
        thunk()
        between()
    was = gc.isenabled()
    gc.disable()
    try:
        for n in range(rounds):
            for name in names if n % 2 == 0 else reversed(names):
                gc.collect()
                seconds[name].append(cpu(thunks[name]))
                between()
    finally:
        if was:
            gc.enable()
    return Rounds(seconds)
