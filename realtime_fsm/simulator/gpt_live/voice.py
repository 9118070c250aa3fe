"""What the voice model says and hears: sound, and the words of it on the session's timeline."""

from __future__ import annotations

import base64
from functools import lru_cache

from ..wire import Wire

__all__ = ["Voice"]

_BYTES_PER_MS = 48  # PCM16, 24 kHz, mono
_STEP_MS = 100
_LOUD, _QUIET = b"\x00\x20", b"\x00\x00"


class Voice:
    """The audio side of one session.

    Attributes:
        began: when the session's timeline begins, on the clock of its wire.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.began = 0.0

    def say(self, words: str, *, seconds: float = 1.0) -> None:
        """The model speaks for so long."""
        start = self._at()
        for n in range(max(1, round(seconds * 1000 / _STEP_MS))):
            self._wire.after(n * _STEP_MS / 1000, lambda: self._audio(_STEP_MS, _LOUD))
        end = start + round(seconds * 1000)
        self._wire.send("session.output_transcript.delta", delta=words, start_ms=start, end_ms=end)

    def hear(self, words: str) -> None:
        """It understood these words of the caller's."""
        at = self._at()
        self._wire.send("session.input_transcript.delta", delta=words, start_ms=at, end_ms=at + 500)

    def stream(self, ms: int) -> None:
        """From now on silence is sent as well, in frames of so many milliseconds."""
        self._audio(ms, _QUIET)
        self._wire.after(ms / 1000, lambda: self.stream(ms))

    def _at(self) -> int:
        return round((self._wire.now - self.began) * 1000)

    def _audio(self, ms: int, sample: bytes) -> None:
        self._wire.send("session.output_audio.delta", delta=_encoded(sample, ms))


@lru_cache(16)
def _encoded(sample: bytes, ms: int) -> str:
    return base64.b64encode(sample * (_BYTES_PER_MS * ms // 2)).decode()
