"""Fuzz target: a frame, as text or as parsed JSON, becomes an event or nothing (G25)."""

from __future__ import annotations

import json
import math
from typing import Any

import realtime_fsm as rf
from realtime_fsm._core.frames import is_out_of_band, parse

from .choices import Choices

TYPES = (
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_audio.delta",
    "response.audio_transcript.delta",
    "response.content_part.added",
    "response.done",
    "error",
    "rate_limits.updated",
    "session.created",
    "session.updated",
    "conversation.item.truncated",
    "conversation.item.deleted",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "input_audio_buffer.cleared",
    "who.knows",
)
KEYS = (
    "response", "response_id", "item", "item_id", "id", "type", "status", "status_details",
    "error", "code", "message", "event_id", "reason", "metadata", "client_event_id", "delta",
    "conversation_id", "session", "audio", "input", "turn_detection", "create_response",
    "interrupt_response", "rate_limits", "remaining", "reset_seconds", "audio_end_ms",
    "conversation",
)  # fmt: skip


def frame_of(data: bytes) -> Any:
    """A JSON value: the bytes themselves if they are one, else one chosen by them."""
    choices = Choices(data)
    if choices.byte() % 4 == 0:
        try:
            return json.loads(choices.rest())
        except (ValueError, RecursionError):
            return None
    kind = choices.pick((*TYPES, None))
    if kind is None:
        return choices.json(KEYS)
    fields = {choices.pick(KEYS): choices.json(KEYS) for _ in range(choices.byte() % 8)}
    return {**fields, "type": kind}


def parser(data: bytes) -> None:
    """Raises if a frame is not dealt with."""
    frame = frame_of(data)
    event = parse(frame)
    assert event is None or isinstance(event, rf.Event), event
    if isinstance(frame, dict):
        assert isinstance(is_out_of_band(frame), bool)
    if isinstance(event, rf.OutputReceived):
        assert math.isfinite(event.audio_ms)
        assert event.audio_ms >= 0
    if event is None:
        return
    controller = rf.TurnController()
    controller.request(0.0)
    controller.receive(event, 0.0)
    at = controller.next_deadline()
    assert at is None or at > 0.0 or controller.pending
    controller.close(1.0)
    assert not controller.turns
