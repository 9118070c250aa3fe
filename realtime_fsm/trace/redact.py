"""What of a frame may stand in a trace: ids, types, times and lengths; words only when asked for.

Strings are kept by a list of what is known to be harmless, so that a field nobody thought of is
redacted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["audio_ms", "name_of", "redacted"]

_BASE64_CHARS_PER_MS = 64.0  # PCM16, 24 kHz, mono: 48 bytes, and base64 writes 3 as 4 characters
_AUDIO = {
    "response.output_audio.delta": "delta",
    "response.audio.delta": "delta",  # the beta name
    "input_audio_buffer.append": "audio",
}
#: Keys whose strings are names of the protocol's or ids, besides those that end in ``_id``.
_SAFE_KEYS = frozenset(
    {
        "id", "type", "object", "status", "role", "code", "reason", "name", "param", "model",
        "voice", "phase", "conversation", "tool_choice", "truncation", "eagerness", "language", "max_output_tokens",
    }
)  # fmt: skip
#: Lists of such strings.
_SAFE_LISTS = frozenset({"modalities", "output_modalities", "include"})
#: Of no use to a reader, large, or words in disguise.
_LEFT_OUT = frozenset({"logprobs", "bytes", "tools", "client_secret", "image_url", "tracing"})
#: Beginnings of messages that hold no more than an id. Some errors have nothing else to know them
#: by: code null (openai/openai-realtime-agents#3).
_SAFE_MESSAGES = (
    "conversation already has an active response",
    "cancellation failed: no active response",
    "the server had an error while processing your request",
    "your session hit the maximum duration",
)
_TOKEN = re.compile(r"[\w.:\-#/]{1,128}\Z")
_KEY = re.compile(r"(?i)\b(sk|ek|key|bearer)[-_ ][\w.\-*]{6,}")
_DEPTH = 12


def audio_ms(base64: str) -> float:
    """Milliseconds of base64 audio, from its length alone."""
    padding = 2 if base64.endswith("==") else 1 if base64.endswith("=") else 0
    return max(0.0, len(base64) - padding * 4 / 3) / _BASE64_CHARS_PER_MS


def name_of(value: object) -> str | None:
    """A code or another name of the protocol's as it is; None for what may be a sentence or a key."""
    if not isinstance(value, str) or not _TOKEN.match(value) or _KEY.search(value):
        return None
    return value


def redacted(event: Mapping[str, Any], *, transcripts: bool = False) -> dict[str, Any]:
    """Return a copy of *event* fit for a trace.

    Audio becomes its length in milliseconds, and what could be words its length in characters; with
    *transcripts* words stay. What looks like a key never does.
    """
    kind = str(event.get("type"))
    field = _AUDIO.get(kind)
    copy: dict[str, Any] = {}
    for key, value in event.items():
        if key == field and isinstance(value, str):
            copy[key] = round(audio_ms(value), 3)
        elif key not in _LEFT_OUT:
            copy[str(key)] = _value(str(key), value, transcripts, 0)
        elif key == "tools" and isinstance(value, list):
            copy[key] = len(value)
    return copy


def _value(key: str, value: Any, transcripts: bool, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return _string(key, value, transcripts)
    if depth >= _DEPTH:
        return None
    if isinstance(value, Mapping):
        return {
            str(k): len(v) if k == "tools" else _value(str(k), v, transcripts, depth + 1)
            for k, v in value.items()
            if (k not in _LEFT_OUT or (k == "tools" and isinstance(v, list)))
            and _TOKEN.match(str(k))
        }
    if isinstance(value, (list, tuple)):
        inner = "name" if key in _SAFE_LISTS else ""
        return [_value(inner, each, transcripts, depth + 1) for each in value]
    return None


def _string(key: str, value: str, transcripts: bool) -> str | int:
    if transcripts and key not in ("audio", "data"):
        return _KEY.sub("[key]", value)
    safe = key in _SAFE_KEYS or key.endswith("_id")
    if safe and name_of(value) is not None:
        return value
    if key == "message" and value.lower().startswith(_SAFE_MESSAGES):
        return _KEY.sub("[key]", value[:200])
    return len(value)
