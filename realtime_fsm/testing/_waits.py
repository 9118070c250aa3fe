"""What a controlled call waits for, where plain LiveKit does not: for the differential judge."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .. import Recovering, RetryPolicy, TurnEnded, TurnMoved, TurnState
from .._core.timers import STALLING
from ..compare import Span, Wait
from ..livekit import ControlledRealtimeModel
from ._seen import SeenCall

__all__ = ["Waits"]

_AT_ONCE = 0.05  # seconds


@dataclass(slots=True, eq=False)
class _Waiting:
    turn_id: str
    name: str
    begun: float
    bound: float
    until: float | None = None


class Waits:
    """Those of one call, from its beginning."""

    def __init__(self, call: SeenCall) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        #: Turn, name, from when, until when, and how long at most.
        self._waits: list[_Waiting] = []
        #: When a turn had the slot, and when one was interrupted that never had it.
        self._left: list[float] = []
        self._gave_way: list[float] = []

    # --- while it goes on

    def watch(self, model: ControlledRealtimeModel) -> None:
        """Note what a model says it waits for."""
        model.on("recovering", self._recovering)
        model.on("turn_moved", lambda move: self._moved(move, model))
        model.on("turn_ended", self._over)

    def _recovering(self, plan: Recovering) -> None:
        if plan.reason.code == STALLING.code:
            return  # it plays what it has, and waits for more as plain LiveKit does
        reason = plan.reason.code or plan.reason.kind.value
        name = f"{plan.turn_id} waits {plan.wait:.2f} s at most after {reason}"
        self._waits.append(_Waiting(plan.turn_id, name, self._loop.time(), plan.wait))

    def _moved(self, move: TurnMoved, model: ControlledRealtimeModel) -> None:
        waited = move.source is TurnState.RETRY_WAIT and move.dest is not TurnState.RETRY_WAIT
        if waited or move.event == "LANE_FREE":
            self._ends(move.turn_id)
        if move.event == "LANE_FREE":
            self._left.append(self._loop.time())
        elif move.event == "INTERRUPTED" and move.attempt == 0:
            self._gave_way.append(self._loop.time())
        elif move.event == "CREATE_CONFLICT":
            name = f"{move.turn_id} waits for the response that has the slot"
            assert model.controller is not None
            at_most = model.controller.policy.recovery_deadline
            self._waits.append(_Waiting(move.turn_id, name, self._loop.time(), at_most))

    def _over(self, end: TurnEnded) -> None:
        self._ends(end.turn_id)

    def _ends(self, turn_id: str) -> None:
        for wait in self._waits:
            if wait.turn_id == turn_id and wait.until is None:
                wait.until = self._loop.time()

    # --- afterwards

    @property
    def policy(self) -> RetryPolicy:
        """How its turns recover."""
        model = self._call.model
        controller = model.controller if model is not None else None
        return controller.policy if controller is not None else RetryPolicy()

    def so_far(self, spoken: Iterable[Span]) -> Iterator[Wait]:
        """All of them.

        Args:
            spoken: When the server took the user to be speaking.
        """
        now = self._loop.time()
        for w in self._waits:
            yield Wait(w.name, Span(self._t(w.begun), self._t(w.until or now)), w.bound)
        yield from self._unreported()
        yield from self._unanswered(spoken)

    def _unreported(self) -> Iterator[Wait]:
        """How long a report is waited for that does not come; without us it is for ever."""
        model = self._call.model
        if model is None or model.controller is None:
            return
        grace = model.controller.policy.playback_grace
        for t in (t for sink in self._call.sinks for t in sink.withheld):
            yield Wait("playback_grace", Span(self._t(t), self._t(t + grace)), grace)

    def _unanswered(self, spoken: Iterable[Span]) -> Iterator[Wait]:
        """How long server VAD's answer was waited for that did not come (G24): until a turn had the slot
        since that was over, or was interrupted before."""
        timeout = self.policy.vad_answer_timeout
        frames = (f for f in self._call.server.record if f.type == "response.created")
        # An out-of-band one has none; older servers name none at all.
        created = [
            f.t for f in frames if f.event["response"].get("conversation_id", "") is not None
        ]
        for each in spoken:
            over = each.end + timeout
            ends = [over for t in self._left if abs(self._t(t) - over) < _AT_ONCE]
            ends += [end for t in self._gave_way if each.end < (end := self._t(t)) < over]
            if ends and not any(each.end <= t < min(ends) - _AT_ONCE for t in created):
                yield Wait("server VAD's answer, in vain", Span(each.end, min(ends)), timeout)

    def _t(self, loop_time: float) -> float:
        return loop_time - self._call.server.started_at
