"""G16, G27: agents with models of their own, A, B and A again, in one AgentSession."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from livekit.agents import Agent, llm
from livekit.plugins import openai

import realtime_fsm as rf
from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit._features import (
    given_history,
    hand_over,
    history_is_the_sessions,
    history_of,
)
from realtime_fsm.simulator import Failed, Message, Reply
from realtime_fsm.testing import virtual_time

from ..docs.blocks import ROOT, blocks, execute
from .hosts import Host, compared, hosted, plain_agent, texts, told

ATTACHED = {"all": (0, 1), "the first": (0,), "the second": (1,), "none": ()}
TEXTS = ["This is the first.", "This is the second.", "This is the first again."]
QUESTIONS = ["Who are you?", "And you?", "And you now?"]


def said(*texts: str) -> list[Reply]:
    return [Reply([Message(text, seconds=1.5)]) for text in texts]


def next_agent(host: Host, number: int) -> None:
    history = history_of(host.session).copy()
    agent = Agent(instructions="Go on.", **given_history(history), **host.model(number))
    hand_over(host.session, agent, history)


async def there_and_back(host: Host) -> None:
    for number, question in enumerate(QUESTIONS):
        if number:
            next_agent(host, number % 2)
            await asyncio.sleep(0.3)
        await host.say(question)
        await host.idle(1.0)


async def cut_on_the_way(host: Host) -> None:
    """Each answer is cut off by the next question, and one is under way when its agent changes."""
    await host.say(QUESTIONS[0])
    await asyncio.sleep(0.7)
    await host.say(QUESTIONS[1], seconds=0.4)
    await asyncio.sleep(0.3)
    next_agent(host, 1)
    await asyncio.sleep(0.3)
    await host.idle(1.0)
    await host.say(QUESTIONS[2])
    await asyncio.sleep(0.6)
    next_agent(host, 0)


@pytest.mark.parametrize("attached", ATTACHED)
@pytest.mark.parametrize("story", [there_and_back, cut_on_the_way])
def test_g27_each_agent_speaks_and_remembers_as_in_plain_livekit(story: Any, attached: str) -> None:
    plain, ours = compared(
        lambda: said(*TEXTS, "More."), plain_agent, story, own=True, attach=ATTACHED[attached]
    )
    for each in (plain, ours):
        _without_cut_words(each)
    assert ours == plain


def _without_cut_words(found: dict[str, Any]) -> None:
    """How much is left of a message that was cut is another test's: plain LiveKit shows all of it."""
    cut = any(cut for *_, cut in found["heard"])
    for where in ("history", "agent", "server"):
        if cut:
            found[where] = [x for x in found[where] if x[0] != "assistant"]


@pytest.mark.parametrize("attached", ATTACHED)
@virtual_time
async def test_g9_each_agents_answers_are_tried_again(attached: str) -> None:
    bad = Reply(end=Failed("server_error"))
    script = [reply for text in TEXTS for reply in (bad, *said(text))]
    options = {"controlled": True, "own": True, "attach": ATTACHED[attached]}
    found = await told(script, plain_agent, there_and_back, **options)
    assert [x for x in found["history"] if x[0] == "assistant"] == [("assistant", t) for t in TEXTS]
    assert [(position, cut) for _, position, cut in found["heard"]] == [(1.5, False)] * 3
    assert found["errors"] == []


@pytest.mark.skipif(history_is_the_sessions(), reason="there Agent() takes no chat_ctx")
@virtual_time
async def test_the_agent_of_the_page_greets_each_time_it_takes_over() -> None:
    """It attaches its model whenever it enters."""
    (block,) = (b for b in blocks(ROOT / "docs" / "embed.md", "python") if "Billing" in b.text)
    names: dict[str, Any] = {}
    execute(block, names)
    async with hosted(said(*"abcdef"), controlled=True, own=True, attach=()) as host:
        made = _in_place_of_the_plugin(host, names)
        first = made(llm.ChatContext.empty())
        await host.session.start(first)
        await host.idle(1.0)
        host.session.update_agent(plain_agent(host))
        await host.idle(1.0)
        host.session.update_agent(first)
        await host.idle(1.0)
        assert [h.exception() for h in host.speeches] == [None, None]
        assert texts(host.session.history.items).count(("assistant", "a")) == 1
        assert texts(host.session.history.items).count(("assistant", "b")) == 1
        assert isinstance(first.model, ControlledRealtimeModel)
        outcomes = [t.outcome for t in first.model.controller.finished]
        assert outcomes == [rf.TurnOutcome.COMPLETED]
        await first.model.aclose()


def _in_place_of_the_plugin(host: Host, names: dict[str, Any]) -> Callable[..., Any]:
    """The agent of the page, whose model talks to the simulated server."""

    class Plugin:
        class realtime:  # noqa: N801 - as the plugin's module is called
            @staticmethod
            def RealtimeModel(**options: Any) -> Any:  # noqa: N802
                return openai.realtime.RealtimeModel(
                    api_key="simulated",
                    base_url=host.server.url,
                    http_session=host.server.http_session,
                    **options,
                )

    names["openai"] = Plugin
    return names["Billing"]  # type: ignore[no-any-return]
