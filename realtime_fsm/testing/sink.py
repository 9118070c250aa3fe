"""An in-memory audio output that plays in real time, or faster."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from livekit import rtc
from livekit.agents.voice import io

__all__ = ["PacedAudioOutput", "Segment"]

_EPSILON = 1e-6  # seconds of audio; clock arithmetic may leave a segment this much short of its end


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment that is over. Times are the loop's clock, in seconds.

    Attributes:
        started_at: when its first audio was heard, None if none was.
        finished_at: when it ended.
        position: seconds of its audio that were heard.
        interrupted: whether it was cut by ``clear_buffer()``.
        marks: what it was made of: the value of a frame's samples, which tells the messages of a
            simulated server apart, and seconds of audio.
    """

    started_at: float | None
    finished_at: float
    position: float
    interrupted: bool
    marks: tuple[tuple[int, float], ...] = ()


@dataclass(slots=True, eq=False)
class _Playing:
    captured: float = 0.0
    position: float = 0.0
    flushed: bool = False
    started_at: float | None = None
    paused: float = 0.0
    paused_at: float | None = None
    marks: list[tuple[int, float]] = field(default_factory=list)

    def stand_until(self, now: float) -> None:
        """A pause ends, or counts so far."""
        if self.paused_at is not None:
            self.paused += now - self.paused_at
            self.paused_at = None

    def take(self, frame: rtc.AudioFrame) -> None:
        """The frame is played after what there is."""
        self.captured += frame.duration
        mark = frame.data[0] if len(frame.data) else 0
        before = self.marks.pop()[1] if self.marks and self.marks[-1][0] == mark else 0.0
        self.marks.append((mark, before + frame.duration))


