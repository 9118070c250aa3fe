"""What each event means: whose it is, and what is fired at that turn. One function per event.

The rules of correlation are here (G3): by client event id, response id and item id, never by
arrival order. An event nobody owns is counted and changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import _events as ev
from . import _hear as hear
from ._classify import active_response_id
from ._core import OWN_IDS, Core, remember
from ._errors import ErrorInfo
from ._rules import Step, release, retry_delay, wait_for_connection
from ._states import ErrorKind, Origin, TurnState
from ._table import TurnEvent as E
from ._turn import Attempt, Message, Turn

_TERMINAL = {
    ev.ResponseStatus.COMPLETED: E.RESPONSE_COMPLETED,
    ev.ResponseStatus.INCOMPLETE: E.RESPONSE_INCOMPLETE,
    ev.ResponseStatus.CANCELLED: E.RESPONSE_CANCELLED,
    ev.ResponseStatus.FAILED: E.RESPONSE_FAILED,
}
_EMPTY = ErrorInfo(
    kind=ErrorKind.EMPTY, code="empty_response", message="the response completed without output"
)
_FAILED = ErrorInfo(kind=ErrorKind.TRANSIENT, message="the response failed without a reason")
#: Seconds within which the terminal of a response must come that "is not active" any more.
_RACE = 0.5
_ROLLOVER = ErrorInfo(
    kind=ErrorKind.SESSION_END, code="rollover", message="the connection was replaced"
)
#: An error without an event id answers the only pending create, if it is one of these: errors
#: about our own frames come with the id of the frame, or concern a frame that has none (truncate).
_ANSWERS_A_CREATE = (ErrorKind.TRANSIENT, ErrorKind.FATAL, ErrorKind.UNKNOWN)


#: …and the answer that server VAD owes is refused by one of these.
_ANSWERS_VAD = (ErrorKind.TRANSIENT, ErrorKind.UNKNOWN)


def _create_sent(core: Core, event: ev.CreateSent, step: Step) -> bool:
    attempt = core.unsent.pop((event.turn_id, event.attempt), None)
    if attempt is None:
        return core.ignore("unknown attempt")
    attempt.event_id, attempt.sent_at = event.event_id, step.now
    remember(core.by_event, event.event_id, attempt)
    if not core.lane.connected:
        core.shown(step.now)
    if attempt.abandoned:
        attempt.deadline = step.now + core.policy.timeout
    elif attempt.turn is not None:
        attempt.turn.deadline = step.now + core.policy.timeout
    return True


def _create_not_sent(core: Core, event: ev.CreateNotSent, step: Step) -> bool:
    attempt = core.unsent.pop((event.turn_id, event.attempt), None)
    if attempt is None:
        return core.ignore("unknown attempt")
    step.failure = core.judged(event.error, step.now)
    core.settle(attempt, E.CREATE_REFUSED, step)
    return True


def _create_given_up(core: Core, event: ev.CreateGivenUp, step: Step) -> bool:
    for attempt in tuple(core.by_event.values()):  # those that left: others may do so yet
        turn = attempt.turn
        mine = turn is not None and (turn.id, attempt.number) == (event.turn_id, event.attempt)
        if turn is None or not mine or attempt.response_id is not None:
            continue
        attempt.cancelled_below = True
        if turn.attempt is attempt and not attempt.abandoned:
            step.failure = event.error
            turn.deadline = step.now
            core.fire(turn, E.CREATE_TIMEOUT, step)
        return True
    return core.ignore("stale attempt")


def _response_created(core: Core, event: ev.ResponseCreated, step: Step) -> bool:
    if event.out_of_band:
        return core.ignore("out of band")
    if core.seen.get(event.response_id):
        return core.ignore("stale response")
    if event.response_id in core.cancelled:
        # It was given up and lives: its one cancel is waited for anew (G1, G6).
        core.block(event.response_id, step.now)
        return core.ignore("repeated response.created")
    attempt = core.by_event.get(event.client_event_id or "")
    known = core.by_response.get(event.response_id)
    taken = known is not None and known.turn is not None
    if taken or (attempt is not None and attempt.response_id is not None):
        return core.ignore("repeated response.created")
    remember(core.seen, event.response_id, False)
    core.lane.owed = False  # whoever asked for it, it answers what was committed before
    core.unblock(event.response_id)
    if attempt is None:
        return _unasked_response(core, event, step)
    core.by_response[event.response_id] = attempt
    if known is not None:  # a conflict named it, and its cancel may be on the way
        attempt.cancel_id, attempt.asked_at = known.cancel_id, known.asked_at
    turn = attempt.turn
    if turn is not None and turn.attempt is attempt and core.listens(turn, attempt):
        core.fire(turn, E.RESPONSE_CREATED, step)
    else:
        # G4: given up before it was acknowledged. The lane is closed until its own terminal.
        attempt.response_id = event.response_id
        if attempt.over:
            core.reopen(attempt)
        release(attempt, step)
    return True


def _unasked_response(core: Core, event: ev.ResponseCreated, step: Step) -> bool:
    """A response nobody here asked for: server VAD's, or one that a conflict told of."""
    vad = core.lane.server_creates
    if vad:
        _forget_dropped(core, step)
    if not core.lane.speaking:
        core.quiet(step.now)
    turn = core.new_turn(Origin.SERVER_VAD if vad else Origin.APPLICATION, step)
    turn.waiting = False
    turn.attempts = 1
    turn.attempt = Attempt(turn=turn, number=1, last_activity=step.now)
    core.lane.take(turn.attempt)
    core.by_response[event.response_id] = turn.attempt
    core.fire(turn, E.RESPONSE_CREATED, step)
    return True


