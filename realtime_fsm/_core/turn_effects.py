"""Effects of the turn table: each changes the turn, and appends commands.

None raises, logs, awaits, reads a clock or fires an event: what other machines are told stands in the
table.
"""

from __future__ import annotations

from .commands import (
    AnnounceTurn,
    CreateResponse,
    DeliverItem,
    EndAttempt,
    EndStreams,
    ExposeTurn,
    Recovering,
    ReportFailure,
)
from .error_kinds import ends_session
from .events import (
    ActionEnded,
    CallReceived,
    ItemKind,
    ItemStarted,
    OutputReceived,
    ResponseCreated,
)
from .memory import cut_back, remove_unheard
from .policy import FIRST_RETRY_INTERVAL
from .records import Message, Response, Turn
from .retry_budget import retry_delay
from .states import ErrorKind, Generation, Origin, ResponseState
from .step import Step

#: Seconds to wait at most before asking again after a conflict, once the lane is free.
_LONGEST_CONFLICT = 1.0


# --- effects: asking


def send_create(turn: Turn, step: Step) -> None:
    """Ask for a response. How long it may stay queued below us is its own deadline."""
    gives_up = step.held_up > 0 and step.lane.speech.answer_missed
    turn.ahead = gives_up and turn.origin is Origin.CLIENT and not turn.of_user
    turn.attempts += 1
    turn.attempt = Response(
        turn=turn,
        number=turn.attempts,
        state=ResponseState.QUEUED,
        last_activity=step.now,
        deadline=step.now + step.policy.longest_queued,
    )
    step.out.append(CreateResponse(turn_id=turn.id, attempt=turn.attempts))


def note_created(turn: Turn, step: Step) -> None:
    turn.acknowledged = turn.attempts


def take_over(turn: Turn, step: Step) -> None:
    """What the server began is this turn's attempt."""
    assert step.response is not None
    turn.attempt = step.response
    turn.attempts = turn.acknowledged = step.response.number
    stop_clock(turn, step)


def adopt(turn: Turn, step: Step) -> None:
    """An attempt that was given up shows itself: it is this turn's again."""
    assert step.response is not None
    assert step.response.response_id is not None
    turn.attempt = step.response
    turn.acknowledged = step.response.number
    _announce(turn, step, step.response.response_id)


def tell_doubt(turn: Turn, step: Step) -> None:
    wait = step.policy.timeout - step.policy.first_doubt
    step.out.append(
        Recovering(turn_id=turn.id, attempt=turn.attempts, reason=step.failure, wait=wait)
    )


def tell_stall(turn: Turn, step: Step) -> None:
    turn.since = step.now
    wait = step.policy.first_output_timeout - step.policy.stall_timeout
    step.out.append(
        Recovering(turn_id=turn.id, attempt=turn.attempts, reason=step.failure, wait=wait)
    )


def take_over_and_announce(turn: Turn, step: Step) -> None:
    take_over(turn, step)
    announce(turn, step)


def announce(turn: Turn, step: Step) -> None:
    assert isinstance(step.event, ResponseCreated)
    note_created(turn, step)
    _announce(turn, step, step.event.response_id)


def _announce(turn: Turn, step: Step, response_id: str) -> None:
    if not turn.announced and turn.origin is not Origin.CLIENT:
        turn.announced = True
        step.out.append(AnnounceTurn(turn_id=turn.id, response_id=response_id))


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


def start_clock(turn: Turn, step: Step) -> None:
    """Nothing can be sent: waiting for the lane has to end by itself."""
    if turn.recover_by is None:
        turn.recover_by = step.now + step.policy.recovery_deadline


def stop_clock(turn: Turn, step: Step) -> None:
    """There is a connection. What has failed before keeps its deadline."""
    if turn.first_failure is None:
        turn.recover_by = None


# --- effects: output


def begin_item(turn: Turn, step: Step) -> None:
    assert isinstance(step.event, ItemStarted)
    if step.event.kind is ItemKind.MESSAGE:
        turn.message_number += 1
        message = Message(
            item_id=step.event.item_id, number=turn.message_number, attempt=turn.attempts
        )
        turn.messages += (message,)


def deliver_message(turn: Turn, step: Step) -> None:
    assert isinstance(step.event, OutputReceived)
    item_id = step.event.item_id
    _hand_out(turn, step, item_id)
    for message in turn.messages:
        if message.item_id == item_id:
            message.delivered = True


def hand_out_call(turn: Turn, step: Step) -> None:
    """G17: each call exactly once, however often the server repeats it."""
    assert isinstance(step.event, CallReceived)
    if step.event.item_id not in turn.calls:
        _hand_out(turn, step, step.event.item_id)
        turn.calls += (step.event.item_id,)


