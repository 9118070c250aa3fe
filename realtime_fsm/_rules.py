"""Guards and effects of the table: small pure functions.

A guard looks, an effect changes the turn and appends commands. Neither raises, logs, awaits,
reads a clock or fires an event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ._commands import (
    AnnounceTurn,
    CancelResponse,
    Command,
    CreateResponse,
    DeleteItem,
    DeliverItem,
    EndAttempt,
    EndStreams,
    ExposeTurn,
    Recovering,
    ReportFailure,
)
from ._errors import ErrorInfo
from ._events import CallReceived, Event, ItemKind, ItemStarted, OutputReceived, ResponseCreated
from ._policy import FIRST_RETRY_INTERVAL, RetryPolicy
from ._states import ErrorKind, MessageOutcome, Origin, TurnOutcome, TurnState
from ._turn import Attempt, Message, Turn

#: A create that meets another response this often fails instead of asking again.
MAX_CONFLICTS = 5
#: Seconds to wait at most before asking again after a conflict, once the lane is free.
_LONGEST_CONFLICT = 1.0

#: Seconds within which a create is acknowledged, nearly always. Before that "nothing to cancel"
#: may speak of a create that is not a response yet (livekit/agents#6223).
_ACKNOWLEDGED = 1.0

_RETRIES: dict[ErrorKind, int | None] = {
    ErrorKind.TRANSIENT: None,
    ErrorKind.SESSION_END: None,
    ErrorKind.UNKNOWN: 1,
    ErrorKind.EMPTY: 1,
}
"""Retries that a kind of failure is worth; None: as many as the policy has."""


_NO_REASON = ErrorInfo(kind=ErrorKind.UNKNOWN)


@dataclass(slots=True)
class Step:
    """One event being applied: what guards may look at and where effects put commands."""

    now: float
    policy: RetryPolicy
    out: list[Command]
    new_event_id: Callable[[str], str]
    hopeless: bool = False  # the session below is dead
    event: Event | None = None
    failure: ErrorInfo = _NO_REASON


# --- guards


def is_waiting(turn: Turn, step: Step) -> bool:
    return turn.waiting


def nobody_awaits(turn: Turn, step: Step) -> bool:
    """No call of the host waits for it, nor one below us, whose create carries an id of its own."""
    assert isinstance(step.event, ResponseCreated)
    below = step.event.client_event_id is not None and not turn.on_wire
    return turn.origin is not Origin.CLIENT and not below


def not_sent(turn: Turn, step: Step) -> bool:
    return not turn.on_wire


def may_ask_again(turn: Turn, step: Step) -> bool:
    return turn.conflicts < MAX_CONFLICTS


def may_retry(turn: Turn, step: Step) -> bool:
    """G9: only while nothing of the attempt was handed out."""
    exposed = turn.attempt is not None and turn.attempt.exposed
    return not exposed and not _still_queued(turn, step) and _within_budget(turn, step)


def may_regenerate(turn: Turn, step: Step) -> bool:
    """Some of it was heard, and the policy is to go on from there. A tool that was handed out
    speaks for itself (G17)."""
    asked_for = step.policy.after_exposure == "regenerate" and turn.exposed and not turn.calls
    return asked_for and not turn.speech_over and _within_budget(turn, step)


def may_regenerate_now(turn: Turn, step: Step) -> bool:
    return may_regenerate(turn, step) and turn.playback_over


def replaces(turn: Turn, step: Step) -> bool:
    return turn.replacing


def replaces_in_time(turn: Turn, step: Step) -> bool:
    return turn.replacing and not turn.speech_over


def _within_budget(turn: Turn, step: Step) -> bool:
    """G9: bounded in number and in total time; G10: not in a session that is dead."""
    if step.hopeless:
        return False
    worth = _RETRIES.get(step.failure.kind, 0)
    limit = step.policy.max_retry if worth is None else min(worth, step.policy.max_retry)
    if turn.retries >= limit:
        return False
    by = turn.recover_by
    wait = retry_delay(turn, step)
    return wait <= step.policy.recovery_deadline if by is None else step.now + wait <= by


def _still_queued(turn: Turn, step: Step) -> bool:
    """Its create has not left yet and may still do so: a second one would collide with it."""
    queued = turn.state is TurnState.REQUESTED and not turn.on_wire
    return queued and not attempt_over(turn, step)


def spoke(turn: Turn, step: Step) -> bool:
    return turn.exposed


def spoke_and_heard(turn: Turn, step: Step) -> bool:
    return turn.exposed and turn.playback_over


def heard(turn: Turn, step: Step) -> bool:
    return turn.playback_over


def still_playing(turn: Turn, step: Step) -> bool:
    return turn.exposed and not turn.playback_over


def ends_failed(turn: Turn, step: Step) -> bool:
    return turn.generation_over and turn.ending is TurnOutcome.FAILED


def attempt_over(turn: Turn, step: Step) -> bool:
    return turn.attempt is None or turn.attempt.over


def generated(turn: Turn, step: Step) -> bool:
    return turn.generation_over


def generated_and_playing(turn: Turn, step: Step) -> bool:
    return turn.generation_over and not turn.playback_over


# --- effects: asking


def send_create(turn: Turn, step: Step) -> None:
    turn.attempts += 1
    turn.attempt = Attempt(turn=turn, number=turn.attempts, last_activity=step.now)
    turn.waiting = False
    # How long it may stay queued below us; the create timeout runs from when it leaves.
    turn.deadline = step.now + step.policy.recovery_deadline
    step.out.append(CreateResponse(turn_id=turn.id, attempt=turn.attempts))


def adopt_response(turn: Turn, step: Step) -> None:
    assert turn.attempt is not None
    assert isinstance(step.event, ResponseCreated)
    turn.attempt.response_id = step.event.response_id
    turn.attempt.deltas_shown = step.event.deltas_shown
    turn.attempt.last_activity = step.now
    turn.deadline = None


def adopt_and_announce(turn: Turn, step: Step) -> None:
    adopt_response(turn, step)
    _announce(turn, step)


def _announce(turn: Turn, step: Step) -> None:
    assert turn.attempt is not None
    assert turn.attempt.response_id is not None
    if not turn.announced and turn.origin is not Origin.CLIENT:
        step.out.append(AnnounceTurn(turn_id=turn.id, response_id=turn.attempt.response_id))
    turn.announced = True


def keep_request(turn: Turn, step: Step) -> None:
    """G20: a conflict says that our picture of the lane was stale, not that the turn is wrong."""
    again = FIRST_RETRY_INTERVAL * (2**turn.conflicts - 1)  # the first time at once
    turn.retry_at = step.now + min(again, _LONGEST_CONFLICT)
    turn.conflicts += 1
    if turn.conflicts > 1 and turn.first_failure is None:
        # Whoever holds the lane does not show himself.
        turn.first_failure = step.now
        turn.recover_by = step.now + step.policy.recovery_deadline
    turn.error = step.failure
    turn.attempt = None
    turn.waiting = True
    turn.deadline = None


def wait_for_connection(turn: Turn, step: Step) -> None:
    """The create is still queued below us and leaves with the next connection."""
    if turn.state is TurnState.REQUESTED:
        turn.deadline = step.now + step.policy.recovery_deadline


# --- effects: output


def begin_item(turn: Turn, step: Step) -> None:
    assert turn.attempt is not None
    assert isinstance(step.event, ItemStarted)
    turn.attempt.unheard.append(step.event.item_id)
    if step.event.kind is ItemKind.MESSAGE:
        turn.message_number += 1
        turn.messages.append(
            Message(item_id=step.event.item_id, number=turn.message_number, attempt=turn.attempts)
        )


def expose_message(turn: Turn, step: Step) -> None:
    assert isinstance(step.event, OutputReceived)
    item_id = step.event.item_id
    for message in turn.messages:
        if message.item_id == item_id:
            message.exposed = True
    _hand_out(turn, step, item_id)


def hand_out_call(turn: Turn, step: Step) -> None:
    """G17: each call exactly once, however often the server repeats it."""
    assert isinstance(step.event, CallReceived)
    if step.event.item_id not in turn.calls:
        turn.calls.append(step.event.item_id)
        _hand_out(turn, step, step.event.item_id)


def _hand_out(turn: Turn, step: Step, item_id: str) -> None:
    attempt = turn.attempt
    assert attempt is not None
    assert attempt.response_id is not None
    attempt.exposed = True
    turn.recover_by = None  # the silence is over
    if item_id in attempt.unheard:
        attempt.unheard.remove(item_id)
    if not turn.exposed:
        turn.exposed = True
        _announce(turn, step)
        step.out.append(ExposeTurn(turn_id=turn.id, response_id=attempt.response_id))
    step.out.append(DeliverItem(turn_id=turn.id, item_id=item_id))


# --- effects: the end of generation


def end_generation(turn: Turn, step: Step) -> None:
    if turn.generation_over:
        return
    turn.generation_over = True
    turn.replacing = False
    turn.deadline = playback_deadline(turn, step)
    step.out.append(EndStreams(turn_id=turn.id))


def playback_deadline(turn: Turn, step: Step) -> float:
    """When what is left of the turn must have played; much later while it waits in the host."""
    pulled = [m for m in turn.messages if m.pulled]
    # Without a count of its audio (a TTS speaks the text) nobody knows how long it lasts.
    known = all(m.received_ms for m in pulled if m.outcome is None)
    # What arrives of an attempt that was given up is counted, and never handed out.
    left = sum(m.received_ms for m in turn.messages if m.exposed and m.outcome is None) / 1000
    spare = step.policy.stall_timeout if pulled and known else step.policy.speech_timeout
    return step.now + left + spare


def end_completed(turn: Turn, step: Step) -> None:
    turn.ending = TurnOutcome.COMPLETED
    turn.error = None
    end_generation(turn, step)


def end_incomplete(turn: Turn, step: Step) -> None:
    turn.ending = TurnOutcome.INCOMPLETE
    _report(turn, step)
    let_go(turn, step)
    end_generation(turn, step)


def end_interrupted(turn: Turn, step: Step) -> None:
    turn.ending = TurnOutcome.INTERRUPTED
    turn.interrupted = True
    let_go(turn, step)
    end_generation(turn, step)


def end_failed(turn: Turn, step: Step) -> None:
    """``after_exposure="stop"``: what was received plays out, the failure is visible now."""
    turn.ending = TurnOutcome.FAILED
    _report(turn, step)
    let_go(turn, step)
    end_generation(turn, step)


def play_out(turn: Turn, step: Step) -> None:
    """``after_exposure="regenerate"``: what was received is worth hearing, and what was heard
    has to be known before the rest is asked for."""
    turn.replacing = True
    turn.error = step.failure
    let_go(turn, step)
    turn.deadline = playback_deadline(turn, step)
    step.out.append(EndAttempt(turn_id=turn.id))


# --- effects: recovery


def retry_delay(turn: Turn, step: Step) -> float:
    hint = step.failure.retry_after
    if hint is not None:
        return min(hint, step.policy.longest_hint)
    return step.policy.interval(turn.retries)


def schedule_retry(turn: Turn, step: Step) -> None:
    wait = retry_delay(turn, step)
    if turn.first_failure is None:
        turn.first_failure = step.now
    if turn.recover_by is None:
        turn.recover_by = step.now + step.policy.recovery_deadline
    if step.failure.kind is not ErrorKind.SESSION_END:
        turn.retries += 1
    turn.error = step.failure
    turn.retry_at = step.now + wait
    let_go(turn, step)
    remove_unheard(turn, step)
    turn.attempt = None
    turn.message_number = 0
    turn.deadline = None
    turn.replacing = False
    step.out.append(
        Recovering(turn_id=turn.id, attempt=turn.attempts, reason=step.failure, wait=wait)
    )


def regenerate(turn: Turn, step: Step) -> None:
    """What was handed out has played; the cause is the failure that ended it."""
    if turn.error is not None:
        step.failure = turn.error
    schedule_retry(turn, step)


def remove_unheard(turn: Turn, step: Step) -> None:
    """Handed out and never heard: not to be remembered (G16). What was never handed out goes
    with its attempt."""
    for message in turn.messages:
        if message.exposed and message.outcome is MessageOutcome.SKIPPED and not message.removed:
            message.removed = True
            event_id = step.new_event_id("delete")
            step.out.append(DeleteItem(item_id=message.item_id, event_id=event_id))


def ask_again(turn: Turn, step: Step) -> None:
    turn.waiting = True


# --- effects: cancelling


def cancel(turn: Turn, step: Step) -> None:
    turn.interrupted = True
    turn.ending = TurnOutcome.INTERRUPTED
    let_go(turn, step)
    end_generation(turn, step)
    turn.deadline = step.now + step.policy.cancel_timeout


def adopt_and_cancel(turn: Turn, step: Step) -> None:
    adopt_response(turn, step)
    turn.deadline = step.now + step.policy.cancel_timeout
    assert turn.attempt is not None
    release(turn.attempt, step)


def let_go(turn: Turn, step: Step) -> None:
    """Stop waiting for the attempt's output. The lane keeps it until its own terminal (G4)."""
    attempt = turn.attempt
    if attempt is None or attempt.abandoned:
        return
    attempt.abandoned = True
    if attempt.response_id is None:
        if turn.on_wire and turn.deadline is not None:
            attempt.deadline = min(turn.deadline, max(step.now, attempt.sent_at + _ACKNOWLEDGED))
        else:
            attempt.deadline = step.now + step.policy.timeout
    release(attempt, step)


