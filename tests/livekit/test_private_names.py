"""Canaries: each private name of LiveKit that we rely on is still where and what it was."""

from __future__ import annotations

import inspect
from typing import Any

from livekit.agents import AgentSession, llm
from livekit.agents.voice import SpeechHandle

from realtime_fsm.livekit import _private


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
    assert not _private.is_closed(session)


async def test_agent_session_can_be_told_to_listen() -> None:
    session: AgentSession[Any] = AgentSession(vad=None)
    session._update_agent_state("thinking")
    assert session.agent_state == "thinking"
    _private.leave_thinking(session)
    assert session.agent_state == "listening"


async def test_an_agent_takes_over_by_an_activity_of_agent_and_session() -> None:
    """What `realtime-fsm run` attaches models of agents by: realtime_fsm/run/hook.py."""
    activity = _private.activity_class()
    assert activity is not None, "realtime_fsm/livekit/_private.py: find where AgentActivity went"
    names = list(inspect.signature(activity.__init__).parameters)  # type: ignore[misc]
    assert names == ["self", "agent", "sess"], "realtime_fsm/run/hook.py unpacks its arguments"
