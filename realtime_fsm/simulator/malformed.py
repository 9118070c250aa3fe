"""Frames that are not events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .fault_kinds import Shape
from .wire import Send

__all__ = ["as_event", "malformed", "malformed_frame"]

_WHOLE: dict[Shape, str] = {"list": "[]", "null": "null", "object": "{}"}


def as_event(frame: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a client sent as an event, an empty one if it is none."""
    if not isinstance(frame, str):
        return frame
    try:
        parsed = json.loads(frame)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def malformed(event: Mapping[str, Any], shape: Shape) -> str:
    """Return the text that arrives in the place of *event*."""
    if shape in _WHOLE:
        return _WHOLE[shape]
    if shape == "truncated":
        text = json.dumps(dict(event))
        return text[: len(text) // 2]
    return json.dumps(
        {key: value if key == "type" else _wrong(value) for key, value in event.items()}
    )


def _wrong(value: object) -> object:
    """Return a value of another type."""
    if isinstance(value, str):
        return 7
    return None if isinstance(value, (list, dict)) else "x"


def malformed_frame(frame: Send, shape: Shape) -> Send:
    """Return the frame that arrives in the place of *frame*."""
    raw = malformed(frame.event, shape)
    return Send({"type": None, "text": raw}, raw)
