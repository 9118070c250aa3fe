"""A controller with a hand on its wire: what a test says happened, what it answered."""

from __future__ import annotations

from typing import TypeVar

import realtime_fsm as rf
from realtime_fsm._core.timers import timer_of

from . import well_typed

C = TypeVar("C", bound=rf.Command)


def consistent(c: rf.TurnController) -> None:
    """What holds at any time: states and outcomes say the same (G7, G8, G14), and every event that
    reaches a turn has a rule there."""
    for turn in (*c.turns, *c.finished):
        assert (turn.outcome is None) == turn.live, (turn.state, turn.outcome)
        failed = turn.state is rf.TurnState.FAILED
        assert failed == (turn.outcome is rf.TurnOutcome.FAILED), (turn.state, turn.outcome)
        for message in turn.messages:
            over = message.state is rf.PlaybackState.FINISHED
            assert over == (message.outcome is not None), (message.state, message.outcome)
    without = [reason for reason in c.ignored if reason.endswith((": no row", ": refused"))]
    assert not without, f"an event without a rule: {without}"


class Bench:
    """Drives a `TurnController` by hand. Time moves only when told to."""

    def __init__(self, policy: rf.RetryPolicy | None = None, *, playback: bool = False) -> None:
        self.c = rf.TurnController(policy)
        self.c.playback_reported = playback
        self.now = 0.0
        self.all: list[rf.Command] = []
        self.fresh: list[rf.Command] = []
        self._creates = 0

    # --- time

    def wait(self, seconds: float) -> Bench:
        """Let time pass, stopping at every deadline on the way."""
        end = self.now + seconds
        while (at := self.c.next_deadline()) is not None and at <= end:
            assert at >= self.now or at <= self.now, at
            self.now = max(self.now, at)
            before = at
            self.c.advance(self.now)
            self._drain()
            after = self.c.next_deadline()
            assert after is None or after > before, "a deadline that does not go away"
        self.now = end
        return self

    # --- what happens

    def ask(self, origin: rf.Origin = rf.Origin.CLIENT, *, of_user: bool = True) -> rf.Turn:
        turn = self.c.request(self.now, origin=origin, of_user=of_user)
        self._drain()
        return turn

    def interrupt(self, turn: rf.Turn) -> Bench:
        self.c.interrupt(turn, self.now)
        self._drain()
        return self

    def got(self, *events: rf.Event) -> bool:
        known = False
        for event in events:
            known = self.c.receive(event, self.now)
            self._drain()
        return known

    def frame(self, at: float | None = None) -> None:
        """Something came from the server, now or at another time."""
        self.c.frame_received(self.now if at is None else at)
        self._drain()

    def sent(self, turn: rf.Turn) -> str:
        """The turn's pending create leaves. Returns its event id."""
        self._creates += 1
        event_id = f"create_{self._creates}"
        self.got(rf.CreateSent(turn_id=turn.id, attempt=turn.attempts, event_id=event_id))
        return event_id

    def created(self, turn: rf.Turn, response_id: str) -> str:
        event_id = self.sent(turn)
        self.got(rf.ResponseCreated(response_id=response_id, client_event_id=event_id))
        return event_id

    def message(self, response_id: str, item_id: str, *, audio_ms: float = 1000) -> None:
        self.item(response_id, item_id)
        self.got(rf.OutputReceived(response_id=response_id, item_id=item_id, audio_ms=audio_ms))

    def item(self, response_id: str, item_id: str, kind: rf.ItemKind = rf.ItemKind.MESSAGE) -> None:
        self.got(rf.ItemStarted(response_id=response_id, item_id=item_id, kind=kind))

    def done(
        self,
        response_id: str,
        status: rf.ResponseStatus = rf.ResponseStatus.COMPLETED,
        error: rf.ErrorInfo | None = None,
    ) -> bool:
        return self.got(rf.ResponseDone(response_id=response_id, status=status, error=error))

    def failed(self, response_id: str, code: str = "server_error", message: str = "") -> bool:
        error = rf.error_info(code, None, message)
        return self.done(response_id, rf.ResponseStatus.FAILED, error)

    def refused(self, event_id: str | None, code: str, message: str = "") -> bool:
        return self.got(
            rf.ErrorReceived(error=rf.error_info(code, None, message), event_id=event_id)
        )

    def speaking(self, turn: rf.Turn | None = None, response_id: str = "r1") -> rf.Turn:
        """A turn whose first message (m1, 1000 ms) is being generated and forwarded."""
        turn = turn or self.ask()
        self.created(turn, response_id)
        self.message(response_id, "m1")
        self.got(rf.MessagePulled(item_id="m1"), rf.PlaybackStarted())
        return turn

    # --- what it answered

    def _drain(self) -> None:
        self.fresh = self.c.commands()
        self.all += self.fresh
        consistent(self.c)
        well_typed.check(self.c, self.fresh)

    def those(self, kind: type[C]) -> list[C]:
        return [x for x in self.all if isinstance(x, kind)]

    def ends_by(self, turn: rf.Turn) -> float | None:
        """When the turn's own timer is due."""
        waits = any(t.waiting for t in self.c.turns)
        timer = timer_of(turn, self.c.policy, user_speaking=False, waited_for=waits)
        return None if timer is None else timer.at

    @property
    def creates(self) -> list[tuple[str, int]]:
        return [(x.turn_id, x.attempt) for x in self.those(rf.CreateResponse)]

    @property
    def cancels(self) -> list[str]:
        return [x.response_id for x in self.those(rf.CancelResponse)]

    @property
    def deleted(self) -> list[str]:
        return [x.item_id for x in self.those(rf.DeleteItem)]

    @property
    def delivered(self) -> list[str]:
        return [x.item_id for x in self.those(rf.DeliverItem)]
