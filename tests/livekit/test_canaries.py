"""Canaries: one small test for each fact of LiveKit that is relied on, with advice for when it changes.

They watch plain LiveKit, without our model in between. What a canary says is a fact of livekit-agents
1.7.0 to 1.8.9 and of its OpenAI plugin, not a wish: where it changes for the better, the code that it
names can go. Private names have theirs in ``test_private_names.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import (
    Agent,
    APIConnectionError,
    APIConnectOptions,
    APIError,
    function_tool,
    llm,
    utils,
)
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import AudioOutput, PlaybackFinishedEvent, PlaybackStartedEvent
from livekit.plugins import openai

import realtime_fsm as rf
from realtime_fsm import simulator as sim
from realtime_fsm.livekit._features import AgentSession, realtime_session_of
from realtime_fsm.livekit._private import only_decodes_audio
from realtime_fsm.livekit._usage import usage_of
from realtime_fsm.livekit.providers import declared_events
from realtime_fsm.livekit.providers._openai import _ENGINES
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from .call import HELLO, TWO, VAD, Call, call


def relied_on(holds: object, fact: str, look_at: str) -> None:
    """The one shape of a canary's end: what was relied on, and which file of ours to look at."""
    assert holds, f"LiveKit changed. Relied on: {fact}. Look at {look_at}."


class Seen:
    """What a realtime session emits, in order, with the event loop's turn it came in."""

    NAMES = (
        "openai_server_event_received",
        "openai_client_event_queued",
        "generation_created",
        "remote_item_added",
        "session_reconnected",
        "metrics_collected",
        "error",
    )

    def __init__(self, session: llm.RealtimeSession[Any]) -> None:
        self.events: list[tuple[str, Any, int]] = []
        self.turn = 0
        for name in self.NAMES:
            session.on(name, self._listener(name))

    def _listener(self, name: str) -> Any:
        def listen(event: Any) -> None:
            asyncio.get_running_loop().call_soon(self._next)
            # A frame is read here, since the plugin may change it afterwards.
            kept = json.loads(json.dumps(event)) if isinstance(event, dict) else event
            self.events.append((name, kept, self.turn))

        return listen

    def _next(self) -> None:
        self.turn += 1

    def of(self, name: str, type_: str | None = None) -> list[Any]:
        return [e for n, e, _ in self.events if n == name and type_ in (None, _type(e))]

    def place(self, name: str, type_: str | None = None) -> tuple[int, int]:
        """Where the first such event stands, and in which turn of the loop it came."""
        for i, (n, event, turn) in enumerate(self.events):
            if n == name and type_ in (None, _type(event)):
                return i, turn
        raise AssertionError(f"no {name} {type_ or ''}")


def _type(event: Any) -> str | None:
    return event.get("type") if isinstance(event, dict) else None


@contextlib.asynccontextmanager
async def plain(replies: list[sim.Reply], **options: Any) -> AsyncIterator[tuple[Call, Any, Seen]]:
    """A call of plain LiveKit, its realtime session, and what that emits."""
    async with call(replies, controlled=False, **options) as c:
        session = realtime_session_of(c.session)
        yield c, session, Seen(session)


async def asked(c: Call) -> SpeechHandle:
    """Ask, and wait until the speech is over."""
    handle = c.session.generate_reply(user_input="Hello?")
    with contextlib.suppress(llm.RealtimeError):
        await handle
    await asyncio.sleep(0.5)
    return handle


# --- what is there


def test_the_methods_of_a_realtime_session() -> None:
    known = {
        *("aclose", "capabilities", "chat_ctx", "clear_audio", "commit_audio", "generate_reply"),
        *("interrupt", "push_audio", "push_video", "realtime_model", "say", "start_user_activity"),
        *("tools", "truncate", "update_chat_ctx", "update_instructions", "update_options"),
        "update_tools",
    }
    public = {name for name in vars(llm.RealtimeSession) if not name.startswith("_")}
    relied_on(
        public == known,
        f"these methods and no others (different: {sorted(public ^ known)})",
        "realtime_fsm/livekit/_session.py: pass a new one on, say what a retry makes of it",
    )