class PacedAudioOutput(io.AudioOutput):
    """Plays captured frames at *speed* times real time, one segment after another.

    Time is the running loop's clock. A segment ends when it was flushed and all its audio was
    heard, or at :meth:`clear_buffer`, flushed or not. The sink reports each end by
    ``playback_finished`` and each first frame heard by ``playback_started``; with ``report=False``
    it plays but never reports, like a sink whose far end is gone.

    Attributes:
        segments: the segments that are over, in order.
        sounding: the intervals (start, end) of the loop's clock in which audio was heard, up to
            the last call or end of a segment.
        withheld: when segments ended of which it did not report, or not in time.
        switched: when a session took it for its output (True), and when it did not any more, or had
            its audio output disabled (False).
        watchers: called with what happens: ``captured`` (the first frame of a segment came),
            ``started``, ``paused``, ``resumed`` and ``finished``, and with more of it, in seconds.
            They are told also where nothing is reported.

    Raises ``ValueError`` when *speed* is not positive.
    """

    def __init__(
        self, *, speed: float = 1.0, report: bool = True, sample_rate: int | None = None
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be positive, not {speed}")
        super().__init__(
            label="PacedAudioOutput",
            capabilities=io.AudioOutputCapabilities(pause=True),
            sample_rate=sample_rate,
        )
        self.segments: list[Segment] = []
        self.sounding: list[tuple[float, float]] = []
        self.withheld: list[float] = []
        self.switched: list[tuple[float, bool]] = []
        self.watchers: list[Callable[[str, dict[str, object]], None]] = []
        self._speed = speed
        self._report = report
        self._queue: deque[_Playing] = deque()
        self._running_since: float | None = None
        self._paused = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None

    # --- the contract of AudioOutput ---

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take a frame, at any speed. A frame after :meth:`aclose` is ignored."""
        if self._closed:
            return
        await super().capture_frame(frame)
        now = self._settle()
        if not self._queue or self._queue[-1].flushed:
            self._queue.append(_Playing(paused_at=now if self._paused else None))
            self._tell("captured")
        self._queue[-1].take(frame)
        self._play(now)

    def flush(self) -> None:
        """End the segment that is being captured, if any; what was captured plays out."""
        super().flush()
        if self._queue and not self._queue[-1].flushed:
            now = self._settle()
            self._queue[-1].flushed = True
            self._play(now)

    def clear_buffer(self) -> None:
        """Stop now and drop all audio: each segment that is not over ends interrupted."""
        if not self._queue:
            return
        now = self._settle()
        self._stop()
        # A segment ends here, so a frame that comes later belongs to a new one, as
        # `on_playback_finished` says.
        super().flush()
        while self._queue:
            self._finish(self._queue.popleft(), now, interrupted=True)

    def on_attached(self) -> None:
        """Note that this is the output now."""
        super().on_attached()
        self.switched.append((asyncio.get_running_loop().time(), True))

    def on_detached(self) -> None:
        """Note that it is not. What was captured plays out."""
        super().on_detached()
        self.switched.append((asyncio.get_running_loop().time(), False))

    def pause(self) -> None:
        """Stop playing, keep the audio."""
        super().pause()
        if not self._paused:
            self._tell("paused")
        self._paused = True
        if self._queue:
            now = self._settle()
            self._stop()
            for segment in self._queue:
                segment.paused_at = now if segment.paused_at is None else segment.paused_at

    def resume(self) -> None:
        """Go on where :meth:`pause` stopped. Does nothing when not paused."""
        super().resume()
        if self._paused:
            self._tell("resumed")
        self._paused = False
        if self._queue:
            now = self._settle()
            for segment in self._queue:
                segment.stand_until(now)
            self._play(now)

    async def aclose(self) -> None:
        """End what plays, as :meth:`clear_buffer` does, and take nothing more. Leaves no timer."""
        self.clear_buffer()
        self._closed = True

    # --- what a test looks at ---

    @property
    def heard_seconds(self) -> float:
        """Seconds of audio heard so far, over all segments."""
        over = sum(segment.position for segment in self.segments)
        waiting = sum(segment.position for segment in self._queue)
        return over + waiting + self._heard_since_settled(self._now())

    def so_far(self) -> list[Segment]:
        """Return all segments, those that play or wait too, as if they ended now."""
        now = asyncio.get_running_loop().time()
        waiting = [_seen(segment, now, False) for segment in self._queue]
        if waiting:
            heard = waiting[0].position + self._heard_since_settled(now)
            waiting[0] = replace(waiting[0], position=heard)
        return [*self.segments, *waiting]

    @property
    def idle(self) -> bool:
        """Whether no segment is playing or waiting to."""
        return not self._queue

    def longest_silence(self, start: float, end: float) -> float:
        """Return the longest silence, in seconds, between two times of the loop's clock."""
        sounding = list(self.sounding)
        if self._running_since is not None:
            heard = self._heard_since_settled(self._now())
            sounding.append((self._running_since, self._running_since + heard / self._speed))
        longest, quiet_since = 0.0, start
        for begin, finish in sounding:
            longest = max(longest, min(begin, end) - quiet_since)
            quiet_since = max(quiet_since, min(finish, end))
        return max(longest, end - quiet_since)

    # --- the clock ---

    def _now(self) -> float:
        # A sink at rest can be looked at after its loop is gone.
        return asyncio.get_running_loop().time() if self._running_since is not None else 0.0

    def _heard_since_settled(self, now: float) -> float:
        """Return the seconds of audio that the head has played on top of its position."""
        if self._running_since is None:
            return 0.0
        left = self._queue[0].captured - self._queue[0].position
        heard = min((now - self._running_since) * self._speed, left)
        return left if left - heard < _EPSILON else heard

    def _settle(self) -> float:
        """Bring the head's position up to date and stop its clock.

        Returns now: :meth:`_play` has to start the clock at that time, for none to be lost.
        """
        now = asyncio.get_running_loop().time()
        if self._running_since is None:
            return now
        since, heard = self._running_since, self._heard_since_settled(now)
        self._running_since = None
        self._queue[0].position += heard
        until = since + heard / self._speed
        if self.sounding and since - self.sounding[-1][1] < _EPSILON:
            since = self.sounding.pop()[0]
        self.sounding.append((since, until))
        return now

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _play(self, now: float) -> None:
        """Start the head's clock, and a timer for when its audio is used up."""
        self._stop()
        if self._paused or not self._queue:
            return
        head = self._queue[0]
        left = head.captured - head.position
        if left <= 0 and not head.flushed:
            return  # underrun: the clock waits for the next frame
        # Even a segment that is heard already ends in a callback of its own: LiveKit flushes it
        # before it waits.
        self._timer = asyncio.get_running_loop().call_at(now + left / self._speed, self._used_up)
        if left > 0:
            self._running_since = now
            if head.started_at is None:
                head.started_at = now
                self._tell("started")
                if self._report:
                    self.on_playback_started(created_at=time.time())

    def _used_up(self) -> None:
        self._timer = None
        now = self._settle()
        head = self._queue[0]
        if head.flushed and head.captured - head.position <= 0:
            self._queue.popleft()
            self._finish(head, now, interrupted=False)
        self._play(self._settle())

    def _finish(self, segment: _Playing, now: float, *, interrupted: bool) -> None:
        self.segments.append(_seen(segment, now, interrupted))
        segment.stand_until(now)
        self._tell(
            "finished",
            position=segment.position,
            interrupted=interrupted,
            pushed=segment.captured,
            paused=segment.paused,
        )
        if self._report:
            self.on_playback_finished(playback_position=segment.position, interrupted=interrupted)
        else:
            self.withheld.append(now)

    def _tell(self, what: str, **more: object) -> None:
        for watcher in self.watchers:
            watcher(what, more)


def _seen(segment: _Playing, now: float, interrupted: bool) -> Segment:
    marks = tuple(segment.marks)
    return Segment(segment.started_at, now, segment.position, interrupted, marks)
