"""What a recorder writes with: the clock, audio that is told in sums, and the timer that flushes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from .redact import audio_ms, redacted
from .writer import TraceWriter

__all__ = ["Lines"]

_OF_DELTA = ("response_id", "item_id", "content_index")
_FLUSH = 1.0


class Lines:
    """The lines of one trace, in order."""

    #: Seconds that a line, or audio that is counted, waits for more at most.
    flush_after = _FLUSH

    def __init__(self, writer: TraceWriter) -> None:
        self._writer = writer
        self._zero = time.monotonic()
        self._timer: asyncio.TimerHandle | None = None
        #: Audio of one item that comes piece by piece, in one line.
        self._delta: dict[str, Any] | None = None
        self._item: object = None
        #: What the microphone sends, likewise.
        self._input: dict[str, Any] | None = None
        self.closed = False

    def now(self) -> float:
        """Seconds since the start."""
        return round(time.monotonic() - self._zero, 6)

    def write(self, by: str, kind: str, fields: Mapping[str, Any]) -> None:
        """Write one line, after the audio that came before it."""
        self._flush_delta()
        self._put({"t": self.now(), "by": by, "type": kind, **fields})

    def audio_delta(self, frame: Mapping[str, Any], connection: int) -> bool:
        """Count audio of the server. Pieces that follow one another directly are one line. Returns
        whether this one begins another."""
        ms, item = audio_ms(frame["delta"]), frame.get("item_id")
        delta = self._delta
        if delta is not None and item == self._item:
            delta["event"]["delta"] = round(delta["event"]["delta"] + ms, 3)
            delta["n"] += 1
            delta["until"] = self.now()
            return False
        self._flush_delta()
        event = redacted({k: frame[k] for k in _OF_DELTA if k in frame})
        self._item = item
        self._delta = {
            "t": self.now(),
            "by": "server",
            "type": frame["type"],
            "connection": connection,
            "event": {**event, "delta": round(ms, 3)},
            "n": 1,
        }
        self._set_timer()
        return True

    def audio_input(
        self, audio: str, connection: int, kind: str = "input_audio_buffer.append"
    ) -> None:
        """Count audio of the client."""
        if self._input is None:
            self._input = {
                "by": "client",
                "type": kind,
                "connection": connection,
                "event": {"audio": 0.0},
                "n": 0,
            }
            self._set_timer()
        event = self._input["event"]
        event["audio"] = round(event["audio"] + audio_ms(audio), 3)
        self._input["n"] += 1

    def flush_audio(self) -> None:
        """Write what was counted."""
        self._flush_delta()
        heard, self._input = self._input, None
        if heard is not None:
            self._put({**heard, "t": self.now()})

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
            self._put(delta)

    def _put(self, fields: Mapping[str, Any]) -> None:
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