def test_the_arguments_of_what_we_override() -> None:
    wanted = {
        "truncate": ["message_id", "modalities", "audio_end_ms", "audio_transcript"],
        "generate_reply": ["instructions", "tool_choice", "tools"],
        "update_chat_ctx": ["chat_ctx"],
    }
    for name, arguments in wanted.items():
        found = [*inspect.signature(getattr(llm.RealtimeSession, name)).parameters][1:]
        relied_on(
            found == arguments,
            f"{name}({', '.join(arguments)})",
            "realtime_fsm/livekit/_session.py",
        )
    relied_on(
        "turn_detection_disabled" in inspect.signature(llm.RealtimeModel.session).parameters,
        "RealtimeModel.session(turn_detection_disabled=)",
        "realtime_fsm/livekit/_model.py",
    )


def test_the_capabilities() -> None:
    known = {
        *("message_truncation", "turn_detection", "user_transcription", "audio_output"),
        *("auto_tool_reply_generation", "manual_function_calls", "per_response_tool_choice"),
        *("mutable_chat_context", "mutable_instructions", "mutable_tools"),
        *("supports_say", "supports_overlapping_speech", "can_disable_turn_detection"),
    }
    found = {field.name for field in dataclasses.fields(llm.RealtimeCapabilities)}
    relied_on(
        found <= known,
        f"no other capability (new: {sorted(found - known)})",
        "realtime_fsm/livekit/_model.py: does a wrapper have to act on it?",
    )


def test_the_data_that_is_handed_on() -> None:
    for kind, names in {
        llm.GenerationCreatedEvent: {
            *("message_stream", "function_stream", "user_initiated", "response_id"),
        },
        llm.MessageGeneration: {"message_id", "text_stream", "audio_stream", "modalities"},
        llm.RemoteItemAddedEvent: {"previous_item_id", "item"},
    }.items():
        found = {field.name for field in dataclasses.fields(kind)}
        relied_on(
            names <= found,
            f"{kind.__name__} has {names}",
            "realtime_fsm/livekit/_turn_output.py, _raw.py",
        )
    report = llm.RealtimeModelError(
        timestamp=0.0, label="", error=llm.RealtimeError("x", code="y"), recoverable=True
    )
    relied_on(
        isinstance(report.error, llm.RealtimeError) and report.error.code == "y",
        "RealtimeModelError carries the error, and RealtimeError a code",
        "realtime_fsm/livekit/_driver.py, realtime_fsm/trace/recorder.py",
    )


def test_what_a_sink_reports() -> None:
    finished = PlaybackFinishedEvent(playback_position=0.1, interrupted=False)
    relied_on(
        finished.synchronized_transcript is None,
        "PlaybackFinishedEvent has position (seconds), interrupted and synchronized_transcript",
        "realtime_fsm/livekit/_speech.py, realtime_fsm/testing/sink.py",
    )
    relied_on(
        PlaybackStartedEvent(created_at=1.0).created_at == 1.0,
        "PlaybackStartedEvent has created_at",
        "realtime_fsm/livekit/_speech.py",
    )
    names = {name for name in vars(AudioOutput) if name.startswith("on_playback")}
    relied_on(
        names <= {"on_playback_started", "on_playback_progressed", "on_playback_finished"},
        "a sink tells its start, progress and end, and no pause",
        "realtime_fsm/livekit/_speech.py: _on_agent_state, which infers pauses",
    )


async def test_what_a_speech_handle_offers() -> None:
    handle = SpeechHandle.create()
    called: list[SpeechHandle] = []
    handle.add_done_callback(called.append)
    relied_on(not handle.done(), "SpeechHandle.done()", "realtime_fsm/livekit/_speech.py")
    relied_on(not handle.interrupted, "SpeechHandle.interrupted", "realtime_fsm/livekit/_speech.py")
    relied_on(isinstance(handle.id, str), "SpeechHandle.id", "realtime_fsm/trace/recorder.py")
    handle._mark_done()
    await asyncio.sleep(0)
    relied_on(
        called == [handle] and handle.exception() is None,
        "add_done_callback(callback(handle)); exception() is None without an error",
        "realtime_fsm/livekit/_speech.py",
    )


async def test_what_an_agent_session_offers() -> None:
    session: AgentSession[Any] = AgentSession(vad=None)
    look = "realtime_fsm/livekit/_speech.py"
    relied_on(session.current_speech is None, "AgentSession.current_speech", look)
    relied_on(session.conn_options.max_unrecoverable_errors == 3, "tolerance of 3 errors", look)
    relied_on(session.output.audio is None, "AgentSession.output.audio", look)
    relied_on(isinstance(session.output.audio_enabled, bool), "output.audio_enabled", look)
    relied_on(session.history.get_by_id("x") is None, "AgentSession.history.get_by_id()", look)


