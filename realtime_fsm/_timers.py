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
    state, attempt = turn.state, turn.attempt
    at, event = turn.deadline, TurnEvent.PLAYBACK_TIMEOUT
    if state is TurnState.STREAMING and attempt is not None:
        if not turn.generation_over and not turn.replacing:
            at = attempt.last_activity + policy.stall_timeout if attempt.deltas_shown else None
            event = TurnEvent.STALLED
        elif user_speaking or turn.paused:
            at = None  # a paused playback and a speaking user stop the clock
    elif state is TurnState.CREATED and attempt is not None:
        at, event = attempt.last_activity + policy.first_output_timeout, TurnEvent.STALLED
    elif state is TurnState.REQUESTED:
        event = TurnEvent.CREATE_TIMEOUT  # no deadline while it waits for the lane
        if turn.recover_by is not None and (at is None or turn.recover_by < at):
            at, event = turn.recover_by, TurnEvent.RECOVERY_DEADLINE
    elif state is TurnState.RETRY_WAIT:
        at, event = None if user_speaking else turn.recover_by, TurnEvent.RECOVERY_DEADLINE
    elif state is TurnState.CANCELLING:
        event = TurnEvent.CANCEL_TIMEOUT
    else:
        at = None
    return None if at is None else Timer(at, event)
