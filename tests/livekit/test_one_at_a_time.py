"""G3, below the core: a frame of another response changes nothing of what is being spoken.

The plugin has one slot for "the current generation" and looks at no id. So it is shown one response at
a time, and the others are made from their frames.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from typing import Any

import pytest
from livekit.agents import Agent, RunContext, function_tool, llm
from livekit.agents.metrics import RealtimeModelMetrics

import realtime_fsm as rf
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import (
    Created,
    DoneLost,
    Failed,
    FunctionCall,
    Message,
    Reply,
    audio_ms,
)
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

ANSWER = Reply(
    [
        Message("We open at eight and close at six.", seconds=2.0, after=0.3),
        Message("From Monday to Friday my friend.", seconds=1.0, after=0.3),
    ],
    ack=Created(after=0.3),
    pace=0.3,
)
NEXT = Reply([Message("The next reply.", seconds=0.7)])
OUT_OF_BAND = {
    "text": Reply([Message("opening hours", seconds=0.3)]),
    "audio": Reply([Message("By the way.", seconds=0.5)]),
    "failing": Reply(end=Failed("server_error")),
    "failing audio": Reply(
        [Message("By the way.", seconds=1.2)], end=Failed("x", at=audio_ms(500))
    ),
    "call": Reply([FunctionCall("classify", {"topic": "hours"})]),
    "empty": Reply(),
}
#: What of it is heard.
SPOKEN = {"audio": 0.5, "failing audio": 0.5}

_count = 0
SECRET = "words of the user"


def out_of_band(call: SimulatedCall, kind: str) -> None:
    """The application asks for a response outside the conversation, by the raw API."""
    realtime_session_of(call.session).send_event(
        {
            "type": "response.create",
            "event_id": "mine",
            "response": {
                "conversation": "none",
                "output_modalities": ["audio" if "audio" in kind else "text"],
                "input": [],
                "metadata": {"topic": "classify"},
            },
        }
    )


def server_says(call: SimulatedCall, kind: str, **fields: Any) -> None:
    """A frame put in by hand."""
    global _count
    _count += 1
    call.server.send_text(json.dumps({"type": kind, "event_id": f"by_hand_{_count}", **fields}))


def response(response_id: str, status: str, **fields: Any) -> dict[str, Any]:
    empty = {"object": "realtime.response", "status_details": None, "output": [], "usage": None}
    return {"id": response_id, "status": status, "metadata": None, **empty, **fields}


def assistant(call: SimulatedCall) -> list[str]:
    return [text for role, text in call.history if role == "assistant"]


def everything_said(call: SimulatedCall) -> None:
    """The answer in full, once, and remembered as it was heard."""
    assert [s for s in (round(s.position, 2) for s in call.sink.segments) if s >= 1.0] == [2.0, 1.0]
    assert not any(segment.interrupted for segment in call.sink.segments)
    remembered = [text for role, text in call.remembered if role == "assistant"]
    for words in ("We open at eight and close at six.", "From Monday to Friday my friend."):
        assert assistant(call).count(words) == 1
        assert remembered.count(words) == 1
    assert [turn.outcome for turn in call.controller.finished] == [rf.TurnOutcome.COMPLETED]


# --- out-of-band responses: each kind at each moment


async def at(call: SimulatedCall, moment: str, kind: str) -> None:
    """Ask for the answer by voice, and out of band at this moment."""
    begins = asyncio.get_running_loop().time()

    async def wait_until(seconds: float) -> None:
        await asyncio.sleep(begins + seconds - asyncio.get_running_loop().time())

    speaking = asyncio.create_task(call.say("When are you open?", seconds=1.0))
    if moment == "while the user speaks":
        await wait_until(0.4)
    elif moment == "before VAD's created":
        await wait_until(0.99)
    elif moment == "before created":
        await wait_until(1.1)
    elif moment == "before the first item":
        await call.until(lambda: call.controller.turns)
    elif moment == "in message 1":
        await call.until(lambda: call.heard > 0.5)
    elif moment == "between":
        await call.until(lambda: call.heard > 1.98)
    elif moment == "in message 2":
        await call.until(lambda: call.heard > 2.3)
    out_of_band(call, kind)
    await speaking


MOMENTS = [
    *("while the user speaks", "before VAD's created", "before created", "before the first item"),
    *("in message 1", "between", "in message 2"),
]


@pytest.mark.sampled(5)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("kind", OUT_OF_BAND)
@virtual_time
async def test_an_out_of_band_response_changes_nothing(kind: str, moment: str) -> None:
    """G3: all that is asked for is heard in full, and so is the next reply."""
    # The simulator takes a reply when its create comes: server VAD's with the end of the speech.
    first = moment in MOMENTS[:2]
    script = [OUT_OF_BAND[kind], ANSWER] if first else [ANSWER, OUT_OF_BAND[kind]]
    async with simulated_call([*script, NEXT]) as call:
        frames: list[Any] = []
        realtime_session_of(call.session).on("openai_server_event_received", frames.append)
        await at(call, moment, kind)
        await asyncio.sleep(14.0)
        everything_said(call)
        spoken = SPOKEN.get(kind, 0.0)
        assert call.heard == pytest.approx(3.0 + spoken, abs=0.02)
        assert len(call.errors) == (1 if "failing" in kind else 0)
        assert all(handle.done() for handle in call.speeches)
        # The application has seen all of it, as it came.
        mine = {
            f["response"]["id"]
            for f in frames
            if f["type"] == "response.created" and f["response"]["conversation_id"] is None
        }
        kinds = [f["type"] for f in frames if _response_of(f) in mine]
        assert (len(mine), kinds[0], kinds[-1]) == (1, "response.created", "response.done")
        assert all(name.startswith("response.") for name in kinds)
        # And nothing waits for it.
        await call.session.generate_reply(instructions="Go on.")
        assert call.heard == pytest.approx(3.7 + spoken, abs=0.02)


def _response_of(frame: dict[str, Any]) -> Any:
    return frame.get("response_id") or (frame.get("response") or {}).get("id")


@pytest.mark.parametrize("kind", ["audio", "failing audio"])
@virtual_time
async def test_an_out_of_band_response_that_plain_speaks_is_spoken(kind: str) -> None:
    """G27: with its first sound, as in plain."""
    took = []
    for controlled in (False, True):
        async with simulated_call([OUT_OF_BAND[kind]], controlled=controlled) as call:
            asked_at = asyncio.get_running_loop().time()
            out_of_band(call, kind)
            await call.until(lambda call=call: call.heard > 0)  # type: ignore[misc]
            took.append(asyncio.get_running_loop().time() - asked_at)
            await asyncio.sleep(3.0)
            assert call.heard == pytest.approx(0.5, abs=0.02)
            assert assistant(call)[0].startswith("By the")
            assert len(call.errors) == ("failing" in kind)
    assert took[1] == pytest.approx(took[0], abs=0.02)


class Classifier(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
        self.ran: list[str] = []

    @function_tool
    async def classify(self, context: RunContext[Any], topic: str) -> str:
        """A tool that may be called out of band as well."""
        self.ran.append(topic)
        return "noted"


@pytest.mark.parametrize("controlled", [False, True])
@virtual_time
async def test_a_tool_of_the_agent_runs_once_as_in_plain(controlled: bool) -> None:
    """G17, G27."""
    agent = Classifier()
    async with simulated_call(
        [OUT_OF_BAND["call"], NEXT], controlled=controlled, agent=agent
    ) as call:
        out_of_band(call, "call")
        await asyncio.sleep(6.0)
        assert agent.ran == ["hours"]
        assert call.heard == pytest.approx(0.7, abs=0.02)


@virtual_time
async def test_what_waits_is_not_said_once_the_user_speaks() -> None:
    """As in plain, where it waits in LiveKit's queue and the user's speech interrupts it."""
    async with simulated_call([ANSWER, OUT_OF_BAND["audio"], NEXT]) as call:
        await at(call, "in message 1", "audio")
        await asyncio.sleep(0.3)
        await call.say("Thank you.", seconds=0.5)
        await call.idle()
        assert "By the way." not in assistant(call)
        assert assistant(call)[-1] == "The next reply."


@virtual_time
@pytest.mark.parametrize("all_of_it", [True, False])
@pytest.mark.parametrize("controlled", [True, False])
async def test_what_waits_is_said_unless_everything_is_interrupted(
    controlled: bool, all_of_it: bool
) -> None:
    """By push-to-talk, say, of which no server tells. As in plain."""
    script = [ANSWER, OUT_OF_BAND["audio"]]
    async with simulated_call(script, controlled=controlled, check=False) as call:
        await at(call, "in message 1", "audio")
        await asyncio.sleep(0.3)
        speaks = call.session.current_speech
        assert speaks is not None
        if all_of_it:
            await call.session.interrupt()
        else:
            speaks.interrupt()
        await call.idle()
        assert ("By the way." in assistant(call)) is not all_of_it


@virtual_time
async def test_an_out_of_band_response_that_stops_half_way_mutes_nothing() -> None:
    """G30."""
    async with simulated_call([NEXT], policy=rf.RetryPolicy(stall_timeout=3.0)) as call:
        sound = base64.b64encode(bytes(48 * 400)).decode()
        server_says(
            call, "response.created", response=response("r", "in_progress", conversation_id=None)
        )
        server_says(
            call,
            "response.output_item.added",
            response_id="r",
            item={"id": "i", "type": "message", "role": "assistant", "content": []},
        )
        server_says(call, "response.output_audio.delta", response_id="r", item_id="i", delta=sound)
        await call.until(lambda: call.heard > 0.3)
        await call.session.generate_reply(instructions="Go on.")
        assert call.heard == pytest.approx(1.1, abs=0.02)


@virtual_time
async def test_cutting_what_is_out_of_band_is_not_asked_of_the_server() -> None:
    """Its conversation has nothing of it: plain asks, and is refused."""
    async with simulated_call([Reply([Message("By the way, out of band.", seconds=3.0)])]) as call:
        out_of_band(call, "audio")
        await call.until(lambda: call.heard > 1.0)
        await call.session.interrupt()
        await asyncio.sleep(1.0)
        assert call.server.sent("conversation.item.truncate") == []
        assert call.errors == []
        assert call.heard == pytest.approx(1.0, abs=0.05)


# --- frames of strangers


def _old_done(call: SimulatedCall) -> None:
    done = response("old", "cancelled", conversation_id="conv_1")
    server_says(call, "response.done", response=done)


def _failed_without_created(call: SimulatedCall) -> None:
    server_says(call, "response.done", response=response("x", "failed", conversation_id=None))


def _created_only(call: SimulatedCall) -> None:
    created = response("x", "in_progress", conversation_id=None)
    server_says(call, "response.created", response=created)


def _older_server(call: SimulatedCall) -> None:
    """It does not say of a response which conversation it belongs to."""
    server_says(call, "response.created", response=response("x", "in_progress"))
    server_says(call, "response.done", response=response("x", "completed"))


def _output_of_nobody(call: SimulatedCall) -> None:
    item = {"id": "i", "type": "message", "role": "assistant", "content": []}
    server_says(call, "response.output_item.added", response_id="x", item=item)
    sound = base64.b64encode(bytes(4800)).decode()
    server_says(call, "response.output_audio.delta", response_id="x", item_id="i", delta=sound)
    server_says(call, "response.output_item.done", response_id="x", item=item)
    server_says(call, "response.done", response=response("x", "incomplete"))


@pytest.mark.parametrize(
    "strange",
    [_old_done, _failed_without_created, _created_only, _older_server, _output_of_nobody],
)
@virtual_time
async def test_frames_of_another_response_change_nothing(strange: Any) -> None:
    async with simulated_call([ANSWER, NEXT]) as call:
        await call.say("When are you open?")
        await call.until(lambda: call.heard > 0.5)
        strange(call)
        await asyncio.sleep(10.0)
        everything_said(call)
        assert call.heard == pytest.approx(3.0, abs=0.02)
        assert call.server.creates == 0
        await call.session.generate_reply(instructions="Go on.")
        assert call.heard == pytest.approx(3.7, abs=0.02)


@virtual_time
async def test_what_is_said_twice_is_heard_once() -> None:
    """The plugin would begin anew with the second ``response.created``, and never end the first."""
    async with simulated_call([ANSWER]) as call:
        frames: list[Any] = []
        session = realtime_session_of(call.session)
        session.on("openai_server_event_received", frames.append)
        await call.say("When are you open?")
        await call.until(lambda: call.heard > 0.5)
        (created,) = [f for f in frames if f["type"] == "response.created"]
        call.server.send_text(json.dumps(created))
        await asyncio.sleep(8.0)
        everything_said(call)
        (done,) = [f for f in frames if f["type"] == "response.done"]
        call.server.send_text(json.dumps(created))
        call.server.send_text(json.dumps(done))
        await asyncio.sleep(1.0)
        assert not session.has_active_generation, "a rollover would wait for it"
        everything_said(call)


# --- another response of the conversation that overlaps


class Overlap:
    """A second answer of the server's own, frame by frame, while the first is spoken."""

    def __init__(self, call: SimulatedCall) -> None:
        self.call = call
        server_says(call, "input_audio_buffer.committed", item_id="u", previous_item_id=None)
        created = response("over", "in_progress", conversation_id="conv_1")
        server_says(call, "response.created", response=created)

    def item(self, item_id: str, kind: str, **fields: Any) -> dict[str, Any]:
        item = {"id": item_id, "type": kind, "object": "realtime.item", **fields}
        for name in ("response.output_item.added", "conversation.item.added"):
            server_says(self.call, name, response_id="over", item=item)
        return item

    def message(self, text: str, seconds: float, *, done: bool = True) -> None:
        item = self.item("over_1", "message", role="assistant", status="in_progress", content=[])
        ids = {"response_id": "over", "item_id": "over_1", "content_index": 0}
        part = {"type": "audio", "transcript": ""}
        server_says(self.call, "response.content_part.added", part=part, **ids)
        for word in text.split(" "):
            name = "response.output_audio_transcript.delta"
            server_says(self.call, name, delta=f"{word} ", **ids)
        for _ in range(round(seconds * 10)):
            sound = base64.b64encode(bytes(4800)).decode()
            server_says(self.call, "response.output_audio.delta", delta=sound, **ids)
        if done:
            server_says(self.call, "response.output_item.done", response_id="over", item=item)

    def done(self, status: str = "completed", **fields: Any) -> None:
        usage = {
            "total_tokens": 30,
            "input_tokens": 10,
            "output_tokens": 20,
            "input_token_details": {"text_tokens": 4, "audio_tokens": 6, "cached_tokens": 1},
            "output_token_details": {"text_tokens": 5, "audio_tokens": 15},
        }
        done = response("over", status, conversation_id="conv_1", **fields) | {"usage": usage}
        server_says(self.call, "response.done", response=done)