def test_livekits_own_intervals() -> None:
    options = APIConnectOptions(max_retry=3, retry_interval=2.0)
    found = [options._interval_for_retry(n) for n in range(3)]
    relied_on(
        found == [rf.RetryPolicy().interval(n) for n in range(3)],
        f"0.1 s, then retry_interval (now {found})",
        "realtime_fsm/_core/policy.py: FIRST_RETRY_INTERVAL",
    )


def test_listeners_with_a_ready_signature_are_called() -> None:
    emitter: rtc.EventEmitter[Any] = rtc.EventEmitter()
    seen: list[object] = []

    def listener(event: object) -> None:
        seen.append(event)

    listener.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter("event", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    )
    emitter.on("x", listener)
    emitter.emit("x", 1)
    relied_on(seen == [1], "emit() goes by __signature__", "realtime_fsm/livekit/_raw.py: _guarded")


# --- the wire


@virtual_time
async def test_raw_events_are_dicts_and_come_before_what_is_made_of_them() -> None:
    async with plain([HELLO]) as (c, session, seen):
        await asked(c)
        look = "realtime_fsm/livekit/_raw.py, realtime_fsm/trace/recorder.py"
        relied_on(callable(getattr(session, "send_event", None)), "send_event()", look)
        frame, frame_turn = seen.place("openai_server_event_received", "response.created")
        made, made_turn = seen.place("generation_created")
        relied_on(frame < made, "response.created is seen before generation_created", look)
        relied_on(frame_turn == made_turn, "both in one turn of the event loop", look)
        relied_on(seen.of("generation_created")[0].user_initiated, "user_initiated is True", look)
        created = seen.of("openai_server_event_received", "response.created")[0]
        relied_on(
            seen.of("generation_created")[0].response_id == created["response"]["id"],
            "generation_created has the response's id",
            look,
        )


@virtual_time
async def test_a_create_carries_its_event_id_in_its_metadata() -> None:
    async with plain([HELLO]) as (c, _, seen):
        await asked(c)
        (create,) = seen.of("openai_client_event_queued", "response.create")
        relied_on(
            create["event_id"] == create["response"]["metadata"]["client_event_id"],
            "response.metadata.client_event_id is the create's event_id",
            "realtime_fsm/livekit/_creates.py: whose, realtime_fsm/_core/frames.py",
        )


@virtual_time
async def test_a_plain_dict_can_be_sent() -> None:
    async with plain([]) as (c, session, seen):
        session.send_event({"type": "response.cancel", "event_id": "mine"})
        await c.until(lambda: "response.cancel" in c.client_types())
        relied_on(
            seen.of("openai_client_event_queued", "response.cancel")[0]["event_id"] == "mine",
            "send_event takes a dict, keeps its event_id, and tells of it",
            "realtime_fsm/livekit/_raw.py, _session.py: send_event",
        )


@virtual_time
async def test_a_response_of_server_vad_is_not_user_initiated() -> None:
    async with plain([HELLO], turn_detection=VAD) as (c, _, seen):
        await c.server.user_speaks("Hello?", seconds=0.3)
        await c.until(lambda: seen.of("generation_created"))
        relied_on(
            not seen.of("generation_created")[0].user_initiated,
            "user_initiated is False for a response that the server began",
            "realtime_fsm/livekit/_driver.py: the generation that is announced",
        )


# --- one response at a time


def out_of_band(status: str) -> str:
    frame = {"id": "outside", "status": status, "conversation_id": None, "output": []}
    kind = "response.created" if status == "in_progress" else "response.done"
    return json.dumps({"type": kind, "event_id": "by_hand", "response": frame})


@virtual_time
async def test_the_plugin_has_one_slot_and_looks_at_no_id() -> None:
    async with plain([sim.Reply([sim.Message("A long answer.", seconds=2.0)], pace=0.3)]) as (
        c,
        session,
        _,
    ):
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.sink.heard_seconds > 0.1)
        c.server.send_text(out_of_band("completed"))
        await c.until(handle.done)
        await asyncio.sleep(8.0)
        relied_on(
            c.sink.heard_seconds < 1.0 and not session.has_active_generation,
            "a response.done of another response ends the one that is spoken",
            "realtime_fsm/livekit/_gate.py: if it is matched by id now, nothing need be hidden",
        )


