"""What becomes of each segment that a sink is given: its report, or ours in its place (G14, G30)."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, Literal, Optional, Protocol

from livekit import rtc
from livekit.agents import utils
from livekit.agents.voice import io

from ._deadline_timer import DeadlineTimer
from ._guard import Guard
from ._log import get_logger
from ._private import captured_segments, has_other_listeners
from ._segments import Outcome, Segment, Segments, sane

REPORT: Literal["playback_finished"] = "playback_finished"


class Watcher(Protocol):
    """Who wants to know what the sink does, and knows what the host does with it."""

    def pause_left(self, since: float) -> float:
        """For how many seconds more a pause that began then is the host's to end."""

    def play_on(self) -> None:
        """Let the whole chain of outputs play on."""

    def paused(self, *, on: bool) -> None:
        """The sink was paused, or plays on."""

    def begins(self) -> None:
        """A segment begins."""

    def broke(self) -> None:
        """A segment is about to end before all of its message was handed over."""

    def complete(self) -> None:
        """All of a message was handed over."""

    def ended(self, above: Above, report: io.PlaybackFinishedEvent) -> None:
        """What is above this sink was told of the end of a segment."""

    def taken_out(self) -> None:
        """The sink is no part of the chain any more."""


class Above(Protocol):
    """What stands for the sink."""

    alone: bool

    def resume(self) -> None: ...
    def end_capture(self, segment: Segment) -> None: ...
    def tell(self, report: io.PlaybackFinishedEvent) -> None: ...
    def call(self, call: Any, **arguments: Any) -> None: ...


