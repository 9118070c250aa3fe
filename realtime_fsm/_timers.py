"""Which timer a turn runs in which state."""

from __future__ import annotations

from typing import NamedTuple

from ._errors import ErrorInfo
from ._policy import RetryPolicy
from ._states import ErrorKind, TurnState
from ._table import TurnEvent
from ._turn import Turn


class Timer(NamedTuple):
    """An event that is due at a time, seconds."""

    at: float
    event: TurnEvent


#: What a timer's event means as a failure.
FAILURES: dict[TurnEvent, ErrorInfo] = {
    TurnEvent.CREATE_TIMEOUT: ErrorInfo(
        kind=ErrorKind.TRANSIENT, code="create_timeout", message="response.create was not answered"
    ),
    TurnEvent.STALLED: ErrorInfo(
        kind=ErrorKind.TRANSIENT, code="stalled", message="the server went silent"
    ),
    TurnEvent.RECOVERY_DEADLINE: ErrorInfo(
        kind=ErrorKind.TRANSIENT, code="connection_lost", message="no connection in time"
    ),
}


def timer_of(turn: Turn, policy: RetryPolicy, *, user_speaking: bool) -> Timer | None:
    """The next timer of a live turn, or None while it waits for the lane: there the holder's
    own timer is the exit, and without a connection the recovery deadline.

    The backoff is not here: it ends only when the lane is free as well.
    """
    attempt = turn.attempt
    due: list[tuple[float | None, TurnEvent]] = []
    if turn.state is TurnState.REQUESTED and turn.waiting:
        due = [(turn.recover_by, TurnEvent.RECOVERY_DEADLINE)]
    elif turn.state is TurnState.REQUESTED:
        due = [
            (turn.deadline, TurnEvent.CREATE_TIMEOUT),
            (turn.recover_by, TurnEvent.RECOVERY_DEADLINE),
        ]
    elif turn.state is TurnState.CREATED and attempt is not None:
        due = [(attempt.last_activity + policy.first_output_timeout, TurnEvent.STALLED)]
    elif turn.state is TurnState.STREAMING and attempt is not None:
        if turn.generation_over or turn.replacing:
            # A paused playback and a speaking user stop the clock.
            held = user_speaking or turn.paused
            due = [(None if held else turn.deadline, TurnEvent.PLAYBACK_TIMEOUT)]
        elif attempt.deltas_shown:
            due = [(attempt.last_activity + policy.stall_timeout, TurnEvent.STALLED)]
    elif turn.state is TurnState.RETRY_WAIT and not user_speaking:
        due = [(turn.recover_by, TurnEvent.RECOVERY_DEADLINE)]
    elif turn.state is TurnState.CANCELLING:
        due = [(turn.deadline, TurnEvent.CANCEL_TIMEOUT)]
    timers = [Timer(at, event) for at, event in due if at is not None]
    return min(timers, key=lambda t: t.at, default=None)
