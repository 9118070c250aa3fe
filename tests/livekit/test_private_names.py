"""Canaries: each private name of LiveKit that we rely on is still where and what it was."""

from __future__ import annotations

import asyncio
import heapq
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import Agent, llm
from livekit.agents.voice import SpeechHandle
from livekit.plugins import openai

from realtime_fsm.livekit import _private
from realtime_fsm.livekit._features import AgentSession, history_of
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
        history_of(session).add_message(role="assistant", content="", id=item_id)
    _private.drop_placeholder(session, "item_1")
    _private.drop_placeholder(session, "gone")
    assert [item.id for item in history_of(session).items][-1:] == ["item_2"]
    assert history_of(session).get_by_id("item_1") is None
    await session.aclose()


async def test_an_output_knows_for_how_many_segments_it_waits() -> None:
    sink = PacedAudioOutput()
    assert _private.pending_segments(sink) == 0
    assert _private.captured_segments(sink) == 0
    await sink.capture_frame(rtc.AudioFrame.create(24_000, 1, 2_400))
    assert _private.pending_segments(sink) == 1
    await sink.aclose()
    assert _private.pending_segments(sink) == 0
    assert _private.captured_segments(sink) == 1, "io.AudioOutput: what counts its segments?"


def test_an_emitter_knows_who_listens() -> None:
    emitter: rtc.EventEmitter[str] = rtc.EventEmitter()
    assert isinstance(vars(emitter)["_events"], dict)
    for listens in (False, False, True):
        assert _private.has_other_listeners(emitter, "it") is listens
        emitter.on("it", lambda: None)


ADVICE = "realtime_fsm/livekit/_order.py: how does AgentActivity go through its speeches now?"


async def test_a_speech_can_be_put_back_into_the_queue() -> None:
    activity = _private.activity_class()
    assert activity is not None
    schedule = inspect.signature(activity._schedule_speech)  # type: ignore[attr-defined]
    assert list(schedule.parameters) == ["self", "speech", "priority", "force"], ADVICE
    assert "_activity" in vars(AgentSession(vad=None)), ADVICE

    handle = SpeechHandle.create()
    assert not _private.is_reached(handle)
    handle._authorize_generation()  # as AgentActivity does when it comes to a speech
    assert _private.is_reached(handle)
    waited, allowed = handle._wait_for_generation(), handle._wait_for_authorization()
    playing = asyncio.create_task(waited)
    await asyncio.sleep(0)

    scheduled: list[Any] = []
    session = SimpleNamespace(
        _activity=SimpleNamespace(_schedule_speech=lambda *a, **k: scheduled.append((a, k)))
    )
    assert _private.put_back(session, handle)  # type: ignore[arg-type]
    await asyncio.wait_for(playing, 60.0)
    assert scheduled == [((handle, SpeechHandle.SPEECH_PRIORITY_NORMAL), {"force": True})]
    assert not _private.is_reached(handle), ADVICE
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(allowed, 0.01)
    assert not _private.put_back(SimpleNamespace(), handle)  # type: ignore[arg-type]


async def test_a_speech_passes_those_in_the_queue_that_wait() -> None:
    activity = _private.activity_class()
    assert activity is not None
    assert "self._speech_q, (-priority, time.perf_counter_ns(), speech)" in inspect.getsource(
        activity._schedule_speech  # type: ignore[attr-defined]
    ), ADVICE
    urgent, plays, waits, waits_too, ready = (SpeechHandle.create() for _ in range(5))
    queue = [(-10, 9, urgent), (-5, 1, plays), (-5, 4, ready), (-5, 2, waits), (-5, 3, waits_too)]
    session = SimpleNamespace(_activity=SimpleNamespace(_speech_q=queue))
    _private.bring_forward(session, ready, {urgent, waits, waits_too})  # type: ignore[arg-type]
    order = [heapq.heappop(queue)[2] for _ in range(5)]
    assert order == [urgent, plays, ready, waits, waits_too]
    _private.bring_forward(session, ready, {waits})  # type: ignore[arg-type]
    _private.bring_forward(SimpleNamespace(), ready, {waits})  # type: ignore[arg-type]


async def test_a_speech_knows_its_own_tasks() -> None:
    handle = SpeechHandle.create()
    task = asyncio.create_task(asyncio.sleep(0, _private.asks_for_itself(handle)))
    assert await task is False

    async def ask() -> bool:
        return _private.asks_for_itself(handle)

    task = asyncio.create_task(ask())
    vars(handle)["_tasks"].append(task)  # as AgentActivity._create_speech_task does
    assert await task is True, ADVICE


@pytest.mark.parametrize("state", ["thinking", "speaking"])
async def test_agent_session_can_be_told_to_listen(state: Any) -> None:
    session: AgentSession[Any] = AgentSession(vad=None)
    session._update_agent_state(state)
    assert session.agent_state == state
    _private.listen_again(session)
    assert session.agent_state == "listening"


def test_a_fallback_adapter_shows_its_models() -> None:
    model = openai.realtime.RealtimeModel(api_key="sk-test")
    adapter = llm.RealtimeModelFallbackAdapter([model])
    assert _private.models_of(adapter) == [model]


async def test_an_agent_takes_over_by_an_activity_of_agent_and_session() -> None:
    """What `realtime-fsm run` attaches models of agents by: realtime_fsm/run/hook.py."""
    activity = _private.activity_class()
    assert activity is not None, "realtime_fsm/livekit/_private.py: find where AgentActivity went"
    names = list(inspect.signature(activity.__init__).parameters)  # type: ignore[misc]
    assert names[:3] == ["self", "agent", "sess"], "realtime_fsm/run/hook.py unpacks its arguments"


def test_a_plugin_may_take_a_handoff_in_a_way_of_its_own() -> None:
    class Own(openai.realtime.RealtimeSession):
        async def _update_session(self, **changes: Any) -> None: ...

    assert "_update_session" in vars(llm.RealtimeSession), "what LiveKit calls at a handoff"
    assert _private.own_update(Own.__new__(Own)) is not None
    plain = openai.realtime.RealtimeSession
    assert _private.own_update(plain.__new__(plain)) is None


async def test_a_fallback_adapters_session_takes_a_host() -> None:
    model = openai.realtime.RealtimeModel(api_key="sk-test")
    session = llm.RealtimeModelFallbackAdapter([model]).session()
    assert vars(session)["_agent_session"] is None, "what AgentActivity binds it to"
    host = object()
    _private.bind_host(session, host)
    assert vars(session)["_agent_session"] is host
    await session.aclose()
