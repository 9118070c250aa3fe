"""How many simulated seconds a wall-clock second buys: ``python tests/testing/speed.py [turns]``.

A healthy call on one core: every 6 s the user asks for 1 s, and the answer is 3 s of audio in
deltas of 100 ms.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time

from realtime_fsm.simulator import Message, Reply, Script
from realtime_fsm.testing import run_virtual, simulated_call

wall_clock, cpu_clock = time.perf_counter, time.process_time
ANSWER = Reply([Message("It is a sunny day in the whole of the country.", seconds=3.0)])


async def healthy(turns: int, *, controlled: bool) -> float:
    loop = asyncio.get_running_loop()
    # Without the plugin's planned reconnect after 20 minutes, which is no part of a healthy turn.
    script = Script(default=ANSWER)
    async with simulated_call(script, controlled=controlled, max_session_duration=None) as call:
        start = loop.time()
        for turn in range(turns):
            await call.say("What is the weather like?", seconds=1.0)
            await asyncio.sleep(max(0.0, start + 6.0 * (turn + 1) - loop.time()))
        assert abs(call.heard - 3.0 * turns) < 0.01, call.heard
        return loop.time() - start


def main() -> None:
    logging.disable(logging.WARNING)
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    for controlled in (False, True):
        run_virtual(healthy(2, controlled=controlled))  # imports and caches
        cpu, wall = cpu_clock(), wall_clock()
        simulated = run_virtual(healthy(turns, controlled=controlled), limit=None)
        cpu, wall = cpu_clock() - cpu, wall_clock() - wall
        print(
            f"{'controlled' if controlled else 'plain':10}  {simulated:.0f} s simulated in "
            f"{wall:.2f} s: {simulated / wall:.0f} times real time, "
            f"{1000 * cpu / turns:.1f} ms CPU a turn"
        )


if __name__ == "__main__":
    main()
