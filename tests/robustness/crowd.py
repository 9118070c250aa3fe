"""Many controlled sessions at once in one process: each is answered, none hears of another.

``python -m tests.robustness.crowd --sessions 1000``
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import sys
import time
from dataclasses import dataclass

import psutil

import realtime_fsm as rf
from realtime_fsm.simulator import Failed, Message, Reply
from realtime_fsm.testing import SimulatedCall, run_virtual, simulated_call

TURNS = 3


@dataclass(frozen=True, slots=True)
class Crowd:
    """What it took.

    Attributes:
        sessions: How many were open at once.
        turns: How many turns they had together.
        cpu_ms: CPU time of a call with its `TURNS` turns, server and sink included.
        memory_kb: Resident memory of an open call, server and sink included.
    """

    sessions: int
    turns: int
    cpu_ms: float
    memory_kb: float

    def __str__(self) -> str:
        each = f"{self.cpu_ms:.1f} ms of CPU and {self.memory_kb:.0f} KiB"
        return f"{self.sessions} sessions at once, {self.turns} turns: {each} a call"


def _words(number: int, turn: int) -> str:
    return f"caller{number} answer{turn}"


def _seconds(number: int) -> float:
    return 0.5 + number % 50 / 50


def _script(number: int) -> list[Reply]:
    """Every answer is this caller's own; every third caller's second one fails at first."""
    replies = [
        Reply([Message(_words(number, turn), seconds=_seconds(number))]) for turn in range(TURNS)
    ]
    if number % 3 == 0:
        replies.insert(1, Reply(end=Failed("server_error")))
    return replies


async def _live(call: SimulatedCall, number: int) -> None:
    for turn in range(TURNS):
        handle = call.session.generate_reply(user_input=f"caller{number} asks {turn}")
        await handle
        assert handle.exception() is None, number
        assert call.speeches[-1] is handle, number


def _judge(call: SimulatedCall, number: int) -> None:
    """Nothing of anybody else is in this call."""
    said = [text for role, text in call.history if role == "assistant"]
    assert said == [_words(number, turn) for turn in range(TURNS)], (number, said)
    assert [text for role, text in call.remembered if role == "assistant"] == said, number
    assert abs(call.heard - TURNS * _seconds(number)) < 0.05, (number, call.heard)
    assert [e.outcome for e in call.ended] == [rf.TurnOutcome.COMPLETED] * TURNS, number
    assert [e.turn_id for e in call.ended] == [f"turn_{n + 1}" for n in range(TURNS)], number
    assert len(call.recoveries) == (number % 3 == 0), number
    assert not call.controller.turns, number


async def _crowd(count: int) -> Crowd:
    process = psutil.Process()
    gc.collect()
    memory, cpu = process.memory_info().rss, time.process_time()
    async with contextlib.AsyncExitStack() as stack:
        calls = [
            await stack.enter_async_context(
                simulated_call(_script(number), turn_detection=None, check=False)
            )
            for number in range(count)
        ]
        await asyncio.gather(*(_live(call, number) for number, call in enumerate(calls)))
        for number, call in enumerate(calls):
            _judge(call, number)
        assert len({id(call.controller) for call in calls}) == count
        assert len({id(handle) for call in calls for handle in call.speeches}) == count * TURNS
        gc.collect()
        memory = process.memory_info().rss - memory
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not left, left[:3]
    return Crowd(
        sessions=count,
        turns=count * TURNS,
        cpu_ms=(time.process_time() - cpu) / count * 1000,
        memory_kb=memory / count / 1024,
    )


def crowd(count: int) -> Crowd:
    """Run so many sessions at once, in virtual time.

    Raises:
        AssertionError: A session was not answered, or heard of another.
    """
    return run_virtual(lambda: _crowd(count), limit=None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    logging.disable(logging.CRITICAL)  # a third of them recovers
    print(crowd(parser.parse_args().sessions))
    return 0


if __name__ == "__main__":
    sys.exit(main())