@virtual_time
async def test_an_answer_that_overlaps_another_is_heard_after_it() -> None:
    """G13, G18: both in full; and the plugin's duties are done for the one it is not shown."""
    async with simulated_call([ANSWER, NEXT]) as call:
        metrics: list[Any] = []
        session = realtime_session_of(call.session)
        session.on("metrics_collected", metrics.append)
        await call.say("When are you open?")
        await call.until(lambda: call.heard > 0.5)
        other = Overlap(call)
        other.message("And one more thing.", 1.5)
        other.done()
        await asyncio.sleep(12.0)
        assert [round(s.position, 2) for s in call.sink.segments] == [2.0, 1.0, 1.5]
        assert assistant(call)[-1].strip() == "And one more thing."
        assert [t.outcome for t in call.controller.finished] == [rf.TurnOutcome.COMPLETED] * 2
        mirror = session.chat_ctx.get_by_id("over_1")
        assert mirror.text_content.strip() == "And one more thing.", "else a replay lacks it"
        (usage,) = [m for m in metrics if getattr(m, "request_id", "") == "over"]
        assert isinstance(usage, RealtimeModelMetrics)
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (10, 20, 30)
        assert usage.input_token_details.audio_tokens == 6
        assert usage.output_token_details.text_tokens == 5
        assert usage.metadata is not None
        assert usage.metadata.model_name == call.plugin.model
        assert not session.has_active_generation
        await call.session.generate_reply(instructions="Go on.")
        assert call.heard == pytest.approx(5.2, abs=0.02)


