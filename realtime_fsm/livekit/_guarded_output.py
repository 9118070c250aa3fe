"""A sink of ours in front of the real one: each segment gets exactly one outcome (G14, G30).

LiveKit waits for the report of each segment, without an end; a sink whose report is lost mutes the rest
of the call. Reports carry no id, so one that comes late after all would end the wait for another
segment. Here both are settled before LiveKit counts: see `realtime_fsm.livekit._outcomes`.

This file only passes on. Should the other raise, it goes on to pass on, and nothing else (G32).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Optional

from livekit import rtc
from livekit.agents.voice import io

from ._guard import Guard
from ._listener import listener
from ._log import get_logger
from ._outcomes import REPORT, Outcomes, Watcher
from ._segments import Segment


class GuardedOutput(io.AudioOutput):
    """Stands for *sink*, whose other attributes and methods are its own.

    Args:
        sink: Plays the audio.
        grace: Seconds that a report may come later than its audio ends.
        failed: Told of the first error of ours.
    """

    def __init__(
        self, sink: io.AudioOutput, grace: float, failed: Callable[[Exception], None]
    ) -> None:
        super().__init__(
            label=sink.label, capabilities=io.AudioOutputCapabilities(pause=sink.can_pause)
        )
        self.sink = sink
        #: Nothing is above it: it is what LiveKit waits for.
        self.alone = False
        #: The segment that is being captured, and its rate.
        self._current: Segment | None = None
        #: It ended before its flush: what is captured next is more of the same message.
        self._broken = False
        #: Put in within a segment, of which a frame may have been on its way to the sink.
        self.midway = False
        #: All that it saw of that segment was its end: it waits for a report, and was not counted here.
        self._unseen = False
        self._rate = 1
        self._guard = Guard()
        self._guard.failed = self._step_aside
        self._failed = failed
        #: How many segments began, and how many reports went up.
        self._begun = self._told = 0
        #: Waits for the sink as LiveKit would without us.
        self._following: asyncio.Task[None] | None = None
        self._raised: set[str] = set()
        self._outcomes = Outcomes(self, sink, grace, self._guard)
        #: What listens to the sink; "playback_progressed" since livekit-agents 1.8.
        self._heard: dict[Any, Callable[[Any], None]] = {
            "playback_started": listener(self._on_started),
            "playback_progressed": listener(self._on_progressed),
            REPORT: listener(self._on_finished),
        }
        for name, handler in self._heard.items():
            sink.on(name, handler)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "sink":
            raise AttributeError(name)
        return getattr(self.sink, name)

    @property
    def watcher(self) -> Optional[Watcher]:
        return self._outcomes.watcher

    @watcher.setter
    def watcher(self, watcher: Optional[Watcher]) -> None:
        self._outcomes.watcher = watcher

    def close(self) -> None:
        """Wait for nothing. Another session may go on with the same outputs."""
        self._guard.run(None, self._outcomes.close)
        if self._following is not None:
            self._following.cancel()

    def leave(self) -> None:
        """Listen to the sink no more: nothing above waits for it."""
        for name, handler in self._heard.items():
            self.sink.off(name, handler)

    def _step_aside(self, error: Exception) -> None:
        self._guard.off = True
        self._current = None
        self._follow()
        self._failed(error)

    def _follow(self) -> None:
        """A listener of the application that raises may keep a report from us, but not from who waits."""
        if self._guard.off and self._told < self._begun and self._following is None:
            self._following = asyncio.create_task(self._wait(), name="realtime_fsm.playout")

    async def _wait(self) -> None:
        report = await self.sink.wait_for_playout()
        self._following = None
        if self._told < self._begun:
            self.tell(report)

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
        duration = frame.samples_per_channel / self._rate
        self._guard.run(None, self._outcomes.pushed, self._current, duration)
        return self.sink.capture_frame(frame)

    async def _begin(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._begun += 1
        run, outcomes = self._guard.run, self._outcomes
        segment = run(None, outcomes.begin, frame.duration, again=self._broken or self.midway)
        self._broken = self.midway = False
        self._current, self._rate = segment, frame.sample_rate
        capture = run(None, outcomes.capture, frame)
        try:
            await (self.sink.capture_frame(frame) if capture is None else capture)
            run(None, outcomes.taken, segment)
        finally:
            run(None, outcomes.captured, segment)

    def flush(self) -> None:
        super().flush()
        segment, self._current = self._current, None
        self._broken = False
        if self.midway:
            self.midway, self._unseen = False, True
            segment = self._guard.run(None, self._outcomes.unseen)
        self.call(self.sink.flush)
        self._guard.run(None, self._outcomes.flushed, segment)
        self._follow()

    def clear_buffer(self) -> None:
        self._guard.run(None, self._outcomes.clears)
        self.call(self.sink.clear_buffer)
        self._guard.run(None, self._outcomes.wait)

    def pause(self) -> None:
        self._guard.run(None, self._outcomes.pauses)
        self.call(self.sink.pause)
        self._guard.run(None, self._outcomes.paused)

    def resume(self) -> None:
        self._guard.run(None, self._outcomes.resumes)
        self.call(self.sink.resume)
        self._guard.run(None, self._outcomes.resumed)

    def on_attached(self) -> None:
        self.call(self.sink.on_attached)

    def on_detached(self) -> None:
        self.call(self.sink.on_detached)
        self._guard.run(None, self._outcomes.detached)

    def on_playback_finished(
        self,
        *,
        playback_position: float,
        interrupted: bool,
        synchronized_transcript: str | None = None,
    ) -> None:
        """Somebody reports in the sink's place."""
        report = io.PlaybackFinishedEvent(playback_position, interrupted, synchronized_transcript)
        self._report(self._outcomes.reported, report)

    # --- what the sink tells

    def _on_started(self, event: io.PlaybackStartedEvent) -> None:
        self._guard.run(None, self._outcomes.started)
        self.call(self.on_playback_started, created_at=event.created_at)
        self._guard.run(None, self._outcomes.wait)

    def _on_progressed(self, event: Any) -> None:
        self._guard.run(None, self._outcomes.progressed, event)
        self.call(
            self.on_playback_progressed,
            started_at=event.started_at,
            offset=event.offset,
            duration=event.duration,
        )

    def _on_finished(self, event: io.PlaybackFinishedEvent) -> None:
        self._report(self._outcomes.heard, event)

    def _report(
        self, take: Callable[[io.PlaybackFinishedEvent], None], report: io.PlaybackFinishedEvent
    ) -> None:
        told = self._told
        self._guard.run(None, take, report)
        if self._guard.off and self._told == told:
            self.tell(report)

    # --- for what settles the outcomes

    def end_capture(self, segment: Segment) -> None:
        """What follows is another segment, as it is for the sink."""
        if segment is self._current:
            super().flush()
            self._current = None
            self._broken = True
            self._outcomes.broke()

    def tell(self, report: io.PlaybackFinishedEvent) -> None:
        """Tell those above of the end of a segment."""
        self._told += 1
        if self._unseen:
            self._unseen = False
            self.call(lambda: self.emit(REPORT, report))
            return
        self.call(
            super().on_playback_finished,
            playback_position=report.playback_position,
            interrupted=report.interrupted,
            synchronized_transcript=report.synchronized_transcript,
        )

    def call(self, call: Callable[..., None], **arguments: Any) -> None:
        """Neither the sink nor who listens to it keeps the call from going on."""
        try:
            call(**arguments)
        except Exception:
            name = getattr(call, "__name__", "call")
            if name not in self._raised:
                self._raised.add(name)
                log = get_logger(sink=type(self.sink).__qualname__)
                log.exception("a sink, or a listener of it, raised", call=name)
