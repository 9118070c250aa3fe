"""What the controller knows: turns, responses by id, the lane. And what follows from it.

Nothing here looks at an event; `realtime_fsm._receive` does, and calls this.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from dataclasses import replace
from typing import TypeVar

from ._classify import is_rate_limit
from ._commands import (
    Command,
    ProbeCancel,
    ReplaceConnection,
    ReportSession,
    RestoreItem,
    TurnEnded,
)
from ._errors import ErrorInfo
from ._lane import Lane
from ._machine import MACHINE, Fired, fire
from ._playback import Playback, Stranded, finish_playback
from ._policy import RetryPolicy
from ._rules import Step, playback_deadline, release, remove_unheard
from ._states import ErrorKind, Origin, TurnState
from ._table import TurnEvent as E
from ._turn import Attempt, Message, Turn

#: Prefix of the event ids of what we send besides creates.
OWN_IDS = "rfsm_"
_REMEMBERED = 64
#: Seconds after which a connection has proven itself (kazunori279/interpretab#13).
_HEALTHY = 60.0
_DEAF = ErrorInfo(
    kind=ErrorKind.TRANSIENT, code="connection_silent", message="the connection is dead"
)

_K = TypeVar("_K")
_V = TypeVar("_V")


def remember(memory: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    """Keep late and repeated events recognisable, in bounded memory."""
    memory[key] = value
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)


class Core:
    """The controller's data and the steps that several events share.

    Attributes:
        live: Turns that have not ended, by id, oldest first.
        by_event: Attempts by the client event id of their create or probe.
        by_response: Responses that are alive, by id.
        unsent: Attempts whose create was commanded and not yet seen on the wire.
        messages: Messages of live turns, by item id.
        seen: The last responses that showed themselves, and whether their terminal was seen.
        cancelled: Event ids of the cancels of the last responses, by response id.
        dead: Why the session below cannot be used any more, or None.
        last_frame: When something last came from the server; None where frames are not shown.
        losses: Connections lost in a row, none of which had proven itself (G11).
        limited_until: When the exhausted rate limits are reset.
        machine: The turn machine; another one only where other rules are explored.
    """

    def __init__(self, policy: RetryPolicy, keep: int) -> None:
        self.policy = policy
        self.finished: deque[Turn] = deque(maxlen=keep)
        self.ignored: Counter[str] = Counter()
        self.epoch = 0
        self.playback_reported = False
        self.audible = False
        self.live: dict[str, Turn] = {}
        self.by_event: OrderedDict[str, Attempt] = OrderedDict()
        self.by_response: dict[str, Attempt] = {}
        self.unsent: OrderedDict[tuple[str, int], Attempt] = OrderedDict()
        self.messages: dict[str, tuple[Turn, Attempt, Message]] = {}
        self._ended_messages: dict[str, Message] = {}
        self.seen: OrderedDict[str, bool] = OrderedDict()
        self.cancelled: OrderedDict[str, str] = OrderedDict()
        self.lane = Lane(policy)
        self.playback = Playback()
        self.stranded = Stranded()
        self.out: list[Command] = []
        self.now = -math.inf
        self.dead: ErrorInfo | None = None
        self.last_frame: float | None = None
        self.losses = 0
        self.limited_until = -math.inf
        self._up_since: float | None = None
        self._down = False  # a loss was told, and nothing shows a connection since
        self.closed = False
        self.machine = MACHINE
        self._turn_count = 0
        self._id_count = 0

    def step(self, now: float) -> Step:
        self.now = now
        return Step(
            now=now,
            policy=self.policy,
            out=self.out,
            new_event_id=self.new_event_id,
            hopeless=self.dead is not None,
        )

    def forget(self) -> None:
        """Drop every reference to a turn. For the end."""
        self.closed = True
        self.lane.holders.clear()
        self.by_event.clear()
        self.by_response.clear()
        self.unsent.clear()
        self.messages.clear()

    def new_event_id(self, what: str) -> str:
        self._id_count += 1
        return f"{OWN_IDS}{what}_{self._id_count}"

    def new_turn(self, origin: Origin, step: Step) -> Turn:
        for older in tuple(self.live.values()):
            if older.state is TurnState.RETRY_WAIT:
                self.fire(older, E.SUPERSEDED, step)
        self._turn_count += 1
        turn = Turn(
            id=f"turn_{self._turn_count}",
            origin=origin,
            playback_reported=self.playback_reported,
            audible=self.audible,
        )
        self.live[turn.id] = turn
        if not self.lane.connected:
            turn.recover_by = step.now + self.policy.recovery_deadline
        return turn

    def fire(self, turn: Turn, event: E, step: Step) -> None:
        result = fire(turn, event, step, self.machine)
        if result is not Fired.TAKEN:
            self.ignore(f"{event.name} in {turn.state.name}: {result.value}")
        if not turn.live and self.live.pop(turn.id, None) is not None:
            self._retire(turn, step)

    def _retire(self, turn: Turn, step: Step) -> None:
        """The turn reached a final state: the same for all of them (G7)."""
        assert turn.outcome is not None
        finish_playback(turn)
        remove_unheard(turn, step)
        for message in turn.messages:
            self.messages.pop(message.item_id, None)
        self.playback.forget(turn)
        self._record(turn)
        step.out.append(TurnEnded(turn_id=turn.id, outcome=turn.outcome, error=turn.error))

    def _record(self, turn: Turn) -> None:
        """Remember a turn that ended. One that is forgotten leaves nothing behind."""
        full = len(self.finished) == self.finished.maxlen
        gone = (self.finished[0] if self.finished else turn) if full else None
        self.finished.append(turn)
        for message in turn.messages:
            self._ended_messages[message.item_id] = message
        if gone is None:
            return
        for message in gone.messages:
            self._ended_messages.pop(message.item_id, None)
        if gone.attempt is not None and gone.attempt.over:
            self.by_event.pop(gone.attempt.event_id or "", None)

    def grant(self, step: Step) -> None:
        """Give a free lane to the oldest turn that is due. History comes first (G16)."""
        if self.stranded and self.lane.connected:
            for message in self.stranded.settled():
                step.out.append(RestoreItem(item_id=message.item_id))
        if not self.lane.free():
            return
        for turn in tuple(self.live.values()):
            if not self.lane.free() or self.dead is not None:
                return
            due = turn.state is TurnState.RETRY_WAIT and turn.retry_at <= step.now
            if due and not self.held_by_speech:
                self.fire(turn, E.BACKOFF_OVER, step)
            if turn.waiting and turn.retry_at <= step.now:
                self.fire(turn, E.LANE_FREE, step)
                assert turn.attempt is not None
                self.lane.take(turn.attempt)
                remember(self.unsent, (turn.id, turn.attempt.number), turn.attempt)

    def settle(self, attempt: Attempt, event: E, step: Step, *, seen: bool = True) -> None:
        """An attempt is over: free the lane, tell the turn if it still listens (G2, G3).

        ``seen``: a terminal or its equivalent was seen; otherwise we only stopped waiting, and
        the response may show itself again.
        """
        attempt.over = True
        self.lane.leave(attempt)
        if attempt.response_id is not None:
            self.by_response.pop(attempt.response_id, None)
            remember(self.seen, attempt.response_id, seen)
            if attempt.cancel_id is not None:
                remember(self.cancelled, attempt.response_id, attempt.cancel_id)
        if attempt.abandoned:
            release(attempt, step)
        turn = attempt.turn
        if turn is not None and self.listens(turn, attempt):
            self.fire(turn, event, step)

    def chase(self, attempt: Attempt, step: Step) -> None:
        """The deadline of a response that nobody waits for: ask once, then let it go (G4)."""
        silent = self.last_frame is not None and self.last_frame < attempt.asked_at
        if silent and self.lane.connected:
            # Every server answers a cancel.
            self.lose(_DEAF, step, for_good=True)
            return
        if attempt.response_id is not None:
            patience = self.policy.stall_timeout if attempt.turn is None else 0.0
            patience = patience or self.policy.cancel_timeout
            until = max(attempt.last_activity, attempt.asked_at) + patience
            if until > step.now:
                attempt.deadline = until
                return
            if attempt.turn is None and attempt.cancel_id is None:
                # A conflict named it and it never showed itself: it may be stuck on the server.
                release(attempt, step)
                return
        elif attempt.turn is not None and attempt.event_id is None:
            # Still queued below us, it holds the lane until it leaves. Nothing leaves, it seems.
            attempt.deadline = None
            self.disconnected(step.now)
            return
        elif attempt.turn is not None and attempt.probe_id is None:
            attempt.deadline = step.now + self.policy.timeout
            if self.lane.may_probe():
                attempt.deadline = step.now + self.policy.patience(self.policy.timeout)
                attempt.asked_at = step.now
                attempt.probe_id = step.new_event_id("probe")
                remember(self.by_event, attempt.probe_id, attempt)
                step.out.append(ProbeCancel(event_id=attempt.probe_id))
            return
        elif attempt.asked_at + self.policy.timeout > step.now:
            attempt.deadline = attempt.asked_at + self.policy.timeout
            return
        self.settle(attempt, E.CREATE_REFUSED, step, seen=False)

    def lose(self, error: ErrorInfo, step: Step, *, for_good: bool) -> None:
        """The connection is gone. What ran on it, or was owed on it, is asked again on the next
        (G18, G19), of which there are not many without progress (G11)."""
        step.failure = error
        # Not `lane.connected`, which may be a guess: see `chase`.
        was_up, self._down = not self._down, True
        counts = self.dead is None and (was_up or for_good)
        if counts:
            self._count_loss(step)
        if counts and self.losses > self.policy.max_retry:
            # Before the turns hear of the loss, so that they fail of the end: one report (G12).
            fatal = f"gave up after {self.losses} connections in a row were lost"
            self.die(ErrorInfo(kind=ErrorKind.FATAL, code=error.code, message=fatal), step)
        self.replaced(step)
        self.disconnected(step.now)
        if counts and self.dead is None and (for_good or self.losses > 1):
            # What is below would try again at once, for ever (livekit/agents PR#6352).
            wait = self.policy.retry_interval if self.losses > 1 else 0.0
            self.unsent.clear()
            for queued in tuple(self.lane.holders):
                # It will never leave: its queue goes with what is replaced.
                self.settle(queued, E.CREATE_REFUSED, step)
            step.out.append(ReplaceConnection(reason=error, wait=wait))

    def _count_loss(self, step: Step) -> None:
        if self._up_since is not None and step.now - self._up_since >= _HEALTHY:
            self.losses = 0
        self._up_since = None  # what comes next has to prove itself
        self.losses += 1

    def replaced(self, step: Step) -> None:
        owed = self.lane.owed
        for turn in (*self.finished, *self.live.values()):
            self.stranded.add(turn)
        self.quiet(step.now)
        self.drop_all(step)
        if owed and self.dead is None:
            self.new_turn(Origin.SERVER_VAD, step)

    def judged(self, error: ErrorInfo, now: float) -> ErrorInfo:
        """What the policy makes of an error, and when the server allows another attempt."""
        error = self.policy.judged(error)
        unhinted = is_rate_limit(error) and error.retry_after is None
        if unhinted and self.limited_until > now:
            return replace(error, retry_after=self.limited_until - now)
        return error

    def limited(self, until: float, step: Step) -> None:
        """The exhausted rate limits are reset then: a failure without a hint has one now."""
        self.limited_until = until
        for turn in self.live.values():
            waits = turn.state is TurnState.RETRY_WAIT and turn.error is not None
            if waits and turn.error is not None and turn.error.retry_after is None:
                error = self.judged(turn.error, step.now)
                if error.retry_after is not None:
                    turn.error = error
                    turn.retry_at = step.now + min(error.retry_after, self.policy.longest_hint)

    def disconnected(self, now: float) -> None:
        """Nothing can be sent: waiting for the lane has to end by itself."""
        self.lane.connected = False
        for turn in self.live.values():
            if turn.waiting and turn.recover_by is None:
                turn.recover_by = now + self.policy.recovery_deadline

    def shown(self, now: float) -> None:
        """What leaves shows that there is a connection: the same one, unless its loss was told."""
        self.connected(now if self._up_since is None else self._up_since)

    def connected(self, now: float) -> None:
        self.lane.connected = True
        self._down = False
        self._up_since = now
        for turn in self.live.values():
            if turn.first_failure is None:
                turn.recover_by = None

    def reopen(self, attempt: Attempt) -> None:
        attempt.over = False
        attempt.abandoned = True
        self.lane.take(attempt)

    def block(self, response_id: str | None, now: float) -> None:
        """A conflict told that somebody holds the lane; believe it for a while."""
        mine = self.by_response.get(response_id or "")
        if mine is not None:
            if mine.abandoned:
                mine.last_activity = now  # still alive: its cancel is waited for anew
            return
        if response_id is not None and self.seen.get(response_id):
            return
        blocker = Attempt(turn=None, number=0, last_activity=now, response_id=response_id)
        blocker.deadline = now + self.policy.stall_timeout
        blocker.cancel_id = self.cancelled.get(response_id or "")
        self.lane.take(blocker)
        if response_id is not None:
            self.by_response[response_id] = blocker

    def unblock(self, response_id: str) -> None:
        """The response a conflict told of shows itself."""
        for holder in tuple(self.lane.holders):
            if holder.turn is None and holder.response_id in (None, response_id):
                self.lane.leave(holder)
                self.by_response.pop(response_id, None)

    def drop_all(self, step: Step) -> None:
        """G19: what ran on the old connection is over; what has not left yet still will."""
        for attempt in tuple(self.lane.holders):
            queued = attempt.event_id is None and attempt.response_id is None
            if not queued:
                self.settle(attempt, E.CONNECTION_LOST, step)
            elif attempt.turn is not None and not attempt.abandoned:
                self.fire(attempt.turn, E.CONNECTION_LOST, step)

    def die(self, error: ErrorInfo, step: Step) -> None:
        if self.dead is None:
            step.out.append(ReportSession(error=error))
        self.dead = step.failure = error
        for attempt in tuple(self.lane.holders):
            attempt.over = True
            self.lane.leave(attempt)
            if attempt.response_id is not None:  # what still comes of it is nobody's
                self.by_response.pop(attempt.response_id, None)
                remember(self.seen, attempt.response_id, True)
        for turn in tuple(self.live.values()):
            self.fire(turn, E.SESSION_FAILED, step)

    def playback_moved(self, turn: Turn, step: Step) -> None:
        if turn.state is TurnState.STREAMING and (turn.generation_over or turn.replacing):
            turn.deadline = playback_deadline(turn, step)
        playing = turn.state in (TurnState.STREAMING, TurnState.CANCELLING)
        if playing and turn.playback_over:
            if turn.replacing and turn.error is not None:
                turn.error = self.judged(turn.error, step.now)  # limits told while it played
            self.fire(turn, E.PLAYBACK_OVER, step)

    def quiet(self, now: float) -> None:
        """The user's speech is dealt with: recovery's clocks run again."""
        held = self.lane.quiet(now)
        for turn in self.live.values():
            if turn.state is TurnState.RETRY_WAIT and turn.recover_by is not None:
                turn.recover_by += held
                turn.retry_at += held

    def listens(self, turn: Turn, attempt: Attempt) -> bool:
        """Whether this attempt's events are the turn's to act on."""
        current = turn.live and turn.attempt is attempt
        return current and (not attempt.abandoned or turn.state is TurnState.CANCELLING)

    def only_pending(self) -> Attempt | None:
        pending = [a for a in self.lane.holders if a.event_id is not None and a.response_id is None]
        return pending[0] if len(pending) == 1 else None

    def message(self, item_id: str) -> Message | None:
        """The message with this item id, of a live turn or of one in `finished`."""
        known = self.messages.get(item_id)
        return self._ended_messages.get(item_id) if known is None else known[2]

    @property
    def held_by_speech(self) -> bool:
        return self.lane.closed_until is not None

    def ignore(self, reason: str) -> bool:
        self.ignored[reason] += 1
        return False
