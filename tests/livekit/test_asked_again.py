"""G1, G19: after a reconnect a create is asked again once, by us, whether the engine would do so or not.

The engine of livekit-agents 2.0 does, for what was asked and not answered, and for what is still queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from livekit.agents import Agent, function_tool
from livekit.plugins import openai

import realtime_fsm as rf
from realtime_fsm.livekit._features import push_instructions, realtime_session_of
from realtime_fsm.simulator import (
    BEFORE_CREATED,
    Accept,
    Dropped,
    FunctionCall,
    Message,
    Refuse,
    Reply,
    ServerConfig,
    Unanswered,
)
from realtime_fsm.testing import virtual_time

from .call import Call, call

Story = Callable[[Call], Awaitable[None]]
LOST = Reply(end=Dropped(at=BEFORE_CREATED))
SLOW = Reply(ack=Unanswered())
ANSWER = Reply([Message("All is well with you now.", seconds=1.0)])


class Clerk(Agent):
    @function_tool
    async def look_up(self) -> str:
        """Look it up."""
        return "Noon."


async def ask(c: Call) -> None:
    await c.session.generate_reply(user_input="Hello?")


async def greet(c: Call) -> None:
    await c.session.generate_reply(instructions="Greet.")


async def ask_twice(c: Call) -> None:
    first = c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(0.05)
    await c.session.generate_reply(user_input="And then?")
    await first


async def before_a_rollover(c: Call) -> None:
    await asyncio.sleep(0.8)
    await ask(c)


async def within_a_handshake(c: Call) -> None:
    """The session expired, and the next connection is not there yet."""
    asked = asyncio.Event()
    slow_handshakes(c.inner, asked)
    await asked.wait()
    await asyncio.sleep(0.1)
    await greet(c)


def slow_handshakes(
    model: openai.realtime.RealtimeModel, asked: asyncio.Event | None = None
) -> openai.realtime.RealtimeModel:
    """From now on each takes half a second. *asked*: is set when one begins."""
    http: Any = model._ensure_http_session()
    connect = http.ws_connect

    async def slowly(*args: Any, **options: Any) -> Any:
        if asked is not None:
            asked.set()
        await asyncio.sleep(0.5)
        return await connect(*args, **options)

    http.ws_connect = slowly
    return model


async def interrupted(c: Call) -> None:
    handle = c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(0.05)
    handle.interrupt()
    await handle
    await asyncio.sleep(1.0)
    await ask(c)


async def own_frame(c: Call) -> None:
    session: Any = realtime_session_of(c.session)
    session.send_event({"type": "response.create", "event_id": "own"})
    await c.until(lambda: c.ended)


async def updated(c: Call) -> None:
    """What is sent before the answer is no new connection."""
    handle = c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(0.2)
    await push_instructions(c.session, "Be kind.")
    await asyncio.sleep(0.0)
    assert c.turn.state is rf.TurnState.REQUESTED
    await handle


NOT_YET_CONNECTED = {
    "config": ServerConfig(handshakes=[Refuse(503), Accept()]),
    "wrap": slow_handshakes,
}
#: What the server does, what happens, the options, how many creates, and how many answers are heard.
STORIES: dict[str, tuple[list[Reply], Story, dict[str, Any], int, int]] = {
    "lost": ([LOST], ask, {}, 2, 1),
    "lost twice": ([LOST, LOST], ask, {}, 3, 1),
    "two asked": ([LOST], ask_twice, {}, 3, 2),
    "a tool's reply": ([Reply([FunctionCall("look_up")]), LOST], ask, {"agent": Clerk}, 3, 1),
    "given up, then lost": ([SLOW, LOST], ask, {}, 3, 1),
    "interrupted": ([LOST], interrupted, {}, 2, 1),
    "before the first connection": ([], greet, NOT_YET_CONNECTED, 1, 1),
    "before a rollover": ([SLOW], before_a_rollover, {"max_session_duration": 1.0}, 2, 1),
    "in a rollover": ([], within_a_handshake, {"max_session_duration": 1.0}, 1, 1),
    "the application's": ([LOST], own_frame, {}, 2, 1),
    "an update": ([], updated, {"config": ServerConfig(create_delay=0.5)}, 1, 1),
}


@pytest.mark.parametrize("what", STORIES)
@virtual_time
async def test_g1_g19_one_create_after_a_reconnect(what: str) -> None:
    replies, story, options, creates, answers = STORIES[what]
    agent = options.get("agent")
    more = {} if agent is None else {"agent": agent(instructions="Be brief.")}
    async with call([*replies, *[ANSWER] * 3], **{**options, **more}) as c:
        await story(c)
        await c.until(lambda: c.sink.heard_seconds > answers - 0.05)
        await asyncio.sleep(12.0)  # longer than the engine's own time-out
        assert c.server.creates == creates
        assert "already_has_active_response" not in str(c.server.record)
        assert c.sink.heard_seconds == pytest.approx(answers, abs=0.01)
        assert not c.closed
        completed = [e.outcome for e in c.ended].count(rf.TurnOutcome.COMPLETED)
        assert completed == answers + (what == "a tool's reply")


@virtual_time
async def test_g19_what_answers_after_it_was_taken_back_is_heard() -> None:
    """The future that the engine forgets is not what tells of the answer."""
    async with call([ANSWER], config=ServerConfig(create_delay=0.5)) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.server.creates)
        session: Any = realtime_session_of(c.session)
        session.driver.link._creates.take_back()
        await handle
        assert handle.exception() is None
        assert c.server.creates == 1
        assert c.sink.heard_seconds == pytest.approx(1.0, abs=0.01)