def release(attempt: Attempt, step: Step) -> None:
    """Cancel an abandoned response by its id, at most once (G6), and delete what is unheard."""
    if attempt.over:
        # Cleanup precedes the next create on the same ordered socket; nobody waits for it.
        for item_id in attempt.unheard:
            step.out.append(DeleteItem(item_id=item_id, event_id=step.new_event_id("delete")))
        attempt.unheard.clear()
        attempt.deadline = None
    elif attempt.response_id is None:
        return
    elif attempt.cancelled_below or attempt.cancel_id is not None:
        attempt.deadline = step.now + step.policy.cancel_timeout
    else:
        attempt.cancel_id = step.new_event_id("cancel")
        attempt.asked_at = step.now
        attempt.deadline = step.now + step.policy.patience(step.policy.cancel_timeout)
        step.out.append(CancelResponse(response_id=attempt.response_id, event_id=attempt.cancel_id))


# --- effects: the end


def finish(turn: Turn, step: Step) -> None:
    """Playback is over too: end as it was decided when generation ended."""
    assert turn.ending is not None
    _end(turn, turn.ending)


def finish_completed(turn: Turn, step: Step) -> None:
    end_completed(turn, step)
    _end(turn, TurnOutcome.COMPLETED)


def finish_incomplete(turn: Turn, step: Step) -> None:
    end_incomplete(turn, step)
    _end(turn, TurnOutcome.INCOMPLETE)


