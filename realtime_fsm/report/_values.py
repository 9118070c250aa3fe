"""Takes values out of lines that may hold anything."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["clipped", "length", "number", "text", "whole", "words"]

_LONGEST = 4_000  # characters of one text


def text(value: object, limit: int = 200) -> str:
    """Anything as a text that is not too long; None is nothing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value if len(value) <= limit else clipped(value, limit)
    try:
        return clipped(json.dumps(value, default=str), limit)
    except (TypeError, ValueError, RecursionError):
        return clipped(repr(type(value)), limit)


def clipped(value: str, limit: int = _LONGEST) -> str:
    """The text, or its beginning and how long it was."""
    if len(value) <= limit:
        return value
    return f"{value[:limit]}… ({len(value)} characters)"


def number(value: object) -> float | None:
    """A number that a browser can draw with."""
    if type(value) is float and -1e15 < value < 1e15:  # as most are
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and abs(found) < 1e15 else None


def whole(value: object, otherwise: int = 0) -> int:
    """A whole number."""
    found = number(value)
    return otherwise if found is None else int(found)


def length(value: object) -> int:
    """How long a text is that may stand there as its length alone."""
    return len(value) if isinstance(value, str) else max(0, whole(value))


def words(value: Any) -> str:
    """A text, if the trace has texts."""
    return clipped(value) if isinstance(value, str) else ""