@virtual_time
async def test_an_answer_that_overlaps_another_is_cut_to_what_was_heard() -> None:
    """G15, G16."""
    async with simulated_call([ANSWER]) as call:
        await call.say("When are you open?")
        await call.until(lambda: call.heard > 0.5)
        other = Overlap(call)
        other.message("One two three four five six seven eight.", 4.0)
        other.done()
        await call.until(lambda: call.heard > 4.0)
        await call.session.interrupt()
        await asyncio.sleep(1.0)
        (cut,) = call.server.sent("conversation.item.truncate")
        assert cut["item_id"] == "over_1"
        assert cut["audio_end_ms"] == pytest.approx(1000, abs=30)
        mirror = realtime_session_of(call.session).chat_ctx.get_by_id("over_1")
        assert mirror.text_content == assistant(call)[-1] == "One two"


@virtual_time
async def test_a_tool_that_an_overlapping_answer_calls_runs_once() -> None:
    """G17, and its arguments are in the mirror."""
    agent = Classifier()
    async with simulated_call([ANSWER, NEXT], agent=agent) as call:
        await call.say("When are you open?")
        await call.until(lambda: call.heard > 0.5)
        other = Overlap(call)
        arguments = '{"topic": "hours"}'
        fields = {"call_id": "call_1", "name": "classify"}
        item = other.item("over_c", "function_call", **fields, arguments="", status="in_progress")
        done = {**item, "arguments": arguments, "status": "completed"}
        server_says(call, "response.output_item.done", response_id="over", item=done)
        other.done()
        await call.until(lambda: agent.ran)
        mirror = realtime_session_of(call.session).chat_ctx.get_by_id("over_c")
        assert mirror.arguments == arguments
        await asyncio.sleep(8.0)
        assert agent.ran == ["hours"]