@virtual_time
async def test_a_frame_of_an_unknown_type_is_passed_over() -> None:
    async with plain([HELLO]) as (c, session, seen):

        def hide(frame: dict[str, Any]) -> None:
            if (frame.get("response") or {}).get("id") == "outside":
                frame["type"] = "realtime_fsm.hidden"

        session.on("openai_server_event_received", hide)
        handle = c.session.generate_reply(user_input="Hello?")
        for status in ("in_progress", "completed"):
            c.server.send_text(out_of_band(status))
        await handle
        await asyncio.sleep(0.5)
        relied_on(
            c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)
            and len(seen.of("generation_created")) == 1
            and not seen.of("error"),
            "a listener may change a frame's type, and what is unknown is passed over",
            "realtime_fsm/livekit/_sight.py: let_through",
        )


@virtual_time
async def test_what_a_listener_changes_in_a_clients_frame_is_what_leaves() -> None:
    async with plain([HELLO]) as (c, session, _):

        def place(frame: dict[str, Any]) -> None:
            if frame.get("type") == "conversation.item.create":
                frame["previous_item_id"] = "root"

        session.on("openai_client_event_queued", place)
        for number in (1, 2):
            await c.session.generate_reply(user_input=f"{number}")
        relied_on(
            next(i.text for i in c.server.conversation) == "2",
            "a listener may change a client's frame before it is sent",
            "realtime_fsm/livekit/_conversation.py: place; without it the item is made again, later",
        )


@virtual_time
async def test_the_plugin_waits_for_an_end_that_it_is_not_shown() -> None:
    async with plain([HELLO]) as (c, session, _):

        def hide(frame: dict[str, Any]) -> None:
            if frame["type"] == "response.done":
                frame["type"] = "realtime_fsm.hidden"

        session.on("openai_server_event_received", hide)
        c.session.generate_reply(user_input="Hello?")
        await asyncio.sleep(5.0)
        relied_on(
            session.has_active_generation,
            "a hidden response.done leaves the slot taken",
            "realtime_fsm/livekit/_gate.py: what was shown is shown to its end",
        )


@virtual_time
async def test_the_streams_of_a_message_are_channels() -> None:
    async with plain([HELLO]) as (c, session, _):
        messages: list[llm.MessageGeneration] = []

        async def read(stream: Any) -> None:
            messages.extend([message async for message in stream])

        tasks: list[asyncio.Future[None]] = []
        session.on(
            "generation_created",
            lambda event: tasks.append(asyncio.ensure_future(read(event.message_stream))),
        )
        session.generate_reply()
        await c.until(lambda: messages)
        await asyncio.gather(*tasks)
        (message,) = messages
        look = "realtime_fsm/livekit/_tap.py: otherwise a stream is pumped, by a task"
        for stream in (message.text_stream, message.audio_stream):
            relied_on(isinstance(stream, utils.aio.Chan), "they are utils.aio.Chan", look)
        channel: utils.aio.Chan[object] = utils.aio.Chan()
        for item in (1, 2):
            channel.send_nowait(item)
        found = [await channel.recv(), await channel.recv()]
        relied_on(found == [1, 2], "what is put in comes out in order", look)


@virtual_time
async def test_the_engine_tells_by_emit_whatever_took_its_place() -> None:
    async with plain([HELLO]) as (c, session, _):
        told: list[str] = []
        emit = session.emit

        def first(event: str, *args: Any) -> None:
            told.append(event)
            emit(event, *args)

        session.emit = first
        await asked(c)
        relied_on(
            {"openai_server_event_received", "openai_client_event_queued", "generation_created"}
            <= set(told),
            "what a session emits goes through its attribute emit",
            "realtime_fsm/livekit/_listener.py: hear_first",
        )