class Outcomes:
    """One sink's.

    Args:
        above: Tells those above.
        sink: Plays the audio.
        grace: Seconds that a report may come later than its audio ends.
        guard: Runs what the loop calls.
    """

    def __init__(self, above: Above, sink: io.AudioOutput, grace: float, guard: Guard) -> None:
        self.watcher: Optional[Watcher] = None
        self._above = above
        self._sink = sink
        self._guard = guard
        self._segments = Segments(grace)
        self._loop = asyncio.get_running_loop()
        self._timer = DeadlineTimer(self._due, guard)
        self._paused_at: float | None = None
        #: How many segments the sink had counted before this one.
        self._count: int | None = None
        #: The sink's last report that was heard, and what reads those that were not.
        self._last: object = None
        self._reading: asyncio.Task[None] | None = None
        self._complained: set[str] = set()
        self._log = get_logger(sink=type(sink).__qualname__)

    def close(self) -> None:
        self._timer.set(None)
        self._read_no_more()
        self.watcher = None

    # --- what LiveKit does

    def begin(self, duration: float, *, again: bool = False) -> Segment:
        """A segment begins with so many seconds of audio; *again*: within what the sink may take for one."""
        if self.watcher is not None:
            self.watcher.begins()
        if not again:  # what was on its way when it ended may have begun the next already
            self._count = captured_segments(self._sink)
        segment = self._segments.begin()
        segment.pushed = duration
        return segment

    def unseen(self) -> Segment:
        """A segment ends whose last audio went to the sink past us."""
        segment = self.begin(0.0, again=True)
        segment.taken = True
        return segment

    def capture(self, frame: rtc.AudioFrame) -> Coroutine[Any, Any, None] | None:
        """What hands the sink the first frame; None: nothing but the sink itself."""
        return self._capture_behind(frame) if self._segments.unreported else None

    async def _capture_behind(self, frame: rtc.AudioFrame) -> None:
        """The sink never said that it is done with what came before: it may wait for that itself."""
        capture = asyncio.create_task(self._sink.capture_frame(frame), name="realtime_fsm.capture")
        try:
            done, _ = await asyncio.wait({capture}, timeout=self._segments.grace)
            if not done:
                self._guard.run(None, self._drop_blocked)
            await capture
        finally:
            if not capture.done():
                await utils.aio.cancel_and_wait(capture)

    def _drop_blocked(self) -> None:
        self._complain("blocked", "the sink takes no more audio: what it holds is dropped")
        self._above.call(self._sink.clear_buffer)
        self._above.call(self._sink.resume)

    def taken(self, segment: Segment) -> None:
        """The sink took the first frame."""
        segment.taken = True

    def captured(self, segment: Segment) -> None:
        """The sink took the first frame, or raised, or LiveKit gave up."""
        segment.counted = self._count is None or captured_segments(self._sink) != self._count

    def pushed(self, segment: Segment, duration: float) -> None:
        """More of it goes to the sink."""
        if self._paused_at is None:
            segment.push(duration, self._loop.time())
        else:
            segment.pushed += duration

    def broke(self) -> None:
        self._count = captured_segments(self._sink)
        if self.watcher is not None:
            self.watcher.broke()

    def flushed(self, segment: Segment | None) -> None:
        if self.watcher is not None:
            self.watcher.complete()
        if segment is None or segment not in self._segments.waiting:
            return
        if segment.counted:
            self._segments.flushed(segment, self._loop.time())
            self.wait()
        else:
            self._end(segment, self._segments.give_up(segment))

    def clears(self) -> None:
        self._segments.cleared(self._loop.time())

    def pauses(self) -> None:
        if self._paused_at is None:
            self._paused_at = self._loop.time()

    def paused(self) -> None:
        if self.watcher is not None:
            self.watcher.paused(on=True)
        self.wait()

    def resumes(self) -> None:
        since, self._paused_at = self._paused_at, None
        if since is not None:
            now = self._loop.time()
            self._segments.halted(now - since, now)

    def resumed(self) -> None:
        if self.watcher is not None:
            self.watcher.paused(on=False)
        self.wait()

    def detached(self) -> None:
        if self.watcher is not None:
            self._loop.call_soon(self._guard(self.watcher.taken_out))

    # --- what the sink tells

    def started(self) -> None:
        self._segments.started(self._loop.time())

    def progressed(self, event: Any) -> None:
        self._segments.progressed(event.offset + event.duration, self._loop.time())

    def heard(self, report: io.PlaybackFinishedEvent) -> None:
        """The sink's own report."""
        self._last = report
        self.reported(report)

    def reported(self, report: io.PlaybackFinishedEvent) -> None:
        now, position = self._loop.time(), report.playback_position
        interrupted = bool(report.interrupted)
        told = position if isinstance(position, (int, float)) else math.nan
        outcome = Outcome(told, interrupted)
        segment = self._segments.owner(outcome, now)
        if segment is None:
            self._log.debug("report for nothing that was captured")
            return
        late = segment in self._segments.unreported
        self._segments.done(segment, outcome)
        if late:
            self._log.debug("report after its segment was given up")
            return
        heard = sane(position, segment)
        if heard is None:
            self._complain("position", "the sink reports impossible positions")
            heard = segment.played(now) if interrupted else segment.pushed
        self._end(segment, Outcome(heard, interrupted), report.synchronized_transcript)

    async def _read(self) -> None:
        """A listener of the application that raises keeps the sink's report from those behind it."""
        try:
            report = await self._sink.wait_for_playout()
        except Exception:
            self._guard.run(None, self._complain, "wait", "the sink cannot be waited for")
            return
        self._reading = None
        if report is not self._last:
            self._guard.run(None, self.heard, report)

    # --- the outcome

    def _end(self, segment: Segment, outcome: Outcome, transcript: str | None = None) -> None:
        report = io.PlaybackFinishedEvent(outcome.position, outcome.interrupted, transcript)
        self._above.end_capture(segment)
        self._above.tell(report)
        if self.watcher is not None:
            self.watcher.ended(self._above, report)
        self.wait()

    def wait(self) -> None:
        """Until the report that comes next is overdue, or a pause is."""
        head = self._segments.head
        if head is None:
            self._timer.set(None)
            self._read_no_more()
            return
        over = head.over is not None or head.cleared
        if (
            over
            and head.counted
            and self._reading is None
            and has_other_listeners(self._sink, REPORT)
        ):
            self._reading = asyncio.create_task(self._read(), name="realtime_fsm.playout")
        at, left = head.due, self._pause_left(head)
        if left is not None:
            at = self._loop.time() + left
        self._timer.set(None if at == math.inf else at)

    def _pause_left(self, head: Segment) -> float | None:
        """Seconds until a pause has lasted too long, for a segment that LiveKit waits for."""
        if self._paused_at is None or self.watcher is None or head.over is None or head.cleared:
            return None
        return self.watcher.pause_left(self._paused_at)

    def _due(self) -> None:
        head = self._segments.head
        if head is None:
            return
        left = self._pause_left(head)
        if left is not None and left <= 0.0:
            self._complain("paused", "the sink was left paused: it plays on")
            assert self.watcher is not None
            self.watcher.play_on()
            if self._paused_at is not None:
                self._above.resume()
        elif left is None and self._loop.time() >= head.due:
            self._complain("silent", "the sink does not report the end of its audio")
            self._end(head, self._segments.give_up(head))
        else:
            self.wait()

    def _read_no_more(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _complain(self, what: str, message: str) -> None:
        if what not in self._complained:
            self._complained.add(what)
            self._log.warning(message)
