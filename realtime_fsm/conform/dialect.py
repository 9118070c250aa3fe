"""The beta dialect, seen from the client: questions are written in the current names only.

The simulator has the same from the server's side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

__all__ = [
    "Dialect",
    "dialect_of",
    "flat_fields",
    "from_server",
    "is_beta_name",
    "is_current_name",
    "to_beta",
]

Dialect = Literal["ga", "beta"]

_NAMES = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "conversation.item.created": "conversation.item.added",
}
_PARTS = {"text": "output_text", "audio": "output_audio"}
_BETA_PARTS = {new: old for old, new in _PARTS.items()}
_FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
_FLAT = {
    ("output_modalities",): "modalities",
    ("max_output_tokens",): "max_response_output_tokens",
    ("audio", "output", "voice"): "voice",
    ("audio", "output", "speed"): "speed",
    ("audio", "output", "format"): "output_audio_format",
    ("audio", "input", "format"): "input_audio_format",
    ("audio", "input", "transcription"): "input_audio_transcription",
    ("audio", "input", "noise_reduction"): "input_audio_noise_reduction",
    ("audio", "input", "turn_detection"): "turn_detection",
}


def dialect_of(session: Mapping[str, Any]) -> Dialect:
    """Return which dialect a session object of the server is in."""
    nested = "audio" in session or "output_modalities" in session or "type" in session
    flat = "modalities" in session or "turn_detection" in session or "voice" in session
    return "beta" if flat and not nested else "ga"


def flat_fields(session: Mapping[str, Any]) -> list[str]:
    """Return the fields of a session object that only the beta has."""
    return sorted(name for name in _FLAT.values() if name in session)


def is_beta_name(type: str) -> bool:
    """Whether only the beta has an event of that name."""
    return type in _NAMES


def is_current_name(type: str) -> bool:
    """Whether the beta has no event of that name."""
    return type in _NAMES.values() or type == "conversation.item.done"


# --- from the server ---


def from_server(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a server event in the current names, whatever the server used. Never raises."""
    made = dict(event)
    kind = str(event.get("type"))
    made["type"] = _NAMES.get(kind, kind)
    if isinstance(item := made.get("item"), Mapping):
        made["item"] = _item(item, _PARTS) if item.get("role") == "assistant" else dict(item)
    session = made.get("session")
    if isinstance(session, Mapping) and dialect_of(session) == "beta":
        made["session"] = _nested(session)
    response = made.get("response")
    if isinstance(response, Mapping):
        response = dict(response)
        if "modalities" in response:
            response["output_modalities"] = _one(response.pop("modalities"))
        made["response"] = response
    return made


def _item(item: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    content = item.get("content")
    if not isinstance(content, list):
        return dict(item)
    parts = [
        {**part, "type": names.get(str(part.get("type")), part.get("type"))}
        if isinstance(part, Mapping)
        else part
        for part in content
    ]
    return {**item, "content": parts}


def _one(modalities: Any) -> Any:
    if not isinstance(modalities, list):
        return modalities
    return ["audio"] if "audio" in modalities else ["text"]


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    session: dict[str, Any] = {"type": "realtime"}
    paths = {name: path for path, name in _FLAT.items()}
    for name, value in flat.items():
        path = paths.get(name, (name,))
        into = session
        for key in path[:-1]:
            into = into.setdefault(key, {})
        into[path[-1]] = _one(value) if name == "modalities" else value
    return session


# --- to the server ---


def to_beta(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a client event of the current protocol as the beta says it."""
    made = dict(event)
    if isinstance(session := made.get("session"), Mapping):
        made["session"] = _flat(session)
    if isinstance(item := made.get("item"), Mapping) and item.get("role") == "assistant":
        made["item"] = _item(item, _BETA_PARTS)
    if isinstance(params := made.get("response"), Mapping):
        made["response"] = _flat(params)
    return made


def _flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for path, value in _leaves(nested, ()):
        if path == ("type",):
            continue
        name = _FLAT.get(path, path[-1])
        if name == "modalities" and value == ["audio"]:
            value = ["audio", "text"]
        elif name.endswith("_format") and isinstance(value, Mapping):
            value = _FORMATS.get(str(value.get("type")))
        flat[name] = value
    return flat


def _leaves(value: Mapping[str, Any], path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, each in value.items():
        where = (*path, key)
        if where in (("audio",), ("audio", "input"), ("audio", "output")):
            found += _leaves(each, where)
        else:
            found.append((where, each))
    return found