@virtual_time
async def test_all_but_the_first_audio_delta_may_be_kept_from_the_engine() -> None:
    async with plain([HELLO]) as (c, session, seen):
        relied_on(
            only_decodes_audio(session),
            "the engine does nothing with an audio delta but put its sound into the message's channel",
            "realtime_fsm/livekit/_private.py: only_decodes_audio; until then it is shown all of them",
        )
        deltas = 0

        def hide(frame: dict[str, Any]) -> None:
            nonlocal deltas
            if frame["type"] == "response.output_audio.delta":
                deltas += 1
                if deltas > 1:
                    frame["type"] = "realtime_fsm.hidden"

        session.on("openai_server_event_received", hide)
        await asked(c)
        (metrics,) = seen.of("metrics_collected")
        words = [i.text_content for i in session.chat_ctx.items if i.role == "assistant"]
        relied_on(
            deltas > 3
            and c.sink.heard_seconds == pytest.approx(0.1, abs=0.01)
            and metrics.ttft > 0
            and not metrics.cancelled
            and words == ["Good morning to you my friend."]
            and not session.has_active_generation
            and not seen.of("error"),
            "metrics, mirror and slot need no audio delta but the first",
            "realtime_fsm/livekit/_sound.py",
        )


@virtual_time
async def test_the_words_are_in_the_mirror_with_the_end_of_the_response() -> None:
    async with plain([HELLO]) as (c, session, _):
        words: list[Any] = []

        def note(frame: dict[str, Any]) -> None:
            if frame["type"] == "response.done":
                item = session.chat_ctx.items[-1]
                words.append(list(item.content))
                asyncio.get_running_loop().call_soon(lambda: words.append(list(item.content)))

        session.on("openai_server_event_received", note)
        await asked(c)
        relied_on(
            words == [[], ["Good morning to you my friend."]],
            "response.done writes the words into the item that chat_ctx shows",
            "realtime_fsm/livekit/_foreign.py: _finish, which does so for what is hidden",
        )


@virtual_time
async def test_the_metrics_of_a_response() -> None:
    async with plain([HELLO]) as (c, session, seen):
        done: list[Any] = []
        session.on(
            "openai_server_event_received",
            lambda e: done.append(json.loads(json.dumps(e))) if e["type"] == "response.done" else 0,
        )
        await asked(c)
        theirs = [m for m in seen.of("metrics_collected") if m.request_id][-1]
        ours = usage_of(
            done[0],
            session.realtime_model,
            created_at=theirs.timestamp,
            first_at=theirs.timestamp + theirs.ttft,
        )
        relied_on(
            ours.model_dump(exclude={"duration", "tokens_per_second", "ttft"})
            == theirs.model_dump(exclude={"duration", "tokens_per_second", "ttft"}),
            f"the metrics of a response are these: {theirs}",
            "realtime_fsm/livekit/_usage.py",
        )


# --- failures


@virtual_time
async def test_a_failed_response_is_told_by_the_wire_first_and_then_by_an_error() -> None:
    async with plain([sim.Reply(end=sim.Failed("server_error"))]) as (c, _, seen):
        handle = await asked(c)
        frame, _turn = seen.place("openai_server_event_received", "response.done")
        error, _turn = seen.place("error")
        relied_on(frame < error, "raw response.done, then error", "realtime_fsm/livekit/_raw.py")
        relied_on(
            seen.of("error")[0].recoverable,
            "a failed response is a recoverable error",
            "realtime_fsm/livekit/_raw.py: _on_error, which takes it for told already",
        )
        relied_on(
            handle.done() and handle.exception() is None,
            "a failed response leaves exception() at None (livekit/agents#6205)",
            "docs/comparison.md and realtime_fsm/livekit/_private.py: it may be needed no longer",
        )


@virtual_time
async def test_a_refused_create_fails_its_future_with_a_realtime_error_that_has_the_code() -> None:
    async with plain([sim.Reply(ack=sim.Rejected("server_error"))]) as (c, session, seen):
        future = session.generate_reply()
        with pytest.raises(llm.RealtimeError) as caught:
            await future
        look = "realtime_fsm/livekit/_raw.py: _error_reported, _creates.py: _settled"
        relied_on(caught.value.code == "server_error", "RealtimeError.code", look)
        frame, frame_turn = seen.place("openai_server_event_received", "error")
        error, error_turn = seen.place("error")
        relied_on(frame < error and frame_turn == error_turn, "both in one turn of the loop", look)
        relied_on(seen.of("error")[0].recoverable, "recoverable", look)
        await c.until(lambda: True)


