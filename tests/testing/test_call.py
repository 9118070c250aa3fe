"""Whole calls in virtual time: each takes milliseconds."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from livekit.agents import Agent, function_tool, llm

import realtime_fsm as rf
from realtime_fsm import simulator as sim
from realtime_fsm.testing import (
    NothingLeft,
    TimeIsUp,
    VirtualTimeError,
    run_virtual,
    simulated_call,
    virtual_time,
)

real_clock = time.perf_counter
HELLO = sim.Reply([sim.Message("Good morning to you my friend.", seconds=3.0)])
TWO = sim.Reply(
    [
        sim.Message("One moment please I look it up.", seconds=2.0),
        sim.Message("Your parcel arrives tomorrow at noon.", seconds=3.0),
    ]
)


@pytest.mark.parametrize("controlled", [False, True], ids=["plain", "controlled"])
@virtual_time
async def test_a_healthy_call(controlled: bool) -> None:
    async with simulated_call([TWO, HELLO], controlled=controlled) as call:
        await call.say("Where is my parcel?", 1.5)
        await call.idle()
        await call.say("Thank you.", 0.5)
        await call.idle()
        assert [round(s.position, 3) for s in call.sink.segments] == [2.0, 3.0, 3.0]
        assert call.server.creates == 0, "server VAD answers"
        assert not call.errors
        assert call.history == call.remembered
        roles = [role for role, _ in call.history]
        assert roles == ["user", "assistant", "assistant", "user", "assistant"]
        items = call.session.history.items
        assert [i.created_at for i in items] == sorted(i.created_at for i in items)
        span = items[-1].created_at - items[0].created_at
        assert 8 < span < 20, "chat items have the virtual clock"


@virtual_time
async def test_a_turn_that_failed_before_output_is_heard_after_all() -> None:
    async with simulated_call([sim.Reply(end=sim.Failed("server_error")), HELLO]) as call:
        await call.say("Hello?")
        await call.idle()
        assert call.turn.attempts == 2
        assert call.turn.origin is rf.Origin.SERVER_VAD
        assert call.turn.outcome is rf.TurnOutcome.COMPLETED
        assert call.heard == pytest.approx(3.0)
        assert len(call.recoveries) == 1
        assert not call.errors


@virtual_time
async def test_an_unanswered_create_is_asked_again_after_the_default_ten_seconds() -> None:
    script = [sim.Reply(ack=sim.Unanswered()), HELLO]
    async with simulated_call(script, turn_detection=None) as call:
        start = asyncio.get_running_loop().time()
        handle = call.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None
        assert call.server.creates == 2
        first, second = [r.t for r in call.server.record if r.type == "response.create"]
        assert second - first == pytest.approx(10.1, abs=0.2)
        assert asyncio.get_running_loop().time() - start == pytest.approx(13.2, abs=0.3)


@virtual_time
async def test_a_dropped_socket() -> None:
    async with simulated_call([sim.Reply(end=sim.Dropped()), HELLO], turn_detection=None) as call:
        handle = call.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None
        assert call.heard == pytest.approx(3.0)
        assert call.server.connections == 2


@virtual_time
async def test_an_interrupt_in_message_1_of_2_truncates_to_what_was_heard() -> None:
    async with simulated_call([TWO], turn_detection=None) as call:
        handle = call.session.generate_reply(user_input="Where is my parcel?")
        await call.until(lambda: call.heard >= 0.7)
        await call.session.interrupt()
        await handle
        await call.idle()
        (truncate,) = call.server.sent("conversation.item.truncate")
        assert truncate["audio_end_ms"] == pytest.approx(call.heard * 1000, abs=1)
        first, second = call.turn.messages
        assert first.outcome is rf.MessageOutcome.PARTIAL
        assert second.outcome is rf.MessageOutcome.SKIPPED
        assert call.turn.outcome is rf.TurnOutcome.INTERRUPTED


@virtual_time
async def test_the_user_barges_in() -> None:
    async with simulated_call([HELLO, HELLO]) as call:
        await call.say("Hello?")
        await call.until(lambda: call.heard > 1.0)
        await call.say("Wait.")
        await call.idle()
        assert [s.interrupted for s in call.sink.segments] == [True, False]
        assert call.heard < 4.1


@virtual_time
async def test_push_to_talk() -> None:
    async with simulated_call([HELLO], turn_detection=None) as call:
        await call.say("Hello?")
        await call.idle()
        assert call.heard == pytest.approx(3.0)
        assert len(call.server.sent("input_audio_buffer.commit")) == 1


@virtual_time
async def test_an_agent_with_a_tool() -> None:
    class Weather(Agent):
        @function_tool
        async def get_weather(self, city: str) -> str:
            """Say how the weather is."""
            await asyncio.sleep(7)
            return f"It rains in {city}."

    script = [sim.Reply([sim.FunctionCall("get_weather", {"city": "Oslo"})]), HELLO]
    async with simulated_call(script, agent=Weather(instructions="Be brief.")) as call:
        await call.say("How is the weather in Oslo?")
        await call.until(lambda: call.heard >= 3.0)
        outputs = [i for i in call.session.history.items if i.type == "function_call_output"]
        assert [i.output for i in outputs] == ["It rains in Oslo."]


@pytest.mark.real_time
def test_a_stall_of_twenty_seconds_takes_no_time() -> None:
    stalled = sim.Reply(
        [sim.Message("This is the answer.", seconds=2.0)], end=sim.Stalled(at=sim.audio_ms(500))
    )

    async def main() -> float:
        policy = rf.RetryPolicy(stall_timeout=20.0)
        async with simulated_call([stalled], policy=policy) as call:
            await call.say("Hello?")
            await call.until(lambda: call.ended)
            assert call.turn.state is rf.TurnState.FAILED
            return asyncio.get_running_loop().time() - 1000

    start = real_clock()
    assert run_virtual(main) > 20
    assert real_clock() - start < 10


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("controlled", "options", "error"),
    [
        (False, {"max_session_duration": None}, NothingLeft),
        (False, {}, TimeIsUp),
        (True, {}, TimeIsUp),
    ],
    ids=["nothing left", "planned reconnects", "liveness"],
)
def test_a_hang_in_a_call_is_found_at_once(
    controlled: bool, options: dict[str, Any], error: type[VirtualTimeError]
) -> None:
    """With the plugin's planned reconnect every 20 minutes, or a controlled call's liveness frames, there
    is always something left, and the run ends at its limit, as quickly."""

    async def hangs() -> None:
        async with simulated_call([HELLO], controlled=controlled, **options) as call:
            await call.say("Hello?")
            await asyncio.Event().wait()

    start = real_clock()
    with pytest.raises(error, match=r"asyncio\.Event\(\)\.wait\(\)"):
        run_virtual(hangs)
    assert real_clock() - start < 10


# --- the helper itself


@virtual_time
async def test_a_task_that_is_left_is_found() -> None:
    tasks = []

    async def forgetful() -> None:
        async with simulated_call():
            tasks.append(asyncio.create_task(asyncio.sleep(1000), name="mine"))

    with pytest.raises(AssertionError, match=r"tasks are left.*mine"):
        await forgetful()
    tasks[0].cancel()


@virtual_time
async def test_an_error_of_the_test_is_not_hidden_by_the_check() -> None:
    tasks = []

    async def fails() -> None:
        async with simulated_call():
            tasks.append(asyncio.create_task(asyncio.sleep(1000)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    tasks[0].cancel()


@virtual_time
async def test_waiting_has_an_end() -> None:
    async with simulated_call([sim.Reply(end=sim.Stalled())], controlled=False) as call:
        await call.say("Hello?")
        with pytest.raises(asyncio.TimeoutError):
            await call.idle()
        with pytest.raises(RuntimeError, match="not controlled"):
            _ = call.turn


@virtual_time
async def test_there_is_no_turn_at_first() -> None:
    async with simulated_call() as call:
        with pytest.raises(RuntimeError, match="no turn"):
            _ = call.turn
        assert not call.busy


@virtual_time
async def test_an_agent_with_its_own_model_is_refused() -> None:
    class Own(llm.LLM[Any]):
        def chat(self, **_: object) -> llm.LLMStream:
            raise NotImplementedError

    with pytest.raises(ValueError, match="its own llm"):
        async with simulated_call(agent=Agent(instructions="", llm=Own())):
            pass


async def test_over_a_socket_in_real_time() -> None:
    config = sim.ServerConfig(pace=0.001)
    hello = sim.Reply([sim.Message("Hello.", seconds=0.1)])
    async with (
        sim.RealtimeServer(sim.Script([hello]), config=config) as server,
        simulated_call(server=server) as call,
    ):
        await call.say("Hello?", seconds=0.05)
        await call.idle(quiet=0.1)
        assert call.heard == pytest.approx(0.1)
