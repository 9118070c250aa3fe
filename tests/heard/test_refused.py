"""G16: a correction that the server refuses is followed up, and the application hears nothing of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from livekit.agents import llm

import realtime_fsm as rf
from realtime_fsm.livekit._features import history_of, push_history
from realtime_fsm.simulator import Message, Reply, ServerConfig
from realtime_fsm.simulator.faults import At, InjectError, Lose, Schedule, Silence
from realtime_fsm.testing import SimulatedCall, check_all, simulated_call, virtual_time

WORDS = "one two three four five six seven eight nine ten"
HEARD = ("assistant", "one two three four five")
TRUNCATE = At("conversation.item.truncate", side="client")


def spoken(*faults: Any, more: str = "Second.") -> Any:
    script = [Reply([Message(WORDS, seconds=2.0)]), Reply([Message(more, seconds=0.5)])]
    config = ServerConfig(faults=Schedule(list(faults)))
    return simulated_call(script, config=config, check=False)


def holds_less(c: SimulatedCall, ms: int, *, linked: bool, says: int | None = None) -> None:
    """The server has only so much of each item (pipecat-ai/pipecat#2106), or *says* so."""
    connection = c.server._newest()
    receive = connection.receive

    def refusing(text: str) -> None:
        event: Mapping[str, Any] = json.loads(text)
        at = event.get("audio_end_ms", 0)
        if event.get("type") != "conversation.item.truncate" or at <= ms:
            receive(text)
            return
        connection.note("client", event)
        error = {
            "type": "invalid_request_error",
            "code": "invalid_value",
            "message": f"Audio content of {says or ms}ms is already shorter than {at}ms",
            "param": None,
            "event_id": event.get("event_id") if linked else None,
        }
        c.server.send_text(json.dumps({"type": "error", "event_id": "event_no", "error": error}))

    connection.receive = refusing


async def interrupted(c: SimulatedCall, at: float) -> None:
    c.session.generate_reply(user_input="hi")
    await c.until(lambda: c.heard > at)
    c.session.interrupt()
    await asyncio.sleep(3.0)
    await c.session.generate_reply(user_input="And?")
    await c.idle()


@pytest.mark.parametrize("linked", [True, False])
@virtual_time
async def test_g16_an_item_that_is_shorter_on_the_server_is_cut_at_its_end(linked: bool) -> None:
    async with spoken() as c:
        await asyncio.sleep(0.1)
        holds_less(c, 1915, linked=linked)
        await interrupted(c, 1.95)
        sent = [e["audio_end_ms"] for e in c.server.sent("conversation.item.truncate")]
        assert len(sent) == 2
        assert sent[1] == 1915 < sent[0]
        assert c.errors == []
        assert c.controller.differences() == {}
        assert c.remembered[1] == ("assistant", WORDS.removesuffix(" ten"))
        check_all(c)


@pytest.mark.parametrize("linked", [True, False])
@virtual_time
async def test_g16_an_item_that_is_shorter_still_is_replaced(linked: bool) -> None:
    """What the server names at first is more than it has: it is not asked for a third time."""
    async with spoken() as c:
        await asyncio.sleep(0.1)
        holds_less(c, 900, linked=linked, says=950)
        await interrupted(c, 1.0)
        assert len(c.server.sent("conversation.item.truncate")) == 2
        assert c.remembered == [("user", "hi"), HEARD, ("user", "And?"), ("assistant", "Second.")]
        assert c.errors == []
        assert c.controller.differences() == {}


@pytest.mark.parametrize(
    "code", ["invalid_value", "unsupported_content_type", "item_truncate_invalid_item_id"]
)
@virtual_time
async def test_g16_an_item_that_cannot_be_cut_is_replaced(code: str) -> None:
    """In its place, by what was heard of it."""
    async with spoken(InjectError(TRUNCATE, code=code, instead=True)) as c:
        await interrupted(c, 1.0)
        assert c.remembered == [("user", "hi"), HEARD, ("user", "And?"), ("assistant", "Second.")]
        assert c.history == c.remembered
        assert len(c.server.sent("conversation.item.truncate")) == 1
        assert c.errors == []
        assert c.controller.differences() == {}
        check_all(c)


@virtual_time
async def test_g16_one_that_was_replaced_comes_back_with_the_agent_who_knows_of_it() -> None:
    """An agent that took over for a moment with a history of its own had all else deleted."""
    async with spoken(InjectError(TRUNCATE, code="invalid_value", instead=True)) as c:
        await interrupted(c, 1.0)
        before, history = c.remembered, history_of(c.session).copy()
        await push_history(c.session, llm.ChatContext())
        assert c.remembered == []
        await push_history(c.session, history)
        assert c.remembered == before


@virtual_time
async def test_g16_one_that_is_still_generated_is_replaced_when_it_is_over() -> None:
    """The server deletes nothing of a response that runs."""
    script = [Reply([Message(WORDS, seconds=4.0)], pace=0.1), Reply([Message("Second.")])]
    refused = InjectError(TRUNCATE, code="invalid_value", instead=True)
    config = ServerConfig(cancel_delay=1.0, faults=Schedule([refused]))
    async with simulated_call(script, config=config, check=False) as c:
        await interrupted(c, 1.0)
        assert c.history == c.remembered
        assert c.remembered[1][1].split() == WORDS.split()[: len(c.remembered[1][1].split())]
        assert c.errors == []
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_a_refusal_of_something_else_is_not_taken_for_one() -> None:
    """It is told as it is, and the cut that is under way is confirmed."""
    error = InjectError(TRUNCATE, code="unknown_parameter")
    async with spoken(error) as c:
        await interrupted(c, 1.0)
        assert c.remembered[1] == HEARD
        assert len(c.errors) == 1
        assert len(c.server.sent("conversation.item.truncate")) == 1
        assert c.server.sent("conversation.item.delete") == []


@virtual_time
async def test_g16_a_delete_that_is_refused_without_its_id_is_ours() -> None:
    delete = At("conversation.item.delete", side="client")
    fault = InjectError(delete, code="item_delete_invalid_item_id", instead=True)
    script = [
        Reply([Message("one", seconds=1.0), Message("two", seconds=1.0)]),
        Reply([Message("x")]),
    ]
    config = ServerConfig(faults=Schedule([fault]))
    async with simulated_call(script, config=config, check=False) as c:
        await interrupted(c, 0.5)
        assert len(c.server.sent("conversation.item.delete")) >= 1


@virtual_time
async def test_g16_a_cut_of_our_own_that_is_refused() -> None:
    """After a stall that goes on; its refusal names it."""
    stall = Silence(At("response.output_audio.delta", 8), seconds=8.2)
    refused = InjectError(TRUNCATE, code="invalid_value", linked=True, instead=True)
    script = [Reply([Message(WORDS, seconds=2.0)], pace=0.05)]
    config = ServerConfig(cancel_delay=0.2, faults=Schedule([stall, refused]))
    policy = rf.RetryPolicy(first_output_timeout=8.0)
    async with simulated_call(script, config=config, policy=policy, check=False) as c:
        c.session.generate_reply(user_input="hi")
        await asyncio.sleep(20.0)
        assert c.remembered == c.history == [("user", "hi"), ("assistant", "one two three four")]
        assert [e.error.recoverable for e in c.errors] == [True], "the stall"
        assert c.controller.differences() == {}


@pytest.mark.parametrize("what", ["asked", "answered"])
@virtual_time
async def test_g16_a_cut_that_nothing_answers_is_asked_for_once_more(what: str) -> None:
    """It got lost, or its answer: the server says other things meanwhile."""
    answer = At("conversation.item.truncated")
    async with spoken(Lose(TRUNCATE if what == "asked" else answer)) as c:
        await interrupted(c, 1.0)
        await asyncio.sleep(3.0)
        assert c.history == c.remembered
        assert c.remembered[1] == HEARD
        sent = [e["audio_end_ms"] for e in c.server.sent("conversation.item.truncate")]
        assert sent == [sent[0]] * 2
        assert c.errors == []
        check_all(c)


@pytest.mark.parametrize("close", [False, True])
@virtual_time
async def test_g16_a_server_that_says_nothing_is_not_asked_again(close: bool) -> None:
    """Nor is one whose call is over."""
    quiet = Silence(TRUNCATE, seconds=6.0)
    async with spoken(quiet) as c:
        c.session.generate_reply(user_input="hi")
        await c.until(lambda: c.heard > 1.0)
        c.session.interrupt()
        await asyncio.sleep(0.5 if close else 5.0)
        if close:
            await c.session.aclose()
            await asyncio.sleep(5.0)
        assert len(c.server.sent("conversation.item.truncate")) == 1
