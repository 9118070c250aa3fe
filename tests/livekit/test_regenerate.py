"""``after_exposure="regenerate"``: a sentence that breaks off is gone on from, never left as it is."""

from __future__ import annotations

import pytest
from livekit.agents import Agent, function_tool

import realtime_fsm as rf
from realtime_fsm.simulator import (
    END,
    Dropped,
    Failed,
    FunctionCall,
    Message,
    Reply,
    Stalled,
    audio_ms,
)
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from .call import HELLO, VAD, call

POLICY = rf.RetryPolicy(retry_interval=0.05, stall_timeout=1.0, after_exposure="regenerate")
SENTENCE = Message("Your parcel arrives tomorrow at noon sharp.", seconds=2.0)
BROKEN = {
    "failed": Reply([SENTENCE], end=Failed("server_error", at=audio_ms(500))),
    "stalled": Reply([SENTENCE], end=Stalled(at=audio_ms(500))),
    "dropped": Reply([SENTENCE], end=Dropped(at=audio_ms(500))),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
@virtual_time
async def test_g9_what_was_received_plays_out_and_the_rest_is_asked_for(broken: Reply) -> None:
    """One handle, no exception; nothing that was heard is taken back or heard again."""
    async with call([broken, HELLO], retry=POLICY) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        await handle
        assert handle.exception() is None
        assert c.sink.heard_seconds == pytest.approx(0.5 + 0.6, abs=0.02)
        assert (c.turn.outcome, c.turn.attempts) == (rf.TurnOutcome.COMPLETED, 2)
        assert [m.attempt for m in c.turn.messages] == [1, 2]
        assert c.server.creates == 2
        assert c.server.collisions == 0
        assert len(c.recovering) == 1
        states = [m.dest.value for m in c.moves if m.dest is not m.source]
        assert states == [
            *("created", "streaming", "retry_wait", "requested", "created", "streaming", "done")
        ]


@virtual_time
async def test_g9_it_is_bounded() -> None:
    """Each attempt breaks off after something was heard: after ``max_retry`` the turn fails."""
    broken = Reply([SENTENCE], end=Failed("server_error", at=audio_ms(200)))
    policy = rf.RetryPolicy(retry_interval=0.05, max_retry=2, after_exposure="regenerate")
    async with call([broken] * 5, retry=policy) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        await handle
        assert c.server.creates == 3
        assert c.turn.outcome is rf.TurnOutcome.FAILED
        assert handle.exception() is not None
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.02)


@virtual_time
async def test_g9_a_fatal_failure_and_the_policy_stop_are_not_gone_on_from() -> None:
    for policy, code in ((POLICY, "insufficient_quota"), (rf.RetryPolicy(), "server_error")):
        broken = Reply([SENTENCE], end=Failed(code, at=audio_ms(500)))
        async with call([broken, HELLO], retry=policy) as c:
            handle = c.session.generate_reply(user_input="Where is it?")
            await handle
            assert c.server.creates == 1
            assert not c.recovering
            assert handle.exception() is not None


@virtual_time
async def test_g17_a_response_that_called_a_tool_is_not_asked_for_again() -> None:
    """The tool's reply speaks (BASELINE p)."""
    ran = []

    @function_tool
    async def look_up() -> str:
        """Look it up."""
        ran.append(1)
        return "noon"

    broken = Reply(
        [Message("One moment.", seconds=0.6), FunctionCall("look_up")],
        end=Failed("server_error", at=END),
    )
    agent = Agent(instructions="Be brief.", tools=[look_up])
    async with call([broken, HELLO], retry=POLICY, agent=agent) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        await handle
        await c.until(lambda: c.sink.heard_seconds > 1.19)
        assert ran == [1]
        assert handle.exception() is None
        assert c.server.creates == 2


@virtual_time
async def test_g5_g16_an_interrupt_while_the_rest_plays_ends_the_turn() -> None:
    async with call([BROKEN["failed"], HELLO], retry=POLICY, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        await c.until(lambda: c.turn.replacing)
        handle.interrupt()
        await handle
        await c.until(lambda: not c.controller.turns)
        assert c.turn.outcome is rf.TurnOutcome.INTERRUPTED
        assert c.server.creates == 1
        message = c.turn.messages[0]
        assert message.outcome in (rf.MessageOutcome.PARTIAL, rf.MessageOutcome.SKIPPED)
        await c.until(lambda: not c.controller.differences())


@virtual_time
async def test_g9_a_server_vad_turn_is_gone_on_from_as_one_speech() -> None:
    async with call([BROKEN["failed"], HELLO], retry=POLICY, turn_detection=VAD) as c:
        speeches: list[object] = []
        c.session.on("speech_created", speeches.append)
        await c.server.user_speaks("Where is it?", seconds=0.5)
        await c.until(lambda: c.sink.heard_seconds > 1.05)
        await c.until(lambda: not c.controller.turns)
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        assert len(speeches) == 1
