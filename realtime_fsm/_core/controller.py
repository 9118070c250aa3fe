"""The controller: one per session. Sans-IO: events and times in, commands and a deadline out.

A driver does four things::

    controller.receive(event, now)          # whatever happened
    for command in controller.commands():   # do these, in order
        ...
    controller.next_deadline()              # call advance(now) at this time, at the latest
    controller.close(now)                   # once, at the end

Times are seconds of one monotonic clock. Nothing here awaits, sleeps, logs or reads a clock.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from .activity import activity_of
from .commands import Command
from .connection_events import note_proven
from .deadlines import advance, next_deadline
from .difference import Difference
from .errors import ErrorInfo, LocalProtocolError
from .events import Event
from .handlers import HANDLERS
from .lane import Lane
from .machine_events import TurnEvent
from .policy import RetryPolicy
from .records import Message, Response, Turn
from .session import Session
from .states import WANTED, Activity, ConnectionState, Origin, PlaybackState
from .step import Step


class TurnController:
    """Owns the lane, the queue and the turns of one session.

    Not thread-safe. After `close` everything received is ignored.

    Args:
        policy: How turns recover.
        keep: How many finished turns `finished` remembers.
    """

    def __init__(self, policy: RetryPolicy | None = None, *, keep: int = 32) -> None:
        self._session = Session(RetryPolicy() if policy is None else policy, keep)
        #: Why the driver went on without this controller, after an internal error (G32), or None.
        self.stepped_aside: ErrorInfo | None = None
        #: Set by a driver that can look into both memories: where they differ from what was heard.
        self.look: Callable[[Sequence[Message]], Mapping[str, Difference]] = lambda messages: {}

    # --- what a driver reads

    @property
    def policy(self) -> RetryPolicy:
        """How turns recover."""
        return self._session.policy

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The live turns, oldest first."""
        return tuple(self._session.live.values())

    @property
    def finished(self) -> deque[Turn]:
        """The last turns that ended, oldest first."""
        return self._session.finished

    @property
    def ignored(self) -> Counter[str]:
        """How often something received was ignored, by reason."""
        return self._session.ignored

    @property
    def epoch(self) -> int:
        """Number of the current connection, from 0 (G19)."""
        return self._session.connection.epoch

    @property
    def losses(self) -> int:
        """Connections lost in a row without useful progress (G11)."""
        return self._session.connection.losses

    @property
    def connected(self) -> bool:
        """Whether a connection is up, as far as the driver told."""
        return self._session.connection.up

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._session.closed

    @property
    def playback_reported(self) -> bool:
        """Whether a sink reports playback. New turns take it over; without one a turn ends with
        its generation and what was heard of its messages stays unknown."""
        return self._session.playback_reported

    @playback_reported.setter
    def playback_reported(self, value: bool) -> None:
        self._session.playback_reported = value

    @property
    def audible(self) -> bool:
        """Whether that sink plays sound and tells when it begins; False for text only."""
        return self._session.audible

    @audible.setter
    def audible(self, value: bool) -> None:
        self._session.audible = value

    @property
    def at_stake(self) -> bool:
        """Whether what waits for its answer would be lost with the connection: it gets more time."""
        return self._session.connection.at_stake

    @at_stake.setter
    def at_stake(self, value: bool) -> None:
        self._session.connection.at_stake = value

    @property
    def host_waits(self) -> bool:
        """Whether the host has something else to say, and asks for it only once what it asked for
        is over."""
        return self._session.host_waits

    @host_waits.setter
    def host_waits(self, value: bool) -> None:
        self._session.host_waits = value

    @property
    def playback(self) -> PlaybackState | None:
        """Where the message stands that the host forwards; None: none is."""
        message = self._session.playback.message
        return None if message is None else message.state

    @property
    def dead(self) -> ErrorInfo | None:
        """Why the session below cannot be used any more, or None."""
        return self._session.connection.failure

    @property
    def activity(self) -> Activity:
        """What the session is doing, from its turns alone, so that it cannot stick (G22)."""
        return activity_of(self.turns)

    @property
    def unanswered(self) -> bool:
        """Whether the user speaks, or spoke and may yet be answered by server VAD (G24)."""
        return self._session.speech.held_up

    @property
    def answer_may_begin(self) -> bool:
        """Whether server VAD may begin a response to the user now (G24)."""
        return self._session.speech.answer_may_begin

    @property
    def lane(self) -> Lane:
        """Who holds the server's slot. Read it; only the controller writes."""
        return self._session.lane

    def frame_received(self, now: float) -> None:
        """Something came from the server, whatever it was. A driver that calls this for every
        frame learns, by `ReplaceConnection`, of a connection that is silent when asked; one that
        was taken for stuck is `connected` again. What waited for it is due from then on: the frame
        may say that it has to wait."""
        session = self._session
        session.connection.last_frame = now
        if not session.connection.proven and not session.closed:
            note_proven(session, session.step(max(session.now, now)))

    def find(self, turn_id: str) -> Turn | None:
        """The live turn with this id."""
        return self._session.live.get(turn_id)

    def message(self, item_id: str) -> Message | None:
        """The message with this item id, of a live turn or of one in `finished`."""
        return self._session.message(item_id)

    def generates(self, item_id: str) -> bool:
        """Whether more of this item may come: its response is alive."""
        known = self._session.messages.get(item_id)
        return known is not None and not known[1].over

    def handed_out(self, item_id: str) -> bool:
        """Whether this message was handed downstream, and nothing more of it is."""
        known, message = self._session.messages.get(item_id), self._session.message(item_id)
        delivered = message is not None and message.delivered
        return delivered if known is None else known[1].handed_out(item_id)

    def differences(self) -> dict[str, Difference]:
        """Where heard, shown and remembered differ, by item id; of live turns and those in `finished`.
        An unconfirmed correction counts. Words and order are compared where the driver can `look`."""
        turns = (*self._session.finished, *self._session.live.values())
        messages = [message for turn in turns for message in turn.messages]
        found = {m.item_id: each for m in messages if (each := m.difference) is not None}
        return {**self.look(messages), **found}

    def owner_of(self, response_id: str) -> Response | None:
        """The record of a response that is alive."""
        return self._session.by_id.get(response_id)

    def withholds(self, item_id: str) -> bool:
        """Whether an item belongs to a response alive and was not handed downstream (yet)."""
        return any(item_id in r.undelivered for r in self._session.lane.holders)

    @property
    def pending(self) -> bool:
        """Whether `commands` has anything."""
        return bool(self._session.out)

    def commands(self) -> list[Command]:
        """Return and clear what is to be done, in order."""
        waiting = self._session.out
        out = waiting[:]
        waiting.clear()
        return out

    def next_deadline(self) -> float | None:
        """When `advance` must be called at the latest, or None."""
        soonest = next_deadline(self._session)
        return None if soonest == math.inf else soonest

    # --- what a driver calls

    def request(self, now: float, *, origin: Origin = Origin.CLIENT, of_user: bool = True) -> Turn:
        """Ask for a response. It is created as soon as the lane allows.

        Args:
            now: Seconds of the controller's clock.
            origin: Who asks.
            of_user: It answers something new of the user's: a turn that waits for its retry gives
                way to it. What the application asks for by itself takes nobody's place.

        Raises:
            LocalProtocolError: The controller is closed, or time went backwards.
        """
        session, step = self._session, self._step("request", now)
        turn = session.new_turn(origin, step, of_user=of_user)
        if session.connection.failure is not None:
            step.failure = session.connection.failure
            session.fire(turn, TurnEvent.SESSION_FAILED, step)
        session.grant_lane(step)
        return turn

    def interrupt(self, turn: Turn, now: float) -> None:
        """Stop a turn. On one that ended, or that is being cancelled, this does nothing (G23).

        Raises:
            LocalProtocolError: Not this controller's turn, it is closed, or time went backwards.
        """
        session = self._session
        if turn.live and session.live.get(turn.id) is not turn:
            raise LocalProtocolError(
                "interrupt", field="turn", value=turn.id, expected="a turn of this controller"
            )
        step = self._step("interrupt", now)
        if turn.live:
            session.fire(turn, TurnEvent.INTERRUPTED, step)
        session.grant_lane(step)

    def receive(self, event: Event, now: float) -> bool:
        """Apply something that happened. Never raises for what a server or sink sends (G25).

        Returns:
            Whether it concerned a turn or a response known here. If not it was counted in
            `ignored` and changed nothing.

        Raises:
            LocalProtocolError: Not an event, or time went backwards.
        """
        handler = HANDLERS.get(type(event))
        if handler is None:
            raise LocalProtocolError(
                "receive", field="event", value=event, expected="one of realtime_fsm's events"
            )
        if self._session.closed:
            return self._session.ignore("closed")
        step = self._step("receive", now)
        step.event = event
        known = handler(self._session, event, step)
        self._session.grant_lane(step)
        return known

    def more_output(self, item_id: str, audio_ms: float, now: float) -> bool:
        """Count a further delta of a message that was handed out already: `receive` and
        `frame_received` in one, for what makes up most of a response. Nothing is commanded and
        `next_deadline` only moves back.

        Returns:
            False, and nothing happened, if it is anything else: then `receive` it.
        """
        session = self._session
        known, connection = session.messages.get(item_id), session.connection
        if known is None or connection.state is not ConnectionState.UP:
            return False
        _, response, message = known
        if response.state not in WANTED or not message.delivered:
            return False
        response.last_activity = connection.last_frame = now
        message.received_ms += audio_ms
        return True

    def goes_on(self, response_id: str, item_id: str, now: float) -> bool:
        """Note a sign of life of a message: the same for a `ResponseActivity` of its response."""
        session = self._session
        known, connection = session.messages.get(item_id), session.connection
        if known is None or connection.state is not ConnectionState.UP:
            return False
        response = known[1]
        if response.response_id != response_id or response.state not in WANTED:
            return False
        response.last_activity = connection.last_frame = now
        return True

    def advance(self, now: float) -> None:
        """Let time pass: fire what is due. Call at `next_deadline`; earlier does no harm.

        Raises:
            LocalProtocolError: Time went backwards.
        """
        session = self._session
        if session.closed:
            return
        step = self._step("advance", now)
        advance(session, step)
        session.grant_lane(step)

    def close(self, now: float) -> None:
        """End every turn and forget everything. Idempotent."""
        session = self._session
        if session.closed:
            return
        step = session.step(max(session.now, now))
        for turn in self.turns:
            session.fire(turn, TurnEvent.CLOSED, step)
        session.forget_all()

    def _step(self, call: str, now: float) -> Step:
        session = self._session
        if session.closed:
            raise LocalProtocolError(call, field="state", value="closed", expected="open")
        if not now >= session.now:
            raise LocalProtocolError(
                call, field="now", value=now, expected=f"a time not before {session.now}"
            )
        return session.step(now)
