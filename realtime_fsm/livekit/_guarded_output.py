"""A sink of ours in front of the real one: each segment gets exactly one outcome (G14, G30).

LiveKit waits for the report of each segment, without an end; a sink whose report is lost mutes the rest
of the call. Reports carry no id, so one that comes late after all would end the wait for another
segment. Here both are settled before LiveKit counts: see `realtime_fsm.livekit._segments`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from typing import Any, Literal, Optional, Protocol

from livekit import rtc
from livekit.agents import utils
from livekit.agents.voice import io

from ._alarm import Alarm
from ._listener import listener
from ._log import get_logger
from ._private import has_other_listeners
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

    def ended(self, guard: GuardedOutput, report: io.PlaybackFinishedEvent) -> None:
        """What is above this sink was told of the end of a segment."""

    def taken_out(self) -> None:
        """The sink is no part of the chain any more."""


class GuardedOutput(io.AudioOutput):
    """Stands for *sink*, whose other attributes and methods are its own.

    Args:
        sink: Plays the audio.
        grace: Seconds that a report may come later than its audio ends.
    """

    def __init__(self, sink: io.AudioOutput, grace: float) -> None:
        super().__init__(
            label=sink.label, capabilities=io.AudioOutputCapabilities(pause=sink.can_pause)
        )
        self.sink = sink
        self.watcher: Optional[Watcher] = None
        #: Nothing is above it: it is what LiveKit waits for.
        self.alone = False
        self._segments = Segments(grace)
        #: The segment that is being captured.
        self._current: Segment | None = None
        self._rate = 1
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._due)
        self._paused_at: float | None = None
        #: The sink's last report that was heard, and what reads those that were not.
        self._last: object = None
        self._reading: asyncio.Task[None] | None = None
        self._complained: set[str] = set()
        self._log = get_logger(sink=type(sink).__qualname__)
        sink.on("playback_started", listener(self._on_started))
        sink.on("playback_progressed", listener(self._on_progressed))  # since livekit-agents 1.8
        sink.on(REPORT, listener(self._on_finished))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "sink":
            raise AttributeError(name)
        return getattr(self.sink, name)

    def close(self) -> None:
        """Wait for nothing. Another session may go on with the same outputs."""
        self._alarm.set(None)
        self._read_no_more()
        self.watcher = None

    # --- what LiveKit calls

    @property
    def sample_rate(self) -> int | None:
        return self.sink.sample_rate

    @property
    def can_pause(self) -> bool:
        return self.sink.can_pause

    def capture_frame(self, frame: rtc.AudioFrame) -> Coroutine[Any, Any, None]:
        if self._current is None:
            return self._begin(frame)
        self._current.pushed += frame.samples_per_channel / self._rate
        return self.sink.capture_frame(frame)

    async def _begin(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._current = segment = self._segments.begin()
        segment.pushed = frame.duration
        self._rate = frame.sample_rate
        before = _captured(self.sink)
        try:
            if self._segments.owed:
                await self._capture_behind(frame)
            else:
                await self.sink.capture_frame(frame)
            segment.taken = True
        finally:
            segment.counted = before is None or _captured(self.sink) != before

    async def _capture_behind(self, frame: rtc.AudioFrame) -> None:
        """The sink never said that it is done with what came before: it may wait for that itself."""
        capture = asyncio.create_task(self.sink.capture_frame(frame), name="realtime_fsm.capture")
        try:
            done, _ = await asyncio.wait({capture}, timeout=self._segments.grace)
            if not done:
                self._complain("blocked", "the sink takes no more audio: what it holds is dropped")
                self._guarded(self.sink.clear_buffer)
                self._guarded(self.sink.resume)
            await capture
        finally:
            if not capture.done():
                await utils.aio.cancel_and_wait(capture)

    def flush(self) -> None:
        super().flush()
        segment, self._current = self._current, None
        self._guarded(self.sink.flush)
        if segment is None or segment not in self._segments.waiting:
            return
        if segment.counted:
            self._segments.flushed(segment, self._loop.time())
            self._wait()
        else:
            self._end(segment, self._segments.give_up(segment))

    def clear_buffer(self) -> None:
        self._segments.cleared(self._loop.time())
        self._guarded(self.sink.clear_buffer)
        self._wait()

    def pause(self) -> None:
        if self._paused_at is None:
            self._paused_at = self._loop.time()
        self._guarded(self.sink.pause)
        if self.watcher is not None:
            self.watcher.paused(on=True)
        self._wait()

    def resume(self) -> None:
        since, self._paused_at = self._paused_at, None
        if since is not None:
            now = self._loop.time()
            self._segments.halted(now - since, now)
        self._guarded(self.sink.resume)
        if self.watcher is not None:
            self.watcher.paused(on=False)
        self._wait()

    def on_attached(self) -> None:
        self._guarded(self.sink.on_attached)

    def on_detached(self) -> None:
        self._guarded(self.sink.on_detached)
        if self.watcher is not None:
            self._loop.call_soon(self.watcher.taken_out)

    def on_playback_finished(
        self,
        *,
        playback_position: float,
        interrupted: bool,
        synchronized_transcript: str | None = None,
    ) -> None:
        """Somebody reports in the sink's place."""
        self._report(playback_position, interrupted, synchronized_transcript)

    # --- what the sink tells

    def _on_started(self, event: io.PlaybackStartedEvent) -> None:
        self._segments.started(self._loop.time())
        self._guarded(self.on_playback_started, created_at=event.created_at)
        self._wait()

    def _on_progressed(self, event: Any) -> None:
        self._segments.progressed(event.offset + event.duration, self._loop.time())
        self._guarded(
            self.on_playback_progressed,
            started_at=event.started_at,
            offset=event.offset,
            duration=event.duration,
        )

    def _on_finished(self, event: io.PlaybackFinishedEvent) -> None:
        self._last = event
        self._report(event.playback_position, event.interrupted, event.synchronized_transcript)

    def _report(self, position: Any, interrupted: bool, transcript: str | None) -> None:
        now = self._loop.time()
        told = position if isinstance(position, (int, float)) else math.nan
        segment = self._segments.owner(Outcome(told, bool(interrupted)), now)
        if segment is None:
            self._log.debug("report for nothing that was captured")
            return
        late = segment in self._segments.owed
        self._segments.done(segment)
        if late:
            self._log.debug("report after its segment was given up")
            return
        heard = sane(position, segment)
        if heard is None:
            self._complain("position", "the sink reports impossible positions")
            heard = segment.played(now) if interrupted else segment.pushed
        self._end(segment, Outcome(heard, bool(interrupted)), transcript)

    async def _read(self) -> None:
        """A listener of the application that raises keeps the sink's report from those behind it."""
        try:
            report = await self.sink.wait_for_playout()
        except Exception:
            self._complain("wait", "the sink cannot be waited for")
            return
        self._reading = None
        if report is not self._last:
            self._on_finished(report)

    # --- the outcome

    def _end(self, segment: Segment, outcome: Outcome, transcript: str | None = None) -> None:
        if segment is self._current:
            super().flush()  # what follows is another segment, as it is for the sink
            self._current = None
        self._guarded(
            super().on_playback_finished,
            playback_position=outcome.position,
            interrupted=outcome.interrupted,
            synchronized_transcript=transcript,
        )
        if self.watcher is not None:
            self.watcher.ended(
                self, io.PlaybackFinishedEvent(outcome.position, outcome.interrupted, transcript)
            )
        self._wait()

    def _wait(self) -> None:
        """Until the report that comes next is overdue, or a pause is."""
        head = self._segments.head
        if head is None:
            self._alarm.set(None)
            self._read_no_more()
            return
        over = head.over is not None or head.cleared
        if (
            over
            and head.counted
            and self._reading is None
            and has_other_listeners(self.sink, REPORT)
        ):
            self._reading = asyncio.create_task(self._read(), name="realtime_fsm.playout")
        at, left = head.due, self._pause_left(head)
        if left is not None:
            at = self._loop.time() + left
        self._alarm.set(None if at == math.inf else at)

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
                self.resume()
        elif left is None and self._loop.time() >= head.due:
            self._complain("silent", "the sink does not report the end of its audio")
            self._end(head, self._segments.give_up(head))
        else:
            self._wait()

    def _read_no_more(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def _guarded(self, call: Callable[..., None], **arguments: Any) -> None:
        """Neither the sink nor who listens to it keeps the call from going on."""
        try:
            call(**arguments)
        except Exception:
            name = getattr(call, "__name__", "call")
            if name not in self._complained:
                self._complained.add(name)
                self._log.exception("a sink, or a listener of it, raised", call=name)

    def _complain(self, what: str, message: str) -> None:
        if what not in self._complained:
            self._complained.add(what)
            self._log.warning(message)


def _captured(sink: io.AudioOutput) -> int | None:
    """How many segments the sink has counted; None before livekit-agents 1.8."""
    return getattr(sink, "captured_playout_segments", None)
