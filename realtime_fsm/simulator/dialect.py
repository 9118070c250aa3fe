"""The beta dialect: older event names, content types and the flat session.

The core speaks the current (GA) protocol only. For a client of the beta one, events are translated
on their way in, after they were checked against the beta types, and on their way out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import rules
from .errors import Refusal
from .rule import enforces
from .wire import Frame, Send

__all__ = ["from_beta", "to_beta"]

_NAMES = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
}
_UNKNOWN = ("conversation.item.done",)  # there is no such event in the beta
_PARTS = {"output_text": "text", "output_audio": "audio"}
_FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}

# Flat name to path in the current session.
_FLAT = {
    "instructions": ("instructions",),
    "model": ("model",),
    "tools": ("tools",),
    "tool_choice": ("tool_choice",),
    "tracing": ("tracing",),
    "max_response_output_tokens": ("max_output_tokens",),
    "modalities": ("output_modalities",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
}


# --- out ---


@enforces(rules.BETA_NAMES)
def to_beta(frame: Frame) -> Frame | None:
    """Return *frame* as the beta says it, None if the beta does not."""
    if not isinstance(frame, Send) or frame.raw is not None:
        return frame
    kind = frame.event["type"]
    if kind in _UNKNOWN:
        return None
    event = {**frame.event, "type": _NAMES.get(kind, kind)}
    if "item" in event:
        event["item"] = _item(event["item"])
    if "session" in event:
        event["session"] = _flat_session(event["session"])
    if "response" in event:
        response = dict(event["response"])
        response["modalities"] = _pair(response.pop("output_modalities"))
        response["output"] = [_item(item) for item in response["output"]]
        event["response"] = response
    if kind == "response.function_call_arguments.done":
        del event["name"]
    return Send(event)


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    if item.get("content") is None:
        return dict(item)
    parts = [{**part, "type": _PARTS.get(part["type"], part["type"])} for part in item["content"]]
    return {**item, "content": parts}


def _pair(modalities: list[str]) -> list[str]:
    return ["audio", "text"] if "audio" in modalities else ["text"]


def _flat_session(session: Mapping[str, Any]) -> dict[str, Any]:
    flat = {key: session[key] for key in ("id", "object") if key in session}
    for name, path in _FLAT.items():
        value: Any = session
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if name == "modalities":
            value = _pair(value)
        elif name.endswith("_format"):
            value = _FORMATS.get(value["type"])
        flat[name] = value
    return flat


# --- in ---


def from_beta(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a valid beta client event as the current protocol says it.

    Raises :class:`Refusal` for what the beta types leave open, but no server can do without.
    """
    event = dict(event)
    if event["type"] == "session.update":
        event["session"] = _nested_session(event["session"])
    elif event["type"] == "conversation.item.create":
        event["item"] = _item_in(event["item"])
    elif event["type"] == "response.create" and event.get("response"):
        event["response"] = _response_in(event["response"])
    return event


def _item_in(item: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("type", *(("role", "content") if item.get("type") == "message" else ())):
        if item.get(name) is None:
            param = f"item.{name}"
            message = f"Missing required parameter: '{param}'."
            raise Refusal("missing_required_parameter", message, param)
    if item.get("role") != "assistant":
        return dict(item)
    back = {old: new for new, old in _PARTS.items()}
    parts = [
        {**part, "type": back.get(part.get("type"), part.get("type"))}
        for part in item.get("content") or ()
    ]
    return {**item, "content": parts}


def _response_in(params: Mapping[str, Any]) -> dict[str, Any]:
    names = {"modalities": "output_modalities", "max_response_output_tokens": "max_output_tokens"}
    made = {names.get(key, key): value for key, value in params.items()}
    if made.get("output_modalities"):
        made["output_modalities"] = _single(made["output_modalities"])
    if "voice" in made:
        made["audio"] = {"output": {"voice": made.pop("voice")}}
    return made


def _single(modalities: list[str]) -> list[str]:
    return ["audio"] if "audio" in modalities else ["text"]


def _nested_session(flat: Mapping[str, Any]) -> dict[str, Any]:
    session: dict[str, Any] = {"type": "realtime"}
    formats = {old: new for new, old in _FORMATS.items()}
    for name, value in flat.items():
        if name not in _FLAT or (value is None and name in ("modalities", "voice", "speed")):
            continue
        if name == "modalities":
            value = _single(value)
        elif name.endswith("_format"):
            kind = formats[value or "pcm16"]
            value = {"type": kind, "rate": 24000} if kind == "audio/pcm" else {"type": kind}
        into = session
        for key in _FLAT[name][:-1]:
            into = into.setdefault(key, {})
        into[_FLAT[name][-1]] = value
    return session
