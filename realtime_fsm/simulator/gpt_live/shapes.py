"""Which fields a client event may have, and must have. Nested objects of the Responses API are not looked
into: they are another service's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Problem", "problem_of"]

#: ``(code, message, param)``
Problem = tuple[str, str, str]

_ANY: dict[str, Any] = {}
_RESPONSES = dict.fromkeys(
    ("model", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text",
     "service_tier", "max_output_tokens"), _ANY
)  # fmt: skip
_DELEGATION = {"type": _ANY, "responses": _RESPONSES, "acknowledgement_delay_ms": _ANY}
_AUDIO = {"format": {"type": _ANY, "rate": _ANY}, "output": {"voice": _ANY}, "input": _ANY}
_SESSION = {
    "model": _ANY, "instructions": _ANY, "input": _ANY, "audio": _AUDIO, "delegation": _DELEGATION,
}  # fmt: skip
_APPEND = {"delegation_id": _ANY, "content": _ANY}
#: The fields of each event besides ``type`` and ``event_id``; an empty one is not looked into.
_FIELDS: dict[str, dict[str, Any]] = {
    "session.start": {"session": _SESSION},
    "session.update": {"session": {"delegation": _DELEGATION}},
    "session.close": {},
    "session.input_audio.append": {"audio": _ANY},
    "session.input_audio.mute": {},
    "session.input_audio.unmute": {},
    "session.instructions.append": _APPEND,
    "session.thinking.append": _APPEND,
    "session.commentary.append": _APPEND,
    "response.item.create": {"item": _ANY},
    "response.create": {},
}
_REQUIRED: dict[str, tuple[str, ...]] = {
    "session.start": ("session",),
    "session.update": ("session",),
    "session.input_audio.append": ("audio",),
    "session.instructions.append": ("delegation_id", "content"),
    "session.thinking.append": ("delegation_id", "content"),
    "session.commentary.append": ("delegation_id", "content"),
    "response.item.create": ("item",),
}


def problem_of(event: Mapping[str, Any]) -> Problem | None:
    """What is wrong with the shape of a client event, if anything is."""
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        return "unknown_event", "Unknown event type.", "type"
    for name in _REQUIRED.get(kind, ()):
        if name not in event:
            return "missing_required_parameter", f"Missing required parameter: '{name}'.", name
    given = {k: v for k, v in event.items() if k not in ("type", "event_id")}
    return _unknown(given, _FIELDS[kind], "")


def _unknown(given: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Problem | None:
    for key, value in given.items():
        where = f"{path}{key}"
        if key not in known:
            return "unknown_parameter", f"Unknown parameter: '{where}'.", where
        if known[key] and not isinstance(value, dict):
            return "invalid_type", f"Invalid type for '{where}': expected an object.", where
        if known[key] and (found := _unknown(value, known[key], f"{where}.")):
            return found
    return None
