"""An error that names no frame, while a create waits for its answer.

It may be the answer, since some servers do not say which create they refuse; or it is about something else,
such as a transcript, and the response comes all the same. So the create is given a moment.

A conflict that names no frame is about a create: this one, or server VAD's own (G20). It is this one if VAD
owes no answer, or if the response that was in the way turns out to be nobody's here: VAD's, then, which
did not lose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from livekit.agents import llm

from .._core import events as ev
from .._core.error_kinds import active_response_id, is_of_a_request, is_slot_taken
from .._core.errors import ErrorInfo
from .._core.policy import RetryPolicy
from .._core.states import ErrorKind
from ._deadline_timer import DeadlineTimer
from ._guard import Guard

#: Seconds in which a create is nearly always answered.
_A_MOMENT = 1.0
_PERHAPS = (ErrorKind.TRANSIENT, ErrorKind.UNKNOWN)
#: Server VAD may answer these.
_INPUT = (ev.SpeechStarted, ev.InputCommitted, ev.InputIdle)


class Doubt:
    """One connection's.

    Args:
        refuse: Takes the error once it is the answer, with the id of the create.
        tell: Takes the inner session's report of an error that was about something else.
        asked: The only create on the wire that is not answered, as far as the controller knows: it has
            given up those that came to nothing.
        echoes: Whether a response without metadata of ours is known to be somebody else's.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        refuse: Callable[[ev.ErrorReceived], object],
        tell: Callable[[llm.RealtimeModelError], None],
        guard: Guard,
        asked: Callable[[], str | None],
        echoes: Callable[[], bool],
    ) -> None:
        self._policy = policy
        self._refuse = refuse
        self._tell = tell
        self._asked = asked
        self._echoes = echoes
        self._loop = asyncio.get_running_loop()
        self._alarm = DeadlineTimer(self._over, guard)
        #: Creates that left and were not answered.
        self._waiting: list[str] = []
        self._vad = True
        self._vad_due = False
        #: A conflict that may be about server VAD's create.
        self._conflict: ev.ErrorReceived | None = None
        self._error: ev.ErrorReceived | None = None
        self._report: llm.RealtimeModelError | None = None

    def left(self, event_id: str) -> None:
        """A create is on the wire."""
        self._waiting.append(event_id)

    def named(self, event: ev.Event | None) -> ev.Event | None:
        """Return what comes; a conflict that names nothing with the create that it is about, if it can
        be told."""
        if not isinstance(event, ev.ErrorReceived) or event.event_id is not None:
            return event
        if not is_slot_taken(event.error) or (create := self._asked()) is None:
            return event
        named = replace(event, event_id=create)
        if not self._vad_due:
            return named
        self._conflict = named
        return event

    def holds(self, event: ev.Event | None) -> bool:
        """Follow what comes. Returns whether it is an error to wait a moment with."""
        if isinstance(event, ev.SessionConfigured):
            self._vad = event.server_creates
        elif isinstance(event, _INPUT):
            self._vad_due = self._vad
        elif isinstance(event, (ev.ResponseCreated, ev.ResponseDone)):
            if isinstance(event, ev.ResponseCreated):
                self._vad_due = self._vad_due and event.client_event_id is not None
            self._answered(event.client_event_id)
        elif isinstance(event, ev.ErrorReceived):
            self._answered(event.event_id)
            if event.event_id is None and self._error is None and self._open(event.error):
                self._error = event
                self._alarm.set(self._loop.time() + _A_MOMENT)
                return True
        return False

    def refused_by(self, event: ev.Event | None) -> ev.ErrorReceived | None:
        """Return the conflict that told of this response, once that is dealt with, if it is not the
        answer to the create that waits: so that one was refused."""
        conflict = self._conflict
        if conflict is None or not isinstance(event, (ev.ResponseCreated, ev.ResponseDone)):
            return None
        told = active_response_id(conflict.error.message) in (None, event.response_id)
        if event.client_event_id is not None or not told or not self._echoes():
            return None
        self._conflict = None
        return conflict if conflict.event_id == self._asked() else None

    def reported(self, report: llm.RealtimeModelError) -> bool:
        """The inner session reports an error. Returns whether it is the one that waits."""
        if self._error is None or self._report is not None:
            return False
        self._report = report
        return True

    def reset(self) -> None:
        """The connection is gone, and what was asked on it."""
        self._waiting.clear()
        self._vad_due = False
        self._dismiss()

    def _open(self, error: ErrorInfo) -> bool:
        """Whether it may answer the one create that waits, and may not."""
        perhaps = self._policy.reclassified(error).kind in _PERHAPS and not is_of_a_request(error)
        return perhaps and len(self._waiting) == 1 and not self._vad_due

    def _answered(self, event_id: str | None) -> None:
        if event_id in self._waiting:
            self._waiting.remove(event_id)
            if not self._waiting:
                self._dismiss()

    def _dismiss(self) -> None:
        """It was about something else."""
        report, self._error, self._report = self._report, None, None
        self._conflict = None
        self._alarm.set(None)
        if report is not None:
            self._tell(report)

    def _over(self) -> None:
        error, self._error, self._report = self._error, None, None
        if error is not None and self._waiting:
            create = self._waiting.pop()
            self._refuse(ev.ErrorReceived(error=error.error, event_id=create))