@virtual_time
async def test_the_answer_whose_end_got_lost_gives_way() -> None:
    """The plugin would keep its slot for it, and the next answer has to be seen."""
    policy = rf.RetryPolicy(stall_timeout=2.0, cancel_timeout=0.5)
    lost = Reply([Message("Its end gets lost.", seconds=0.5)], end=DoneLost())
    async with simulated_call([lost, NEXT], policy=policy) as call:
        await call.say("When are you open?")
        await asyncio.sleep(9.0)
        await call.session.generate_reply(instructions="Go on.")
        assert call.heard == pytest.approx(1.2, abs=0.02)
        assert not realtime_session_of(call.session).has_active_generation


# --- failures of what the plugin does not see


@virtual_time
async def test_a_fatal_failure_out_of_band_ends_the_session_as_in_plain() -> None:
    """G10, G12."""
    for controlled in (False, True):
        script = [Reply(end=Failed("insufficient_quota"))]
        async with simulated_call(script, controlled=controlled, check=False) as call:
            out_of_band(call, "text")
            await asyncio.sleep(5.0)
            (report,) = call.errors
            assert not report.error.recoverable
            # LiveKit alone fails to say that it closed: the plugin raises what it died of again.
            assert [event.reason.value for event in call.closed] == ["error"] * controlled


