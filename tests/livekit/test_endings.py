"""How failures end: sessions that bear some of them (G26), and states that cannot stick (G22)."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import Agent, RunContext, function_tool, llm

import realtime_fsm as rf
from realtime_fsm.simulator import Failed, FunctionCall, Message, Reply
from realtime_fsm.testing import virtual_time

from .call import HELLO, VAD, call

QUICK = rf.RetryPolicy(retry_interval=0.05, timeout=0.4, max_retry=1)
BAD = Reply(end=Failed("server_error"))


@virtual_time
async def test_g26_the_session_ends_at_the_failure_after_the_tolerated_ones() -> None:
    """As with a pipeline: three failed turns in a row are borne, the fourth ends it."""
    policy = rf.RetryPolicy(max_retry=0)
    async with call([BAD] * 4, retry=policy) as c:
        for n in range(4):
            assert not c.closed
            handle = c.session.generate_reply(user_input=f"Hello {n}?")
            await handle
            assert isinstance(handle.exception(), llm.RealtimeError)
        await c.until(lambda: c.closed)
        assert [e.error.recoverable for e in c.errors] == [True, True, True, False]


@virtual_time
async def test_g26_an_agent_that_speaks_in_between_has_all_its_tolerance_back() -> None:
    policy = rf.RetryPolicy(max_retry=0)
    async with call([BAD, BAD, BAD, HELLO] * 2, retry=policy) as c:
        for _ in range(8):
            await c.session.generate_reply(user_input="Hello?")
        assert not c.closed
        assert c.sink.heard_seconds == pytest.approx(1.2, abs=0.02)


@virtual_time
async def test_g26_escalate_ends_it_at_the_first() -> None:
    policy = rf.RetryPolicy(max_retry=0, on_exhausted="escalate")
    async with call([BAD] * 2, retry=policy) as c:
        await c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.closed)
        assert [e.error.recoverable for e in c.errors] == [False]


@virtual_time
async def test_g22_agent_state_does_not_stick_when_no_reply_comes() -> None:
    """BASELINE o3: a tool's reply is interrupted before its first output, and the answer to what
    the user said instead fails for good."""
    done = asyncio.Event()

    @function_tool
    async def look_up(context: RunContext[None]) -> str:
        """Look it up."""
        await asyncio.sleep(0.5)
        done.set()
        return "noon"

    agent = Agent(instructions="Be brief.", tools=[look_up])
    thinking = Reply([Message("It arrives at noon.", after=3.0)])
    script = [Reply([FunctionCall("look_up")]), thinking, BAD, BAD, BAD]
    async with call(script, retry=QUICK, agent=agent, turn_detection=VAD) as c:
        await c.server.user_speaks("Where is it?", seconds=0.3)
        await done.wait()
        await c.until(lambda: c.server.creates == 1)
        await c.server.user_speaks("Never mind.", seconds=0.3)
        await c.until(lambda: c.turn.outcome is rf.TurnOutcome.FAILED, timeout=20)
        await asyncio.sleep(0.1)
        assert c.session.agent_state == "listening"
        assert c.controller.activity is rf.Activity.IDLE


@virtual_time
async def test_g22_a_running_tool_keeps_the_agent_thinking() -> None:
    @function_tool
    async def look_up(context: RunContext[None]) -> str:
        """Look it up."""
        await asyncio.sleep(2.0)
        return "noon"

    agent = Agent(instructions="Be brief.", tools=[look_up])
    script = [Reply([FunctionCall("look_up")]), BAD, BAD, HELLO]
    async with call(script, agent=agent, retry=QUICK) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        await c.until(lambda: c.session.agent_state == "thinking")
        other = c.session.current_agent.realtime_llm_session.generate_reply()
        with pytest.raises(llm.RealtimeError):
            await other
        for _ in range(10):
            await asyncio.sleep(0.15)
            assert c.session.agent_state == "thinking"
        await handle
        assert c.session.agent_state == "listening"


@virtual_time
async def test_g22_activity_follows_the_turns() -> None:
    script = [BAD, Reply([Message("Here I am.", seconds=1.0, after=0.2)])]
    async with call(script, retry=QUICK) as c:
        seen = [c.controller.activity]

        def look(_: object) -> None:
            if seen[-1] is not c.controller.activity:
                seen.append(c.controller.activity)

        assert c.model is not None
        c.model.on("turn_moved", look)
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.controller.activity is rf.Activity.SPEAKING)
        await handle
        assert seen == [
            rf.Activity.IDLE,
            rf.Activity.REQUESTED,
            rf.Activity.THINKING,
            rf.Activity.RECOVERING,
            rf.Activity.THINKING,
            rf.Activity.SPEAKING,
            rf.Activity.IDLE,
        ]
