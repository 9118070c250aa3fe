"""The events of the Realtime protocol, to tell a log of another one from ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .raw import CLIENT_TYPES

__all__ = ["is_foreign"]

_SERVER_TYPES = frozenset(
    {
        "error", "session.created", "session.updated", "session.deleted",
        "transcription_session.created", "transcription_session.updated",
        "conversation.created", "conversation.item.added", "conversation.item.created",
        "conversation.item.done", "conversation.item.deleted", "conversation.item.retrieved",
        "conversation.item.truncated",
        "input_audio_buffer.cleared", "input_audio_buffer.committed",
        "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
        "input_audio_buffer.timeout_triggered", "input_audio_buffer.dtmf_event_received",
        "output_audio_buffer.started", "output_audio_buffer.stopped",
        "output_audio_buffer.cleared",
        "response.created", "response.done", "rate_limits.updated",
        "mcp_list_tools.in_progress", "mcp_list_tools.completed", "mcp_list_tools.failed",
    }
)  # fmt: skip


def is_foreign(kind: str, event: Mapping[str, Any]) -> bool:
    """Whether an event is none of this protocol. What belongs to a response or an item may be of a
    kind that is new to us."""
    if kind in CLIENT_TYPES or kind in _SERVER_TYPES:
        return False
    named = "response_id" if kind.startswith("response.") else "item_id"
    return not (kind.startswith(("response.", "conversation.item.")) and named in event)
