"""Bytes of a turn and of a controller, and whether either grows with the turns behind it."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import psutil  # type: ignore[import-untyped]

from realtime_fsm import TurnController

from .rounds import Figure, alternate
from .scripted_turn import Caller

#: A turn's cost is looked at so often on the way.
LOOKS = 10


def turn_bytes(turns: int) -> float:
    """Of a finished turn of two messages in the record, its ids included."""
    caller = Caller(TurnController(keep=2 * turns))
    caller.play(turns)
    return _allocated(lambda: caller.play(turns)) / turns


def controller_bytes() -> float:
    """Of a controller without turns."""
    kept: list[TurnController] = []
    return _allocated(lambda: kept.extend(TurnController() for _ in range(100))) / 100


def controller_bytes_without_record(turns: int) -> float:
    """Of one that keeps no finished turn, after many: what it remembers of late events."""
    kept: list[Caller] = []

    def play() -> None:
        kept.append(Caller(TurnController(keep=0)))
        kept[0].play(turns)

    return _allocated(play)


def _allocated(work: Callable[[], object]) -> float:
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        work()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


class Growth:
    """One controller through many turns, compared on the way with one that has hardly begun.

    Attributes:
        turns: Turns behind it, at each look.
        ratios: What a turn costs it, divided by what it costs the other at the same time.
        rss_mb: Megabytes that the process has grown by since the first look.
    """

    def __init__(self, turns: int, *, rounds: int) -> None:
        old = Caller()
        old.play(100)
        gc.collect()
        rss = psutil.Process().memory_info().rss
        self.turns: list[int] = []
        self.ratios: list[Figure] = []
        self.rss_mb: list[float] = []
        for _ in range(LOOKS):
            old.play(turns // LOOKS)
            gc.collect()
            self.turns.append(old.turns)
            self.rss_mb.append((psutil.Process().memory_info().rss - rss) / 2**20)
            self.ratios.append(_compare(old, rounds))


def _compare(old: Caller, rounds: int) -> Figure:
    fresh = Caller()
    fresh.play(20)
    thunks = {"old": lambda: old.play(10), "fresh": lambda: fresh.play(10)}
    return alternate(thunks, rounds=rounds).ratio("old", "fresh")
