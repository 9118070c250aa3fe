"""Server VAD by loudness, for clients that send real audio."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import Literal

__all__ = ["Ear"]

_FRAME_MS = 20
_FRAME_BYTES = 48 * _FRAME_MS  # PCM16, 24 kHz, mono
_ONSET_MS = 60

Heard = Literal["starts", "stops"]


class Ear:
    """Tells where in the appended audio the user starts and stops to speak.

    *above* is the mean amplitude of speech, of 32767.
    """

    __slots__ = ("_above", "_loud_ms", "_quiet_ms", "_rest", "speaking", "spoken_ms")

    def __init__(self, above: float) -> None:
        self._above = above
        self._rest = b""
        self._loud_ms = 0
        self._quiet_ms = 0
        self.speaking = False
        self.spoken_ms = 0

    def hear(self, audio: bytes, silence_ms: int) -> Iterator[Heard]:
        """Yield what happens within *audio*; the user has stopped after *silence_ms* of silence."""
        self._rest += audio
        while len(self._rest) >= _FRAME_BYTES:
            frame, self._rest = self._rest[:_FRAME_BYTES], self._rest[_FRAME_BYTES:]
            if self._is_loud(frame):
                self._loud_ms += _FRAME_MS
                self.spoken_ms += _FRAME_MS + self._quiet_ms if self.speaking else 0
                self._quiet_ms = 0
                if not self.speaking and self._loud_ms >= _ONSET_MS:
                    self.speaking, self.spoken_ms = True, self._loud_ms
                    yield "starts"
            else:
                self._loud_ms = 0
                self._quiet_ms += _FRAME_MS
                if self.speaking and self._quiet_ms >= silence_ms:
                    self.speaking = False
                    yield "stops"

    def _is_loud(self, frame: bytes) -> bool:
        samples = array("h", frame)
        if sys.byteorder == "big":
            samples.byteswap()
        return sum(map(abs, samples)) > self._above * len(samples)
