"""The sound of the message that comes, decoded here.

What the openai engine does with an audio delta is to put its sound into the message's channel, and it takes
some 50 µs for that, most of it for a pydantic model (`docs/performance.md`). Each frame is seen here before.
So the first delta of a message is the engine's, which learns by it that there is sound. Further ones are put
into the same channel here, and kept from the engine as frames of other responses are
(`realtime_fsm.livekit._sight`).
"""

from __future__ import annotations

import binascii
from typing import Any

from livekit import rtc
from livekit.agents import llm

from ._private import only_decodes_audio
from ._tap import AudioTap
from ._turn_output import Item

_AUDIO = "response.output_audio.delta"


class Sound:
    """One inner session's."""

    __slots__ = ("_begun", "_item_id", "_known", "_like", "_tap")

    def __init__(self, inner: llm.RealtimeSession[Any]) -> None:
        self._known = only_decodes_audio(inner)
        #: Sample rate and channels of what the engine makes, once one of its frames was seen.
        self._like: tuple[int, int] | None = None
        self._item_id = ""
        self._tap: AudioTap | None = None
        #: The engine was shown a delta of it.
        self._begun = False

    def begins(self, item_id: str, item: Item) -> None:
        """The engine made this of an item."""
        self.ends()
        tap = item.audio_stream if isinstance(item, llm.MessageGeneration) else None
        if self._known and isinstance(tap, AudioTap) and tap.own:
            self._item_id, self._tap, self._begun = item_id, tap, False

    def ends(self) -> None:
        """Whatever comes now is the engine's."""
        self._tap = None

    def takes(self, item_id: str, frame: dict[str, Any]) -> bool:
        """Decode a delta of a message that is being handed on. Returns whether that was done; if not it
        is the engine's, as is one that is malformed."""
        tap = self._tap
        if tap is None or item_id != self._item_id or frame["type"] != _AUDIO:
            return False
        like = self._like
        if not self._begun or like is None:
            self._begun, self._like = True, like or _format(tap.newest)
            return False
        try:
            sound, (rate, channels) = binascii.a2b_base64(frame["delta"]), like
            tap.add(rtc.AudioFrame(sound, rate, channels, len(sound) // (2 * channels)))
        except ValueError:
            return False
        return True


def _format(frame: rtc.AudioFrame | None) -> tuple[int, int] | None:
    return None if frame is None else (frame.sample_rate, frame.num_channels)
