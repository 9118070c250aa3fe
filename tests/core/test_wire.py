"""Each frame that matters to a turn, whole; and each field of it missing or of another kind (G25)."""

from __future__ import annotations

from typing import Any

import pytest

import realtime_fsm as rf

MALFORMED = rf.Unreadable(reason="malformed frame")
K = rf.ErrorKind
META = {"metadata": {"client_event_id": "e1"}}

FRAMES: list[tuple[dict[str, Any], rf.Event | None]] = [
    (
        {"type": "response.created", "response": {"id": "r1", "conversation_id": "c", **META}},
        rf.ResponseCreated(response_id="r1", client_event_id="e1"),
    ),
    ({"type": "response.created", "response": {"id": "r1"}}, rf.ResponseCreated(response_id="r1")),
    (
        {"type": "response.created", "response": {"id": "r1", "metadata": None}},
        rf.ResponseCreated(response_id="r1"),
    ),
    (
        {
            "type": "response.output_item.added",
            "response_id": "r1",
            "item": {"id": "i1", "type": "message"},
        },
        rf.ItemStarted(response_id="r1", item_id="i1", kind=rf.ItemKind.MESSAGE),
    ),
    (
        {
            "type": "response.output_item.added",
            "response_id": "r1",
            "item": {"id": "i1", "type": "function_call"},
        },
        rf.ItemStarted(response_id="r1", item_id="i1", kind=rf.ItemKind.FUNCTION_CALL),
    ),
    (
        {"type": "response.output_item.added", "response_id": "r1", "item": {"id": "i1"}},
        rf.ItemStarted(response_id="r1", item_id="i1", kind=rf.ItemKind.OTHER),
    ),
    (
        {
            "type": "response.output_item.added",
            "response_id": "r1",
            "item": {"id": "i1", "type": "reasoning"},
        },
        rf.ItemStarted(response_id="r1", item_id="i1", kind=rf.ItemKind.OTHER),
    ),
    (
        {
            "type": "response.output_item.done",
            "response_id": "r1",
            "item": {"id": "f1", "type": "function_call", "status": "completed"},
        },
        rf.CallReceived(response_id="r1", item_id="f1"),
    ),
    (
        # Its arguments were cut: nobody may run it.
        {
            "type": "response.output_item.done",
            "response_id": "r1",
            "item": {"id": "f1", "type": "function_call", "status": "incomplete"},
        },
        rf.ResponseActivity(response_id="r1"),
    ),
    (
        {
            "type": "response.output_item.done",
            "response_id": "r1",
            "item": {"id": "i1", "type": "message"},
        },
        rf.ResponseActivity(response_id="r1"),
    ),
    (
        {"type": "response.done", "response": {"id": "r1", "status": "completed", **META}},
        rf.ResponseDone(response_id="r1", status=rf.ResponseStatus.COMPLETED, client_event_id="e1"),
    ),
    (
        {
            "type": "response.done",
            "response": {
                "id": "r1",
                "status": "completed",
                "conversation_id": None,
                "status_details": {"reason": "content_filter"},
            },
        },
        rf.ResponseDone(response_id="r1", status=rf.ResponseStatus.COMPLETED, out_of_band=True),
    ),
    (
        {
            "type": "response.done",
            "response": {
                "id": "r1",
                "status": "failed",
                "status_details": {
                    "type": "failed",
                    "error": {"code": "server_error", "type": "t", "message": "try again in 2s"},
                },
            },
        },
        rf.ResponseDone(
            response_id="r1",
            status=rf.ResponseStatus.FAILED,
            error=rf.ErrorInfo(
                kind=K.TRANSIENT,
                code="server_error",
                type="t",
                message="try again in 2s",
                retry_after=2.0,
            ),
        ),
    ),
    (
        {
            "type": "response.done",
            "response": {
                "id": "r1",
                "status": "incomplete",
                "status_details": {"type": "incomplete", "reason": "brand_new"},
            },
        },
        rf.ResponseDone(
            response_id="r1",
            status=rf.ResponseStatus.INCOMPLETE,
            error=rf.ErrorInfo(kind=K.UNKNOWN, code="brand_new", type="incomplete"),
        ),
    ),
    (
        {
            "type": "response.done",
            "response": {"id": "r1", "status": "failed", "status_details": "no such model"},
        },
        rf.ResponseDone(
            response_id="r1",
            status=rf.ResponseStatus.FAILED,
            error=rf.ErrorInfo(kind=K.UNKNOWN, message="no such model"),
        ),
    ),
    (
        {
            "type": "response.done",
            "response": {
                "id": "r1",
                "status": "cancelled",
                "status_details": {"type": "cancelled"},
            },
        },
        rf.ResponseDone(response_id="r1", status=rf.ResponseStatus.CANCELLED),
    ),
    (
        {
            "type": "error",
            "error": {"code": "c", "type": "server_error", "message": "m", "event_id": "e1"},
        },
        rf.ErrorReceived(
            error=rf.ErrorInfo(kind=K.TRANSIENT, code="c", type="server_error", message="m"),
            event_id="e1",
        ),
    ),
    (
        {"type": "error", "error": {"code": None, "type": 3, "message": None, "event_id": ""}},
        rf.ErrorReceived(error=rf.ErrorInfo(kind=K.UNKNOWN)),
    ),
    (
        {
            "type": "rate_limits.updated",
            "rate_limits": [
                {"remaining": 0, "reset_seconds": 2},
                {"remaining": 0, "reset_seconds": 3.5},
                {"remaining": 0, "reset_seconds": True},
                {"remaining": 0, "reset_seconds": float("inf")},
                {"remaining": 0, "reset_seconds": float("nan")},
                {"remaining": 0, "reset_seconds": -1},
                {"remaining": 0},
                {"remaining": 1, "reset_seconds": 9},
                {"remaining": False, "reset_seconds": 9},
                {"reset_seconds": 9},
                "tokens",
            ],
        },
        rf.RateLimitsUpdated(reset_after=3.5),
    ),
    (
        {"type": "rate_limits.updated", "rate_limits": [{"remaining": 0, "reset_seconds": 0}]},
        rf.RateLimitsUpdated(reset_after=0.0),
    ),
    ({"type": "rate_limits.updated", "rate_limits": []}, rf.RateLimitsUpdated(reset_after=None)),
    (
        {"type": "conversation.item.truncated", "item_id": "i1", "audio_end_ms": 300},
        rf.ItemTruncated(item_id="i1", audio_end_ms=300),
    ),
    ({"type": "conversation.item.deleted", "item_id": "i1"}, rf.ItemDeleted(item_id="i1")),
    ({"type": "input_audio_buffer.speech_started"}, rf.SpeechStarted()),
    ({"type": "input_audio_buffer.speech_stopped"}, rf.SpeechStopped()),
    ({"type": "input_audio_buffer.cleared"}, rf.InputCleared()),
    ({"type": "input_audio_buffer.timeout_triggered", "item_id": "i"}, rf.InputIdle()),
    ({"type": "input_audio_buffer.committed"}, rf.InputCommitted()),
    (
        {
            "type": "response.output_audio.delta",
            "response_id": "r1",
            "item_id": "i1",
            "delta": "A" * 96,
        },
        rf.OutputReceived(response_id="r1", item_id="i1", audio_ms=1.5),
    ),
    (
        {"type": "response.output_text.delta", "response_id": "r1", "item_id": "i1", "delta": "Hi"},
        rf.OutputReceived(response_id="r1", item_id="i1", audio_ms=0.0),
    ),
    (
        {"type": "response.output_text.delta", "response_id": "r1", "item_id": "i1", "delta": ""},
        None,
    ),
    (
        {"type": "response.content_part.added", "response_id": "r1"},
        rf.ResponseActivity(response_id="r1"),
    ),
    ({"type": "response.something"}, rf.Unreadable(reason="unknown event type")),
    ({"type": "rate_limits.later"}, rf.Unreadable(reason="unknown event type")),
    ({"type": "something.new"}, rf.Unreadable(reason="unknown event type")),
    (
        {"type": "response.something", "response_id": "r1", "item_id": 3},
        rf.Unreadable(reason="unknown event type", response_id="r1"),
    ),
    (
        {"type": "something.new", "item_id": "i1"},
        rf.Unreadable(reason="unknown event type", item_id="i1"),
    ),
    (
        {"type": "response.mcp_call.in_progress", "item_id": "i1"},
        rf.ItemActivity(item_id="i1"),
    ),
    (
        {"type": "conversation.item.input_audio_transcription.delta", "item_id": "i1"},
        None,
    ),
    ({"type": "session.created", "session": {}}, None),
    (
        {"type": "session.created", "session": {"turn_detection": {"interrupt_response": False}}},
        rf.SessionConfigured(server_creates=True, server_interrupts=False),
    ),
    (
        # GA's place wins over the beta's.
        {
            "type": "session.created",
            "session": {
                "turn_detection": {"type": "server_vad"},
                "audio": {"input": {"turn_detection": None}},
            },
        },
        rf.SessionConfigured(server_creates=False, server_interrupts=False),
    ),
]


