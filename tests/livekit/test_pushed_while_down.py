"""G16: what an application makes of the history while no connection is up, or a dead one is not known to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from livekit.agents import llm

from realtime_fsm.simulator import Message, Reply, ServerConfig
from realtime_fsm.simulator.faults import At, Lose, Schedule
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from .call import Call, call

Context = llm.ChatContext
WORDS = ("One.", "Two.", "Three.")
FIRST = ("And One.", "One.")
SCRIPT = [Reply([Message(words, seconds=0.4)]) for words in WORDS]


def noted(context: Context) -> Context:
    """Something is put in the middle."""
    note = llm.ChatMessage(id="note", role="assistant", content=["A note."])
    return Context([*context.items[:2], note, *context.items[2:]])


def turned(context: Context) -> Context:
    return Context(context.items[2:] + context.items[:2])


def shortened(context: Context) -> Context:
    """The first question and its answer go."""
    return Context([i for i in context.items if getattr(i, "text_content", "") not in FIRST])


def doubled(context: Context) -> Context:
    return Context([*context.items, *context.items[1:3]])


def unknown(context: Context) -> Context:
    """Another call's, with one item of this."""
    others = [llm.ChatMessage(role="user", content=[f"Other {n}"]) for n in range(2)]
    return Context([*others, context.items[-1]])


async def dropped(c: Call) -> None:
    c.server.drop()


async def dropped_twice(c: Call) -> None:
    """What is below would wait with the third: another takes its place."""
    c.server.drop()
    await c.until(lambda: c.server.connections == 2)
    c.server.drop()


async def half_open(c: Call) -> None:
    c.server.half_open()


def agents(c: Call) -> list[str]:
    items = c.session.current_agent.chat_ctx.items
    return [i.text_content or "" for i in items if isinstance(i, llm.ChatMessage)]


@pytest.mark.parametrize("edit", [noted, turned, shortened, doubled, unknown])
@pytest.mark.parametrize("lost", [dropped, dropped_twice, half_open])
@virtual_time
async def test_g16_the_next_connection_has_what_was_pushed_in_that_order(
    lost: Callable[[Call], object], edit: Callable[[Context], Context]
) -> None:
    async with call(SCRIPT, sink=PacedAudioOutput()) as c:
        for words in WORDS:
            await c.session.generate_reply(user_input=f"And {words}")
        await asyncio.sleep(1.0)
        await lost(c)  # type: ignore[misc]
        await asyncio.sleep(0.05)
        before = c.server.connections
        context = edit(c.session.current_agent.chat_ctx.copy())
        agent = c.session.current_agent
        await agent.update_chat_ctx(context)
        await c.until(lambda: c.server.connections > before, timeout=40.0)
        await asyncio.sleep(5.0)
        wanted = [i.text_content or "" for i in context.items if isinstance(i, llm.ChatMessage)]
        assert agents(c) == wanted
        told = [i.text for i in c.server.conversation]
        assert told == wanted if edit is not doubled else sorted(told) == sorted(set(wanted))


@virtual_time
async def test_g16_what_was_deleted_stays_deleted_though_nobody_confirmed_it() -> None:
    """What is below connects again, and replays a message whose deletion it was not told of."""
    lost = Schedule([Lose(At("conversation.item.deleted", number=n)) for n in (1, 2)])
    async with call(SCRIPT, config=ServerConfig(faults=lost), sink=PacedAudioOutput()) as c:
        for words in WORDS:
            await c.session.generate_reply(user_input=f"And {words}")
        agent = c.session.current_agent
        context = shortened(agent.chat_ctx.copy())
        await agent.update_chat_ctx(context)
        await asyncio.sleep(6.0)
        c.server.drop()
        await asyncio.sleep(5.0)
        assert c.server.connections == 2
        wanted = ["And Two.", "Two.", "And Three.", "Three."]
        assert agents(c) == wanted
        assert [i.text for i in c.server.conversation] == wanted