@virtual_time
async def test_the_plugin_gives_a_create_up_after_ten_seconds_with_these_words() -> None:
    async with plain([sim.Reply(ack=sim.Unanswered())]) as (_, session, _seen):
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(llm.RealtimeError) as caught:
            await session.generate_reply()
        relied_on(
            "timed out" in str(caught.value),
            f"the words 'timed out' (now {caught.value})",
            "realtime_fsm/livekit/_creates.py: _settled, which tells its time-out by them",
        )
        relied_on(
            loop.time() - began == pytest.approx(10.0, abs=0.1),
            f"10 s (now {loop.time() - began:.1f} s)",
            "realtime_fsm/_core/policy.py: timeout, from_conn_options",
        )


@virtual_time
async def test_only_a_realtime_error_of_the_future_becomes_the_handles_exception() -> None:
    async with plain([]) as (c, session, _):
        for error, visible in ((llm.RealtimeError("no"), True), (APIConnectionError("no"), False)):
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            future.set_exception(error)
            session.generate_reply = lambda future=future, **_: future
            handle = await asked(c)
            relied_on(handle.done(), "the speech is done", "realtime_fsm/livekit/_driver.py: ask")
            relied_on(
                (handle.exception() is error) is visible,
                "AgentSession catches RealtimeError and nothing else",
                "realtime_fsm/livekit/_driver.py: ask, the future fails only with that",
            )


@virtual_time
async def test_quota_is_an_api_error_that_is_not_recoverable_and_ends_the_session() -> None:
    async with plain([sim.Reply(end=sim.Failed("insufficient_quota"))]) as (c, session, seen):
        await asked(c)
        await c.until(lambda: seen.of("error"))
        report = seen.of("error")[-1]
        relied_on(
            not report.recoverable and isinstance(report.error, APIError),
            "the provider's verdict is an APIError, recoverable=False",
            "realtime_fsm/livekit/_raw.py: _is_verdict",
        )
        raised = False
        try:
            await session.aclose()
        except Exception:
            raised = True
        relied_on(
            raised,
            "aclose() raises what the session died of, so that `close` is never emitted",
            "realtime_fsm/livekit/_raw.py: aclose",
        )


@virtual_time
async def test_a_malformed_frame_kills_the_session_with_something_else() -> None:
    faults = sim.Schedule([sim.Malform(sim.At("response.created"), "list")])
    async with plain([HELLO], config=sim.ServerConfig(faults=faults)) as (c, session, seen):
        future = session.generate_reply()
        await c.until(lambda: seen.of("error"))
        report = seen.of("error")[-1]
        future.cancel()
        relied_on(
            not report.recoverable and not isinstance(report.error, APIError),
            "a frame that cannot be read is a fatal error that is no APIError",
            "realtime_fsm/livekit/_raw.py: _on_error, which replaces such a session",
        )


@virtual_time
async def test_a_refused_handshake_names_its_status_in_the_cause() -> None:
    config = sim.ServerConfig(handshakes=[sim.Refuse(401)] * 9)
    async with plain([], config=config) as (c, _, seen):
        await c.until(lambda: seen.of("error"))
        error = seen.of("error")[0].error
        relied_on(
            getattr(error.__cause__, "status", None) == 401,
            "error.__cause__.status is the handshake's",
            "realtime_fsm/livekit/_driver.py: session_failed",
        )


@virtual_time
async def test_a_lost_connection_is_a_recoverable_connection_error_then_reconnected() -> None:
    async with plain([sim.Reply(end=sim.Dropped(at=sim.CREATED)), HELLO]) as (c, _, seen):
        await asked(c)
        await c.until(lambda: seen.of("session_reconnected"))
        lost, _turn = seen.place("error")
        again, _turn = seen.place("session_reconnected")
        report = seen.of("error")[0]
        relied_on(
            report.recoverable and isinstance(report.error, APIConnectionError),
            "a lost connection is an APIConnectionError, recoverable",
            "realtime_fsm/livekit/_raw.py: _on_error, realtime_fsm/trace/recorder.py",
        )
        relied_on(
            lost < again,
            "session_reconnected follows, once the history was replayed",
            "realtime_fsm/livekit/_raw.py: _on_reconnected",
        )


@virtual_time
async def test_a_close_frame_is_a_lost_connection_too() -> None:
    async with plain([sim.Reply(end=sim.Closed(1011, at=sim.CREATED)), HELLO]) as (c, _, seen):
        await asked(c)
        await c.until(lambda: seen.of("session_reconnected"))
        relied_on(
            isinstance(seen.of("error")[0].error, APIConnectionError),
            "a close frame is an APIConnectionError",
            "realtime_fsm/livekit/_raw.py: _on_error",
        )