@pytest.mark.parametrize(("frame", "event"), FRAMES, ids=lambda v: str(v)[:60])
def test_a_frame_is_read(frame: dict[str, Any], event: rf.Event | None) -> None:
    assert rf.parse(frame) == event


#: What may not be missing or of another kind, by the frame's type.
NEEDED = {
    "response.created": ["response", "response.id"],
    "response.output_item.added": ["response_id", "item", "item.id"],
    "response.output_item.done": ["response_id", "item", "item.id"],
    "response.done": ["response", "response.id", "response.status"],
    "error": ["error"],
    "rate_limits.updated": ["rate_limits"],
    "conversation.item.truncated": ["item_id", "audio_end_ms"],
    "conversation.item.deleted": ["item_id"],
    "response.output_audio.delta": ["response_id", "item_id", "delta"],
    "session.created": ["session"],
}


@pytest.mark.parametrize("kind", NEEDED)
@pytest.mark.parametrize("wrong", ["missing", None, 3.5, [], ""], ids=str)
def test_g25_a_frame_that_lacks_something_is_malformed(kind: str, wrong: Any) -> None:
    for path in NEEDED[kind]:
        frame = next(frame for frame, _ in FRAMES if frame["type"] == kind)
        *outer, field = path.split(".")
        inner = dict(frame[outer[0]]) if outer else dict(frame)
        inner[field] = wrong
        if wrong == "missing":
            del inner[field]
        whole = {**frame, outer[0]: inner} if outer else inner
        if (path, wrong) == ("delta", ""):
            assert rf.parse(whole) is None
        elif (path, wrong) == ("rate_limits", []):
            assert rf.parse(whole) == rf.RateLimitsUpdated(reset_after=None)
        else:
            assert rf.parse(whole) == MALFORMED, path