def note_action(turn: Turn, step: Step) -> None:
    """Nothing of it can be given to the host, and it counts as if it was (G28)."""
    assert isinstance(step.event, (ItemStarted, ActionEnded))
    _expose(turn, step)
    turn.actions += (step.event.item_id,)


def _hand_out(turn: Turn, step: Step, item_id: str) -> None:
    _expose(turn, step)
    step.out.append(DeliverItem(turn_id=turn.id, item_id=item_id))


def _expose(turn: Turn, step: Step) -> None:
    turn.recover_by = None  # the silence is over
    if not turn.has_output:
        assert turn.attempt is not None
        assert turn.attempt.response_id is not None
        _announce(turn, step, turn.attempt.response_id)
        step.out.append(ExposeTurn(turn_id=turn.id, response_id=turn.attempt.response_id))


def forget_announcement(turn: Turn, step: Step) -> None:
    turn.announced = False


# --- effects: the end of generation


def _end_generation(turn: Turn, step: Step, ending: Generation) -> None:
    told = turn.generation_over
    turn.generation = ending
    if not told:
        turn.since = step.now
        step.out.append(EndStreams(turn_id=turn.id))


def end_completed(turn: Turn, step: Step) -> None:
    turn.error = None
    _end_generation(turn, step, Generation.COMPLETED)


def end_incomplete(turn: Turn, step: Step) -> None:
    _report(turn, step)
    _end_generation(turn, step, Generation.INCOMPLETE)


def end_interrupted(turn: Turn, step: Step) -> None:
    _end_generation(turn, step, Generation.INTERRUPTED)


def end_superseded(turn: Turn, step: Step) -> None:
    _end_generation(turn, step, Generation.SUPERSEDED)


def end_failed(turn: Turn, step: Step) -> None:
    """The failure is visible now, even if what was received plays out."""
    _report(turn, step)
    _end_generation(turn, step, Generation.FAILED)


def play_out(turn: Turn, step: Step) -> None:
    """``after_exposure="regenerate"``: what was received is worth hearing, and what was heard
    has to be known before the rest is asked for."""
    turn.generation = Generation.BROKEN
    turn.error = step.failure
    turn.since = step.now
    step.out.append(EndAttempt(turn_id=turn.id))


def end_speech(turn: Turn, step: Step) -> None:
    turn.speech_over = True


# --- effects: recovery


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
    remove_unheard(turn, step)
    if turn.attempt is not None:
        cut_back(turn.attempt, step)
    turn.attempt = None
    turn.message_number = 0
    turn.generation = Generation.RUNNING
    step.out.append(
        Recovering(turn_id=turn.id, attempt=turn.attempts, reason=step.failure, wait=wait)
    )


def regenerate(turn: Turn, step: Step) -> None:
    """What was handed out has played; the cause is the failure that ended it."""
    if turn.error is not None:
        step.failure = step.assess(turn.error)  # limits told while it played
    schedule_retry(turn, step)


def heed_limit(turn: Turn, step: Step) -> None:
    """It failed of an exhausted rate limit, and nobody said how long to wait."""
    if turn.error is None or turn.error.retry_after is not None:
        return
    error = step.assess(turn.error)
    if error.retry_after is not None:
        turn.error = error
        turn.retry_at = step.now + min(error.retry_after, step.policy.longest_hint)


def run_clocks(turn: Turn, step: Step) -> None:
    turn.retry_at += step.held_up
    if turn.recover_by is not None:
        turn.recover_by += step.held_up


# --- effects: the end


def begin_cancelling(turn: Turn, step: Step) -> None:
    _end_generation(turn, step, Generation.INTERRUPTED)
    turn.since = step.now


def wait_for_terminal(turn: Turn, step: Step) -> None:
    turn.since = step.now


def fail_late(turn: Turn, step: Step) -> None:
    """Time ran out, or nobody listens any more: the cause is the failure before."""
    if turn.error is not None:
        step.failure = turn.error
    end_failed(turn, step)


def _is_plains(turn: Turn) -> bool:
    """Whether plain LiveKit makes this request, too, and is told of its failure (G27): the first one of the host's,
    or server VAD's own."""
    ours = turn.attempt is not None and turn.attempt.event_id is not None
    return turn.attempts < 2 and not (ours and turn.origin is Origin.SERVER_VAD)


def _report(turn: Turn, step: Step) -> None:
    turn.error = step.failure
    ends_plain = _is_plains(turn) and not step.unseen and ends_session(step.failure)
    step.out.append(
        ReportFailure(
            turn_id=turn.id,
            error=step.failure,
            fatal=step.lane.connection.dead or ends_plain,
            # The tool's reply, a turn of its own on the same handle, will speak (G8).
            on_handle=not turn.calls,
        )
    )