def finish_interrupted(turn: Turn, step: Step) -> None:
    end_interrupted(turn, step)
    _end(turn, TurnOutcome.INTERRUPTED)


def finish_superseded(turn: Turn, step: Step) -> None:
    end_generation(turn, step)
    _end(turn, TurnOutcome.SUPERSEDED)


def fail(turn: Turn, step: Step) -> None:
    if turn.ending is not TurnOutcome.FAILED:
        turn.ending = TurnOutcome.FAILED
        _report(turn, step)
    let_go(turn, step)
    end_generation(turn, step)
    _end(turn, TurnOutcome.FAILED)


def fail_late(turn: Turn, step: Step) -> None:
    """Time ran out while a retry was pending: the cause is the failure before it."""
    if turn.error is not None:
        step.failure = turn.error
    fail(turn, step)


def _report(turn: Turn, step: Step) -> None:
    turn.error = step.failure
    step.out.append(
        ReportFailure(
            turn_id=turn.id,
            error=step.failure,
            fatal=step.failure.kind is ErrorKind.FATAL,
            # The tool's reply, a turn of its own on the same handle, will speak (G8).
            on_handle=not turn.calls,
        )
    )


def _end(turn: Turn, outcome: TurnOutcome) -> None:
    """The controller does the rest: playback's last word, what nobody heard, `TurnEnded`."""
    turn.outcome = outcome
    turn.deadline = turn.recover_by = None
