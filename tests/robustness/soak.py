"""Real sessions over real sockets, with faults, for as long as you like: nothing may be left over.

``python -m tests.robustness.soak --minutes 10 --faults rough``
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import time
from collections import Counter
from dataclasses import replace

import realtime_fsm as rf
from realtime_fsm.lab.simulate import PROFILES, Scenario, call_seed, draw
from realtime_fsm.simulator import RealtimeServer
from realtime_fsm.testing import PacedAudioOutput, SimulatedCall, simulated_call

from .measure import Sample, growth, sample

#: Time-outs of people who are in a hurry: a soak is to see many faults, not to wait for each.
POLICY = rf.RetryPolicy(
    retry_interval=0.05, timeout=0.5, recovery_deadline=2.0, stall_timeout=1.0, cancel_timeout=0.5
)
SPEED = 25.0
_PATIENCE = 60.0


async def one_call(scenario: Scenario, outcomes: Counter[str]) -> None:
    """Live through the turns of a scenario, hurriedly; count how they ended."""
    config = replace(scenario.config, pace=0.002, transcription_delay=0.01)
    async with RealtimeServer(scenario.script, config=config) as server:
        sink = PacedAudioOutput(speed=SPEED)
        async with simulated_call(
            server=server, policy=POLICY, sink=sink, check=False, turn_detection=None
        ) as call:
            for turn in scenario.turns:
                if call.closed:
                    break
                await _turn(call, turn.words, stops=turn.then != "listens")
    assert not call.controller.turns, f"turns left: {call.controller.turns}"
    outcomes.update(event.outcome.value for event in call.ended)


async def _turn(call: SimulatedCall, words: str, *, stops: bool) -> None:
    with contextlib.suppress(RuntimeError):  # the session may close meanwhile
        handle = call.session.generate_reply(user_input=words)
        if stops:
            await asyncio.sleep(0.05)
            handle.interrupt()
        await asyncio.wait_for(handle.wait_for_playout(), _PATIENCE)
        await call.until(lambda: call.closed or not call.controller.turns, timeout=_PATIENCE)


async def soak(
    seconds: float, faults: str, *, seed: int = 1, at_once: int = 12, rounds: int = 0
) -> list[Sample]:
    """Rounds of calls, with a sample after each. Prints as it goes.

    Raises:
        AssertionError: A turn or a task is left over.
    """
    samples: list[Sample] = []
    outcomes: Counter[str] = Counter()
    start, number = time.monotonic(), 0
    while time.monotonic() - start < seconds or len(samples) < rounds:
        drawn = [draw(call_seed(seed, number + n), faults) for n in range(at_once)]  # type: ignore[arg-type]
        await asyncio.gather(*(one_call(scenario, outcomes) for scenario in drawn))
        number += at_once
        await asyncio.sleep(0.2)  # the sockets' own goodbyes
        samples.append(sample())
        print(f"{time.monotonic() - start:7.1f} s  {number} calls  {samples[-1]}")
    print(f"{sum(outcomes.values())} turns: {dict(sorted(outcomes.items()))}")
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--faults", choices=PROFILES, default="rough")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)  # thousands of faults
    samples = asyncio.run(soak(options.minutes * 60, options.faults, seed=options.seed, rounds=9))
    grown = growth(samples)
    print("\n".join(grown) or "flat")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
