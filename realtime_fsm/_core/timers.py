"""Which timer a turn runs in which state. Those of a response are its own `deadline`."""

from __future__ import annotations

from typing import NamedTuple

from .errors import ErrorInfo
from .machine_events import TurnEvent
from .policy import RetryPolicy
from .records import Response, Turn
from .states import ErrorKind, Generation, TurnState


class Timer(NamedTuple):
    """An event that is due at a time, seconds."""

    at: float
    event: TurnEvent


#: What a timer's event means as a failure.
TIMEOUTS: dict[TurnEvent, ErrorInfo] = {
    TurnEvent.STALLED: ErrorInfo(
        kind=ErrorKind.TRANSIENT, code="stalled", message="the server went silent"
    ),
    TurnEvent.RECOVERY_DEADLINE: ErrorInfo(
        kind=ErrorKind.TRANSIENT, code="connection_lost", message="no connection in time"
    ),
}


def timer_of(turn: Turn, policy: RetryPolicy, *, user_speaking: bool) -> Timer | None:
    """The next timer of a live turn, or None while another part's is the exit: its response's while
    that is asked for, the holder's while it waits for the lane.

    The backoff is not here: it ends only when the lane is free as well.
    """
    state, attempt = turn.state, turn.attempt
    at: float | None = None
    event = TurnEvent.STALLED
    if state is TurnState.STREAMING and attempt is not None:
        if turn.generation is Generation.RUNNING:
            at = attempt.last_activity + _longest_silence(turn, attempt, policy)
            at = at if attempt.deltas_shown else None
        elif not user_speaking and not turn.paused:  # these stop the clock of playback
            at, event = playback_deadline(turn, policy), TurnEvent.PLAYBACK_TIMEOUT
    elif state is TurnState.CREATED and attempt is not None:
        at = attempt.last_activity + policy.first_output_timeout
    elif state is TurnState.REQUESTED:
        at, event = turn.recover_by, TurnEvent.RECOVERY_DEADLINE
    elif state is TurnState.RETRY_WAIT:
        at, event = None if user_speaking else turn.recover_by, TurnEvent.RECOVERY_DEADLINE
    elif state is TurnState.CANCELLING:
        at, event = turn.since + policy.cancel_timeout, TurnEvent.CANCEL_TIMEOUT
    return None if at is None else Timer(at, event)


def _longest_silence(turn: Turn, attempt: Response, policy: RetryPolicy) -> float:
    """Within a response that has begun. What the server does by itself may take its time, and what
    it says of that is its first output."""
    if attempt.acting:
        return policy.action_timeout
    spoken = any(m.attempt == turn.attempts for m in turn.messages) or turn.calls
    return policy.first_output_timeout if turn.actions and not spoken else policy.stall_timeout


def playback_deadline(turn: Turn, policy: RetryPolicy) -> float:
    """When what is left of the turn must have played; much later while it waits in the host. It counts
    from when its playback last moved."""
    since = max([turn.since, *(m.moved_at for m in turn.messages)])
    pulled = [m for m in turn.messages if m.pulled]
    # Without a count of its audio (a TTS speaks the text) nobody knows how long it lasts.
    known = all(m.received_ms for m in pulled if m.outcome is None)
    # What arrives of an attempt that was given up is counted, and never handed out.
    left = sum(m.received_ms for m in turn.messages if m.delivered and m.outcome is None) / 1000
    spare = policy.stall_timeout if pulled and known else policy.speech_timeout
    return since + left + spare
