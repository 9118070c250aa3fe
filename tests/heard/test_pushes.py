"""G16: what an application does to its history is done, and nothing else. What LiveKit had not entered in the
agent's history yet, nobody can have left out on purpose."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from livekit.agents import Agent, function_tool, llm

from realtime_fsm.livekit._features import (
    hand_over,
    history_of,
    push_history,
    realtime_session_of,
)
from realtime_fsm.simulator import Created, FunctionCall, Message, Reply
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

FIRST, SECOND = ("assistant", "one two three"), ("assistant", "four five six")
ASKED = ("user", "hi")

Items = list[llm.ChatItem]


def reply(*more: Any) -> Reply:
    messages = [Message(FIRST[1], seconds=0.5), Message(SECOND[1], seconds=2.0)]
    return Reply([*messages, *more], pace=0.02)


@function_tool
async def slow() -> str:
    """Take a second."""
    await asyncio.sleep(1.0)
    return "done"


async def push(c: SimulatedCall, change: Callable[[Items], None] = lambda items: None) -> None:
    context = history_of(c.session).copy()
    change(context.items)
    await push_history(c.session, context)


def without(text: str) -> Callable[[Items], None]:
    def change(items: Items) -> None:
        items[:] = [i for i in items if getattr(i, "text_content", None) != text]

    return change


def agents(c: SimulatedCall) -> list[tuple[str, str]]:
    items = history_of(c.session).items
    return [(i.role, i.text_content or "") for i in items if i.type == "message"]


def call(*replies: Reply) -> Any:
    agent = Agent(instructions="Be brief.")
    return simulated_call([*replies], agent=agent, check=False, turn_detection=None)


#: What makes LiveKit enter a note of its own at the end of the history.
needs_notes = pytest.mark.skipif(
    not hasattr(Agent, "update_tools"),
    reason="since livekit-agents 2.0 the tools of an agent do not change in a call",
)


@needs_notes
@pytest.mark.parametrize("at", [0.2, 0.7, 1.5, 2.4])
@virtual_time
async def test_g16_what_livekit_has_not_entered_is_not_deleted(at: float) -> None:
    """A note of LiveKit's own ends the agent's history, so it makes no placeholder of what follows."""
    async with call(reply()) as c:
        said = c.session.generate_reply(user_input="hi")
        await c.until(lambda: c.server.sent("response.create") != [])
        await c.session.current_agent.update_tools([slow])
        await c.until(lambda: c.heard > at)
        await push(c)
        await said
        await asyncio.sleep(1.0)
        assert c.remembered == [ASKED, FIRST, SECOND]
        assert agents(c) == [ASKED, FIRST, SECOND]
        assert c.server.sent("conversation.item.delete") == []
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_what_livekit_has_not_entered_stays_behind_what_is_older() -> None:
    """The application noted something that the server was not told of, and then the agent began to speak."""
    async with call(replace(reply(), ack=Created(after=0.5))) as c:
        handle = c.session.generate_reply(user_input="hi")
        await c.until(lambda: c.server.sent("response.create"))
        noted = llm.ChatMessage(id="note", role="assistant", content=["as agreed"])
        history_of(c.session).items.append(noted)
        await c.until(lambda: c.heard > 1.0)
        await push(c)
        await handle
        await asyncio.sleep(1.0)
        assert c.remembered == [ASKED, ("assistant", "as agreed"), FIRST, SECOND] == agents(c)
        c.server.drop()
        await asyncio.sleep(1.0)
        assert c.remembered == [ASKED, ("assistant", "as agreed"), FIRST, SECOND]


@needs_notes
@virtual_time
async def test_g16_g17_a_call_that_livekit_has_not_entered_is_not_deleted() -> None:
    async with call(reply(FunctionCall("slow")), Reply([Message("Well.")])) as c:
        c.session.generate_reply(user_input="hi")
        await c.until(lambda: c.server.sent("response.create") != [])
        await c.session.current_agent.update_tools([slow])
        await c.until(lambda: c.heard > 0.7)
        await push(c)
        await asyncio.sleep(8.0)
        assert c.server.sent("conversation.item.delete") == []
        assert c.remembered[-1] == ("assistant", "Well.")
        assert c.errors == []


@pytest.mark.parametrize("at", [0.7, 1.5, 9.0])
@virtual_time
async def test_g16_what_the_application_deletes_is_not_restored(at: float) -> None:
    """Message 1, while 2 plays and after it; then the connection is lost."""
    async with call(reply()) as c:
        c.session.generate_reply(user_input="hi")
        await asyncio.sleep(at)
        await push(c, without(FIRST[1]))
        await asyncio.sleep(0.3)
        assert FIRST not in c.remembered
        c.server.drop()
        await asyncio.sleep(8.0)
        assert c.remembered == [ASKED, SECOND]
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_what_the_application_edits_stays_as_it_is() -> None:
    def change(items: Items) -> None:
        for item in items:
            if isinstance(item, llm.ChatMessage) and item.text_content == FIRST[1]:
                item.content = ["redacted"]

    async with call(reply()) as c:
        await c.session.generate_reply(user_input="hi")
        await push(c, change)
        edited = [ASKED, ("assistant", "redacted"), SECOND]
        assert c.remembered == edited
        c.server.drop()
        await asyncio.sleep(8.0)
        assert c.remembered == edited
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_what_was_deleted_under_a_speech_is_not_cut() -> None:
    """The server would refuse it."""
    async with call(reply()) as c:
        said = c.session.generate_reply(user_input="hi")
        await c.until(lambda: c.heard > 1.0)
        session = realtime_session_of(c.session)
        item_id = c.turn.messages[1].item_id
        session.send_event({"type": "conversation.item.delete", "item_id": item_id})
        await asyncio.sleep(0.1)
        said.interrupt()
        await asyncio.sleep(2.0)
        assert c.remembered == [ASKED, FIRST]
        assert c.server.sent("conversation.item.truncate") == []
        assert c.errors == []
        assert c.controller.differences() == {}


def twice(items: Items) -> None:
    items.append(items[-2])
    items.insert(0, items[-1])


def stranger(items: Items) -> None:
    items.append(llm.ChatMessage(id="item_nobody_knows", role="system", content=["note"]))


@pytest.mark.parametrize(
    ("change", "there"),
    [(twice, [ASKED, FIRST, SECOND]), (stranger, [ASKED, FIRST, SECOND, ("system", "note")])],
)
@pytest.mark.parametrize("at", [1.0, 9.0])
@virtual_time
async def test_g16_odd_contexts(
    change: Callable[[Items], None], there: list[tuple[str, str]], at: float
) -> None:
    async with call(reply()) as c:
        c.session.generate_reply(user_input="hi")
        await asyncio.sleep(at)
        await push(c, change)
        await asyncio.sleep(8.0)
        assert sorted(c.remembered) == sorted(there)
        assert c.errors == []
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_another_order() -> None:
    """Done as it was asked."""
    async with call(reply()) as c:
        await c.session.generate_reply(user_input="hi")
        await push(c, list.reverse)
        assert c.remembered == [SECOND, FIRST, ASKED]
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_what_is_deleted_while_nothing_is_connected_stays_deleted() -> None:
    """A reconnect replays it before it is deleted: LiveKit would enter it again, at the end."""
    async with call(reply(), Reply([Message("seven", seconds=0.5)])) as c:
        await c.session.generate_reply(user_input="hi")
        await asyncio.sleep(0.5)
        c.server.drop()
        await asyncio.sleep(0.05)
        await push(c, without(FIRST[1]))
        await asyncio.sleep(5.0)
        assert c.remembered == agents(c) == [ASKED, SECOND]
        await c.session.generate_reply(user_input="hi")
        assert c.remembered == agents(c) == [ASKED, SECOND, ASKED, ("assistant", "seven")]
        assert c.controller.differences() == {}
        assert c.errors[1:] == []


@needs_notes
@virtual_time
async def test_g16_a_tools_output_does_not_write_into_the_mirror() -> None:
    """LiveKit pushes it in a copy of the mirror, whose message has no words until its response is done.
    Both the push and the end of the response would write them."""
    stalls = Reply([Message(FIRST[1], seconds=0.5), FunctionCall("slow")], done_delay=6.0)
    async with call(stalls, Reply([Message("Well.", seconds=0.5)])) as c:
        await c.session.current_agent.update_tools([slow])
        c.session.generate_reply(user_input="hi")
        await asyncio.sleep(9.0)
        c.server.drop()
        await asyncio.sleep(5.0)
        assert [text for role, text in c.remembered if role == "assistant"] == [FIRST[1], "Well."]


def _odd(rng: random.Random, items: Items) -> None:
    """A few of: an item twice, or with other words, or of nobody; another order; nothing in it."""
    for number in range(rng.randint(1, 4)):
        at, known = rng.randrange(len(items) + 1), rng.choice(items)
        new = f"item_nobody_knows_{number}"
        odd: llm.ChatItem | None = rng.choice(
            (
                known,
                known.model_copy(deep=True),
                known.model_copy(update={"content": ["other words"]}) if known.type == "message" else None,
                llm.ChatMessage(id=new, role="assistant", content=["a stranger's"]),
                llm.ChatMessage(id=new, role="user", content=[]),
                llm.FunctionCall(id=new, call_id=new, name="look", arguments="{}"),
                llm.FunctionCallOutput(id=new, call_id=new, name="look", output="x", is_error=False),
                None,
            )
        )  # fmt: skip
        if odd is None:
            rng.shuffle(items)
        else:
            items.insert(at, odd)


@pytest.mark.parametrize("at", [0.7, 1.5, 9.0])
@virtual_time
async def test_g16_whatever_context_what_is_heard_and_kept_in_it_stays(at: float) -> None:
    for seed in range(12):
        rng = random.Random(seed)
        async with call(reply(), Reply([Message("Well.", seconds=0.3)])) as c:
            c.session.generate_reply(user_input="hi")
            await asyncio.sleep(at)
            await push(c, lambda items, rng=rng: _odd(rng, items))  # type: ignore[misc]
            kept = {i.id for i in history_of(c.session).items if getattr(i, "text_content", None)}
            await asyncio.sleep(10.0)
            assert c.heard == pytest.approx(2.5, abs=0.02), seed
            there = {item.id for item in c.server.conversation}
            assert kept | {m.item_id for m in c.turn.messages} <= there, seed
            await c.session.generate_reply(user_input="And?")
            assert c.remembered[-1] == ("assistant", "Well."), seed
            assert c.errors == [], seed
            assert c.controller.differences() == {}, seed


@pytest.mark.parametrize("at", [0.3, 1.0, 4.0])
@virtual_time
async def test_g16_a_handoff_with_a_fresh_context(at: float) -> None:
    """It means all that was there; what is said meanwhile is heard to its end. As on plain LiveKit."""
    seen = []
    for controlled in (False, True):
        script = [Reply([Message("zero", seconds=0.5)]), reply(), Reply([Message("Well.")])]
        agent = Agent(instructions="Be brief.")
        async with simulated_call(
            script, agent=agent, controlled=controlled, check=False, turn_detection=None
        ) as c:
            await c.session.generate_reply(user_input="hi")
            c.session.generate_reply(user_input="more")
            await asyncio.sleep(at)
            hand_over(c.session, Agent(instructions="Be kind."))
            await asyncio.sleep(6.0)
            assert c.heard == pytest.approx(3.0, abs=0.02)
            known = (c.remembered, agents(c), c.history)
            await c.session.generate_reply(user_input="And?")
            seen.append((*known, c.remembered, agents(c), c.history))
            assert c.errors == []
    assert seen[0] == seen[1]
    assert seen[1][3] == [("user", "And?"), ("assistant", "Well.")]


class Forgetful(Agent):
    """Its tool edits the history, while the message before it is heard."""

    def __init__(self, change: Callable[[Items], None]) -> None:
        super().__init__(instructions="Be brief.")
        self._change = change

    @function_tool
    async def forget(self) -> str:
        """Forget it."""
        context = history_of(self.session).copy()
        self._change(context.items)
        await push_history(self.session, context)
        return "done"


def all_of_it(items: Items) -> None:
    items.clear()


@pytest.mark.parametrize(
    ("change", "kept"), [(without("zero"), [FIRST[1], SECOND[1]]), (all_of_it, [SECOND[1]])]
)
@virtual_time
async def test_g16_a_tool_that_edits_the_history(
    change: Callable[[Items], None], kept: list[str]
) -> None:
    """What it means goes, its own call too if it clears all; what is heard meanwhile stays."""
    script = [Reply([Message("zero", seconds=0.5)]), reply(FunctionCall("forget"))]
    script.append(Reply([Message("Well.", seconds=0.5)]))
    async with simulated_call(
        script, agent=Forgetful(change), check=False, turn_detection=None
    ) as c:
        await c.session.generate_reply(user_input="hi")
        await c.session.generate_reply(user_input="more")
        await asyncio.sleep(1.0)
        assert c.heard == pytest.approx(3.5, abs=0.02)
        assert ("assistant", "zero") not in c.remembered
        said = [text for role, text in c.remembered if role == "assistant"]
        assert said == [*kept, "Well."]
        calls = [i.type for i in c.server.conversation if i.type.startswith("function_call")]
        assert calls == (["function_call", "function_call_output"] if len(kept) == 2 else [])
        assert c.errors == []
        assert c.controller.differences() == {}


@pytest.mark.parametrize("controlled", [False, True])
@virtual_time
async def test_what_is_pushed_twice_stays_in_its_first_place(controlled: bool) -> None:
    async with simulated_call([reply()], turn_detection=None, controlled=controlled) as c:
        c.session.generate_reply(user_input="hi")
        await c.idle()
        await push(c, lambda items: items.append(next(i for i in items if i.type == "message")))
        await asyncio.sleep(1.0)
        assert c.remembered == [ASKED, FIRST, SECOND]
        sent = [each.type for each in c.server.record if each.direction == "client"]
        assert sent.count("conversation.item.create") == 1
        assert "conversation.item.delete" not in sent
