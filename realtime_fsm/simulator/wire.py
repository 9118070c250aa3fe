"""What a connection sends, and when: the outbox, the timers and the counters for ids."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import error_body
from .script import Closed, Dropped

__all__ = ["Close", "Drop", "Frame", "Ids", "Send", "Wire"]


@dataclass(frozen=True, slots=True)
class Send:
    """Send one text frame: *event* as JSON, or *raw* as it is.

    A frame that is not an event on purpose has *raw*; its *event* is then ``{"type": None, "text":
    raw}``, as in records.
    """

    event: dict[str, Any]
    raw: str | None = None

    @property
    def text(self) -> str:
        """What goes over the wire."""
        return json.dumps(self.event) if self.raw is None else self.raw


@dataclass(frozen=True, slots=True)
class Close:
    """Close the WebSocket. Nothing follows."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Break the TCP connection without a close frame. Nothing follows."""


Frame = Send | Close | Drop


class Ids:
    """Counter-based ids (``resp_001``), so that two runs of a test name things alike."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def next(self, prefix: str) -> str:
        """Return the next id of that prefix."""
        self._counts[prefix] += 1
        width = 4 if prefix == "event" else 3
        return f"{prefix}_{self._counts[prefix]:0{width}}"


class Wire:
    """One connection's frames to send and callbacks to run, in seconds on the caller's clock.

    Attributes:
        now: the time of what is being processed.
        closed: nothing is sent or run any more.
        ids: counters shared by all connections of a server.
    """

    __slots__ = ("_frames", "_heap", "_seq", "closed", "ids", "now")

    def __init__(self, ids: Ids) -> None:
        self.ids = ids
        self.now = 0.0
        self.closed = False
        self._frames: list[Frame] = []
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._seq = 0

    def send(self, type: str, **fields: Any) -> None:
        """Queue a server event; ``type`` and ``event_id`` are filled in."""
        if not self.closed:
            self._frames.append(Send({"type": type, "event_id": self.ids.next("event"), **fields}))

    def send_error(
        self, code: str | None, message: str, *, event_id: str | None, param: str | None = None
    ) -> None:
        """Queue an ``error`` event about the client's event *event_id*."""
        self.send("error", error=error_body(code, message, event_id=event_id, param=param))

    def hang_up(self, end: Closed | Dropped | None) -> None:
        """End the connection as *end* says; None is the peer's own end."""
        if self.closed:
            return
        if isinstance(end, Closed):
            if end.error is not None:
                self.send("error", error={**end.error.body(), "param": None, "event_id": None})
            self._frames.append(Close(end.code, end.reason))
        elif isinstance(end, Dropped):
            self._frames.append(Drop())
        self.closed = True
        self._heap.clear()

    def after(self, delay: float, callback: Callable[[], None]) -> None:
        """Run *callback* in *delay* seconds; what is due at the same time runs in call order."""
        if not self.closed:
            self._seq += 1
            heapq.heappush(self._heap, (self.now + delay, self._seq, callback))

    def run_due(self, now: float) -> None:
        """Run what is due, each callback at its own time, so that a late caller causes no drift."""
        while self._heap and self._heap[0][0] <= now:
            self.now, _, callback = heapq.heappop(self._heap)
            callback()
        self.now = max(self.now, now)

    def next_deadline(self) -> float | None:
        """Return when :meth:`run_due` has something to do, or None."""
        return self._heap[0][0] if self._heap else None

    def take(self) -> list[Frame]:
        """Return the queued frames and forget them."""
        frames, self._frames = self._frames, []
        return frames
