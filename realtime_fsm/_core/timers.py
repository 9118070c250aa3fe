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


STALLING = ErrorInfo(
    kind=ErrorKind.TRANSIENT, code="stalling", message="the server says nothing for long"
)
#: What a timer's event means as a failure.
TIMEOUTS: dict[TurnEvent, ErrorInfo] = {
    TurnEvent.STALLED: ErrorInfo(
        kind=ErrorKind.TRANSIENT, code="stalled", message="the server went silent"
    ),
    TurnEvent.STALL_DOUBTED: STALLING,
    TurnEvent.RECOVERY_DEADLINE: ErrorInfo(
        kind=ErrorKind.TRANSIENT, code="connection_lost", message="no connection in time"
    ),
}


def timer_of(
    turn: Turn, policy: RetryPolicy, *, user_speaking: bool, waited_for: bool
) -> Timer | None:
    """The next timer of a live turn, or None while another part's is the exit: its response's while
    that is asked for, the holder's while it waits for the lane.

    The backoff is not here: it ends only when the lane is free as well.

    Args:
        user_speaking: Recovery stands still.
        waited_for: Another turn is to be asked for, or spoken, once this one's response is over.
    """
    state, attempt = turn.state, turn.attempt
    at: float | None = None
    event = TurnEvent.STALLED
    if state is TurnState.STREAMING and attempt is not None:
        if turn.generation is Generation.RUNNING:
            return _silence(turn, attempt, policy) if attempt.deltas_shown else None
        if not user_speaking and not turn.paused:  # these stop the clock of playback
            at, event = playback_deadline(turn, policy), TurnEvent.PLAYBACK_TIMEOUT
    elif state is TurnState.CREATED and attempt is not None:
        at = attempt.last_activity + policy.first_output_timeout
        if waited_for and turn.recover_by is not None:
            # A retry, which plain LiveKit does not make: what is queued goes on (G27).
            at = min(at, turn.recover_by)
    elif state is TurnState.REQUESTED:
        at, event = turn.recover_by, TurnEvent.RECOVERY_DEADLINE
    elif state is TurnState.RETRY_WAIT:
        at, event = None if user_speaking else turn.recover_by, TurnEvent.RECOVERY_DEADLINE
    elif state is TurnState.CANCELLING:
        at, event = turn.since + policy.cancel_timeout, TurnEvent.CANCEL_TIMEOUT
    return None if at is None else Timer(at, event)


def _silence(turn: Turn, attempt: Response, policy: RetryPolicy) -> Timer:
    """Within a response that has begun. What the server does by itself may take its time, and what
    it says of that is its first output. What was handed out cannot be asked for again: while the
    connection lives it may go on, whoever waits behind it, as on plain LiveKit (G27)."""
    last = attempt.last_activity
    if attempt.acting:
        return Timer(last + policy.action_timeout, TurnEvent.STALLED)
    stalled = last + policy.stall_timeout
    latest = last + policy.first_output_timeout
    if turn.actions and not _spoken(turn):
        return Timer(latest, TurnEvent.STALLED)
    again = not attempt.has_output or (
        policy.after_exposure == "regenerate" and not (turn.calls or turn.actions)
    )
    if again or latest <= stalled:
        return Timer(stalled, TurnEvent.STALLED)
    if turn.since <= last:  # nobody was told yet
        return Timer(stalled, TurnEvent.STALL_DOUBTED)
    return Timer(latest, TurnEvent.STALLED)


def _spoken(turn: Turn) -> bool:
    """Whether its newest attempt has more than what the server did by itself."""
    return bool(turn.calls) or any(m.attempt == turn.attempts for m in turn.messages)


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
