"""Canaries: each private name of LiveKit that we rely on is still where and what it was."""

from __future__ import annotations

from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, llm
from livekit.agents.voice import SpeechHandle

from realtime_fsm.livekit import _private
from realtime_fsm.testing import PacedAudioOutput


async def test_speech_handle_error_is_what_exception_returns() -> None:
    handle = SpeechHandle.create()
    assert vars(handle)["_error"] is None
    error = llm.RealtimeError("boom")
    assert _private.set_handle_error(handle, error)
    handle._mark_done()
    assert handle.exception() is error, "an error set before the end survives _mark_done()"
    assert not _private.set_handle_error(handle, llm.RealtimeError("later"))


async def test_agent_session_tells_that_it_closed() -> None:
    session: AgentSession[Any] = AgentSession(vad=None)
    assert {"_closing", "_started"} <= set(vars(session))
    assert not _private.is_closing(session)
    assert not _private.is_closed(session)
    await session.aclose()
    session._closing = True
    assert _private.is_closing(session)
    assert _private.is_closed(session)


async def test_an_agents_history_can_lose_a_placeholder() -> None:
    agent = Agent(instructions="")
    session: AgentSession[Any] = AgentSession(vad=None)
    _private.drop_placeholder(session, "item_1")  # no agent is running: nothing happens
    await session.start(agent)
    for item_id in ("item_1", "item_2"):
        vars(agent)["_chat_ctx"].add_message(role="assistant", content="", id=item_id)
    _private.drop_placeholder(session, "item_1")
    _private.drop_placeholder(session, "gone")
    assert [item.id for item in agent.chat_ctx.items][-1:] == ["item_2"]
    assert agent.chat_ctx.get_by_id("item_1") is None
    await session.aclose()


async def test_an_output_knows_for_how_many_segments_it_waits() -> None:
    sink = PacedAudioOutput()
    assert _private.pending_segments(sink) == 0
    await sink.capture_frame(rtc.AudioFrame.create(24_000, 1, 2_400))
    assert _private.pending_segments(sink) == 1
    await sink.aclose()
    assert _private.pending_segments(sink) == 0


def test_an_emitter_knows_who_listens() -> None:
    emitter: rtc.EventEmitter[str] = rtc.EventEmitter()
    assert isinstance(vars(emitter)["_events"], dict)
    for listens in (False, False, True):
        assert _private.has_other_listeners(emitter, "it") is listens
        emitter.on("it", lambda: None)


async def test_agent_session_can_be_told_to_listen() -> None:
    session: AgentSession[Any] = AgentSession(vad=None)
    session._update_agent_state("thinking")
    assert session.agent_state == "thinking"
    _private.leave_thinking(session)
    assert session.agent_state == "listening"
