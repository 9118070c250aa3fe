"""Finds the Realtime event in a line of a log that is no trace."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .live.dialect import CLIENT_TYPES as LIVE_CLIENT_TYPES

__all__ = ["CLIENT_TYPES", "RawEvent", "find_event"]

CLIENT_TYPES = frozenset(
    {
        "session.update", "transcription_session.update", "response.create", "response.cancel",
        "input_audio_buffer.append", "input_audio_buffer.commit", "input_audio_buffer.clear",
        "output_audio_buffer.clear", "conversation.item.create", "conversation.item.delete",
        "conversation.item.truncate", "conversation.item.retrieve",
    }
)  # fmt: skip
_FAMILIES = (
    "session.", "conversation.", "input_audio_buffer.", "output_audio_buffer.", "response.",
    "rate_limits.", "transcription_session.", "mcp_list_tools.",
)  # fmt: skip
_WRAPPERS = (
    "event", "lk.pii.event", "message", "msg", "data", "payload", "frame", "body", "extra", "raw",
    "record", "jsonPayload",
)  # fmt: skip
_TIMES = ("timestamp", "time", "ts", "t", "at", "created_at", "received_at", "sent_at", "asctime")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_DEPTH = 4


@dataclass(frozen=True, slots=True)
class RawEvent:
    """An event of a log.

    Attributes:
        event: the frame.
        by: ``client`` or ``server``, by its type.
        t: when it was logged, seconds of whatever clock, or None.
        wall: whether that clock is the Unix epoch.
    """

    event: dict[str, Any]
    by: str
    t: float | None
    wall: bool = False


def find_event(value: object, stamp: float | None = None) -> RawEvent | None:
    """Return the event in a decoded line, or None: bare, or wrapped with a time and what not.

    Which side sent it is told by its type; the two have none in common.
    """
    found = _search(value, 0)
    if found is None:
        return None
    event, time = found
    kind = str(event["type"])
    client = kind in CLIENT_TYPES or kind in LIVE_CLIENT_TYPES
    t = time if time is not None else stamp
    return RawEvent(event, "client" if client else "server", *_seconds(t))


def decode(text: str) -> tuple[object, float | None] | None:
    """Decode a line: JSON, or something before it. Returns also the time that stands before it.

    None if there is no object in it.
    """
    start = text.find("{")
    if start < 0:
        return None
    stamp = _STAMP.search(text[:start])
    t = _iso(stamp[0]) if stamp is not None else None
    try:
        return json.JSONDecoder().raw_decode(text, start)[0], t
    except (ValueError, RecursionError):
        pass
    found = _python(text[start:])
    if found is not None:
        return found, t
    for _ in range(3):  # it began later
        start = text.find("{", start + 1)
        try:
            return (json.JSONDecoder().raw_decode(text, start)[0], t) if start >= 0 else None
        except (ValueError, RecursionError):
            continue
    return None


def _python(text: str) -> object:
    """A dict that was logged with ``%s``."""
    try:
        return ast.literal_eval(text[: text.rindex("}") + 1])
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _search(value: object, depth: int) -> tuple[dict[str, Any], object] | None:
    if isinstance(value, str) and depth and value.lstrip().startswith("{") and depth < _DEPTH:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    refusal = kind == "error" and isinstance(value.get("error"), Mapping)
    if refusal or (isinstance(kind, str) and kind.startswith(_FAMILIES)):
        return value, _time_of(value)
    if depth < _DEPTH:
        for key in _WRAPPERS:
            found = _search(value[key], depth + 1) if key in value else None
            if found is not None:
                event, time = found
                return event, time if time is not None else _time_of(value)
    return None


def _time_of(value: Mapping[str, Any]) -> object:
    for key in _TIMES:
        if isinstance(value.get(key), (int, float, str)) and not isinstance(value[key], bool):
            return value[key]
    return None


def _seconds(value: object) -> tuple[float | None, bool]:
    """Seconds, from a number of seconds, ms, µs or ns, or an ISO date; and whether since 1970."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            iso = _iso(value)
            return iso, iso is not None
    elif isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            return None, False
    else:
        return None, False
    if not 0 <= number < 1e20:
        return None, False
    for limit, unit in ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3)):
        if number >= limit:
            return number / unit, True
    return number, number > 1e8


def _iso(text: str) -> float | None:
    found = _STAMP.search(text)
    if found is None:
        return None
    # `fromisoformat` of Python 3.10 takes neither Z, nor a comma, nor 5 digits.
    plain = re.sub(r"[.,](\d+)", lambda m: f".{m[1][:6]:0<6}", found[0]).replace("Z", "+00:00")
    plain = re.sub(r"([+-]\d\d)(\d\d)\Z", r"\1:\2", plain)
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    try:
        return moment.timestamp()
    except (OverflowError, ValueError):
        return None
