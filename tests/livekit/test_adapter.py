"""The adapter as a wrapper: what passes through, what is refused, what is left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import Agent, APIConnectOptions, RunContext, function_tool, llm
from livekit.agents.voice import SpeechHandle
from livekit.plugins import openai

import realtime_fsm as rf
from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit._features import AgentSession, realtime_session_of
from realtime_fsm.livekit._speech import SpeechTracker
from realtime_fsm.simulator import (
    END,
    Failed,
    FunctionCall,
    Message,
    Reply,
)
from realtime_fsm.testing import virtual_time

from .call import HELLO, VAD, call

QUICK = rf.RetryPolicy(retry_interval=0.05, timeout=0.4)


def inner_model(**options: Any) -> openai.realtime.RealtimeModel:
    return openai.realtime.RealtimeModel(api_key="sk-secret", **options)


# --- bad input


@pytest.mark.parametrize("inner", [None, "gpt-realtime", openai.realtime.RealtimeModel])
def test_an_inner_model_that_is_none_is_a_type_error(inner: Any) -> None:
    with pytest.raises(TypeError, match=r"inner must be an llm\.RealtimeModel"):
        ControlledRealtimeModel(inner)


def test_wrong_arguments_name_themselves() -> None:
    with pytest.raises(ValueError, match="mode must be 'control', 'observe' or 'off', got 'fast'"):
        ControlledRealtimeModel(inner_model(), mode="fast")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="retry must be a RetryPolicy, got 3"):
        ControlledRealtimeModel(inner_model(), retry=3)  # type: ignore[arg-type]


@virtual_time
async def test_attach_again_or_to_another_a_closed_session_or_to_something_else() -> None:
    async with call([HELLO]) as c:
        assert c.model is not None
        c.model.attach(c.session)  # nothing happens
        other: AgentSession[Any] = AgentSession(llm=c.model, vad=None)
        with pytest.raises(rf.LocalProtocolError, match="another session") as raised:
            c.model.attach(other)
        assert raised.value.field == "session"
        with pytest.raises(TypeError, match="must be an AgentSession"):
            c.model.attach(c.model)  # type: ignore[arg-type]
    with pytest.raises(rf.LocalProtocolError, match="'closed'"):
        c.model.attach(c.session)
    c.model.attach(other)


def test_the_policy_from_livekits_options() -> None:
    policy = rf.RetryPolicy.from_conn_options(APIConnectOptions(max_retry=7, retry_interval=0.5))
    assert (policy.max_retry, policy.retry_interval, policy.timeout) == (7, 0.5, 10.0)


# --- passes through


@virtual_time
async def test_capabilities_are_the_inner_models_in_all_three_places() -> None:
    async with call([HELLO], turn_detection=VAD) as c:
        assert c.model is not None
        session = realtime_session_of(c.session)
        assert c.model.capabilities is c.inner.capabilities
        assert session.realtime_model is c.model
        assert session.realtime_model.capabilities.turn_detection
        assert session.capabilities == c.inner.capabilities
        c.model.update_options(turn_detection=None)
        assert c.model.capabilities is c.inner.capabilities, "whatever changes is seen at once"
        assert session.capabilities == session._inner.capabilities
        assert (c.model.model, c.model.provider, c.model.label) == (
            c.inner.model,
            c.inner.provider,
            c.inner.label,
        )


@virtual_time
async def test_raw_events_options_tools_instructions_audio_and_video_pass() -> None:
    async with call([HELLO], turn_detection=VAD) as c:
        session = realtime_session_of(c.session)
        raw: list[Any] = []
        session.on("openai_server_event_received", raw.append)
        session.update_options(voice="marin", tool_choice="none")
        await session.update_instructions("Be kind.")
        session.push_audio(rtc.AudioFrame.create(24_000, 1, 24_000))
        session.push_video(rtc.VideoFrame(2, 2, rtc.VideoBufferType.RGBA, bytes(16)))
        session.commit_audio()
        session.clear_audio()
        session.start_user_activity()
        await c.until(lambda: "input_audio_buffer.cleared" in [e["type"] for e in raw])
        assert "input_audio_buffer.committed" in [e["type"] for e in raw]
        session.off("openai_server_event_received", raw.append)
        assert c.server.sent("session.update")[-1]["session"]["instructions"] == "Be kind."
        with pytest.raises(NotImplementedError):
            session.say("hello")
        with pytest.raises(AttributeError):
            _ = session.no_such_thing


@virtual_time
async def test_mode_off_is_the_inner_session_itself() -> None:
    async with call([Reply(end=Failed("server_error"))], mode="off") as c:
        assert c.model is not None
        assert type(realtime_session_of(c.session)).__module__.startswith("livekit.")
        assert c.model.controller is None
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None, "as plain LiveKit: silent"
        assert c.server.creates == 1


@virtual_time
async def test_a_duplex_model_passes_through(caplog: pytest.LogCaptureFixture) -> None:
    inner = inner_model()
    if not hasattr(inner.capabilities, "supports_overlapping_speech"):
        pytest.skip("this livekit-agents has no duplex models")
    inner.capabilities.supports_overlapping_speech = True
    model = ControlledRealtimeModel(inner)
    with caplog.at_level(logging.INFO, "realtime_fsm"):
        session = model.session()
    assert type(session).__module__.startswith("livekit.")
    assert "full-duplex" in caplog.text
    await session.aclose()
    await inner.aclose()


class Tooled(Agent):
    """Counts how often its tool runs."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
        self.ran = 0

    @function_tool
    async def look_up(self, context: RunContext[Any], city: str) -> str:
        """Look something up."""
        self.ran += 1
        return f"sunny in {city}"


