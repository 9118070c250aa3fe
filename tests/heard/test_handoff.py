"""G16, G21: a handoff that cuts nothing."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import Agent, function_tool

import realtime_fsm as rf
from realtime_fsm.livekit._features import given_history, hand_over, history_of
from realtime_fsm.simulator import FunctionCall, Reply
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from ..livekit.call import HELLO, call
from .cells import TEXTS
from .test_reconnect import FAST, GREETING, QUESTION, agents, conversation, playing, refused, said


class Transferring(Agent):
    """Its tool hands over, with the history as it is then."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def transfer(self) -> Agent:
        """Hand over."""
        return Agent(instructions="Be kind.", **given_history(self.chat_ctx.copy()))


@virtual_time
async def test_g16_g21_a_tool_that_hands_over_lets_the_message_play() -> None:
    first = Reply([*said(1), FunctionCall("transfer")])
    async with call(
        [first, HELLO], agent=Transferring(), config=FAST, sink=PacedAudioOutput()
    ) as c:
        await c.session.generate_reply(user_input=QUESTION[1])
        await asyncio.sleep(3.0)
        assert c.sink.segments[0].position == pytest.approx(2.0)
        await c.session.generate_reply(user_input="And?")
        await asyncio.sleep(0.5)
        said_there = [x for x in conversation(c) if x[0] in ("user", "assistant")]
        assert ("assistant", TEXTS[0]) in said_there
        assert said_there[-2:] == [("user", "And?"), GREETING]
        assert [x for x in agents(c) if x[0] in ("user", "assistant")] == said_there
        assert c.controller.differences() == {}
        assert refused(c) == []


@virtual_time
async def test_g16_g21_an_application_that_hands_over_while_a_message_plays() -> None:
    async with call([Reply(said(2)), HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 0.7)
        history = history_of(c.session)
        next_agent = Agent(instructions="Be kind.", **given_history(history))
        hand_over(c.session, next_agent, history)
        await handle
        await asyncio.sleep(1.0)
        assert c.sink.heard_seconds == pytest.approx(4.0, abs=0.01)
        assert [m.outcome for m in c.turn.messages] == [rf.MessageOutcome.FULL] * 2
        heard = [QUESTION, *(("assistant", text) for text in TEXTS[:2])]
        assert conversation(c) == agents(c) == heard
        assert refused(c) == []
