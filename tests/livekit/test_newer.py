"""What LiveKit offers around a model works with a controlled one, and an answer that fails is there after all."""

from __future__ import annotations

import asyncio
import importlib
import json
from dataclasses import dataclass
from typing import Any
from unittest.mock import MagicMock

import pytest
from livekit import rtc
from livekit.agents import Agent, function_tool

import realtime_fsm as rf
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import (
    BEFORE_CREATED,
    Dropped,
    Failed,
    FunctionCall,
    Message,
    Reply,
    ServerConfig,
    Stalled,
)
from realtime_fsm.testing import simulated_call, virtual_time

FAILED = Reply(end=Failed("server_error"))
ANSWER = Reply([Message("We open at six.", seconds=1.0)])


def newer(module: str) -> Any:
    """A module of ``livekit.agents`` that came since 1.7."""
    try:
        return importlib.import_module(f"livekit.agents.{module}")
    except ModuleNotFoundError:
        pytest.skip(f"this livekit-agents has no {module}")


@virtual_time
async def test_a_run_of_the_session_has_the_answer() -> None:
    """``session.run()``, which tests of agents use."""
    async with simulated_call([FAILED, ANSWER], turn_detection=None) as c:
        result = await c.session.run(user_input="When do you open?")
        event = result.expect.next_event().is_message(role="assistant").event()
        assert event.item.text_content == "We open at six."
        result.expect.no_more_events()


@virtual_time
async def test_a_text_simulation_has_the_answer() -> None:
    """``lk agent simulate``: LiveKit leaves audio models out, and asks as for any reply."""
    testing = newer("testing")
    dispatch = {"simulationRunId": "SR_1", "mode": "SIMULATION_MODE_TEXT"}
    room = MagicMock(spec=rtc.Room)
    room.configure_mock(name="room")
    with testing.fake_job_context(room=room) as job, job._tempdir:
        job.job.attributes["lk.simulator.dispatch"] = json.dumps(dispatch)
        async with simulated_call([FAILED, ANSWER], turn_detection=None) as c:
            result = await c.session.run(user_input="When do you open?")
            event = result.expect.next_event().is_message(role="assistant").event()
            assert event.item.text_content == "We open at six."


@virtual_time
async def test_a_tool_runs_a_graph_once() -> None:
    graphs = newer("graph")
    runs: list[str] = []

    @dataclass
    class Told(graphs.BaseNode):  # type: ignore[misc, name-defined]
        day: str

        async def run(self, ctx: Any) -> graphs.End[str]:  # type: ignore[name-defined]
            runs.append(self.day)
            return graphs.End(f"At six on {self.day}.")

    @dataclass
    class Asked(graphs.BaseNode):  # type: ignore[misc, name-defined]
        async def run(self, ctx: Any) -> Told:
            return Told("Monday")

    Told.run.__annotations__["return"] = graphs.End[str]
    Asked.run.__annotations__["return"] = Told

    class Hours(graphs.Graph[str]):  # type: ignore[misc, name-defined]
        nodes = (Asked, Told)

    class Clerk(Agent):
        @function_tool
        async def hours(self) -> str:
            """When do we open?"""
            return str((await Hours.run(Asked(), state=None)).output)

    script = [Reply([FunctionCall("hours")]), FAILED, ANSWER]
    async with simulated_call(script, agent=Clerk(instructions="")) as c:
        await c.say("When do you open?", seconds=1.0)
        await c.idle()
        assert c.heard == pytest.approx(1.0)
        assert runs == ["Monday"]
        outputs = [i["item"]["output"] for i in c.server.sent("conversation.item.create")]
        assert outputs == ["At six on Monday."]


# --- what a hand-off on drain looks at

SLOW = ServerConfig(create_delay=1.0)
#: The first reply and the server of a call in which the answer is not there at once.
WAITS: dict[str, tuple[Reply, ServerConfig | None]] = {
    "fails": (FAILED, None),
    "lost": (Reply(end=Dropped(at=BEFORE_CREATED)), None),
    "stalls": (Reply(end=Stalled()), None),
    "slow": (ANSWER, SLOW),
}


@pytest.mark.parametrize("what", WAITS)
@virtual_time
async def test_a_turn_that_waits_or_recovers_is_an_active_generation(what: str) -> None:
    """So that who waits for the end of each before a hand-off does not cut it."""
    first, config = WAITS[what]
    policy = rf.RetryPolicy(retry_interval=1.0, first_output_timeout=2.0)
    async with simulated_call(
        [first, ANSWER], policy=policy, config=config, turn_detection=None
    ) as c:
        session: Any = realtime_session_of(c.session)
        assert not session.has_active_generation
        handle = c.session.generate_reply(user_input="When do you open?")
        await c.until(lambda: c.controller.turns)
        while c.heard == 0:  # the session is looked at all the time
            assert session.has_active_generation
            await asyncio.sleep(0.01)
        await handle
        assert not session.has_active_generation
