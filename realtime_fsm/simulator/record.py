"""What went over the wires of a server, for tests to look at."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Direction", "Record", "without_audio"]

Direction = Literal["client", "server", "net"]

_BYTES_PER_MS = 48  # PCM16, 24 kHz, mono
_AUDIO_FIELDS = {
    "response.output_audio.delta": "delta",
    "response.audio.delta": "delta",  # the beta name
    "input_audio_buffer.append": "audio",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One event.

    Attributes:
        t: seconds since the server was started.
        connection: the connection's number, from 1.
        direction: who sent it; ``net`` for connections (types ``accepted``, ``refused``,
            ``closed``, ``dropped``, ``disconnected``).
        event: the event; audio is replaced by its length in milliseconds.
    """

    t: float
    connection: int
    direction: Direction
    event: dict[str, Any]

    @property
    def type(self) -> str:
        """The event's type."""
        return str(self.event.get("type"))


def without_audio(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of *event* whose base64 audio is replaced by its milliseconds."""
    copy = dict(event)
    field = _AUDIO_FIELDS.get(str(event.get("type")))
    if field is not None and isinstance(copy.get(field), str):
        # Audio that is not base64 is the client's mistake, and recorded as it came.
        with contextlib.suppress(binascii.Error, ValueError):
            copy[field] = len(base64.b64decode(copy[field], validate=True)) / _BYTES_PER_MS
    return copy
