"""What a recorder writes with: the clock, audio that is told in sums, and the timer that flushes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from .frame_lines import AudioDelta
from .redact import audio_ms
from .writer import Fields, TraceWriter

__all__ = ["Lines"]

_FLUSH = 1.0


class Lines:
    """The lines of one trace, in order."""

    #: Seconds that a line, or audio that is counted, waits for more at most.
    flush_after = _FLUSH

    def __init__(self, writer: TraceWriter) -> None:
        self._writer = writer
        self._zero = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        #: Audio of one item that comes piece by piece, in one line, and the sum of it.
        self._delta: tuple[float, str, int, dict[str, Any]] | None = None
        self._item: object = None
        self._sum = _Sum()
        #: What the microphone sends, likewise.
        self._input: dict[str, Any] | None = None
        self._heard = _Sum()
        self.closed = False

    def now(self) -> float:
        """Seconds since the start."""
        return round(time.monotonic() - self._zero, 6)

    def write(self, by: str, kind: str, fields: Mapping[str, Any]) -> None:
        """Write one line, after the audio that came before it."""
        self.put({"t": self.now(), "by": by, "type": kind, **fields})

    def put(self, fields: Fields) -> None:
        """The same of a line that has its time already."""
        self._flush_delta()
        self._put(fields)

    def audio_delta(self, frame: Mapping[str, Any], connection: int) -> bool:
        """Count audio of the server. Pieces that follow one another directly are one line. Returns
        whether this one begins another."""
        if self._delta is not None and frame.get("item_id") == self._item:
            self._sum.add(frame["delta"])
            return False
        self._flush_delta()
        self._item = frame.get("item_id")
        self._delta = self.now(), frame["type"], connection, AudioDelta.ids_of(frame)
        self._sum = _Sum()
        self._sum.add(frame["delta"])
        self._set_timer()
        return True

    def audio_input(
        self, audio: str, connection: int, kind: str = "input_audio_buffer.append"
    ) -> None:
        """Count audio of the client."""
        if self._input is None:
            self._input = {"by": "client", "type": kind, "connection": connection}
            self._heard = _Sum()
            self._set_timer()
        self._heard.add(audio)

    def flush_audio(self) -> None:
        """Write what was counted."""
        self._flush_delta()
        line, self._input = self._input, None
        if line is not None:
            heard = self._heard
            event = {"audio": round(heard.ms, 3)}
            self._put({**line, "event": event, "n": heard.n, "t": self.now()})

    def close(self) -> None:
        """Write everything, and nothing more."""
        self.flush_audio()
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._writer.close()

    def _flush_delta(self) -> None:
        delta, self._delta = self._delta, None
        if delta is not None:
            pieces = self._sum
            until = round(pieces.until - self._zero, 6) if pieces.n > 1 else None
            self._put(AudioDelta(*delta, round(pieces.ms, 3), pieces.n, until))

    def _put(self, fields: Fields) -> None:
        if not self.closed:
            self._writer.write(fields)
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None or not self._writer.open:
            return
        try:
            self._timer = asyncio.get_running_loop().call_later(self.flush_after, self._flush)
        except RuntimeError:  # no loop here: nothing would come later
            self._writer.flush()

    def _flush(self) -> None:
        self.flush_audio()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._writer.flush()


class _Sum:
    """Pieces of audio: milliseconds, how many, and when the last came."""

    __slots__ = ("ms", "n", "until")

    def __init__(self) -> None:
        self.ms, self.n, self.until = 0.0, 0, 0.0

    def add(self, base64: str) -> None:
        self.ms += audio_ms(base64)
        self.n += 1
        self.until = time.monotonic()
