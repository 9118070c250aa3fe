"""What of a GPT-Live frame is read, and how: nothing that a frame holds can raise (G25).

The names are those of the service's public reference (OpenAI's API description and Azure's client
libraries, 2026-11) and of LiveKit's plugin. The service goes on: what is not in these lists is counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Fields of every server event.
_COMMON = frozenset({"type", "event_id", "client_event_id"})

#: What comes by the hundred, from either side, and is not looked at.
FREQUENT = (
    "session.output_audio.delta", "session.input_audio.append",
    "session.output_transcript.delta", "session.input_transcript.delta",
)  # fmt: skip
#: Server events, each with the fields that are known.
SERVER: dict[str, frozenset[str]] = {
    "session.started": frozenset({"session"}),
    "session.updated": frozenset({"session"}),
    "session.closed": frozenset({"reason", "session", "usage"}),
    "session.usage.updated": frozenset({"usage", "context_window", "session"}),
    "session.delegation.created": frozenset({"delegation", "offset_ms"}),
    "session.instructions.appended": frozenset({"delegation_id", "offset_ms"}),
    "session.thinking.appended": frozenset({"delegation_id", "offset_ms"}),
    "session.commentary.appended": frozenset({"delegation_id", "offset_ms"}),
    "session.input_audio.muted": frozenset({"offset_ms"}),
    "session.input_audio.unmuted": frozenset({"offset_ms"}),
    "response.event": frozenset({"delegation_id", "event"}),
    "error": frozenset({"error"}),
}
_FIELDS = {kind: fields | _COMMON for kind, fields in SERVER.items()}
#: Client events that are known.
CLIENT = frozenset(
    {
        "session.start", "session.update", "session.close",
        "session.input_audio.mute", "session.input_audio.unmute",
        "session.instructions.append", "session.thinking.append", "session.commentary.append",
        "response.item.create", "response.create",
    }
)  # fmt: skip
#: The close reasons, from the same sources.
ASKED = "close_requested"
EXPIRED = "expired"
#: The code of a ``response.create`` while a call has no result (livekit/agents#7266).
OUTPUTS_REQUIRED = "function_call_outputs_required"


def text(of: Mapping[str, Any], key: str) -> str | None:
    """A string that is not empty, or None."""
    value = of.get(key)
    return value if isinstance(value, str) and value else None


def body(of: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object; an empty one where there is none."""
    value = of.get(key)
    return value if isinstance(value, dict) else {}


def unknown_fields(kind: str, frame: Mapping[str, Any]) -> list[str]:
    """Fields that this server event did not have when this was written."""
    known = _FIELDS[kind]
    return [] if frame.keys() <= known else [str(key) for key in frame if key not in known]


def code_of(error: Mapping[str, Any]) -> str | None:
    """An error in one word."""
    return text(error, "code") or text(error, "type")
