"""Short versions of ``make soak`` and ``make crowd``: they look at what is left, not at memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace

import pytest

from realtime_fsm.lab.simulate.scenario import Scenario, Turn
from realtime_fsm.simulator import Closed, Dropped, Failed, Message, Reply, Script, Unanswered
from realtime_fsm.testing import simulated_call, virtual_time

from .crowd import _judge, _live, _script, crowd
from .measure import Sample, growth, sample
from .soak import one_call

pytestmark = pytest.mark.real_time

SPOKEN = Reply([Message("Yes.", seconds=0.5)])
FAULTY = Scenario(
    turns=(Turn(words="One?"), Turn(words="Two?"), Turn(words="Three?", then="stops")),
    script=Script(
        [
            Reply(end=Failed("server_error")),
            SPOKEN,
            Reply(end=Dropped()),
            SPOKEN,
            Reply(ack=Unanswered()),
        ],
        default=SPOKEN,
    ),
)


async def test_calls_with_faults_over_sockets_leave_nothing_behind() -> None:
    outcomes: Counter[str] = Counter()
    await one_call(FAULTY, outcomes)  # what is made once, is made
    before = await _settled()
    await asyncio.gather(*(one_call(FAULTY, outcomes) for _ in range(2)))
    after = await _settled(before)
    assert growth([before, before, after], memory=False) == []
    assert sum(outcomes.values()) == 3 * len(FAULTY.turns)


async def _settled(before: Sample | None = None) -> Sample:
    """The sockets say goodbye in their own time."""
    for _ in range(10):
        await asyncio.sleep(0.2)
        after = sample()
        if before is None or not growth([before, before, after], memory=False):
            break
    return after


def test_a_crowd_of_twelve() -> None:
    seen = crowd(12)
    assert seen.turns == 36


@virtual_time
async def test_an_answer_meant_for_somebody_else_is_found_out() -> None:
    async with simulated_call(_script(2), turn_detection=None) as call:
        await _live(call, 2)
        _judge(call, 2)
        with pytest.raises(AssertionError):
            _judge(call, 4)


@pytest.mark.parametrize("field", ["tasks", "futures", "timers", "fds"])
def test_growth_is_found(field: str) -> None:
    flat = Sample(rss_mb=100.0, tasks=1, futures=0, timers=0, fds=9)
    leaking = [_more(flat, field, n) for n in range(9)]
    assert growth([flat] * 9) == []
    (words,) = growth(leaking)
    assert words.startswith(f"{field} grew from ")


def _more(flat: Sample, field: str, by: int) -> Sample:
    return replace(flat, **{field: getattr(flat, field) + by})


def test_memory_may_breathe_but_not_grow() -> None:
    def at(*megabytes: float) -> list[Sample]:
        return [Sample(rss_mb=m, tasks=1, futures=0, timers=0, fds=9) for m in megabytes]

    assert growth(at(80, 90, 100, 100, 101, 100, 102, 100, 101)) == []
    assert growth(at(80, 90, 100, 100, 101, 102, 110, 111, 112)) == ["rss_mb grew from 101 to 111"]


def test_a_task_left_over_is_seen() -> None:
    async def leave() -> tuple[Sample, Sample]:
        before = sample()
        task = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        after = sample()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return before, after

    before, after = asyncio.run(leave())
    assert after.tasks == before.tasks + 1
    assert after.timers == before.timers + 1


async def test_a_call_that_is_closed_below_ends_as_well() -> None:
    outcomes: Counter[str] = Counter()
    script = Script([Reply(end=Closed(1011))], default=SPOKEN)
    await one_call(Scenario(turns=(Turn(words="One?"),), script=script), outcomes)
    assert sum(outcomes.values()) == 1
