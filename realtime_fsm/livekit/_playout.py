"""What the AgentSession's sink plays: its reports, and a guard in front of it.

The sink is looked up when something is about to play: a room installs it after ``session.start()``, it
may be swapped later, and no event tells.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from livekit.agents import UserStateChangedEvent
from livekit.agents.voice.io import AudioOutput, PlaybackFinishedEvent, PlaybackStartedEvent

from ._features import AgentSession
from ._guarded_output import GuardedOutput
from ._listener import safe_listener
from ._outcomes import Above
from ._private import pending_segments

#: Seconds after which a user who speaks may have stopped.
_LOOK_AGAIN = 0.5


class Playout:
    """Listens to one AgentSession's sink.

    Args:
        started: Called with each first frame that sounds.
        finished: Called with the end of each message, once.
        paused: Called when the sink is paused, and when it plays on.
        changed: Called when there is a sink, or none any more.
        failed: Told of what is raised in here, or in what guards a sink.
    """

    def __init__(
        self,
        session: AgentSession[Any],
        started: Callable[[PlaybackStartedEvent], None],
        finished: Callable[[PlaybackFinishedEvent], None],
        paused: Callable[[bool], None],
        changed: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._session = session
        self._finished_is = finished
        self._paused_is = paused
        self._changed = changed
        self._failed = failed
        #: Whether there is a sink, as of the last look.
        self.audible = False
        #: Seconds that a report may come later than its audio ends; None: only listen.
        self.grace: float | None = None
        self._sink: AudioOutput | None = None
        self._started = safe_listener(started, failed)
        self._finished = safe_listener(self._on_finished, failed)
        self._guards: set[GuardedOutput] = set()
        self._reports = self._reports_seen = 0
        #: More of the message that plays may come, though its segment ended.
        self._broken = False
        #: What was reported of a message of which more came, or may come.
        self._part: PlaybackFinishedEvent | None = None
        #: What the sink reported last, which what is above it did not pass on at once.
        self._below: PlaybackFinishedEvent | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._silent_since = -math.inf
        self._user = safe_listener(self._on_user_state, failed)
        session.on("user_state_changed", self._user)

    def follow_sink(self) -> None:
        """Something is about to play: guard the sink it will play on, and listen to it."""
        output = self._session.output
        if self.grace is not None and output.audio is not None:
            self._guard(output.audio, self.grace)
        self._watch(output.audio if output.audio_enabled else None)

    def unfollow_sink(self) -> None:
        """Listen no more until something is about to play."""
        self._watch(None)

    def close(self) -> None:
        """Leave nothing behind: the session is closed."""
        self._watch(None)
        self._session.off("user_state_changed", self._user)
        for guard in self._guards:
            # Another session may have gone on with the same output, and with its guard.
            if guard.watcher is self:
                guard.close()
                # Below other outputs it goes on to pass on what they wait for.
                if guard.alone and not pending_segments(guard):
                    guard.leave()
        for task in self._late:
            task.cancel()

    def _watch(self, sink: AudioOutput | None) -> None:
        if sink is self._sink:
            return
        if self._sink is not None:
            self._sink.off("playback_started", self._started)
            self._sink.off("playback_finished", self._finished)
        self._sink = sink
        if sink is not None:
            sink.on("playback_started", self._started)
            sink.on("playback_finished", self._finished)
        if self.audible is not (sink is not None):
            self.audible = sink is not None
            self._changed()

    def _guard(self, top: AudioOutput, grace: float) -> None:
        tail = _tail(top)
        if not isinstance(tail, GuardedOutput):
            if pending_segments(tail):
                return  # swapping it would cut off what plays
            midway = bool(pending_segments(top))
            if midway and not _bears_a_clear(tail):
                return
            known = (guard for guard in self._guards if guard.sink is tail)
            tail = next(known, None) or GuardedOutput(tail, grace, self._failed)
            tail.midway = midway
            self._session.output.replace_audio_tail(tail)
        tail.watcher = self
        tail.alone = self._session.output.audio is tail
        self._guards.add(tail)

    # --- what a guard tells and asks

    def begins(self) -> None:
        self._broken, self._below = False, None

    def broke(self) -> None:
        self._broken = True

    def complete(self) -> None:
        if self._broken and self._part is not None:
            part, self._part = self._part, None
            self._finished_is(part)
        self._broken = False

    def _tell(self, report: PlaybackFinishedEvent) -> None:
        """A message is over when all of it was handed over: an application, or the sink, may have
        ended a segment within it, and the rest is heard."""
        if self._part is not None:
            position = self._part.playback_position + report.playback_position
            report = replace(report, playback_position=position)
        self._part = report if self._broken else None
        if not self._broken:
            self._finished_is(report)

    def pause_left(self, since: float) -> float:
        """LiveKit pauses the sink when the user speaks, and is no more "speaking" itself; it plays on when
        that meant nothing. A pause by anybody else is over after the grace."""
        grace = self.grace or 0.0
        if self._session.user_state == "speaking":
            return max(grace, _LOOK_AGAIN)
        patience = grace
        if self._session.agent_state != "speaking":
            patience += self._session.options.interruption["false_interruption_timeout"] or 0.0
        return max(since, self._silent_since) + patience - asyncio.get_running_loop().time()

    def play_on(self) -> None:
        if self._session.output.audio is not None:
            self._session.output.audio.resume()

    def paused(self, *, on: bool) -> None:
        self._paused_is(on)

    def ended(self, above: Above, report: PlaybackFinishedEvent) -> None:
        """What is above the guard has told us in the same step, unless something in between raised, or we
        listen to another output by now."""
        if self._reports > self._reports_seen:
            self._reports_seen = self._reports
        elif above.alone:
            self._tell(report)
        elif self._sink is not None:
            self._below = report
            insisting = self._insist(above, self._sink, report)
            task = asyncio.create_task(insisting, name="realtime_fsm.insist")
            self._late.add(task)
            task.add_done_callback(self._insisted)

    async def _insist(self, above: Above, top: AudioOutput, report: PlaybackFinishedEvent) -> None:
        """LiveKit waits for the top of the chain."""
        waiting = False
        try:
            await asyncio.wait_for(top.wait_for_playout(), self.grace)
        except asyncio.TimeoutError:
            waiting = True
        tail: object = _tail(top)
        if tail is not above:
            return  # taken out in the middle of a segment, which goes on elsewhere
        if waiting:
            # Not the output's own method, which may be what raised.
            AudioOutput.on_playback_finished(
                top, playback_position=report.playback_position, interrupted=report.interrupted
            )
        if self._reports == self._reports_seen:
            self._tell(report)
        self._reports_seen = self._reports

    def _insisted(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._failed(error)

    def taken_out(self) -> None:
        self.follow_sink()

    # --- events

    def _on_finished(self, report: PlaybackFinishedEvent) -> None:
        self._reports += 1
        below, self._below = self._below, None
        if below is not None and report.interrupted and report.playback_position <= 0:
            report = below  # LiveKit takes a sink for silent that is replaced and told no start
        self._tell(report)

    def _on_user_state(self, event: UserStateChangedEvent) -> None:
        if event.old_state == "speaking":
            self._silent_since = asyncio.get_running_loop().time()


def _bears_a_clear(sink: AudioOutput) -> bool:
    """LiveKit flushes and clears a sink that it replaces within a segment. If that raises, it hears of neither."""
    try:
        sink.flush()
        sink.clear_buffer()
    except Exception:
        return False
    return True


def _tail(output: AudioOutput) -> AudioOutput:
    while output.next_in_chain is not None:
        output = output.next_in_chain
    return output