@virtual_time
async def test_an_error_that_is_not_recoverable_ends_an_agent_session() -> None:
    async with plain([HELLO]) as (c, session, _):
        report = llm.RealtimeModelError(
            timestamp=0.0, label="", error=APIError("gone"), recoverable=False
        )
        session.emit("error", report)
        await c.until(lambda: c.closed)
        relied_on(
            c.closed,
            "AgentSession closes on the first error that is not recoverable",
            "realtime_fsm/livekit/_failures.py: on_exhausted, max_unrecoverable_errors",
        )


# --- interrupting


@virtual_time
async def test_interrupt_and_a_cancelled_future_send_a_bare_cancel() -> None:
    async with plain([sim.Reply(done_delay=5.0)]) as (c, session, seen):
        await session.generate_reply()
        session.interrupt()
        await c.until(lambda: "response.cancel" in c.client_types())
        (cancel,) = seen.of("openai_client_event_queued", "response.cancel")
        relied_on(
            cancel.get("response_id") is None,
            "interrupt() names no response (when it does, livekit/agents#7255, it may be called)",
            "realtime_fsm/livekit/_raw.py: cancel",
        )


class Teller(Agent):
    @function_tool
    async def look_up(self) -> str:
        """Look it up."""
        return "Noon."


@virtual_time
async def test_livekit_interrupts_on_its_own_before_a_tool_reply() -> None:
    async with plain(
        [sim.Reply([sim.FunctionCall("look_up")]), HELLO], agent=Teller(instructions="")
    ) as (
        c,
        session,
        _,
    ):
        interrupts: list[int] = []
        interrupt = session.interrupt
        session.interrupt = lambda: (interrupts.append(c.server.creates), interrupt())[1]
        await asked(c)
        relied_on(
            interrupts == [1],
            "interrupt() is called between a tool and the create of its reply",
            "realtime_fsm/livekit/_driver.py: interrupt (G21)",
        )


@virtual_time
async def test_before_a_tool_reply_the_loop_does_not_run_between_output_and_interrupt() -> None:
    async with plain(
        [sim.Reply([sim.FunctionCall("look_up")]), HELLO], agent=Teller(instructions="")
    ) as (
        c,
        session,
        _,
    ):
        just_pushed: list[str] = []
        at_interrupt: list[list[str]] = []
        push, interrupt = session.update_chat_ctx, session.interrupt

        async def pushing(chat_ctx: llm.ChatContext) -> None:
            await push(chat_ctx)
            just_pushed.append(chat_ctx.items[-1].type)
            asyncio.get_running_loop().call_soon(just_pushed.clear)

        session.update_chat_ctx = pushing
        session.interrupt = lambda: (at_interrupt.append(just_pushed[:]), interrupt())[1]
        await asked(c)
        relied_on(
            at_interrupt == [["function_call_output"]],
            "interrupt() is called in the step of the loop in which a tool's output was pushed",
            "realtime_fsm/livekit/_session.py: update_chat_ctx (G21)",
        )


@virtual_time
async def test_only_the_message_that_was_cut_is_truncated_by_its_own_time() -> None:
    async with plain([TWO]) as (c, session, _):
        cuts: list[dict[str, Any]] = []
        session.truncate = lambda **arguments: cuts.append(arguments)
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.sink.heard_seconds > 1.3)
        handle.interrupt()
        await asyncio.sleep(0.5)
        relied_on(
            len(cuts) == 1 and cuts[0]["audio_end_ms"] < 1500,
            "truncate(), once, for the partly played message, from its own beginning",
            "realtime_fsm/livekit/_driver.py: truncating",
        )


# --- histories


@virtual_time
async def test_the_mirror_takes_no_notice_of_a_truncation() -> None:
    async with plain([HELLO], sink=PacedAudioOutput()) as (c, session, seen):
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.sink.heard_seconds > 0.2)
        handle.interrupt()
        await c.until(
            lambda: seen.of("openai_server_event_received", "conversation.item.truncated")
        )
        await asyncio.sleep(0.5)
        (item,) = (i for i in session.chat_ctx.items if getattr(i, "role", "") == "assistant")
        relied_on(
            item.text_content == "Good morning to you my friend.",
            "the plugin's mirror keeps the full text of a truncated message",
            "realtime_fsm/livekit/_history.py: correct_mirror",
        )