@virtual_time
async def test_a_failure_out_of_band_is_one_report_and_no_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING, "realtime_fsm"):
        async with simulated_call([Reply(end=Failed("server_error"))]) as call:
            out_of_band(call, "text")
            await asyncio.sleep(5.0)
            (report,) = call.errors
            assert report.error.recoverable
            assert report.error.error.body["code"] == "server_error"
            assert call.controller.turns == ()
            assert call.server.creates == 1
    assert [r for r in caplog.records if r.name == "realtime_fsm"] == []


# --- the application's own listeners


@virtual_time
async def test_the_application_is_told_first_and_keeps_what_it_was_told() -> None:
    async with simulated_call([ANSWER, OUT_OF_BAND["text"]]) as call:
        kept: list[Any] = []
        order: list[str] = []
        session = realtime_session_of(call.session)
        session.on("openai_server_event_received", kept.append)
        session.on("openai_server_event_received", lambda e: order.append(e["type"]))
        session.on("generation_created", lambda e: order.append("generation_created"))
        session.on("openai_client_event_queued", lambda e: order.append(e["type"]))
        assert call.model is not None
        call.model.on("turn_moved", lambda e: order.append(e.event))
        await at(call, "in message 1", "text")
        await asyncio.sleep(8.0)
        assert order.index("response.created") < order.index("generation_created")
        assert order.index("response.created") < order.index("RESPONSE_CREATED")
        assert "response.create" in order
        kinds = [frame["type"] for frame in kept]
        assert [k for k in kinds if k == "response.done"] == ["response.done"] * 2
        assert not any("hidden" in kind for kind in kinds)


