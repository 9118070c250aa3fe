"""An audio output that takes its time."""

from __future__ import annotations

import asyncio

from livekit import rtc

from ..sink import PacedAudioOutput

__all__ = ["LateOutput"]


class LateOutput(PacedAudioOutput):
    """Plays its first frame *delay* seconds after it was given."""

    def __init__(self, delay: float, *, speed: float = 1.0, report: bool = True) -> None:
        super().__init__(speed=speed, report=report)
        self._delay = delay

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """See ``PacedAudioOutput``."""
        delay, self._delay = self._delay, 0.0
        if delay:
            await asyncio.sleep(delay)
        await super().capture_frame(frame)