def _forget_dropped(core: Core, step: Step) -> None:
    """Some servers drop a response that the user talked over, without a terminal, and answer no cancel
    of it (livekit/agents#6729). Server VAD's next one proves it dead: there is one slot."""
    for attempt in tuple(core.lane.holders):
        turn = attempt.turn
        if turn is None or turn.origin is not Origin.SERVER_VAD or attempt.response_id is None:
            continue
        silent = not (attempt.exposed or attempt.unheard or turn.messages)
        if silent and attempt.cancel_id is not None:
            core.settle(attempt, E.RESPONSE_CANCELLED, step, seen=False)


def _item_started(core: Core, event: ev.ItemStarted, step: Step) -> bool:
    attempt = core.by_response.get(event.response_id)
    if attempt is None:
        return core.ignore("stale response")
    attempt.last_activity = step.now
    turn = attempt.turn
    if turn is None or event.kind is ev.ItemKind.OTHER:
        return True
    if event.item_id in attempt.unheard or event.item_id in core.messages:
        return core.ignore("repeated item")
    if not core.listens(turn, attempt):
        attempt.unheard.append(event.item_id)
        return True
    core.fire(turn, E.ITEM_STARTED, step)
    if turn.messages and turn.messages[-1].item_id == event.item_id:
        core.messages[event.item_id] = (turn, attempt, turn.messages[-1])
    return True


def _output_received(core: Core, event: ev.OutputReceived, step: Step) -> bool:
    if event.response_id not in core.by_response:
        return core.ignore("stale response")
    known = _message_of(core, event, step)
    if known is None:
        return False
    turn, attempt, message = known
    attempt.last_activity = step.now
    message.received_ms += event.audio_ms
    if not message.exposed and core.listens(turn, attempt):
        core.fire(turn, E.OUTPUT_RECEIVED, step)
    return True


def _message_of(
    core: Core, event: ev.OutputReceived, step: Step
) -> tuple[Turn, Attempt, Message] | None:
    known = core.messages.get(event.item_id)
    if known is None:
        # Its output_item.added was lost: nobody below can hand it out, but the server keeps it.
        attempt = core.by_response.get(event.response_id)
        if attempt is not None:
            attempt.last_activity = step.now
            if event.item_id not in attempt.unheard:
                attempt.unheard.append(event.item_id)
        core.ignore("output of an item that was not added")
    return known


