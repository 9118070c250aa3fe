"""G18, G24, G27: server VAD answers a silence that lasts (``idle_timeout_ms``) as it answers speech."""

from __future__ import annotations

import asyncio

import pytest

from realtime_fsm.simulator import Failed, Message, Reply, Script, ServerConfig
from realtime_fsm.simulator.script import BEFORE_CREATED
from realtime_fsm.testing import simulated_call, virtual_time


def says(text: str) -> Reply:
    return Reply([Message(text, seconds=0.5)])


@virtual_time
async def test_g24_a_reply_that_is_asked_for_meanwhile_collides_with_nothing() -> None:
    script = Script(answers={"Say so.": [says("So.")]}, default=says("Are you still there?"))
    config = ServerConfig(vad_create_delay=0.3)
    async with simulated_call(script, config=config, check=False) as call:
        await call.server.user_idles()
        await asyncio.sleep(0.1)
        handle = call.session.generate_reply(instructions="Say so.")
        await handle
        await call.idle()
        assert handle.exception() is None
        assert call.heard == pytest.approx(1.0)
        assert call.server.collisions == 0


@virtual_time
async def test_g18_the_answer_that_fails_is_asked_for_again() -> None:
    failed = Reply(end=Failed("server_error", at=BEFORE_CREATED))
    config = ServerConfig(vad_create_delay=0.1)
    async with simulated_call([failed, says("Are you there?")], config=config, check=False) as call:
        await call.server.user_idles()
        await asyncio.sleep(3.0)
        assert call.heard == pytest.approx(0.5)


@virtual_time
async def test_g24_without_server_vad_nothing_is_owed() -> None:
    async with simulated_call([says("Yes.")], turn_detection=None, check=False) as call:
        assert await call.server.user_idles() is None
        handle = call.session.generate_reply(user_input="Hello?")
        await handle
        assert call.heard == pytest.approx(0.5)
