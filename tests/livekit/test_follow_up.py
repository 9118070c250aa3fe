"""G28: after a response that only acted, or only announced something, the reply that `RetryPolicy.follow_ups` asks for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm.livekit._follow_up import FollowUps
from realtime_fsm.simulator import FunctionCall, Message, Reply, ServerCall
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from .call import VAD, call

ANSWER = Reply([Message("It is on its way.", seconds=1.0)])
LOOK = Message("Let me look.", seconds=0.5, phase="commentary")
ACTS = Reply([ServerCall("lookup", seconds=0.3)])
HALVES = {
    "action": ACTS,
    "search": Reply([ServerCall("search", kind="web_search_call", seconds=0.3)]),
    "commentary": Reply([LOOK]),
    "commentary and action": Reply([LOOK, ServerCall("lookup", seconds=0.3)]),
    "two commentaries": Reply([LOOK, LOOK]),
}
WHOLE = {
    "answer": ANSWER,
    "final answer": Reply([Message("Here.", seconds=0.5, phase="final_answer")]),
    "commentary and answer": Reply([LOOK, Message("Here.", seconds=0.5)]),
    "action and answer": Reply([ServerCall("lookup", seconds=0.3), Message("Here.", seconds=0.5)]),
    "approval": Reply([ServerCall("lookup", kind="mcp_approval_request")]),
}
POLICY = rf.RetryPolicy(follow_ups=2)


@pytest.mark.parametrize("voice", ["asked", "server VAD"])
@pytest.mark.parametrize("half", HALVES)
@virtual_time
async def test_g28_what_said_nothing_yet_is_followed_up_where_the_policy_is_to(
    half: str, voice: str
) -> None:
    vad = VAD if voice == "server VAD" else None
    for policy, more in ((POLICY, 1), (rf.RetryPolicy(), 0)):
        sink = PacedAudioOutput()
        script = [HALVES[half], ANSWER]
        async with call(script, retry=policy, sink=sink, turn_detection=vad) as c:
            if vad is None:
                await c.session.generate_reply(user_input="Where is it?")
            else:
                await c.server.user_speaks("Where is it?", seconds=0.2)
            await asyncio.sleep(6.0)
            assert c.server.creates == more + (vad is None)
            assert ("It is on its way." in c.remembered()) == bool(more)
            assert not c.controller.turns
            assert not c.errors


@pytest.mark.parametrize("whole", WHOLE)
@virtual_time
async def test_g28_nothing_follows_what_was_an_answer_or_waits_for_the_application(
    whole: str,
) -> None:
    async with call([WHOLE[whole], ANSWER], retry=POLICY, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input="Where is it?")
        await asyncio.sleep(6.0)
        assert c.server.creates == 1


@virtual_time
async def test_g28_no_more_follow_than_the_policy_allows() -> None:
    async with call([ACTS] * 4 + [ANSWER], retry=POLICY, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input="Where is it?")
        await asyncio.sleep(10.0)
        assert c.server.creates == 3
        await c.session.generate_reply(user_input="And now?")  # the count begins anew
        await asyncio.sleep(10.0)
        assert c.server.creates == 5


@virtual_time
async def test_g28_what_runs_on_beyond_its_response_is_waited_for() -> None:
    runs = Reply([ServerCall("lookup", seconds=3.0, outlives=True)])
    async with call([runs, ANSWER], retry=POLICY, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input="Where is it?")
        await asyncio.sleep(2.0)
        assert c.server.creates == 1
        await asyncio.sleep(4.0)
        assert c.server.creates == 2


@virtual_time
async def test_g21_what_the_user_cut_off_is_not_followed_up() -> None:
    long = Reply([Message("Let me look for a long time.", seconds=5.0, phase="commentary")])
    async with call([long, ANSWER], retry=POLICY, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        await c.until(lambda: c.sink.heard_seconds or c.controller.turns[0].messages)
        handle.interrupt()
        await asyncio.sleep(6.0)
        assert c.server.creates == 1


@pytest.mark.parametrize("asks", ["user", "application"])
@virtual_time
async def test_g27_who_asks_meanwhile_has_the_word(asks: str) -> None:
    runs = Reply([ServerCall("lookup", seconds=3.0, outlives=True)])
    script = [runs, ANSWER, ANSWER]
    async with call(script, retry=POLICY, sink=PacedAudioOutput(), turn_detection=VAD) as c:
        await c.session.generate_reply(user_input="Where is it?")
        if asks == "user":
            await c.server.user_speaks("Hello?", seconds=0.2)
        else:
            c.session.generate_reply(user_input="Hello?")
        await asyncio.sleep(8.0)
        assert c.remembered() == ["It is on its way."], "one answer, to the question"


@pytest.mark.parametrize("value", [-1, 1.0, True, "1", None])
def test_bad_numbers(value: Any) -> None:
    with pytest.raises(ValueError, match=f"follow_ups.*{value}"):
        rf.RetryPolicy(follow_ups=value)


@virtual_time
async def test_g17_a_tool_replies_for_itself() -> None:
    from livekit.agents import Agent, function_tool

    @function_tool
    async def look_up() -> str:
        """Looks it up."""
        return "there"

    agent = Agent(instructions="Be brief.", tools=[look_up])
    script = [Reply([LOOK, FunctionCall("look_up", {})]), ANSWER, ANSWER]
    async with call(script, retry=POLICY, agent=agent, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input="Where is it?")
        await asyncio.sleep(6.0)
        assert c.server.creates == 2


@pytest.mark.parametrize("step", ["came", "_ask_now"])
@virtual_time
async def test_g32_an_error_in_it_makes_the_session_plain(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(FollowUps, step, broken)
    async with call([ACTS, ANSWER, ANSWER], retry=POLICY, turn_detection=None) as c:
        await c.session.generate_reply(user_input="Where is it?")
        await asyncio.sleep(3.0)
        await c.session.generate_reply(user_input="And now?")
        assert c.controller.stepped_aside is not None
        assert "It is on its way." in c.remembered()
