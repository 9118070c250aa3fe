"""G16: `differences()` says at any time where the copies differ: in position, in words, in order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import llm

import realtime_fsm as rf
from realtime_fsm.livekit._features import history_of
from realtime_fsm.simulator import Message, Reply, ServerConfig
from realtime_fsm.simulator.faults import At, Lose, Schedule
from realtime_fsm.simulator.wire import Send
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

Kind = rf.DifferenceKind
WORDS = "one two three four five six seven eight nine ten"


def call(*faults: Any) -> Any:
    script = [Reply([Message(WORDS, seconds=2.0)]), Reply([Message("Second.", seconds=0.5)])]
    config = ServerConfig(faults=Schedule([*faults]))
    return simulated_call(script, config=config, check=False, turn_detection=None)


def kinds(c: SimulatedCall) -> dict[str, rf.DifferenceKind]:
    return {item_id: each.kind for item_id, each in c.controller.differences().items()}


def messages(c: SimulatedCall) -> list[llm.ChatMessage]:
    return [i for i in history_of(c.session).items if i.type == "message" and i.role == "assistant"]


async def two_replies(c: SimulatedCall) -> tuple[llm.ChatMessage, llm.ChatMessage]:
    for question in ("hi", "And?"):
        await c.session.generate_reply(user_input=question)
    assert kinds(c) == {}
    first, second = messages(c)
    return first, second


@virtual_time
async def test_g16_a_position_differs_until_the_server_has_it() -> None:
    """The first truncate is lost, and asked for again once the server says other things."""
    async with call(Lose(At("conversation.item.truncate", side="client"))) as c:
        c.session.generate_reply(user_input="hi")
        await c.until(lambda: c.heard > 1.0)
        c.session.interrupt()
        await c.idle()
        heard, seen = round(c.heard * 1000), []
        for moment in range(100):
            first = next(i for i in c.server.conversation if i.role == "assistant")
            wrong = abs(first.audio_ms - heard) > 1
            seen.append(wrong)
            assert bool(kinds(c)) is wrong
            if moment == 20:
                c.session.generate_reply(user_input="And?")
            await asyncio.sleep(0.1)
        assert seen[0]
        assert not seen[-1]


@pytest.mark.parametrize("text", ["one two three", f"{WORDS} eleven", ""])
@virtual_time
async def test_g16_other_words_than_were_heard(text: str) -> None:
    """The agent's history has them, whoever put them there."""
    async with call() as c:
        first, _ = await two_replies(c)
        first.content[:] = [text] if text else []
        assert kinds(c) == {first.id: Kind.WORDS}
        first.content[:] = [WORDS]
        assert kinds(c) == {}


@virtual_time
async def test_g16_other_words_than_were_heard_of_what_was_cut() -> None:
    async with call() as c:
        c.session.generate_reply(user_input="hi")
        await c.until(lambda: c.heard > 1.0)
        c.session.interrupt()
        await c.idle()
        (cut,) = messages(c)
        assert (cut.text_content, kinds(c)) == ("one two three four five", {})
        cut.content[:] = [WORDS]
        assert kinds(c) == {cut.id: Kind.WORDS}


@virtual_time
async def test_g16_another_order_than_was_heard() -> None:
    async with call() as c:
        first, second = await two_replies(c)
        items = history_of(c.session).items
        items.remove(second)
        items.insert(items.index(first), second)
        assert kinds(c) == {second.id: Kind.ORDER}


def told(c: SimulatedCall, item_id: str, behind: str) -> None:
    """The server says of an item where it stands."""
    item = {"id": item_id, "type": "message", "role": "assistant", "content": []}
    frame = {"type": "conversation.item.added", "previous_item_id": behind, "item": item}
    c.server._newest().put(Send(frame))


@virtual_time
async def test_g16_another_order_on_the_server() -> None:
    """It says of the second message that it stands before the first."""
    async with call() as c:
        await c.session.generate_reply(user_input="hi")
        told(c, "item_002", c.server.conversation[0].id)
        await c.session.generate_reply(user_input="And?")
        assert [message.id for message in messages(c)] == ["item_001", "item_002"]
        assert kinds(c) == {"item_002": Kind.ORDER}


@virtual_time
async def test_g16_what_is_confirmed_twice_stays_where_it_is() -> None:
    async with call() as c:
        first, second = await two_replies(c)
        told(c, first.id, second.id)
        await asyncio.sleep(0.1)
        assert kinds(c) == {}
        before = c.remembered
        c.server.drop()
        await asyncio.sleep(1.0)
        assert c.remembered == before


@virtual_time
async def test_g16_no_agent_runs_and_nothing_is_attached() -> None:
    """Nobody can be asked then."""
    async with call() as c:
        await two_replies(c)
        controller = c.controller
    assert controller.differences() == {}
    async with simulated_call([Reply([Message(WORDS)])], attach=False, check=False) as c:
        c.session.generate_reply(user_input="hi")
        await c.idle()
        messages(c)[0].content[:] = ["other"]
        assert kinds(c) == {}
