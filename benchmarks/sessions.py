"""Whole calls and single deltas, with and without us."""

from __future__ import annotations

import asyncio
import gc
import math
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from statistics import median

from .calls import Result, call
from .canned import Recording, record
from .deltas import AUDIO, BLOCK, TEXT, Receiver
from .rounds import Figure, Rounds, alternate

#: Seconds of the user's audio for each turn: while the user speaks and while the agent does.
USER = 6.5


@dataclass(frozen=True)
class Calls:
    """Rounds of one plain and one controlled call each."""

    plain: list[Result]
    controlled: list[Result]

    @property
    def ratio(self) -> Figure:
        """The whole call, with us divided by without."""
        return Figure.of([c.total / p.total for c, p in self._pairs()])

    @property
    def turn(self) -> Figure:
        """What we add to a turn, divided by what it takes without us."""
        return Figure.of([sum(c.turns) / sum(p.turns) - 1 for c, p in self._pairs()])

    @property
    def turn_us(self) -> Figure:
        """Microseconds that a turn takes without us."""
        return Figure.of([sum(p.turns) / len(p.turns) * 1e6 for p in self.plain])

    @property
    def added_us(self) -> Figure:
        """Microseconds that we add to a turn."""
        pairs = self._pairs()
        return Figure.of([(sum(c.turns) - sum(p.turns)) / len(p.turns) * 1e6 for c, p in pairs])

    @property
    def first_audio_added_ms(self) -> Figure:
        """Milliseconds, with us minus without: of the turns of a call, each the median of the
        rounds, which takes the machine's own outliers away, the 99th percentile."""
        usual = [
            median([one[n] for one in self._first_audio()]) for n in range(len(self.plain[0].turns))
        ]
        spread = Figure.of([ms for one in self._first_audio() for ms in one])
        return Figure(p99(usual), spread.low, spread.high, spread.rounds)

    def _first_audio(self) -> list[list[float]]:
        return [
            [(c - p) * 1000 for c, p in zip(one.first_audio, other.first_audio, strict=True)]
            for one, other in self._pairs()
        ]

    @property
    def first_audio_outliers_ms(self) -> float:
        """The 99th percentile of all turns with us minus that without."""
        ours, theirs = (
            [t for r in side for t in r.first_audio] for side in (self.controlled, self.plain)
        )
        return (p99(ours) - p99(theirs)) * 1000

    def _pairs(self) -> list[tuple[Result, Result]]:
        return list(zip(self.controlled, self.plain, strict=True))


def p99(values: list[float]) -> float:
    """The 99th percentile."""
    return sorted(values)[math.ceil(len(values) * 0.99) - 1]


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    with closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        try:
            yield loop
        finally:
            asyncio.set_event_loop(None)


def calls(*, turns: int, rounds: int, user: float = 0.0) -> Calls:
    """Calls of so many turns on an ordinary event loop. Both put the same frames on the wire."""
    recording = record(turns)
    plain: list[Result] = []
    controlled: list[Result] = []
    with _loop() as loop:

        def one(with_us: bool) -> Result:
            gc.collect()
            return loop.run_until_complete(call(recording, controlled=with_us, user=user))

        one(False)
        one(True)
        gc.disable()
        try:
            for n in range(rounds):
                for with_us in (False, True) if n % 2 else (True, False):
                    (controlled if with_us else plain).append(one(with_us))
        finally:
            gc.enable()
    for with_us_, without in zip(controlled, plain, strict=True):
        assert with_us_.wire == without.wire, "the same frames were to be sent"
    return Calls(plain, controlled)


def call_kb(*, turns: int, at_once: int) -> tuple[float, float]:
    """Kilobytes that a running call holds without us and with us, its history included."""
    recording = record(turns)
    sizes = []
    for with_us in (False, True):
        with _loop() as loop:
            loop.run_until_complete(call(recording, controlled=with_us))
            sizes.append(loop.run_until_complete(_held(recording, with_us, at_once)))
    return sizes[0], sizes[1]


async def _held(recording: Recording, with_us: bool, at_once: int) -> float:
    ready, over, held = asyncio.Event(), asyncio.Event(), 0

    async def hold() -> None:
        nonlocal held
        held += 1
        if held == at_once:
            ready.set()
        await over.wait()

    gc.collect()
    tracemalloc.start()
    try:
        running = [
            asyncio.create_task(call(recording, controlled=with_us, hold=hold))
            for _ in range(at_once)
        ]
        await ready.wait()
        gc.collect()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    over.set()
    await asyncio.gather(*running)
    return size / at_once / 1024


def deltas(kind: str, *, rounds: int) -> Rounds:
    """Blocks of deltas: ``plain`` through the plugin alone, ``controlled`` through us as well."""
    assert kind in (AUDIO, TEXT)
    recording = record(2)
    with _loop() as loop:
        run = loop.run_until_complete
        plain, ours = run(_receiver(recording, False)), run(_receiver(recording, True))
        try:
            return alternate(
                {
                    "plain": lambda: run(plain.feed(kind)),
                    "controlled": lambda: run(ours.feed(kind)),
                },
                rounds=rounds,
                between=lambda: (run(plain.empty()), run(ours.empty())),
            )
        finally:
            run(plain.aclose())
            run(ours.aclose())


async def _receiver(recording: Recording, controlled: bool) -> Receiver:
    receiver = Receiver(recording, controlled=controlled)
    await receiver.start()
    return receiver


def delta_us(rounds: Rounds) -> tuple[Figure, Figure]:
    """Microseconds of one delta without us, and what we add."""
    pairs = zip(rounds.seconds["controlled"], rounds.seconds["plain"], strict=True)
    added = Figure.of([(c - p) / BLOCK * 1e6 for c, p in pairs])
    return rounds.cost("plain", per=BLOCK), added
