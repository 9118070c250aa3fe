"""What an observer is told. Identities, outcomes and seconds: no text, no audio, no key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..._core.commands import Recovering, TurnEnded, TurnMoved
from ..._core.states import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """One realtime session.

    Attributes:
        id: Unique in this process. Turn ids are unique within a session only.
        provider: As the inner model tells (a host name, for compatible servers).
        model: As the inner model tells.
    """

    id: str
    provider: str
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnInfo:
    """One response turn.

    Attributes:
        session: Whose it is.
        id: As in `realtime_fsm.TurnMoved` and in the logs.
        origin: Who asked for it.
    """

    session: SessionInfo
    id: str
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptInfo:
    """One response asked for, or running, on behalf of a turn.

    Attributes:
        turn: What it works for.
        number: From 1, per turn.
    """

    turn: TurnInfo
    number: int


class AttemptOutcome(Enum):
    """How an attempt ended, as far as its turn is concerned."""

    COMPLETED = "completed"
    #: The provider cut it.
    INCOMPLETE = "incomplete"
    #: ``response.done`` with status cancelled, ours or the server's doing.
    CANCELLED = "cancelled"
    FAILED = "failed"
    #: The ``response.create`` was refused.
    REFUSED = "refused"
    #: It met another active response.
    CONFLICT = "conflict"
    #: The ``response.create`` stayed unanswered.
    TIMED_OUT = "timed_out"
    #: Acknowledged, then silence.
    STALLED = "stalled"
    CONNECTION_LOST = "connection_lost"
    #: The turn ended, or asked anew, without waiting for its end.
    GIVEN_UP = "given_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """The end of an attempt.

    Attributes:
        outcome: How it ended.
        seconds: How long it lasted, from its request or its ``response.created``.
        response_id: The provider's id, or None if it was never acknowledged.
        orphaned: It may still be acknowledged, and is cancelled then (G4).
    """

    outcome: AttemptOutcome
    seconds: float
    response_id: str | None
    orphaned: bool


class Correction(Enum):
    """What was done to a message so that history is what was heard (G16)."""

    DELETED = "deleted"
    TRUNCATED = "truncated"


class TurnObserver:
    """Override what you want to be told, and pass it to `ControlledRealtimeModel`.

    All calls come from the event loop of the session, in order, while a turn is being moved: look,
    count, and return. Do not block, and call nothing of the model. An exception is logged (once
    for each session) and never hurts a turn. One observer may serve many sessions.
    """

    def turn_started(self, turn: TurnInfo) -> None:
        """A response is wanted, or the server began one."""

    def turn_moved(self, turn: TurnInfo, move: TurnMoved, seconds: float) -> None:
        """A row of the table was taken, *seconds* after the turn entered ``move.source``."""

    def attempt_started(self, attempt: AttemptInfo) -> None:
        """A ``response.create`` leaves, or the server began a response by itself."""

    def output_started(self, attempt: AttemptInfo, seconds: float) -> None:
        """The first output of the attempt is handed on, *seconds* after it started."""

    def attempt_ended(self, attempt: AttemptInfo, end: AttemptEnd) -> None:
        """Always before the next attempt of the turn starts, and before the turn ends."""

    def recovering(self, turn: TurnInfo, recovering: Recovering) -> None:
        """An attempt failed and another one is planned."""

    def recovery_ended(self, turn: TurnInfo, seconds: float, recovered: bool) -> None:
        """There is output again, or the turn ended without, *seconds* after the first failure."""

    def reading_started(self, turn: TurnInfo) -> None:
        """LiveKit begins to read the turn's output. Called within its ``agent_turn`` span."""

    def turn_ended(self, turn: TurnInfo, ended: TurnEnded, seconds: float) -> None:
        """Exactly once for each turn, its last call, *seconds* after it started."""

    def event_ignored(self, session: SessionInfo, reason: str, count: int) -> None:
        """So many things that were received concerned nothing and changed nothing. *reason* is
        one of a fixed set, as in `realtime_fsm.TurnController.ignored`."""

    def history_corrected(self, session: SessionInfo, correction: Correction) -> None:
        """A message was cut to what was heard of it, or deleted for nobody heard it."""