CALL = FunctionCall("look_up", {"city": "Oslo"})


@pytest.mark.parametrize(
    "first",
    [
        Reply([CALL]),
        Reply([Message("One moment.", seconds=0.3), CALL]),
        Reply([CALL], end=Failed("server_error", at=END)),
    ],
    ids=["tool", "message and tool", "fails after the tool"],
)
@virtual_time
async def test_g17_a_tool_runs_once_and_its_reply_is_heard(first: Reply) -> None:
    agent = Tooled()
    async with call([first, Reply(end=Failed("server_error")), HELLO], agent=agent) as c:
        handle = c.session.generate_reply(user_input="How is the weather?")
        await handle
        assert agent.ran == 1
        assert handle.exception() is None, "the reply spoke (G8)"
        spoken = 0.9 if len(first.items) == 2 else 0.6
        assert c.sink.heard_seconds == pytest.approx(spoken, abs=0.01)
        assert c.server.creates == 3, "the call, its reply, the reply again"
        assert c.server.collisions == 0


@virtual_time
async def test_handoff_keeps_the_session() -> None:
    class Second(Agent):
        def __init__(self) -> None:
            super().__init__(instructions="I am the second.")

    async with call([HELLO, Reply(end=Failed("server_error")), HELLO]) as c:
        before = realtime_session_of(c.session)
        await c.session.generate_reply(user_input="Hello?")
        c.session.update_agent(Second())
        await c.until(lambda: isinstance(c.session.current_agent, Second))
        await c.until(lambda: realtime_session_of(c.session) is before)
        handle = c.session.generate_reply(user_input="Who is there?")
        await handle
        assert handle.exception() is None
        assert c.server.connections == 1
        assert c.sink.heard_seconds == pytest.approx(1.2, abs=0.01)


@virtual_time
async def test_g3_a_speech_that_outlives_its_realtime_session_ends_no_turn_of_the_next() -> None:
    """One whose tool waits for another agent does. Both sessions have a turn 1."""
    speeches = SpeechTracker()
    first: list[rf.Event] = []
    second: list[rf.Event] = []
    before, after = SpeechHandle.create(), SpeechHandle.create()
    speeches.connect(first.append)
    speeches.assign("turn_1", before)
    speeches.disconnect(first.append)
    speeches.connect(second.append)
    speeches.assign("turn_1", after)
    before._mark_done()
    await asyncio.sleep(0.01)
    assert first == second == []
    after._mark_done()
    await asyncio.sleep(0.01)
    assert second == [rf.SpeechOver(turn_id="turn_1", interrupted=False)]


@virtual_time
async def test_a_response_the_application_starts_itself() -> None:
    """It takes the lane, is played by LiveKit and is retried; an out-of-band one is not."""
    async with call([HELLO, Reply(end=Failed("server_error")), HELLO]) as c:
        session = realtime_session_of(c.session)
        session.send_event({"type": "response.create", "response": {"conversation": "none"}})
        await c.until(lambda: "response.done" in c.wire())
        assert c.controller.turns == ()
        assert len(c.controller.finished) == 0
        session.send_event({"type": "response.create", "event_id": "mine"})
        await c.until(lambda: c.ended)
        assert c.turn.origin is rf.Origin.APPLICATION
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        assert c.turn.attempts == 2
        assert c.server.sent("response.create")[1]["event_id"] == "mine"


