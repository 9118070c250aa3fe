"""G16, G27: what an application reads and copies while a message is spoken, and what comes of the copy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from livekit.agents import Agent, RunContext, function_tool, llm

from realtime_fsm.livekit._features import given_history, history_of, push_history
from realtime_fsm.simulator import FunctionCall, Message, Reply
from realtime_fsm.testing import virtual_time

from .hosts import Host, compared, hosted, texts
from .test_acts import HOSTS, more

TEXT = "Your order is on its way to you."
SECOND = "It will be with you at noon."
SECONDS = 1.6


def messages(count: int = 1) -> list[Message]:
    return [Message(text, seconds=SECONDS) for text in (TEXT, SECOND)[:count]]


def script(count: int) -> Callable[[], list[Reply]]:
    return lambda: [Reply([*messages(count), FunctionCall("look")]), *more(), *more()]


Copy = Callable[[llm.ChatContext], llm.ChatContext]


def rebuilt(history: llm.ChatContext) -> llm.ChatContext:
    made = llm.ChatContext.empty()
    for item in history.items:
        if item.type == "message" and item.text_content:
            made.add_message(role=item.role, content=item.text_content)
    return made


COPIES: dict[str, Copy] = {
    "copy": lambda c: c.copy(),
    "without empty messages": lambda c: c.copy(exclude_empty_message=True),
    "without calls": lambda c: c.copy(exclude_function_call=True),
    "the last four": lambda c: c.copy(exclude_function_call=True).truncate(max_items=4),
    "through a dict": lambda c: llm.ChatContext.from_dict(c.to_dict()),
    "deep": lambda c: llm.ChatContext(
        [i.model_copy(deep=True) if i.type == "message" else i for i in c.items]
    ),
    "rebuilt from its texts": rebuilt,
}


class Next(Agent):
    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Greet.")


def reading(how: Copy, *, hand_over: bool = True, on: int = 1) -> Callable[[Host], Agent]:
    """An agent whose tool reads the history, and hands over with a copy of it."""

    def make(host: Host) -> Agent:
        class Reading(Agent):
            @function_tool
            async def look(self, context: RunContext[Any]) -> Any:
                """Look."""
                host.notes.append(texts(self.chat_ctx.items))
                host.notes.append(texts(context.session.history.items))
                if not hand_over:
                    return "seen"
                history = how(self.chat_ctx)
                return Next(
                    instructions="Be kind.", **given_history(history), **host.model(on)
                ), "done"

        return Reading(instructions="Be brief.", **host.model(0))

    return make


async def ask_twice(host: Host) -> None:
    await host.say("Where is it?")
    await host.idle()
    await host.say("And then?")


@pytest.mark.parametrize("given", HOSTS)
@pytest.mark.parametrize("count", [1, 2])
def test_g27_a_tool_sees_what_it_sees_in_plain_livekit(count: int, given: str) -> None:
    agent = reading(llm.ChatContext.copy, hand_over=False)
    plain, ours = compared(script(count), agent, ask_twice, **HOSTS[given])
    assert ours == plain
    assert ("assistant", TEXT) in ours["notes"][0]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("given", ["attached", "own models"])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("how", COPIES)
def test_g16_g27_the_next_agent_knows_what_it_knows_in_plain_livekit(
    how: str, count: int, given: str
) -> None:
    plain, ours = compared(script(count), reading(COPIES[how]), ask_twice, **HOSTS[given])
    assert ours == plain
    assert ("assistant", TEXT) in ours["agent"]


@virtual_time
async def test_g16_a_copy_has_the_words_that_came_and_in_the_end_those_that_were_heard() -> None:
    """The item is corrected, which the copies share; nothing is left of what nobody heard."""
    story = [Reply([Message(TEXT, seconds=SECONDS), Message(SECOND, seconds=SECONDS)]), *more()]
    async with hosted(story, controlled=True) as host:
        await host.session.start(Agent(instructions="Be brief."))
        await asyncio.sleep(0.2)
        await host.say("Where is it?")
        await asyncio.sleep(0.9)
        history = history_of(host.session)
        given = history.copy(exclude_empty_message=True)
        said = [("assistant", TEXT), ("assistant", SECOND)]
        assert texts(given.items)[-2:] == said
        await asyncio.sleep(0.3)
        await host.session.interrupt()
        await host.idle()
        heard = [i.text for i in host.server.conversation if i.role == "assistant"]
        assert len(heard) == 1
        assert TEXT.startswith(heard[0])
        assert texts(given.items)[-2:] == [("assistant", heard[0]), ("assistant", "")]
        assert texts(history.items)[-1:] == [("assistant", heard[0])]


@virtual_time
async def test_g16_while_it_is_generated_a_copy_has_what_came_so_far() -> None:
    slow = Reply([Message(TEXT, seconds=SECONDS)], pace=0.1)
    async with hosted([slow], controlled=True) as host:
        await host.session.start(Agent(instructions="Be brief."))
        await asyncio.sleep(0.2)
        await host.say("Where is it?")
        await asyncio.sleep(0.8)
        given = history_of(host.session).copy()
        [so_far] = [text for role, text in texts(given.items)[-1:]]
        assert 0 < len(so_far) < len(TEXT)
        assert TEXT.startswith(so_far)
        await host.idle()
        assert texts(given.items)[-1] == ("assistant", TEXT)


@virtual_time
async def test_g16_a_push_of_an_older_state_of_a_message_leaves_it_alone() -> None:
    slow = Reply([Message(TEXT, seconds=SECONDS)], pace=0.1)
    async with hosted([slow], controlled=True) as host:
        await host.session.start(Agent(instructions="Be brief."))
        await asyncio.sleep(0.2)
        await host.say("Where is it?")
        await asyncio.sleep(0.8)
        early = llm.ChatContext.from_dict(history_of(host.session).to_dict())
        await host.idle()
        early.add_message(role="system", content="The caller is in a hurry.")
        await push_history(host.session, early)
        await asyncio.sleep(0.5)
        assert [i.text for i in host.server.conversation if i.role == "assistant"] == [TEXT]
        assert host.server.sent("conversation.item.delete") == []


@virtual_time
async def test_g16_an_application_may_still_rewrite_what_was_said() -> None:
    async with hosted([Reply(messages())], controlled=True) as host:
        await host.session.start(Agent(instructions="Be brief."))
        await asyncio.sleep(0.2)
        await host.say("Where is it?")
        await host.idle()
        history = llm.ChatContext.from_dict(history_of(host.session).to_dict())
        for item in history.items:
            if item.type == "message" and item.role == "assistant":
                item.content = ["The order number was read out."]
        await push_history(host.session, history)
        await asyncio.sleep(0.5)
        said = [i.text for i in host.server.conversation if i.role == "assistant"]
        assert said == ["The order number was read out."]
