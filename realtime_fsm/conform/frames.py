"""Frames as they are shown: without audio and secrets, cut short, repeated ones counted."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from .result import Frame
from .speech import BYTES_PER_MS

__all__ = ["Seen", "clipped", "shown"]

_LONGEST = 300  # characters of a text
_MOST = 48  # frames of one conversation
_BASE64 = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}")


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame as it was sent or received.

    Attributes:
        event: in the current names.
        raw: as on the wire.
        fence: it was sent, or came, only to see what came before it.
        ms: of audio in it.
    """

    t: float
    by: Literal["client", "server", "net"]
    event: Mapping[str, Any]
    raw: Mapping[str, Any]
    fence: bool = False
    ms: float = 0.0

    @property
    def type(self) -> str:
        return str(self.event.get("type"))


def shown(frames: Iterable[Seen], secrets: Sequence[str] = ()) -> tuple[Frame, ...]:
    """Return the frames as they are shown."""
    made: list[Frame] = []
    for seen in frames:
        if seen.fence:
            continue
        kind = seen.raw.get("type")
        last = made[-1] if made else None
        repeats = str(kind).endswith(".delta") or kind == "input_audio_buffer.append"
        if repeats and last is not None and last.by == seen.by and last.event.get("type") == kind:
            made[-1] = replace(last, count=last.count + 1)
        else:
            made.append(Frame(seen.t, seen.by, clipped(seen.raw, secrets)))
    if len(made) > _MOST:
        half = _MOST // 2
        left_out = {"type": None, "text": f"{len(made) - 2 * half} frames are left out"}
        made[half:-half] = [Frame(made[half].t, "net", left_out)]
    return tuple(made)


def clipped(value: Any, secrets: Sequence[str] = (), depth: int = 0) -> Any:
    """Return a value with its long texts cut, its audio replaced, and the secrets blotted out."""
    if isinstance(value, Mapping):
        if depth > 8:
            return "…"
        return {str(k)[:80]: clipped(v, secrets, depth + 1) for k, v in list(value.items())[:60]}
    if isinstance(value, (list, tuple)):
        return [clipped(each, secrets, depth + 1) for each in value[:20]] if depth <= 8 else "…"
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, "***")
        if len(value) > 200 and _BASE64.fullmatch(value[:2000].rstrip("=")):
            return f"<{len(value) * 3 // 4 / BYTES_PER_MS:.0f} ms of audio>"
        return value if len(value) <= _LONGEST else value[:_LONGEST] + "…"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