@virtual_time
async def test_the_mirrors_items_are_the_mirror() -> None:
    async with plain([HELLO]) as (c, session, _):
        await asked(c)
        (item,) = (i for i in session.chat_ctx.items if getattr(i, "role", "") == "assistant")
        item.content = ["Other words."]
        (again,) = (i for i in session.chat_ctx.items if getattr(i, "role", "") == "assistant")
        relied_on(
            again.text_content == "Other words.",
            "chat_ctx hands out the mirror's own items, so they can be corrected",
            "realtime_fsm/livekit/_history.py: correct_mirror",
        )


@virtual_time
async def test_an_announced_item_shares_its_content_with_the_mirror() -> None:
    async with plain([HELLO]) as (c, _, seen):
        await asked(c)
        (added,) = (
            e.item
            for e in seen.of("remote_item_added")
            if getattr(e.item, "role", "") == "assistant"
        )
        relied_on(
            added.content == ["Good morning to you my friend."],
            "the item of remote_item_added is filled by the plugin later",
            "realtime_fsm/livekit/_raw.py: _on_item_added, which hands on a copy",
        )


@virtual_time
async def test_an_unconfirmed_history_push_is_given_up_after_five_seconds() -> None:
    from realtime_fsm.simulator import Lose

    faults = sim.Schedule([Lose(sim.At("conversation.item.added"))])
    async with plain([], config=sim.ServerConfig(faults=faults)) as (_, session, _seen):
        loop = asyncio.get_running_loop()
        began = loop.time()
        context = llm.ChatContext()
        context.add_message(role="user", content="Hello?")
        with contextlib.suppress(llm.RealtimeError):
            await session.update_chat_ctx(context)
        relied_on(
            loop.time() - began == pytest.approx(5.0, abs=0.1),
            f"update_chat_ctx waits 5 s for a confirmation (now {loop.time() - began:.1f} s)",
            "realtime_fsm/livekit/_history.py: CONFIRM",
        )


# --- speeches and sessions


@virtual_time
async def test_the_current_speech_is_the_one_that_asks() -> None:
    async with plain([HELLO]) as (c, session, _):
        found: list[SpeechHandle | None] = []
        ask = session.generate_reply
        session.generate_reply = lambda **k: (found.append(c.session.current_speech), ask(**k))[1]
        handle = await asked(c)
        relied_on(
            found == [handle],
            "while generate_reply is called, current_speech is its handle",
            "realtime_fsm/livekit/_speech.py: owner",
        )


@virtual_time
async def test_a_hand_off_keeps_the_realtime_session() -> None:
    async with plain([HELLO]) as (c, session, _):
        c.session.update_agent(Agent(instructions="You are another one."))
        await c.until(lambda: c.session.current_agent.instructions == "You are another one.")
        await asyncio.sleep(0.5)
        relied_on(
            realtime_session_of(c.session) is session,
            "the next agent takes over the realtime session of the same model",
            "realtime_fsm/livekit/_session.py, _inner_session.py",
        )


def test_a_fallback_adapters_session_has_no_raw_events() -> None:
    model = openai.realtime.RealtimeModel(api_key="sk-test")
    adapter = getattr(llm, "RealtimeModelFallbackAdapter", None)
    if adapter is None:
        pytest.skip("this livekit-agents has no fallback adapter")
    relied_on(
        not hasattr(adapter([model]), "send_event"),
        "RealtimeModelFallbackAdapter has no send_event",
        "realtime_fsm/livekit/providers: it is controlled by its streams",
    )


def test_the_engine_declares_its_raw_events() -> None:
    names = {"openai_server_event_received", "openai_client_event_queued"}
    relied_on(
        declared_events(openai.realtime.RealtimeSession) >= names,
        f"RealtimeSession[Literal[...]] names {sorted(names)}",
        "realtime_fsm/livekit/providers/_openai.py: how the engine's relatives are recognised",
    )
    modules = {cls.__module__ for cls in openai.realtime.RealtimeModel.__mro__}
    relied_on(
        any(module.startswith(_ENGINES) for module in modules),
        f"the engine's model is in one of {_ENGINES}",
        "realtime_fsm/livekit/providers/_openai.py: the models of a fallback adapter",
    )
