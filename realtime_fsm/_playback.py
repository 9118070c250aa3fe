"""Playback, the user's side: one outcome per message, paired with reports that carry no id (G14).

The host plays messages strictly one after another: it pulls a message only when the one before
is over. So a report belongs to the message that was pulled and has none yet, and a pull closes
whatever came before it.
"""

from __future__ import annotations

import math

from ._states import MessageOutcome
from ._turn import Message, Turn


class Playback:
    """The message being forwarded, if any."""

    __slots__ = ("_message", "_turn")

    def __init__(self) -> None:
        self._turn: Turn | None = None
        self._message: Message | None = None

    def pulled(self, turn: Turn, message: Message) -> Turn | None:
        """A message's turn to play has come. Returns the turn whose message this closed."""
        before, closed = self._message, self._turn
        message.pulled = True
        self._turn, self._message = turn, message
        if before is None or before is message or before.outcome is not None:
            return None
        before.outcome = MessageOutcome.FULL
        return closed

    def started(self) -> bool:
        if self._message is None or self._message.outcome is not None:
            return False
        self._message.started = True
        return True

    def finished(self, position_ms: float, interrupted: bool) -> Turn | None:
        """Pair a report. Returns the turn it belongs to, or None for a surplus one."""
        turn, message = self._turn, self._message
        if turn is None or message is None or message.outcome is not None:
            return None
        if interrupted:
            self._cut(message, position_ms)
        else:
            message.outcome = MessageOutcome.FULL
            message.heard_ms = int(message.received_ms or _sane(position_ms))
        return turn

    def truncated(self, message: Message, audio_end_ms: float) -> bool:
        """The host cut this message itself. A sink's report, if there was one, stands."""
        if message.outcome is not None:
            return False
        self._cut(message, audio_end_ms)
        return True

    def forget(self, turn: Turn) -> None:
        if self._turn is turn:
            self._turn = self._message = None

    @staticmethod
    def _cut(message: Message, position_ms: float) -> None:
        """G15: an integer, within what was received; sinks report NaN too (agents-js#1795)."""
        heard = _sane(position_ms)
        if message.received_ms:  # none is counted where a TTS speaks the text
            heard = min(heard, message.received_ms)
        message.heard_ms = int(heard)
        partial = message.heard_ms > 0
        message.outcome = MessageOutcome.PARTIAL if partial else MessageOutcome.SKIPPED


def _sane(position_ms: float) -> float:
    return max(position_ms, 0.0) if math.isfinite(position_ms) else 0.0
