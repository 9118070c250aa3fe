"""Order and time of what was said follow what happened, also when a transcript comes late (G16)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import Agent, function_tool, llm

from realtime_fsm.livekit._features import given_history, hand_over, history_of, push_history
from realtime_fsm.simulator import CREATED, Dropped, Message, Reply, ServerConfig
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

from ..livekit.test_adapter import CALL, Tooled
from .cells import TEXTS
from .test_reconnect import said

YES = Reply([Message("Yes, of course.", seconds=1.0)])
VOICES: dict[str, dict[str, Any]] = {"server VAD": {}, "push to talk": {"turn_detection": None}}


def words(items: Any) -> list[str]:
    return [i.text_content for i in items if isinstance(i, llm.ChatMessage) and i.text_content]


def everywhere(c: SimulatedCall) -> list[list[str]]:
    server = [i.text for i in c.server.conversation if i.role and i.text]
    return [server, words(history_of(c.session).items), words(c.session.history.items)]


@pytest.mark.parametrize("delay", [0.1, 6.0], ids=["soon", "after the reply"])
@pytest.mark.parametrize("voice", VOICES)
@virtual_time
async def test_a_late_transcript_keeps_the_users_place(voice: str, delay: float) -> None:
    config = ServerConfig(pace=0.001, transcription_delay=delay)
    script = [Reply(said(2)), YES]
    async with simulated_call(script, config=config, **VOICES[voice]) as c:
        for question in ("Where is it?", "Thank you!"):
            await c.say(question, 1.0)
            await c.idle()
            await asyncio.sleep(delay)
        expected = ["Where is it?", *TEXTS[:2], "Thank you!", "Yes, of course."]
        assert everywhere(c) == [expected] * 3
        dates = [i.created_at for i in c.session.history.items]
        assert dates == sorted(dates)


@virtual_time
async def test_a_late_transcript_after_a_handoff() -> None:
    """LiveKit makes room for it only behind an item of the server's, and the agent's history ends
    with a note of its instructions."""
    config = ServerConfig(pace=0.001, transcription_delay=6.0)
    async with simulated_call([Reply(said(1)), YES], config=config, turn_detection=None) as c:
        await c.session.generate_reply(user_input="Where is it?")
        history = history_of(c.session)
        next_agent = Agent(instructions="Be kind.", **given_history(history))
        hand_over(c.session, next_agent, history)
        await c.idle()
        await c.say("Thank you!", 1.0)
        await c.idle()
        await asyncio.sleep(6.0)
        expected = ["Where is it?", TEXTS[0], "Thank you!", "Yes, of course."]
        assert everywhere(c) == [expected] * 3


@virtual_time
async def test_each_message_is_dated_from_its_own_first_sound() -> None:
    async with simulated_call([Reply(said(3))], config=ServerConfig(pace=0.001)) as c:
        await c.session.generate_reply()
        sounds = [s.started_at or 0.0 for s in c.sink.segments]
        dates = [i.created_at for i in c.session.history.items if isinstance(i, llm.ChatMessage)]
        assert [d - dates[0] for d in dates] == pytest.approx([s - sounds[0] for s in sounds])
        copies = history_of(c.session).items
        assert [i.created_at for i in copies if isinstance(i, llm.ChatMessage)] == dates


@virtual_time
async def test_g29_what_was_generated_while_another_played_comes_behind_it() -> None:
    """Its placeholder is dated before the first sound of what it waits for, and stays where it is if it
    calls a tool."""
    calling = Reply([Message("Let me look.", seconds=1.0), CALL])
    script = [Reply(said(3)), Reply([Message("Hello.", seconds=1.0)]), calling, YES]
    config = ServerConfig(pace=0.001)
    async with simulated_call(script, config=config, agent=Tooled()) as c:
        asyncio.get_running_loop().call_later(0.9, c.session.generate_reply)
        asyncio.get_running_loop().call_later(0.9, c.session.generate_reply)
        await c.say("Where is it?", 1.0)
        await c.idle()
        heard = [*TEXTS[:3], "Hello.", "Let me look.", "Yes, of course."]
        assert [words[1:] for words in everywhere(c)] == [heard] * 3


@virtual_time
async def test_a_tool_between_messages_keeps_the_servers_order() -> None:
    """Otherwise the next push would delete and make items again."""
    first = Reply([*said(1), CALL, Message(TEXTS[1], seconds=2.0)])
    config = ServerConfig(pace=0.001)
    async with simulated_call([first, YES], config=config, agent=Tooled()) as c:
        await c.session.generate_reply(user_input="Where is it?")
        await asyncio.sleep(1.0)
        server = [i.id for i in c.server.conversation]
        history = history_of(c.session)
        local = [i.id for i in history.items if i.type != "agent_config_update"]
        assert local == server
        sent = len(c.server.sent("conversation.item.create"))
        await push_history(c.session, history.copy())
        assert len(c.server.sent("conversation.item.create")) == sent
        assert c.server.sent("conversation.item.delete") == []


@pytest.mark.parametrize("voice", VOICES)
@virtual_time
async def test_g29_three_messages_after_a_reconnect_keep_their_order(voice: str) -> None:
    """LiveKit then has no place for them before they are heard, dates them all from the first one
    and sorts by that: the next agent would know them in another order."""
    script = [YES, Reply(said(1), end=Dropped(at=CREATED)), Reply(said(3)), YES]
    async with simulated_call(
        script, config=ServerConfig(pace=0.001, transcription_delay=0.0), **VOICES[voice]
    ) as c:
        for question in ("Is it here?", "Where is it?"):
            await c.say(question, 1.0)
            await c.idle()
        history = history_of(c.session).copy()
        assert words(history.items)[-3:] == TEXTS[:3]
        next_agent = Agent(instructions="Be kind.", **given_history(history))
        hand_over(c.session, next_agent, history)
        await asyncio.sleep(3.0)
        assert [i.text for i in c.server.conversation if i.role == "assistant"][-3:] == TEXTS[:3]


class Slow(Agent):
    @function_tool
    async def look_up(self, city: str) -> str:
        """Look something up."""
        await asyncio.sleep(1.5)
        return f"sunny in {city}"


@pytest.mark.parametrize(("pace", "before"), [(0.05, 1), (0.02, 2)], ids=["slow", "fast"])
@virtual_time
async def test_g29_a_message_comes_behind_its_last_one_whatever_is_between(
    pace: float, before: int
) -> None:
    """A tool's output keeps LiveKit from having a place for what is generated after it, so that it goes by
    the date of the first: before what the user said since, and so before the second. What was
    generated before the user spoke stays there, though it is heard later."""
    texts = [*TEXTS[:3], "That is all."]
    script = [Reply([CALL]), Reply([Message(text, seconds=2.0) for text in texts]), YES, YES]
    config, agent = ServerConfig(pace=pace), Slow(instructions="Be brief.")
    async with simulated_call(script, config=config, agent=agent, turn_detection=None) as c:
        c.session.generate_reply()
        c.session.generate_reply()
        await c.say("Thank you!", 0.5)
        await c.idle()
        history = history_of(c.session).copy()
        order = [*texts[:before], "Thank you!", *texts[before:], *["Yes, of course."] * 2]
        assert words(history.items) == everywhere(c)[0] == order
        hand_over(c.session, Agent(instructions="Be kind.", **given_history(history)), history)
        await c.idle()
        assert everywhere(c)[0] == order
