"""Has a cancelled response ended, at a server that may not say so?

Some servers stop a response without its ``response.done``, when a client cancels it or when the user
talks over it (livekit/agents#6729). Everything above, the plugin too, waits for that frame, and no
create may leave until it came (G5). Where a server is not known to send it, it is asked by a second
cancel: on an ordered wire "nothing to cancel" proves that the response is over, and nobody waits longer.
That answer is turned into the missing frame, before anyone reads it. One that is known to send it is asked
when it takes much longer than it ever did: the frame, or the cancel, was lost.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from livekit.agents import utils

from .._core.error_kinds import error_info, is_nothing_to_cancel
from .._core.session import remember
from .._traits import ServerTraits
from ._deadline_timer import TO_READ
from ._guard import Guard

#: Seconds of silence after a cancel, where nothing is known, until the response's end is asked for:
#: most servers tell it sooner, and are not asked.
_UNKNOWN = 0.1
#: The same of a server that is said to tell it, and did not yet.
_TOLD = 1.0
#: A timer that fires so much too late, seconds, tells of the loop and not of the server.
_LATE = 0.05
#: Seconds of silence after which one has ended whose server is known not to say so, and says nothing;
#: and until a probe is repeated that nothing answered.
_SILENT = 0.5
#: Of the event ids of the second cancels.
_QUESTION = "rfsm_over_"


@dataclass(slots=True)
class _Cancelled:
    """What was cancelled, and may end without a word.

    Attributes:
        response_id: As the server calls it; None of a create that a bare cancel asks after.
        cancel_id: Event id of its cancel, if it has one.
        cancelled_at: When that left, seconds.
        talked_over: The user spoke since it began: the server may have stopped it itself.
        timer: Of what is due next.
        question_id: Event id of the second cancel.
        seen_at: When something of it last came, or was asked, seconds.
    """

    response_id: str | None
    cancel_id: str | None
    cancelled_at: float
    talked_over: bool = False
    timer: asyncio.TimerHandle | None = None
    question_id: str | None = None
    seen_at: float = 0.0


class Ends:
    """One connection's.

    Args:
        traits: What is known of the server; what it shows is believed from then on.
        send: Sends a client's frame.
        ended: Told of a response that ended, by the server's id, where no frame says it.
    """

    def __init__(
        self,
        traits: ServerTraits,
        send: Callable[[dict[str, Any]], object],
        ended: Callable[[str], object],
        guard: Guard,
    ) -> None:
        #: Whether a response ends by a frame that the client cancelled, and that the user talked over.
        self._tells = {False: traits.cancelled_ends, True: traits.dropped_ends}
        self._send = send
        self._ended = ended
        self._asks = guard(self._ask)
        self._ask_if_silent = guard(self._look)
        self._gives_up = guard(self._give_up)
        self._loop = asyncio.get_running_loop()
        #: Responses that began and were not told to be over.
        self._running: OrderedDict[str, None] = OrderedDict()
        #: What is in doubt, by response id; None is the probe.
        self._open: dict[str | None, _Cancelled] = {}
        self._talked_over = False
        #: The longest time from a cancel to the end of its response, seconds; None: none was seen.
        self._slowest: float | None = None

    def reset(self) -> None:
        """The connection is gone, or nobody listens any more."""
        for one in tuple(self._open.values()):
            self._close(one)
        self._running.clear()
        self._talked_over = False

    def left(self, frame: Mapping[str, Any]) -> None:
        """A frame left: perhaps a cancel, ours or of what is below."""
        if frame.get("type") != "response.cancel":
            return
        response_id, event_id = frame.get("response_id"), frame.get("event_id")
        cancel_id = event_id if isinstance(event_id, str) else None
        if cancel_id is not None and cancel_id.startswith(_QUESTION):
            return
        if isinstance(response_id, str):
            if response_id in self._running and response_id not in self._open:
                now = self._loop.time()
                self._cancelled(_Cancelled(response_id, cancel_id, now, self._talked_over))
        elif cancel_id is not None and None not in self._open and not self._tells[False]:
            self._open[None] = probe = _Cancelled(None, cancel_id, self._loop.time())
            probe.timer = self._loop.call_later(_SILENT, self._asks, probe)

    def _cancelled(self, one: _Cancelled) -> None:
        self._open[one.response_id] = one
        one.seen_at = one.cancelled_at
        if self._tells[one.talked_over] is False:
            self._ask(one)
        else:
            self._wait_for_silence(one)

    def _wait_for_silence(self, one: _Cancelled) -> None:
        one.timer = self._loop.call_later(self._silence(one), self._ask_if_silent, one)

    def _silence(self, one: _Cancelled) -> float:
        """Seconds of it after which the end is asked for."""
        if self._tells[one.talked_over] is None:
            return _UNKNOWN
        return _TOLD if self._slowest is None else self._slowest + _LATE

    def _look(self, one: _Cancelled) -> None:
        """What still streams is not over, unless it should be; and a timer that is late fires before what
        came is read."""
        now = self._loop.time()
        since = one.cancelled_at if self._tells[one.talked_over] else one.seen_at
        late = one.timer is None or now - one.timer.when() > _LATE
        if late or now < since + self._silence(one) - _LATE:
            self._wait_for_silence(one)
        else:
            one.timer = self._loop.call_later(TO_READ, self._asks, one)

    def came(self, frame: object) -> None:
        """A frame came: one that answers the question becomes the end that was asked for."""
        if not isinstance(frame, dict):
            return
        kind, response = frame.get("type"), frame.get("response")
        if kind == "input_audio_buffer.speech_started":
            self._talked_over = True
            self._drop_probe()
        elif kind == "response.created" and isinstance(response, Mapping):
            self._created(response)
        elif kind == "response.done" and isinstance(response, Mapping):
            self._done(response)
        elif not self._open:
            return
        elif kind == "error":
            self._error(frame, frame.get("error"))
        elif isinstance(named := frame.get("response_id"), str) and named in self._open:
            self._open[named].seen_at = self._loop.time()

    def _created(self, response: Mapping[str, Any]) -> None:
        """There is one slot: what was cancelled is over. Nothing is asked any more, for some servers
        cancel whatever runs."""
        if isinstance(response_id := response.get("id"), str):
            remember(self._running, response_id, None)
        if response.get("conversation_id", "") is None:
            return
        self._talked_over = False
        for one in tuple(self._open.values()):
            self._close(one)
            if one.response_id is not None and self._tells[one.talked_over] is False:
                self._ended(one.response_id)

    def _done(self, response: Mapping[str, Any]) -> None:
        """What it shows is believed from then on."""
        response_id = response.get("id")
        if not isinstance(response_id, str):
            return
        self._running.pop(response_id, None)
        one = self._open.get(response_id)
        if response.get("status") == "cancelled":
            self._tells = {
                how: True if tells is None else tells for how, tells in self._tells.items()
            }
            self._drop_probe()  # what it asked after, perhaps: one that was never announced
        if one is not None:
            self._slowest = max(self._slowest or 0.0, self._loop.time() - one.cancelled_at)
            self._close(one)

    def _error(self, frame: dict[str, Any], error: object) -> None:
        if not isinstance(error, dict):
            return
        code, sort = error.get("code"), error.get("type")
        info = error_info(
            code if isinstance(code, str) else None,
            sort if isinstance(sort, str) else None,
            str(error.get("message")),
        )
        if not is_nothing_to_cancel(info):
            return
        event_id = error.get("event_id")
        for one in tuple(self._open.values()):
            if not self._answers(event_id, one):
                continue
            self._close(one)
            if one.response_id is None:
                error["event_id"] = one.cancel_id
            else:
                # To the cancel itself: its end may have crossed it, and is due at once.
                crossed = event_id is not None and event_id == one.cancel_id
                if not crossed or self._tells[one.talked_over] is False:
                    _become_end(frame, one)
            return

    def _answers(self, event_id: object, one: _Cancelled) -> bool:
        """Whether "nothing to cancel" is about this."""
        if event_id is None:
            return one.question_id is not None and len(self._open) == 1
        return event_id in (one.cancel_id, one.question_id)

    def _ask(self, one: _Cancelled) -> None:
        one.question_id, one.timer = utils.shortuuid(_QUESTION), None
        one.seen_at = self._loop.time()
        question = {"type": "response.cancel", "event_id": one.question_id}
        if one.response_id is not None:
            question["response_id"] = one.response_id
            if self._tells[one.talked_over] is False:
                self._wait(one)
        self._send(question)

    def _wait(self, one: _Cancelled) -> None:
        one.timer = self._loop.call_at(one.seen_at + _SILENT, self._gives_up, one)

    def _give_up(self, one: _Cancelled) -> None:
        if one.seen_at + _SILENT > self._loop.time():
            self._wait(one)
            return
        self._close(one)
        if one.response_id is not None:
            self._ended(one.response_id)

    def _drop_probe(self) -> None:
        """A bare cancel could reach the answer to the user, or a later one (G6)."""
        if (probe := self._open.get(None)) is not None:
            self._close(probe)

    def _close(self, one: _Cancelled) -> None:
        self._open.pop(one.response_id, None)
        if one.timer is not None:
            one.timer.cancel()


def _become_end(frame: dict[str, Any], one: _Cancelled) -> None:
    reason = "turn_detected" if one.talked_over else "client_cancelled"
    response: dict[str, Any] = {
        "object": "realtime.response",
        "id": one.response_id,
        "status": "cancelled",
        "status_details": {"type": "cancelled", "reason": reason},
        "output": [],
        "usage": None,
    }
    event_id = frame.get("event_id")
    frame.clear()
    frame.update(type="response.done", event_id=event_id, response=response)
