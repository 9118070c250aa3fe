"""An event costs our code the same however long the call has been: session, driver, history, core.

Lines that are run are counted, so that going through something that grows is noticed even where
nothing is called for each element. What LiveKit runs is not counted: its history does grow.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any
from weakref import ref

import pytest
from livekit.agents import llm

import realtime_fsm
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.livekit._history import History
from realtime_fsm.simulator import Failed, Reply, Script, ServerConfig
from realtime_fsm.testing import virtual_time

from ..livekit.call import HELLO, TWO, Call, call
from ..livekit.test_turns import QUICK

PACKAGE = Path(realtime_fsm.__file__).parent
#: They are the other side of the call.
OTHERS = tuple(str(PACKAGE / name) for name in ("simulator", "testing"))
#: One round: a healthy turn, one that is retried, one that is interrupted.
ROUND = [HELLO, Reply(end=Failed("server_error")), HELLO, TWO]
#: Rounds played before a look. By the second one what is remembered of so many turns, ids and cut
#: messages is as much as it gets.
EARLY, FULL, LATE = 7, 70, 133


class Lines:
    """Counts the lines of ours that are run, by function."""

    def __init__(self) -> None:
        self.run: Counter[str] = Counter()
        self._before: Any = None

    def __enter__(self) -> Counter[str]:
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self.run

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.settrace(self._before)

    def _called(self, frame: FrameType, event: str, argument: object) -> Any:
        path = frame.f_code.co_filename
        ours = path.startswith(str(PACKAGE)) and not path.startswith(OTHERS)
        return self._line if ours else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            code = frame.f_code
            self.run[f"{Path(code.co_filename).name}: {code.co_name}"] += 1
        return self._line


async def play(c: Call) -> None:
    """One round."""
    for _ in range(2):
        await c.session.generate_reply(instructions="Answer.")
    handle = c.session.generate_reply(instructions="Answer.")
    await c.until(lambda: c.turn.generation_over and c.turn.messages[0].started)
    await asyncio.sleep(0.05)
    await c.session.interrupt()
    await handle
    await asyncio.sleep(1.0)


async def looks(*at: int) -> list[Counter[str]]:
    """Lines of one round, after so many others each."""
    seen = []
    script = Script(ROUND * (at[-1] + 1))
    config = ServerConfig(pace=0.002, rate_limits="off")  # their numbers run out one day
    async with call(script, retry=QUICK, config=config) as c:
        for n in range(at[-1] + 1):
            if n in at:
                with Lines() as run:
                    await play(c)
                seen.append(run)
            else:
                await play(c)
        assert len(c.ended) == 3 * (at[-1] + 1)
        assert len(c.recovering) == at[-1] + 1
    return seen


@virtual_time
async def test_turn_four_hundred_runs_the_lines_of_turn_two_hundred() -> None:
    early, full, late = await looks(EARLY, FULL, LATE)
    for name in ("_session.py: generate_reply", "_driver.py: receive", "_history.py: said"):
        assert early[name], "it looks where it should"
    # A timer, and the frame that asks whether the server lives, may fall into one round or the next.
    grown = {name: (full[name], run) for name, run in late.items() if run > 1.05 * full[name] + 8}
    assert not grown
    assert sum(early.values()) <= sum(late.values()) <= 1.03 * sum(early.values())


@virtual_time
async def test_going_through_the_history_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def generated(self: History, done: object) -> None:
        for _ in self._inner.chat_ctx.items:
            pass

    source = compile("", str(PACKAGE / "livekit" / "_history.py"), "exec")
    code = generated.__code__.replace(co_filename=source.co_filename)
    monkeypatch.setattr(generated, "__code__", code)
    monkeypatch.setattr(History, "generated", generated)
    early, late = await looks(EARLY, EARLY + 3)
    assert late["_history.py: generated"] > early["_history.py: generated"]


@virtual_time
async def test_nobody_keeps_the_streams_of_a_turn_that_is_over() -> None:
    kept: list[ref[object]] = []

    def told(generation: llm.GenerationCreatedEvent) -> None:
        kept.append(ref(generation))

    async with call([TWO] * 5, retry=QUICK) as c:
        realtime_session_of(c.session).on("generation_created", told)
        for _ in range(5):
            await c.session.generate_reply(instructions="Answer.")
        await asyncio.sleep(1.0)
        gc.collect()
        assert len(kept) == 5
        assert not [each() for each in kept[:-1] if each() is not None]
