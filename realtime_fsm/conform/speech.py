"""Speech and silence to play: PCM16, 24 kHz, mono."""

from __future__ import annotations

import sys
from array import array
from functools import cache
from importlib.resources import files
from itertools import pairwise

__all__ = ["BYTES_PER_MS", "silence", "speech"]

BYTES_PER_MS = 48
_UPSAMPLED = 3  # 8 to 24 kHz


@cache
def speech() -> bytes:
    """Return "What time is it now?" (1.3 s), as espeak-ng says it.

    The sample is 8 kHz u-law, made with ``espeak-ng -v en-us -s 150`` and sox.
    """
    coded = (files(__package__) / "assets" / "speech.ulaw").read_bytes()
    samples = [_linear(byte) for byte in coded]
    made = array("h")
    for now, then in pairwise([*samples, 0]):
        made.extend(now + (then - now) * step // _UPSAMPLED for step in range(_UPSAMPLED))
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()


def silence(ms: int) -> bytes:
    """Return so many milliseconds of it."""
    return bytes(ms * BYTES_PER_MS)


def _linear(byte: int) -> int:
    """Decode one byte of G.711 u-law."""
    byte = ~byte & 0xFF
    value = (((byte & 0x0F) << 3) + 0x84 << ((byte >> 4) & 7)) - 0x84
    return -value if byte & 0x80 else value