@virtual_time
async def test_two_responses_of_the_application_do_not_collide() -> None:
    async with call([HELLO, HELLO]) as c:
        session = realtime_session_of(c.session)
        for _ in range(2):
            session.send_event({"type": "response.create"})
        await c.until(lambda: len(c.ended) == 2)
        assert c.server.collisions == 0
        assert c.server.creates == 2


# --- G25: no frame raises out of the adapter

GARBAGE: list[Any] = [
    None,
    [],
    "x",
    7,
    {},
    {"type": None},
    {"type": "response.created"},
    {"type": "response.created", "response": None},
    {"type": "response.created", "response": {"id": [5], "metadata": "x"}},
    {"type": "response.done", "response": {"id": "x", "status": "weird"}},
    {"type": "response.done", "response": {"id": "x", "status": "failed", "status_details": 3}},
    {"type": "response.output_item.added", "response_id": "x", "item": 3},
    {"type": "response.output_item.done", "response_id": [], "item": {"id": "i"}},
    {"type": "response.output_audio.delta", "response_id": "x", "item_id": "i", "delta": None},
    {"type": "error"},
    {"type": "error", "error": "boom"},
    {"type": "error", "error": {"code": 1, "type": [], "message": None, "event_id": {}}},
    {"type": "session.updated", "session": {"audio": "x", "turn_detection": 4}},
    {"type": "never.heard.of"},
]


@virtual_time
async def test_g25_garbage_is_ignored_and_the_turn_goes_on() -> None:
    async with call([Reply([Message("Still here.", seconds=0.6)])]) as c:
        session = realtime_session_of(c.session)
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.turn.state is rf.TurnState.STREAMING)
        for frame in GARBAGE:
            session._inner.emit("openai_server_event_received", frame)
            session._inner.emit("openai_client_event_queued", {"type": "response.create"})
        await handle
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        ignored = c.controller.ignored
        assert ignored["malformed frame"] >= 10
        assert ignored["unknown event type"] == 1


@pytest.mark.parametrize(
    "extra",
    [
        {
            "type": "response.output_audio.delta",
            "item_id": "item_never_added",
            "output_index": 0,
            "content_index": 0,
            "delta": "AAAA",
        },
        {
            "type": "response.output_item.done",
            "output_index": 0,
            "item": {"id": "f9", "type": "function_call", "name": "x", "arguments": "{}"},
        },
    ],
    ids=["delta of an unknown item", "call without call_id"],
)
@virtual_time
async def test_g25_an_item_the_inner_session_refuses_does_not_hold_up_the_others(
    extra: dict[str, Any],
) -> None:
    async with call([Reply([Message("Here I am.", seconds=0.6, after=0.1)]), HELLO]) as c:
        session = realtime_session_of(c.session)
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.turn.state is rf.TurnState.CREATED)
        assert c.turn.attempt is not None
        frame = {**extra, "response_id": c.turn.attempt.response_id, "event_id": "event_x"}
        session._inner.emit("openai_server_event_received", frame)
        await handle
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)
        again = c.session.generate_reply(user_input="And now?")
        await again
        assert again.exception() is None


@virtual_time
async def test_a_request_the_inner_session_refuses_fails_alone() -> None:
    async with call([HELLO]) as c:
        session = realtime_session_of(c.session)
        with pytest.raises(llm.RealtimeError, match="KeyError"):
            await session.generate_reply(tool_choice={"type": "function"})
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)


@virtual_time
async def test_closing_one_session_of_a_model_leaves_the_newer_one_connected() -> None:
    async with call([HELLO]) as c:
        assert c.model is not None
        other = c.model.session()
        c.model._speeches.connect(realtime_session_of(c.session).driver.receive, lambda: None)
        await other.aclose()
        await c.session.generate_reply(user_input="Hello?")
        turn = realtime_session_of(c.session).driver.controller.finished[-1]
        assert turn.messages[0].outcome is rf.MessageOutcome.FULL


# --- the application's handlers


