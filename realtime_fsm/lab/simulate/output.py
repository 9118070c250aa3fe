"""An audio output of which the reports get lost, or come late."""

from __future__ import annotations

import asyncio
import functools

from ...testing import PacedAudioOutput
from .scenario import OutputFaultKind

__all__ = ["FailingOutput"]

_LATE = 3.0  # seconds


class FailingOutput(PacedAudioOutput):
    """Plays all that it is given, but does not always tell that it did."""

    def __init__(self) -> None:
        super().__init__()
        self._faults: list[OutputFaultKind] = []
        self._timers: list[asyncio.TimerHandle] = []

    def fail(self, kind: OutputFaultKind) -> None:
        """What happens to the next report, and to all with ``silent``."""
        self._faults.append(kind)

    def on_playback_finished(
        self,
        *,
        playback_position: float,
        interrupted: bool,
        synchronized_transcript: str | None = None,
    ) -> None:
        """See ``AudioOutput``."""
        report = functools.partial(
            super().on_playback_finished,
            playback_position=playback_position,
            interrupted=interrupted,
            synchronized_transcript=synchronized_transcript,
        )
        if not self._faults:
            report()
            return
        self.withheld.append(asyncio.get_running_loop().time())
        if self._faults[0] != "silent" and self._faults.pop(0) == "late":
            self._timers.append(asyncio.get_running_loop().call_later(_LATE, report))

    async def aclose(self) -> None:
        """See ``PacedAudioOutput``."""
        await super().aclose()
        for timer in self._timers:
            timer.cancel()