def _call_received(core: Core, event: ev.CallReceived, step: Step) -> bool:
    attempt = core.by_response.get(event.response_id)
    if attempt is None:
        return core.ignore("stale response")
    attempt.last_activity = step.now
    turn = attempt.turn
    if event.item_id in core.messages:
        return core.ignore("a message became a call")
    if turn is None or not core.listens(turn, attempt):
        return True
    if turn.state is TurnState.CREATED:
        # Its output_item.added was lost.
        step.event = ev.ItemStarted(
            response_id=event.response_id,
            item_id=event.item_id,
            kind=ev.ItemKind.FUNCTION_CALL,
        )
        core.fire(turn, E.ITEM_STARTED, step)
        step.event = event
    core.fire(turn, E.CALL_RECEIVED, step)
    return True


def _response_activity(core: Core, event: ev.ResponseActivity, step: Step) -> bool:
    attempt = core.by_response.get(event.response_id)
    if attempt is None:
        return core.ignore("stale response")
    attempt.last_activity = step.now
    return True


def _response_done(core: Core, event: ev.ResponseDone, step: Step) -> bool:
    if event.out_of_band:
        return core.ignore("out of band")
    attempt = core.by_response.get(event.response_id)
    asked = core.by_event.get(event.client_event_id or "")
    if attempt is not None and attempt.turn is None and asked is not None:
        # A conflict named it before it showed itself; now it says whose it is.
        core.unblock(event.response_id)
        attempt = None
    if attempt is None and event.response_id not in core.seen:
        attempt = core.by_event.get(event.client_event_id or "")
        if attempt is not None and attempt.response_id is not None:
            attempt = None  # it owns another response
        if attempt is None and event.status is ev.ResponseStatus.FAILED:
            # Seen in the wild without created (twilio-samples/…-node#37): the only pending one.
            attempt = core.only_pending()
            if attempt is None and core.lane.answer_due:
                # Server VAD's own response, failed without created: its turn is retried too.
                step.event = created = ev.ResponseCreated(response_id=event.response_id)
                _response_created(core, created, step)
                attempt = core.by_response.get(event.response_id)
    remember(core.seen, event.response_id, True)
    if attempt is None:
        return core.ignore("stale response")
    if event.status is ev.ResponseStatus.COMPLETED:
        step.failure = _EMPTY
        core.losses = 0 if attempt.exposed else core.losses  # useful progress only (G11)
    else:
        step.failure = core.judged(event.error or _FAILED, step.now)
    core.settle(attempt, _TERMINAL[event.status], step)
    return True


def _error_received(core: Core, event: ev.ErrorReceived, step: Step) -> bool:
    error = core.judged(event.error, step.now)
    attempt = core.by_event.get(event.event_id or "")
    if event.event_id is None and error.kind in _ANSWERS_A_CREATE:
        attempt = core.only_pending()
    step.failure = error
    unasked = attempt is None and event.event_id is None and core.lane.owed
    if unasked and core.lane.answer_due and error.kind in _ANSWERS_VAD and core.dead is None:
        # It answers the create that server VAD made for itself: its turn is retried.
        core.quiet(step.now)
        turn = core.new_turn(Origin.SERVER_VAD, step)
        turn.error = error
        turn.retry_at = step.now + retry_delay(turn, step)
        return True
    known = True
    conflict = error.kind is ErrorKind.CONFLICT
    if attempt is None or attempt.response_id is not None or attempt.over:
        known = event.event_id is not None and event.event_id.startswith(OWN_IDS)
        if known and conflict:
            _nothing_to_cancel(core, event.event_id, step)
        elif conflict and active_response_id(error.message):
            # G20: it settles nothing (any more), but it names who holds the lane.
            core.block(active_response_id(error.message), step.now)
    elif event.event_id is not None and event.event_id == attempt.probe_id:
        # On an ordered protocol this proves that the create never became a response.
        if conflict:
            core.settle(attempt, E.CREATE_REFUSED, step)
    elif conflict:
        core.block(active_response_id(error.message), step.now)
        core.settle(attempt, E.CREATE_CONFLICT, step)
    else:
        core.settle(attempt, E.CREATE_REFUSED, step)
    if error.kind is ErrorKind.FATAL:
        core.die(error, step)
        return True
    return known or core.ignore("error for somebody else")


