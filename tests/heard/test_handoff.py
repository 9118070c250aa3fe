"""G16, G21: a handoff that cuts nothing."""

from __future__ import annotations

import asyncio

import pytest
from livekit.agents import Agent, function_tool

import realtime_fsm as rf
from realtime_fsm.livekit._features import (
    given_history,
    hand_over,
    history_is_the_sessions,
    history_of,
)
from realtime_fsm.simulator import (
    ITEM_ADDED,
    Dropped,
    Failed,
    FunctionCall,
    Reply,
    ServerConfig,
    Stalled,
)
from realtime_fsm.simulator.script import End
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from ..livekit.call import HELLO, Call, call
from .cells import TEXTS
from .test_reconnect import (
    FAST,
    GREETING,
    QUESTION,
    agents,
    conversation,
    drop,
    playing,
    refused,
    said,
)


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


async def _begun(c: Call) -> None:
    """A message is announced, and nothing of it has come."""
    record = c.server.record
    await c.until(
        lambda: any(
            r.type == "conversation.item.added" and "assistant" in str(r.event) for r in record
        )
    )
    await asyncio.sleep(0)
    assert not any(r.type.endswith(".delta") for r in record)


def _hand_over(c: Call) -> None:
    history = history_of(c.session).copy()
    hand_over(c.session, Agent(instructions="Be kind.", **given_history(history)), history)


@pytest.mark.parametrize("controlled", [True, False])
@virtual_time
async def test_g16_a_copy_made_before_the_first_word_knows_of_the_message(controlled: bool) -> None:
    """A hand-over between ``output_item.added`` and the first delta: the next agent remembers it."""
    slow = ServerConfig(pace=0.5)
    sink = PacedAudioOutput()
    async with call([Reply(said(1)), HELLO], config=slow, sink=sink, controlled=controlled) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await _begun(c)
        _hand_over(c)
        await handle
        await asyncio.sleep(1.0)
        assert sink.heard_seconds == pytest.approx(2.0, abs=0.01)
        heard = [QUESTION, ("assistant", TEXTS[0])]
        assert agents(c) == heard
        assert conversation(c) == heard
        assert refused(c) == []


@virtual_time
async def test_g16_a_copy_made_just_after_a_handoff_knows_of_the_message_that_is_spoken() -> None:
    """The history ends with LiveKit's note of the handoff, and the server's with what was said before."""
    async with call([HELLO, Reply(said(1)), HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input=QUESTION[1])
        _hand_over(c)
        await asyncio.sleep(0.5)
        handle = c.session.generate_reply(instructions="Go on.")
        await playing(c, 0.7)
        _hand_over(c)
        await handle
        await asyncio.sleep(1.0)
        assert conversation(c) == agents(c) == [QUESTION, GREETING, ("assistant", TEXTS[0])]
        assert refused(c) == []


@pytest.mark.parametrize(
    "end",
    [
        Failed("server_error", at=ITEM_ADDED),
        Dropped(at=ITEM_ADDED),
        Stalled(at=ITEM_ADDED),
        None,
    ],
    ids=["failed", "dropped", "stalled", "lost"],
)
@pytest.mark.parametrize("hands_over", [True, False])
@virtual_time
async def test_g9_g16_of_an_attempt_without_a_word_no_history_keeps_a_place(
    end: End | None, hands_over: bool
) -> None:
    """The placeholder goes with its attempt, from a copy that was made meanwhile too."""
    first = Reply(said(1)) if end is None else Reply(said(1), end=end)
    slow = ServerConfig(pace=0.5)
    retry = rf.RetryPolicy(stall_timeout=2.0)
    async with call([first, HELLO, HELLO], config=slow, retry=retry, sink=PacedAudioOutput()) as c:
        c.session.generate_reply(user_input=QUESTION[1])
        await _begun(c)
        if hands_over:
            _hand_over(c)
        if end is None:
            drop(c)
        await c.until(lambda: c.sink.heard_seconds > 0.59, timeout=20.0)
        await asyncio.sleep(1.0)
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)
        await c.session.generate_reply(user_input="And?")
        await asyncio.sleep(1.0)
        assert c.sink.heard_seconds == pytest.approx(1.2, abs=0.01)
        empty = [m for m in history_of(c.session).items if m.type == "message" and not m.content]
        # With LiveKit 2.0 a history that was handed over is reached when its agent runs: as on plain LiveKit.
        assert empty == [] or (hands_over and history_is_the_sessions())
        said_there = [x for x in conversation(c) if x[0] in ("user", "assistant")]
        assert [x for x in agents(c) if x[0] in ("user", "assistant")] == said_there
        assert said_there[-2:] == [("user", "And?"), GREETING]
        assert refused(c) == []
