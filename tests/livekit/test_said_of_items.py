"""G16, G18: an item whose ``conversation.item.added`` got lost is one all the same: another connection is told of it."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import Agent, function_tool

from realtime_fsm.livekit._features import (
    given_history,
    hand_over,
    history_of,
    push_history,
    realtime_session_of,
)
from realtime_fsm.simulator import FunctionCall, Message, Reply, Script, ServerConfig
from realtime_fsm.simulator.faults import At, Late, Lose, Schedule, Silence
from realtime_fsm.testing import simulated_call, virtual_time

from ..heard.test_reconnect import replays_calls

FIRST, SECOND = "Where is it?", "What does it cost?"
WORDS = "You can see it from the street, beside the door."
SCRIPT = Script(
    answers={
        FIRST: [Reply([FunctionCall("look_up")])],
        f"{FIRST} > look_up": [Reply([Message("It is here.", seconds=0.5)]) for _ in range(3)],
        SECOND: [Reply([Message("It is free.", seconds=0.5)]) for _ in range(3)],
    }
)


class Looks(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def look_up(self) -> str:
        """Look it up."""
        return "There."


@replays_calls
@virtual_time
@pytest.mark.parametrize(
    "fault",
    [
        Lose(At("conversation.item.added", question=FIRST)),
        Lose(At("conversation.item.added", question=FIRST, number=2)),
        Lose(At("conversation.item.added", number=1)),
        Late(At("conversation.item.added", question=FIRST), seconds=0.5),
    ],
    ids=["call", "tool's reply", "question", "call, late"],
)
async def test_g16_a_tools_output_is_not_replayed_without_its_call(fault: Lose | Late) -> None:
    config = ServerConfig(faults=Schedule([fault]), vad_create_delay=0.3, transcription_delay=0.05)
    async with simulated_call(SCRIPT, agent=Looks(), config=config, check=False) as call:
        await call.say(FIRST)
        await call.idle()
        assert call.heard == pytest.approx(0.5)
        await call.server.user_speaks(SECOND, seconds=0.5)
        await asyncio.sleep(0.65)
        call.server.drop()
        await call.idle(quiet=3.0)
        there = [item.type for item in call.server.conversation]
        assert there.count("function_call") == there.count("function_call_output") == 1
        assert [i.text for i in call.server.conversation if i.role == "assistant"] == [
            "It is here.",
            "It is free.",
        ]
        assert call.heard == pytest.approx(1.0)
        history = realtime_session_of(call.session).chat_ctx
        assert [i.type for i in history.items if i.type != "message"] == [
            "function_call",
            "function_call_output",
        ]


@virtual_time
@pytest.mark.parametrize("interrupts", [True, False])
async def test_g16_a_copy_made_before_its_first_sound_has_no_words_that_nobody_heard(
    interrupts: bool,
) -> None:
    """The session is closed before the server's terminal, so nothing is deleted there any more."""
    reply = Reply([Message("It is here, in sight.", seconds=4.0), Message(WORDS, seconds=8.0)])
    async with simulated_call(Script(answers={FIRST: [reply]}), agent=Looks(), check=False) as call:
        call.session.generate_reply(instructions=FIRST)
        await call.until(lambda: len(call.server.conversation) == 2)
        copy = history_of(call.session).copy()
        agent = Agent(instructions="Go on.", llm=call.another_model(), **given_history(copy))
        hand_over(call.session, agent, copy)
        await asyncio.sleep(0.5)
        if interrupts:
            await call.session.interrupt()
        await call.idle(quiet=1.0)
        said = [i.text for i in call.server.conversation if i.type == "message"]
        assert said == (["It"] if interrupts else ["It is here, in sight.", WORDS])


@virtual_time
async def test_g16_the_next_agent_does_without_what_it_was_not_given() -> None:
    """LiveKit's push at a handoff deletes what its mirror has, which is all but a message whose beginning got
    lost; another connection is told of that, and the agent is not."""
    lost = Lose(At("conversation.item.added", question=f"{FIRST} > look_up", number=1))
    config = ServerConfig(faults=Schedule([lost]), vad_create_delay=0.3, transcription_delay=0.05)
    async with simulated_call(SCRIPT, agent=Looks(), config=config, check=False) as call:
        await call.say(FIRST)
        await call.idle()
        hand_over(call.session, Looks())
        await asyncio.sleep(0.5)
        await call.say(SECOND)
        await call.idle()
        call.server.drop()
        await asyncio.sleep(1.0)
        known = [
            item.text_content for item in history_of(call.session).items if item.type == "message"
        ]
        assert known == [SECOND, "It is free."]
        await push_history(call.session, history_of(call.session).copy())
        await call.idle(quiet=1.0)
        assert [i.text for i in call.server.conversation if i.type == "message"] == known


@virtual_time
async def test_g19_what_waits_is_asked_behind_the_conversation_when_another_session_takes_over() -> (
    None
):
    """The connection falls silent within an answer, and the user writes something else."""
    long = Reply([Message("It is a long way from here to there.", seconds=6.0)])
    script = Script(answers={FIRST: [long], SECOND: [Reply([Message("Free.", seconds=0.5)])] * 2})
    silent = Silence(At("response.output_audio.delta", number=5), seconds=60.0)
    config = ServerConfig(faults=Schedule([silent]))
    async with simulated_call(script, config=config, turn_detection=None, check=False) as call:
        call.session.generate_reply(user_input=FIRST)
        await call.until(lambda: call.heard > 0.2)
        await call.session.interrupt()
        await call.session.generate_reply(user_input=SECOND)
        await call.idle(quiet=2.0)
        assert [i.text for i in call.server.conversation if i.role == "assistant"][-1:] == ["Free."]
        new = [r.type for r in call.server.record if r.connection == 2 and r.direction == "client"]
        assert new.index("response.create") > new.index("conversation.item.create")
        assert "conversation.item.create" not in new[new.index("response.create") :]
