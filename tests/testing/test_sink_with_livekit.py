"""The sink and the server around a real `AgentSession`: a healthy and a cut reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from livekit.agents import Agent
from livekit.plugins import openai

from realtime_fsm.livekit._features import AgentSession
from realtime_fsm.simulator import Message, RealtimeServer, Reply, Script, ServerConfig
from realtime_fsm.testing import PacedAudioOutput

from ..real_time import LONG

pytestmark = pytest.mark.real_time

SPEED = 10.0
CONFIG = ServerConfig(pace=0.001, create_delay=0.0, cancel_delay=0.001)


@asynccontextmanager
async def conversation(
    script: Script,
) -> AsyncIterator[tuple[RealtimeServer, AgentSession[None], PacedAudioOutput]]:
    sink = PacedAudioOutput(speed=SPEED)
    async with RealtimeServer(script, config=CONFIG) as server:
        model = openai.realtime.RealtimeModel(api_key="x", base_url=server.url, turn_detection=None)
        session: AgentSession[None] = AgentSession(llm=model)
        session.output.audio = sink
        await session.start(Agent(instructions="Be brief."))
        try:
            yield server, session, sink
        finally:
            await session.aclose()
            await model.aclose()
            await sink.aclose()


async def test_a_healthy_reply_of_two_messages_is_heard_in_full() -> None:
    script = Script([Reply([Message("one two", seconds=1.0), Message("three", seconds=0.5)])])
    async with conversation(script) as (server, session, sink):
        handle = session.generate_reply()
        await asyncio.wait_for(handle, LONG)
        assert handle.exception() is None
        assert [round(s.position, 3) for s in sink.segments] == [1.0, 0.5]
        assert sink.heard_seconds == pytest.approx(1.5)
        assert [item.text for item in server.conversation] == ["one two", "three"]
        assert (server.creates, server.collisions) == (1, 0)


async def test_an_interrupted_reply_is_truncated_to_what_was_heard() -> None:
    script = Script([Reply([Message(" ".join(["word"] * 100), seconds=20.0)])])
    async with conversation(script) as (server, session, sink):
        handle = session.generate_reply()
        await server.wait_for("response.done", direction="server")
        while sink.heard_seconds < 1.0:  # noqa: ASYNC110 - no event for a position
            await asyncio.sleep(0.001)
        handle.interrupt()
        await asyncio.wait_for(handle, LONG)
        await server.wait_for("conversation.item.truncated", direction="server")
        (segment,) = sink.segments
        assert segment.interrupted
        (item,) = server.conversation
        assert item.audio_ms == pytest.approx(segment.position * 1000, abs=1)
        assert len(item.text.split()) == item.audio_ms // 200
