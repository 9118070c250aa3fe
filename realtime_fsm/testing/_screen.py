"""Where a call by text is read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from livekit.agents.voice.io import TextOutput

__all__ = ["Screen"]


@dataclass(slots=True, eq=False)
class _Line:
    """A message as it was shown."""

    begun: float
    ended: float
    text: str = ""


class Screen(TextOutput):
    """Where a call by text is read. Without one LiveKit would show the text to nobody."""

    def __init__(self) -> None:
        super().__init__(label="screen", next_in_chain=None)
        self.lines: list[_Line] = []
        self._open = False

    async def capture_text(self, text: str) -> None:
        """See ``TextOutput``."""
        now = asyncio.get_running_loop().time()
        if not self._open:
            self.lines.append(_Line(now, now))
            self._open = True
        self.lines[-1].text += text
        self.lines[-1].ended = now

    def flush(self) -> None:
        """See ``TextOutput``."""
        if self._open:  # a slow response may have had its last word long before
            self.lines[-1].ended = asyncio.get_running_loop().time()
        self._open = False
