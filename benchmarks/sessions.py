"""Whole calls and single deltas, with and without us."""

from __future__ import annotations

import asyncio
import gc
import math
import tempfile
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from statistics import median

from .calls import LoopTurns, Result, call
from .canned import Recording, record
from .deltas import AUDIO, BLOCK, TEXT, Receiver
from .rounds import Figure, Rounds, alternate

#: Seconds of the user's audio for each turn: while the user speaks and while the agent does.
USER = 6.5


@dataclass(frozen=True)
class Calls:
    """Rounds of one plain and one controlled call each.

    Attributes:
        listened: Plain calls with a listener to the server's frames that does nothing.
    """

    plain: list[Result]
    controlled: list[Result]
    listened: list[Result]

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
        return added_us(self.controlled, self.plain)

    @property
    def listener_us(self) -> Figure:
        """Microseconds that LiveKit takes in a turn to tell its frames to one listener."""
        return added_us(self.listened, self.plain)

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


def added_us(more: list[Result], less: list[Result]) -> Figure:
    """Microseconds a turn by which calls of the same rounds differ."""
    pairs = zip(more, less, strict=True)
    return Figure.of([(sum(m.turns) - sum(x.turns)) / len(m.turns) * 1e6 for m, x in pairs])


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


def in_turns(
    sides: Mapping[str, Callable[[], Awaitable[Result]]], *, rounds: int
) -> dict[str, list[Result]]:
    """Each side's call once a round on an ordinary event loop, every other round in reverse."""
    found: dict[str, list[Result]] = {name: [] for name in sides}
    with _loop() as loop:

        def one(name: str) -> Result:
            gc.collect()
            return loop.run_until_complete(_awaited(sides[name]))

        for name in sides:
            one(name)
        gc.disable()
        try:
            for n in range(rounds):
                for name in sides if n % 2 else reversed([*sides]):
                    found[name].append(one(name))
        finally:
            gc.enable()
    return found


async def _awaited(side: Callable[[], Awaitable[Result]]) -> Result:
    return await side()


def calls(*, turns: int, rounds: int, user: float = 0.0) -> Calls:
    """Calls of so many turns. Both put the same frames on the wire."""
    recording = record(turns)
    found = in_turns(
        {
            "plain": lambda: call(recording, controlled=False, user=user),
            "controlled": lambda: call(recording, controlled=True, user=user),
            "listened": lambda: call(recording, controlled=False, user=user, listen=True),
        },
        rounds=rounds,
    )
    for with_us, without in zip(found["controlled"], found["plain"], strict=True):
        assert with_us.wire == without.wire, "the same frames were to be sent"
    return Calls(found["plain"], found["controlled"], found["listened"])


def first_audio_turns(recording: Recording) -> Figure:
    """By how many iterations of the event loop the first frame is later with us."""

    async def counted(controlled: bool) -> list[int]:
        count = LoopTurns()
        await call(recording, controlled=controlled, count=count)
        return count.turns

    with _loop() as loop:
        plain, ours = (loop.run_until_complete(counted(c)) for c in (False, True))
    return Figure.of([float(o - p) for o, p in zip(ours, plain, strict=True)])


def recorded(recording: Recording, *, rounds: int) -> Figure:
    """What the recorder adds to a call with us, divided by the call without either; in each the user's
    audio is pushed all the time."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/call.jsonl"
        found = in_turns(
            {
                "plain": lambda: call(recording, controlled=False, user=USER),
                "controlled": lambda: call(recording, controlled=True, user=USER),
                "recorded": lambda: call(recording, controlled=True, user=USER, trace=path),
            },
            rounds=rounds,
        )
    rounds_of = zip(found["recorded"], found["controlled"], found["plain"], strict=True)
    return Figure.of([(r.total - c.total) / p.total for r, c, p in rounds_of])


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
    """Blocks of deltas: ``plain`` through the plugin alone, ``listened`` with a listener to its frames
    that does nothing, ``controlled`` through us."""
    assert kind in (AUDIO, TEXT)
    recording = record(2)
    receivers = {
        "plain": Receiver(recording),
        "listened": Receiver(recording, listen=True),
        "controlled": Receiver(recording, controlled=True),
    }
    with _loop() as loop:
        run = loop.run_until_complete
        for receiver in receivers.values():
            run(receiver.start())
        try:
            return alternate(
                {name: _feeding(run, r, kind) for name, r in receivers.items()},
                rounds=rounds,
                between=lambda: [run(receiver.empty()) for receiver in receivers.values()],
            )
        finally:
            for receiver in receivers.values():
                run(receiver.aclose())


def _feeding(run: Callable[..., object], receiver: Receiver, kind: str) -> Callable[[], object]:
    return lambda: run(receiver.feed(kind))


def delta_us(rounds: Rounds, side: str) -> Figure:
    """Microseconds that a side adds to one delta."""
    pairs = zip(rounds.seconds[side], rounds.seconds["plain"], strict=True)
    return Figure.of([(s - p) / BLOCK * 1e6 for s, p in pairs])
