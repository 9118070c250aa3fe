"""How failures end: sessions that bear some of them (G26), and states that cannot stick (G22)."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import Agent, ErrorEvent, RunContext, function_tool, llm
from livekit.agents.voice import SpeechHandle

import realtime_fsm as rf
from realtime_fsm import simulator as sim
from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.testing import PacedAudioOutput, simulated_call, virtual_time

from .call import HELLO, VAD, call

QUICK = rf.RetryPolicy(retry_interval=0.05, timeout=0.4, max_retry=1)
BAD = sim.Reply(end=sim.Failed("server_error"))


@virtual_time
async def test_g26_the_session_ends_at_the_failure_after_the_tolerated_ones() -> None:
    """As with a pipeline: three failed turns in a row are borne, the fourth ends it."""
    policy = rf.RetryPolicy(max_retry=0, on_exhausted="pipeline")
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
    thinking = sim.Reply([sim.Message("It arrives at noon.", after=3.0)])
    script = [sim.Reply([sim.FunctionCall("look_up")]), thinking, BAD, BAD, BAD]
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
    script = [sim.Reply([sim.FunctionCall("look_up")]), BAD, BAD, HELLO]
    async with call(script, agent=agent, retry=QUICK) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        await c.until(lambda: c.session.agent_state == "thinking")
        other = realtime_session_of(c.session).generate_reply()
        with pytest.raises(llm.RealtimeError):
            await other
        for _ in range(10):
            await asyncio.sleep(0.15)
            assert c.session.agent_state == "thinking"
        await handle
        assert c.session.agent_state == "listening"


@virtual_time
async def test_g22_activity_follows_the_turns() -> None:
    script = [BAD, sim.Reply([sim.Message("Here I am.", seconds=1.0, after=0.2)])]
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


# --- the end of the session


class Greets(Agent):
    """Asks for a reply as soon as it is there."""

    handle: SpeechHandle

    async def on_enter(self) -> None:
        self.handle = self.session.generate_reply(instructions="Greet the caller.")


QUOTA = sim.ErrorInfo("insufficient_quota")
DEAD_ON_ARRIVAL = {
    "http_500": [sim.Refuse(500)] * 9,
    "http_401": [sim.Refuse(401)] * 9,
    "insufficient_quota": [sim.Accept(sim.Closed(1008, error=QUOTA), on="connect")] * 9,
}


@pytest.mark.parametrize("code", DEAD_ON_ARRIVAL)
@virtual_time
async def test_g8_g12_a_greeting_that_never_had_a_session_says_why(code: str) -> None:
    """BASELINE k2, k3, k4."""
    agent = Greets(instructions="Be brief.")
    config = sim.ServerConfig(handshakes=DEAD_ON_ARRIVAL[code])
    async with call([], agent=agent, config=config) as c:
        await c.until(lambda: c.closed, timeout=20)
        error = agent.handle.exception()
        assert isinstance(error, llm.RealtimeError)
        assert error.code == code
        assert [e.error.recoverable for e in c.errors].count(False) == 1


@pytest.mark.parametrize("status", [401, 500])
@virtual_time
async def test_g8_what_ends_it_does_not_tell_the_address(status: int) -> None:
    """A key may be in its query: what an application logs of a speech has none of it."""
    config = sim.ServerConfig(handshakes=[sim.Accept(), *[sim.Refuse(status)] * 9])
    address = "https://host.example/v1?api-key=a1b2c3d4"
    async with simulated_call([HELLO], config=config, base_url=address, check=False) as c:
        await c.session.generate_reply(user_input="Hello?")
        handle = c.session.generate_reply(user_input="Still there?")
        assert isinstance(c.server, sim.InMemoryServer)
        c.server.drop()
        await c.until(lambda: c.closed, timeout=30)
        error = handle.exception()
        assert isinstance(error, llm.RealtimeError)
        assert error.code == f"http_{status}"
        assert "connection" in str(error)
        told = [str(error), *(str(ended.error) for ended in c.ended)]
        assert not any("a1b2c3d4" in each for each in told)


class GreetsTooLate(Greets):
    """Asks when the session has just ended. A refused handshake may be as quick as that, depending
    on how many steps asyncio takes for it, which differs between Pythons."""

    async def on_enter(self) -> None:
        ended = asyncio.Event()
        model = self.session.llm
        assert isinstance(model, ControlledRealtimeModel)
        assert model.controller is not None
        if model.controller.dead is not None:
            ended.set()

        def look(event: ErrorEvent) -> None:
            if not getattr(event.error, "recoverable", True):
                ended.set()

        self.session.on("error", look)
        await ended.wait()
        await super().on_enter()


@virtual_time
async def test_g8_a_greeting_asked_for_when_the_session_has_ended_says_why() -> None:
    agent = GreetsTooLate(instructions="Be brief.")
    config = sim.ServerConfig(handshakes=DEAD_ON_ARRIVAL["http_401"])
    async with call([], agent=agent, config=config) as c:
        await c.until(lambda: c.closed, timeout=20)
        error = agent.handle.exception()
        assert isinstance(error, llm.RealtimeError)
        assert error.code == "http_401"


@virtual_time
async def test_g10_a_fatal_end_waits_for_what_was_received_to_play() -> None:
    """BASELINE w4: a swap or a close must not cut what is being said."""
    broken = sim.Reply(
        [sim.Message("This goes on.", seconds=2.0)],
        end=sim.Failed("insufficient_quota", at=sim.audio_ms(500)),
    )
    async with call([broken], sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.closed)
        assert handle.exception() is not None
        assert c.sink.heard_seconds == pytest.approx(0.5, abs=0.02)
        assert [e.error.recoverable for e in c.errors] == [False]


@virtual_time
async def test_g12_a_response_that_fails_during_a_rollover_is_reported_once() -> None:
    """BASELINE bb2."""
    broken = sim.Reply(
        [sim.Message("This goes on.", seconds=2.0)],
        end=sim.Failed("server_error", at=sim.audio_ms(1200)),
    )
    async with call([broken, HELLO], retry=QUICK, max_session_duration=0.2) as c:
        await c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.server.connections > 1)
        assert len(c.errors) == 1


@virtual_time
async def test_g12_who_hangs_up_during_a_retry_is_told_of_its_failure_once() -> None:
    """LiveKit interrupts the speech, and then closes the session: both drop the retry."""
    thinking = sim.Reply([sim.Reasoning(seconds=20.0)])
    async with call([BAD, thinking]) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: len(c.server.sent("response.create")) == 2)
        await asyncio.sleep(0.2)
        await c.session.aclose()
        assert isinstance(handle.exception(), llm.RealtimeError)
        assert len(c.errors) == 1


@virtual_time
async def test_g12_who_hangs_up_when_the_connection_is_lost_is_told_of_it_once() -> None:
    async with call([sim.Reply([sim.Reasoning(seconds=20.0)])] * 2) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.server.sent("response.create"))
        await asyncio.sleep(0.2)
        c.server.drop()
        await c.until(lambda: c.errors)
        await c.session.aclose()
        assert isinstance(handle.exception(), llm.RealtimeError)
        assert len(c.errors) == 1