@virtual_time
async def test_handlers_that_raise_or_call_back_do_no_harm() -> None:
    bad = Reply(end=Failed("server_error"))
    async with call([bad, HELLO], retry=QUICK) as c:
        assert c.model is not None

        def boom(_: object) -> None:
            raise RuntimeError("handler")

        def call_back(_: object) -> None:
            realtime_session_of(c.session).interrupt()

        for name in ("turn_moved", "recovering", "turn_ended"):
            c.model.on(name, boom)
        c.model.on("turn_ended", call_back)
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)


# --- closing


@pytest.mark.parametrize("when", ["idle", "requested", "streaming", "retry_wait"])
@virtual_time
async def test_g7_closing_in_any_state_ends_futures_and_leaves_nothing(when: str) -> None:
    reply = {
        "idle": HELLO,
        "requested": HELLO,
        "streaming": Reply([Message("A long answer.", seconds=9.0)]),
        "retry_wait": Reply(end=Failed("rate_limit_exceeded", message="try again in 3s")),
    }[when]
    async with call([reply], attach=False) as c:
        session = realtime_session_of(c.session)
        future = None
        if when != "idle":
            future = session.generate_reply()
            await c.until(lambda: c.turn.state.value == when)
        driver = session.driver
        await session.aclose()
        await session.aclose()
        if future is not None and when != "streaming":
            assert isinstance(future.exception(), llm.RealtimeError)
        assert driver._timer._timer is None
        late = session.generate_reply()
        assert isinstance(late.exception(), llm.RealtimeError)
        session.interrupt()
    gc.collect()


@virtual_time
async def test_aclose_does_not_raise_when_the_inner_session_died() -> None:
    async with call([Reply(end=Failed("insufficient_quota"))], attach=False) as c:
        session = realtime_session_of(c.session)
        with pytest.raises(llm.RealtimeError):
            await session.generate_reply()
        await c.until(lambda: c.errors)
        with pytest.raises(Exception, match="insufficient_quota"):
            await session._inner.aclose()
        await session.aclose()


# --- by streams alone


def fallback(inner: llm.RealtimeModel) -> llm.RealtimeModel:
    return llm.RealtimeModelFallbackAdapter([inner])


@virtual_time
async def test_by_streams_healthy_failed_and_interrupted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fallback adapter inside ours shows no raw events; one log line says so."""
    replies = [HELLO, Reply(end=Failed("server_error")), HELLO]
    with caplog.at_level(logging.INFO, "realtime_fsm"):
        async with call([*replies, Reply([Message("Long.", seconds=9.0)])], wrap=fallback) as c:
            assert caplog.text.count("controlled by its streams") == 1
            for heard in (0.6, 1.2):
                handle = c.session.generate_reply(user_input="Hello?")
                await handle
                assert handle.exception() is None
                assert c.sink.heard_seconds == pytest.approx(heard, abs=0.01)
            assert c.server.creates == 3
            assert c.turn.attempts == 2
            handle = c.session.generate_reply(user_input="And?")
            await c.until(lambda: c.controller.turns and c.turn.messages[0].started)
            turn = c.turn
            await c.session.interrupt()
            await c.until(lambda: not turn.live)
            assert turn.outcome is rf.TurnOutcome.INTERRUPTED
            assert turn.messages[0].outcome is rf.MessageOutcome.PARTIAL


# --- logs


@virtual_time
async def test_logs_a_line_per_transition_a_warning_per_recovery_and_no_content(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "realtime_fsm"):
        async with call([Reply(end=Failed("server_error")), HELLO], retry=QUICK) as c:
            await c.session.generate_reply(user_input="My secret question")
            moves = len(c.moves)
    ours = [r for r in caplog.records if r.name == "realtime_fsm"]
    debug = [r for r in ours if r.levelno == logging.DEBUG and hasattr(r, "state")]
    assert len(debug) == moves
    assert {"turn", "attempt", "response", "state", "source"} <= set(vars(debug[-1]))
    (warning,) = [r for r in ours if r.levelno == logging.WARNING]
    assert warning.getMessage() == "turn_1: server_error, retrying in 0.05 s (2 of 4)"
    assert vars(warning)["code"] == "server_error"
    everything = " ".join(repr(vars(r)) for r in ours)
    for secret in ("sk-secret", "secret question", "Good morning"):
        assert secret not in everything
