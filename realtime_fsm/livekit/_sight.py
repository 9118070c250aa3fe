"""What the inner session sees of the server's frames, and what is done with those it does not see.

It is shown one response at a time (`realtime_fsm.livekit._gate`); the others are made from their frames
(`realtime_fsm.livekit._foreign`). Nothing here decides anything of a turn.
"""

from __future__ import annotations

import functools
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from livekit.agents import llm

from .._core import events as ev
from .._core.errors import ErrorInfo
from .._core.frames import is_out_of_band
from .._core.records import Response
from .._core.session import remember
from .._core.states import ErrorKind
from ._driver import Driver
from ._foreign import Foreigners
from ._gate import Gate
from ._guard import Guard
from ._link import Source
from ._usage import failure_of, usage_of

#: What a hidden frame's ``type`` becomes: nothing that the inner session knows.
HIDDEN = "realtime_fsm.hidden"

_FAILED = ErrorInfo(kind=ErrorKind.TRANSIENT, message="the response failed without a reason")
#: Seconds after the user's speech in which its answer is expected, and that a speech may last.
_ANSWER_DUE, _LONGEST_SPEECH = 1.0, 60.0
#: After one of these the server may begin a response by itself.
_INPUT = (ev.SpeechStarted, ev.SpeechStopped, ev.InputCommitted)


class Sight:
    """One inner session's.

    Args:
        readers: The link's, where what is built for a turn is noted.
    """

    def __init__(
        self,
        inner: llm.RealtimeSession[Any],
        driver: Driver,
        readers: dict[str, Source],
        guard: Guard,
    ) -> None:
        self._model = inner.realtime_model
        self._driver = driver
        self._readers = readers
        self._guard = guard
        self._time = driver.time
        #: Its ``slot`` is the response the inner session is shown.
        self.gate = Gate(lambda response_id: self._owner(response_id) is not None)
        self.foreigners = Foreigners(
            inner,
            nobody_speaks=self._nobody_speaks,
            patience=driver.controller.policy.stall_timeout,
            announce=functools.partial(driver.forward, "generation_created"),
            guard=guard,
        )
        #: When the answer to the user's speech is not expected any more, so far as is known.
        self._user_until = 0.0
        #: The server may begin a response of the default conversation: the user spoke, or a create left.
        self._awaited = False
        #: Creates that left, by event id; and responses found to be out of band.
        self._created: OrderedDict[str, None] = OrderedDict()
        self._outside: OrderedDict[str, None] = OrderedDict()

    def outside(self, item_id: str) -> bool:
        """Whether the host has this message of an out-of-band response."""
        return item_id in self.foreigners.items

    def create_left(self, frame: Mapping[str, Any]) -> None:
        """A ``response.create`` is on its way."""
        if not is_out_of_band(frame):
            self._awaited = True
            remember(self._created, str(frame.get("event_id")), None)

    def reset(self) -> None:
        """There is another connection."""
        self.gate.reset()
        self.foreigners.close()

    def aclose(self) -> None:
        self.foreigners.aclose()

    def placed(self, event: ev.Event) -> ev.Event:
        """The event with what only the course of things tells: older servers do not say of a
        response that it is out of band. One that begins while another runs, and that nobody can
        have asked for in the conversation, is."""
        if isinstance(event, _INPUT):
            self._awaited = True
            self._follow_user(event)
        elif isinstance(event, ev.ResponseCreated) and not event.out_of_band:
            asked = self._awaited or event.client_event_id in self._created
            if not asked and self.gate.taken(event.response_id):
                remember(self._outside, event.response_id, None)
                return replace(event, out_of_band=True)
            self._awaited = False
            self._user_until = 0.0
        elif isinstance(event, ev.ResponseDone) and event.response_id in self._outside:
            return replace(event, out_of_band=True)
        return event

    def _follow_user(self, event: ev.Event) -> None:
        if isinstance(event, ev.SpeechStarted):
            self.foreigners.interrupted()
            self._user_until = self._time() + _LONGEST_SPEECH
        else:
            self._user_until = self._time() + _ANSWER_DUE

    def _nobody_speaks(self) -> bool:
        return not self._driver.controller.turns and self._time() >= self._user_until

    def let_through(
        self, frame: dict[str, Any], event: ev.Event | None, known: bool, *, unseen: bool = False
    ) -> None:
        """Hide the frame if it is of another response than the one in flight, and do with it what
        the inner session would.

        Args:
            unseen: It was lost, and the inner session does not see it.
        """
        if isinstance(event, ev.ItemStarted) and not known and self._announced(event.item_id):
            frame["type"] = HIDDEN  # the inner session would begin it anew, and never end the first
            return
        response_id = _response_id(frame)
        outside = isinstance(event, (ev.ResponseCreated, ev.ResponseDone)) and event.out_of_band
        done = frame["type"] == "response.done"
        if frame["type"] == "response.created":
            stale = isinstance(event, ev.ResponseCreated) and not known and not outside
            hidden = self.gate.hides_created(response_id, outside=outside or unseen, stale=stale)
            if hidden and response_id is not None and not stale:
                self._build(response_id, outside)
        else:
            hidden = self.gate.hides(response_id, outside=outside, done=done)
        if not hidden or response_id is None:
            return
        response = self.foreigners.take(response_id, frame)
        frame["type"] = HIDDEN
        if done and not self.gate.shown_to_its_end(response_id):
            now = time.time()
            created_at = now if response is None else response.created_at
            first_at = None if response is None else response.first_at
            usage = usage_of(frame, self._model, created_at=created_at, first_at=first_at)
            self._driver.forward("metrics_collected", usage)
            if outside:
                self._report_outside(event)

    def veil(self, frame: dict[str, Any]) -> None:
        """The session stepped aside. What the inner session does not know of it goes on not to see."""
        response_id = _response_id(frame)
        if response_id is not None and self.gate.hidden(response_id):
            self.foreigners.take(response_id, frame)
            frame["type"] = HIDDEN

    def _build(self, response_id: str, outside: bool) -> None:
        attempt = self._owner(response_id)
        if outside:
            self.foreigners.begin(response_id, None)
        elif attempt is not None and attempt.turn is not None and attempt.wanted:
            turn_id = attempt.turn.id
            deliver = self._guard(functools.partial(self._driver.generated, turn_id))
            begun = self.foreigners.begin(response_id, deliver)
            if begun is not None:
                self._readers[turn_id] = begun

    def _report_outside(self, event: ev.Event | None) -> None:
        """An out-of-band response failed. It is the application's, and no turn's."""
        if not isinstance(event, ev.ResponseDone) or event.status is not ev.ResponseStatus.FAILED:
            return
        error = event.error or _FAILED
        if error.kind is ErrorKind.FATAL:
            self._driver.session_failed(failure_of(error, self._model.label, recoverable=False))
        else:
            self._driver.forward("error", failure_of(error, self._model.label, recoverable=True))

    def _announced(self, item_id: str) -> bool:
        return self._driver.controller.message(item_id) is not None

    def _owner(self, response_id: str) -> Response | None:
        return self._driver.controller.owner_of(response_id)


def _response_id(frame: Mapping[str, Any]) -> str | None:
    """The response a frame names, or None."""
    named = frame.get("response_id")
    response = frame.get("response")
    if named is None and isinstance(response, Mapping):
        named = response.get("id")
    return named if isinstance(named, str) and named else None
