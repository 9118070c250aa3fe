"""What a session knows: turns, responses by id, the lane. And the run of an event through the machines.

Nothing here looks at a received event; `realtime_fsm._core.server_events` does, and calls this.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, deque
from enum import Enum
from typing import TypeVar

from .commands import (
    Command,
    RestoreItem,
    TurnEnded,
    TurnMoved,
)
from .connection import Connection
from .lane import Lane
from .machine import MACHINES, Fired, fire
from .machine_events import ConnectionEvent
from .machine_events import PlaybackEvent as P
from .machine_events import TurnEvent as E
from .memory import cut_back, remove_unheard
from .playback import Playback, Stranded
from .policy import FIRST_RETRY_INTERVAL, RetryPolicy
from .records import Message, Response, Turn
from .states import FINAL, OVER, Origin, ResponseState, TurnState
from .step import NOTHING, Report, Step
from .user_speech import UserSpeech

#: Prefix of the event ids of what we send besides creates.
OWN_IDS = "rfsm_"
_REMEMBERED = 64

_K = TypeVar("_K")
_V = TypeVar("_V")


def remember(memory: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    """Keep late and repeated events recognisable, in bounded memory."""
    memory[key] = value
    while len(memory) > _REMEMBERED:
        memory.popitem(last=False)


class Session:
    """The controller's data and the steps that several events share.

    Attributes:
        live: Turns that have not ended, by id, oldest first.
        lane: Who holds the server's slot, the connection it is on, the user's speech.
        by_event: Responses by the client event id of their create or probe.
        by_id: Responses that hold the lane, by their id.
        past: The last responses that held it, by their id.
        unsent: Responses whose create was commanded and not yet seen on the wire.
        messages: Messages of live turns, by item id.
        limited_until: When the exhausted rate limits are reset.
        machines: The three machines; others only where other rules are explored.
    """

    def __init__(self, policy: RetryPolicy, keep: int) -> None:
        self.policy = policy
        self.finished: deque[Turn] = deque(maxlen=keep)
        self.ignored: Counter[str] = Counter()
        self.playback_reported = False
        self.audible = False
        self.host_waits = False
        self.live: dict[str, Turn] = {}
        self.connection = Connection()
        self.speech = UserSpeech(policy)
        self.lane = Lane(self.connection, self.speech, self.live)
        self.by_event: OrderedDict[str, Response] = OrderedDict()
        self.by_id: dict[str, Response] = {}
        self.past: OrderedDict[str, Response] = OrderedDict()
        self.unsent: OrderedDict[tuple[str, int], Response] = OrderedDict()
        self.messages: dict[str, tuple[Turn, Response, Message]] = {}
        self._ended_messages: dict[str, Message] = {}
        self.playback = Playback()
        self.stranded = Stranded()
        self.out: list[Command] = []
        self.now = -math.inf
        self.limited_until = -math.inf
        self.closed = False
        self.machines = MACHINES
        self._told: deque[tuple[Turn | Response | Message, Enum, Report, Turn | None]] = deque()
        self._over: deque[Turn] = deque()
        self.doubts: deque[ConnectionEvent] = deque()
        self._turn_count = 0
        self._id_count = 0

    def step(self, now: float) -> Step:
        self.now = now
        return Step(
            now=now,
            policy=self.policy,
            out=self.out,
            new_event_id=self.new_event_id,
            lane=self.lane,
            limited_until=self.limited_until,
        )

    def new_event_id(self, what: str) -> str:
        self._id_count += 1
        return f"{OWN_IDS}{what}_{self._id_count}"

    def forget_all(self) -> None:
        """Drop every reference to a turn. For the end."""
        self.closed = True
        self.lane.holders.clear()
        self.by_event.clear()
        self.by_id.clear()
        self.past.clear()
        self.unsent.clear()
        self.messages.clear()

    # --- the machines

    def fire(self, model: Turn | Response, event: Enum, step: Step) -> None:
        """Apply an event, and all that the rows taken tell the others, in order."""
        self._told.append((model, event, NOTHING, None))
        self._run(step)

    def fire_playback(
        self, turn: Turn, message: Message, event: P, step: Step, report: Report = NOTHING
    ) -> bool:
        """The same for a message of this turn. Returns whether its playback moved."""
        moved = self._apply_playback(message, event, report, turn, step)
        self._run(step)
        return moved

    def _run(self, step: Step) -> None:
        try:
            while self._told:
                model, event, report, turn = self._told.popleft()
                if isinstance(model, Turn):
                    self._apply_turn(model, event, step)
                elif isinstance(model, Response):
                    self._apply_response(model, event, step)
                else:
                    assert turn is not None
                    self._apply_playback(model, event, report, turn, step)
            while self._over:
                self._retire(self._over.popleft(), step)
        finally:
            self._told.clear()
            self._over.clear()

    def _apply_turn(self, turn: Turn, event: Enum, step: Step) -> None:
        if not turn.live:
            return
        source, attempt, mark = turn.state, turn.attempt, len(step.out)
        result = fire(self.machines.turn, turn, event, step)
        if result is not Fired.TAKEN:
            self.ignore(f"{event.name} in {turn.state.name}: {result.value}")
            return
        moved = TurnMoved(
            turn_id=turn.id,
            source=source,
            event=event._name_,
            dest=turn.state,
            attempt=turn.attempts,
            label=turn.label,
        )
        step.out.insert(mark, moved)
        tells = step.taken.tells
        if isinstance(tells, P):
            report = Report(interrupted=turn.interrupted, audible=turn.audible)
            self._told += [(m, tells, report, turn) for m in _unheard_of(turn)]
        elif tells is not None and attempt is not None:
            self._told.append((attempt, tells, NOTHING, None))
        if turn.state in FINAL:
            self._over.append(turn)

    def _apply_response(self, response: Response, event: Enum, step: Step) -> None:
        source, name = response.state, response.response_id
        result = fire(self.machines.response, response, event, step)
        if result is not Fired.TAKEN:
            self.ignore(f"{event.name} in response {source.name}: {result.value}")
            return
        if response.state is not source or response.response_id != name:
            self._place(response, source)
        tells, turn = step.taken.tells, response.turn
        if isinstance(tells, ConnectionEvent):
            self.doubts.append(tells)
        elif tells is not None and turn is not None and turn.hears(response, tells):
            self._told.append((turn, tells, NOTHING, None))

    def _apply_playback(
        self, message: Message, event: Enum, report: Report, turn: Turn, step: Step
    ) -> bool:
        step.report = report
        if fire(self.machines.playback, message, event, step) is not Fired.TAKEN:
            return False  # late, or once too often
        tells = step.taken.tells
        if tells is not None and turn.plays(message) and turn.playback_over:
            self._told.append((turn, tells, NOTHING, None))
        return True

    def begin(self, response: Response) -> None:
        """A response that holds the lane from now on."""
        self.lane.holders.append(response)
        if response.response_id is not None:
            self._name(response, response.response_id)

    def _place(self, response: Response, source: ResponseState) -> None:
        """Whether the lane is held, and where an id leads, follows from the states."""
        over, was_over, name = response.over, source in OVER, response.response_id
        if was_over and not over:
            self.lane.holders.append(response)
        elif over and not was_over:
            self.lane.holders.remove(response)
        if response.probe_id is not None:
            remember(self.by_event, response.probe_id, response)
        if name is not None and not over:
            self._name(response, name)
        elif name is not None:
            if self.by_id.get(name) is response:
                del self.by_id[name]
            remember(self.past, name, response)
        forgotten = response.turn is not None and not response.turn.live
        if over and forgotten and response.turn not in self.finished:
            response.turn = None

    def _name(self, response: Response, name: str) -> None:
        self.by_id[name] = response
        self.past.pop(name, None)

    # --- turns

    def new_turn(self, origin: Origin, step: Step, *, of_user: bool = True) -> Turn:
        """A turn; the user's takes the place of what waits for a retry."""
        if of_user:
            self.supersede_retries(step)
        self._turn_count += 1
        by = None if self.connection.up else step.now + self.policy.recovery_deadline
        turn = Turn(
            id=f"turn_{self._turn_count}",
            origin=origin,
            playback_reported=self.playback_reported,
            audible=self.audible,
            of_user=of_user,
            recover_by=by,
        )
        self.live[turn.id] = turn
        return turn

    def supersede_retries(self, step: Step) -> None:
        """The user said something new: one reply, to the latest turn."""
        for older in tuple(self.live.values()):
            if older.state in (TurnState.RETRY_WAIT, TurnState.REQUESTED):
                self.fire(older, E.SUPERSEDED, step)

    def _retire(self, turn: Turn, step: Step) -> None:
        """The turn reached a final state: the same for all of them (G7)."""
        assert turn.outcome is not None
        del self.live[turn.id]
        report = Report(interrupted=turn.interrupted, audible=turn.audible)
        for message in _unheard_of(turn):
            self._apply_playback(message, P.SPEECH_OVER, report, turn, step)
        remove_unheard(turn, step)
        if turn.attempt is not None:
            cut_back(turn.attempt, step)
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
            gone.attempt.turn = None
            self.by_event.pop(gone.attempt.event_id or "", None)
        if gone.attempt is None or gone.attempts > 1:
            for response in (*self.past.values(), *self.by_event.values()):
                if response.turn is gone and response.over:
                    response.turn = None

    def grant_lane(self, step: Step) -> None:
        """Give a free lane to the oldest turn that is due. History comes first (G16)."""
        if self.stranded and self.connection.up:
            for message in self.stranded.settled():
                step.out.append(RestoreItem(item_id=message.item_id))
        if not self.lane.free():
            return
        for turn in tuple(self.live.values()):
            if not self.lane.free():
                return
            due = turn.state is TurnState.RETRY_WAIT and turn.retry_at <= step.now
            if due and not self.speech.held_up:
                self.fire(turn, E.BACKOFF_OVER, step)
            if self.is_due_soon(turn, step.now):
                return  # those after it would be remembered before it, and heard after it (G29)
            if turn.waiting and turn.retry_at <= step.now:
                self.fire(turn, E.LANE_FREE, step)
                assert turn.attempt is not None
                self.begin(turn.attempt)
                remember(self.unsent, (turn.id, turn.attempt.number), turn.attempt)

    def is_due_soon(self, turn: Turn, now: float) -> bool:
        """Whether it waits a moment, and then asks again."""
        again = turn.waiting or (turn.state is TurnState.RETRY_WAIT and not self.speech.held_up)
        return again and now < turn.retry_at <= now + FIRST_RETRY_INTERVAL

    # --- who is who

    def response(self, name: str | None) -> Response | None:
        """The response with this id: one that holds the lane, or one of the last that did."""
        return None if name is None else self.by_id.get(name) or self.past.get(name)

    def asked(self, event_id: str | None) -> Response | None:
        """The response that was asked for, or asked after, under this client event id."""
        return None if event_id is None else self.by_event.get(event_id)

    def message(self, item_id: str) -> Message | None:
        """The message with this item id, of a live turn or of one in `finished`."""
        known = self.messages.get(item_id)
        return self._ended_messages.get(item_id) if known is None else known[2]

    def ignore(self, reason: str) -> bool:
        self.ignored[reason] += 1
        return False


def _unheard_of(turn: Turn) -> list[Message]:
    """Messages whose playback ends with their turn's speech. Where no sink reports, what was handed
    out stays open: nobody knows."""
    return [
        m
        for m in turn.messages
        if m.outcome is None and (not m.delivered or turn.playback_reported)
    ]