@virtual_time
async def test_what_a_listener_changes_reaches_the_plugin() -> None:
    """As in plain: it is how an application makes up for a server's names."""
    async with simulated_call([ANSWER]) as call:
        session = realtime_session_of(call.session)

        def rename(frame: dict[str, Any]) -> None:
            if frame["type"] == "response.sound":
                frame["type"] = "response.output_audio.delta"

        session.on("openai_server_event_received", rename)
        await call.say("When are you open?")
        await call.until(lambda: call.heard > 0.5)
        turn = call.turn
        server_says(
            call,
            "response.sound",
            response_id=turn.attempt.response_id,  # type: ignore[union-attr]
            item_id=turn.messages[0].item_id,
            delta=base64.b64encode(bytes(48 * 500)).decode(),
        )
        await asyncio.sleep(8.0)
        assert call.heard == pytest.approx(3.5, abs=0.02)


@pytest.mark.parametrize("error", [RuntimeError, TypeError])
@virtual_time
async def test_a_listener_that_raises_harms_nobody(
    error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """LiveKit's emitter passes a TypeError on, which ends the plugin's session."""
    heard: list[str] = []

    def rude(*_: Any) -> None:
        raise error(SECRET)

    async with simulated_call([ANSWER, Reply(end=Failed("server_error")), NEXT]) as call:
        session = realtime_session_of(call.session)
        events = [
            *("openai_server_event_received", "openai_client_event_queued", "error"),
            *("generation_created", "remote_item_added", "metrics_collected"),
            *("input_speech_started", "input_speech_stopped"),
        ]
        for name in events:
            session.on(name, rude)
            session.on(name, lambda *_, name=name: heard.append(name))
        assert call.model is not None
        for name in ("turn_moved", "turn_ended", "recovering"):
            call.model.on(name, rude)  # type: ignore[call-overload]
        with caplog.at_level(logging.WARNING, "realtime_fsm"):
            await call.say("When are you open?")
            await asyncio.sleep(12.0)
            everything_said(call)
            await call.session.generate_reply(instructions="Go on.")
        assert call.heard == pytest.approx(3.7, abs=0.02)
        assert {*events} - {"error"} <= set(heard)
    told = [r for r in caplog.records if r.getMessage() == "a listener failed"]
    assert len(told) == 3, "once where it listens: session, inner session, model"
    assert SECRET not in caplog.text


@virtual_time
async def test_a_listener_is_taken_off_and_may_listen_once() -> None:
    async with simulated_call([NEXT]) as call:
        session = realtime_session_of(call.session)
        heard: list[str] = []

        def listener(frame: dict[str, Any]) -> None:
            heard.append("gone")

        session.on("openai_server_event_received", listener)
        session.off("openai_server_event_received", listener)
        session.off("openai_server_event_received", listener)
        session.once("openai_server_event_received", lambda frame: heard.append("once"))

        @session.on("openai_server_event_received")  # type: ignore[untyped-decorator]
        def decorated() -> None:
            heard.append("decorated")

        with pytest.raises(ValueError, match="async"):
            session.on("openai_server_event_received", asyncio.sleep)
        await call.session.generate_reply(instructions="Go on.")
        assert heard.count("once") == 1
        assert heard.count("decorated") > 5
        assert "gone" not in heard


@virtual_time
async def test_ours_is_the_only_listener_on_the_inner_session() -> None:
    async with simulated_call([NEXT]) as call:
        session = realtime_session_of(call.session)
        for name in ("openai_server_event_received", "openai_client_event_queued", "its_own"):
            session.on(name, lambda *_: None)
        inner = session._inner
        assert isinstance(inner, llm.RealtimeSession)
        listeners = {name: len(found) for name, found in inner._events.items() if found}
        assert listeners == {"its_own": 1}, "the others we hear before any listener"