def _nothing_to_cancel(core: Core, event_id: str | None, step: Step) -> None:
    """G6, G20: harms nothing. Our cancel raced the terminal, which is due at once or was lost."""
    for attempt in tuple(core.lane.holders):
        if attempt.cancel_id != event_id or attempt.deadline is None:
            continue
        if attempt.turn is None:
            # Named by a conflict and not there yet: this was not its one cancel.
            attempt.cancel_id = None
            core.settle(attempt, E.CREATE_REFUSED, step, seen=False)
        else:
            attempt.deadline = min(attempt.deadline, step.now + _RACE)
            attempt.last_activity = attempt.asked_at = -math.inf


def _session_configured(core: Core, event: ev.SessionConfigured, step: Step) -> bool:
    core.lane.server_creates = event.server_creates
    return True


def _speech_started(core: Core, event: ev.SpeechStarted, step: Step) -> bool:
    core.lane.speech_started(step.now)
    return True


def _speech_stopped(core: Core, event: ev.SpeechStopped, step: Step) -> bool:
    if not core.lane.speaking:
        return core.ignore("speech dropped before")
    core.lane.speech_stopped(step.now)
    if not core.lane.server_creates:
        core.quiet(step.now)
    return True


def _input_cleared(core: Core, event: ev.InputCleared, step: Step) -> bool:
    if not core.lane.owed:
        core.quiet(step.now)
    return True


def _input_committed(core: Core, event: ev.InputCommitted, step: Step) -> bool:
    core.lane.committed()
    return core.lane.owed


def _unreadable(core: Core, event: ev.Unreadable, step: Step) -> bool:
    return core.ignore(event.reason)


def _connection_lost(core: Core, event: ev.ConnectionLost, step: Step) -> bool:
    core.lose(event.error, step, for_good=event.for_good)
    return True


def _connection_ready(core: Core, event: ev.ConnectionReady, step: Step) -> bool:
    if core.lane.connected:
        step.failure = _ROLLOVER
        core.replaced(step)
    core.epoch += 1
    core.connected(step.now)
    for attempt in core.lane.holders:
        if attempt.turn is not None and not attempt.abandoned:
            wait_for_connection(attempt.turn, step)
        else:
            attempt.deadline = step.now + core.policy.timeout
    return True


def _rate_limits_updated(core: Core, event: ev.RateLimitsUpdated, step: Step) -> bool:
    if event.reset_after is not None:
        core.limited(step.now + event.reset_after, step)
    return event.reset_after is not None


def _session_failed(core: Core, event: ev.SessionFailed, step: Step) -> bool:
    core.die(event.error, step)
    return True


HANDLERS: dict[type[ev.Event], Callable[[Core, Any, Step], bool]] = {
    ev.CreateSent: _create_sent,
    ev.CreateNotSent: _create_not_sent,
    ev.CreateGivenUp: _create_given_up,
    ev.SessionConfigured: _session_configured,
    ev.ResponseCreated: _response_created,
    ev.ItemStarted: _item_started,
    ev.OutputReceived: _output_received,
    ev.CallReceived: _call_received,
    ev.ResponseActivity: _response_activity,
    ev.ResponseDone: _response_done,
    ev.ErrorReceived: _error_received,
    ev.RateLimitsUpdated: _rate_limits_updated,
    ev.SpeechStarted: _speech_started,
    ev.SpeechStopped: _speech_stopped,
    ev.InputCleared: _input_cleared,
    ev.InputCommitted: _input_committed,
    ev.Unreadable: _unreadable,
    ev.ConnectionLost: _connection_lost,
    ev.ConnectionReady: _connection_ready,
    ev.SessionFailed: _session_failed,
    ev.MessagePulled: hear.message_pulled,
    ev.PlaybackStarted: hear.playback_started,
    ev.PlaybackFinished: hear.playback_finished,
    ev.PlaybackPaused: hear.playback_paused,
    ev.PlaybackResumed: hear.playback_resumed,
    ev.MessageTruncated: hear.message_truncated,
    ev.MessageShown: hear.message_shown,
    ev.ItemTruncated: hear.item_truncated,
    ev.ItemDeleted: hear.item_deleted,
    ev.AnnouncementLost: hear.announcement_lost,
    ev.SpeechOver: hear.speech_over,
}
