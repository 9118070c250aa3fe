"""What each event means: whose it is, and what is fired at that response or turn. One function per event.

The rules of correlation are here (G3): by client event id, response id and item id, never by
arrival order. An event nobody owns is counted and changes nothing.
"""

from __future__ import annotations

from . import events as ev
from .connection_events import note_carried
from .error_events import note_conflict
from .errors import ErrorInfo
from .machine_events import ResponseEvent as R
from .machine_events import TurnEvent as E
from .records import Response
from .session import Session, remember
from .speech_events import end_speech_wait, fire_speech
from .states import ErrorKind, Origin, ResponseState, TurnState
from .step import Step
from .user_speech import SpeechEvent

_TERMINAL = {
    ev.ResponseStatus.COMPLETED: R.COMPLETED,
    ev.ResponseStatus.INCOMPLETE: R.INCOMPLETE,
    ev.ResponseStatus.CANCELLED: R.CANCELLED,
    ev.ResponseStatus.FAILED: R.FAILED,
}
_EMPTY = ErrorInfo(
    kind=ErrorKind.EMPTY, code="empty_response", message="the response completed without output"
)
_FAILED = ErrorInfo(kind=ErrorKind.TRANSIENT, message="the response failed without a reason")


# --- the create on its way


def create_sent(session: Session, event: ev.CreateSent, step: Step) -> bool:
    response = session.unsent.pop((event.turn_id, event.attempt), None)
    if response is None:
        return session.ignore("unknown attempt")
    remember(session.by_event, event.event_id, response)
    note_carried(session, step)
    session.fire(response, R.LEFT, step)
    return True


def create_not_sent(session: Session, event: ev.CreateNotSent, step: Step) -> bool:
    response = session.unsent.pop((event.turn_id, event.attempt), None)
    if response is None:
        return session.ignore("unknown attempt")
    step.failure = step.assess(event.error)
    session.fire(response, R.NOT_SENT, step)
    return True


def create_given_up(session: Session, event: ev.CreateGivenUp, step: Step) -> bool:
    for response in tuple(session.by_event.values()):  # those that left: others may do so yet
        turn = response.turn
        mine = turn is not None and (turn.id, response.number) == (event.turn_id, event.attempt)
        if mine and response.response_id is None:
            step.failure = event.error
            session.fire(response, R.GIVEN_UP_BELOW, step)
            return True
    return session.ignore("stale attempt")


# --- the server: responses


def response_created(session: Session, event: ev.ResponseCreated, step: Step) -> bool:
    if event.out_of_band:
        return session.ignore("out of band")
    known = session.response(event.response_id)
    owner = session.asked(event.client_event_id)
    if known is not None:
        if known.state is ResponseState.ENDED:
            return session.ignore("stale response")
        if known.state is ResponseState.FORGOTTEN and known.cancel_id is not None:
            session.fire(known, R.NAMED, step)
            return session.ignore("repeated response.created")
        if not known.over and known.state is not ResponseState.RUMOURED:
            return session.ignore("repeated response.created")
    if owner is not None and owner.response_id is not None:
        return session.ignore("repeated response.created")
    if owner is not None and not session.connection.dead and _was_refused_for_good(owner):
        owner = None
    step.rumour = known
    _end_rumours(session, event.response_id, step)
    if known is not None and known.state is ResponseState.CANCELLING:
        return session.ignore("cancelled before it showed itself")
    fire_speech(session, SpeechEvent.ANSWERED, step)
    if owner is None:
        _begin_unasked(session, event, step)
    else:
        session.fire(owner, R.CREATED, step)
    return True


def _was_refused_for_good(create: Response) -> bool:
    """Whether its turn failed with the error that answered it. Plain LiveKit speaks a response that is
    made all the same, as one that nobody asked for (G27)."""
    turn = create.turn
    failed = turn is not None and turn.state is TurnState.FAILED and turn.attempt is create
    doubted = create.probe_id is not None or create.cancel_id is not None
    return failed and create.state is ResponseState.ENDED and not doubted


def _end_rumours(session: Session, response_id: str, step: Step) -> None:
    """What a conflict told of shows itself, under that name or another: the server has one slot."""
    for holder in tuple(session.lane.holders):
        told = holder.state is ResponseState.RUMOURED
        if told and (holder.turn is None or holder.response_id == response_id):
            session.fire(holder, R.CREATED, step)
        elif holder.stuck:
            session.fire(holder, R.SUCCEEDED, step)


def _begin_unasked(session: Session, event: ev.ResponseCreated, step: Step) -> None:
    """A response nobody here asked for: server VAD's, or one that a conflict told of. What names the
    create of somebody below us is no answer of server VAD."""
    unnamed = event.client_event_id is None
    if unnamed:
        fire_speech(session, SpeechEvent.ANSWERED_BY_SERVER, step)
    vad = session.speech.server_answers and unnamed
    if vad:
        for holder in tuple(session.lane.holders):
            if holder.state is ResponseState.CANCELLING:
                session.fire(holder, R.SUCCEEDED, step)
    turn = session.new_turn(Origin.SERVER_VAD if vad else Origin.APPLICATION, step, of_user=vad)
    step.response = Response(
        turn=turn,
        number=1,
        state=ResponseState.ACTIVE,
        last_activity=step.now,
        response_id=event.response_id,
        deltas_shown=event.deltas_shown,
    )
    session.begin(step.response)
    session.fire(turn, E.RESPONSE_CREATED, step)


def response_done(session: Session, event: ev.ResponseDone, step: Step) -> bool:
    if event.out_of_band:
        return session.ignore("out of band")
    terminal = _TERMINAL[event.status]
    response = session.response(event.response_id)
    asked = session.asked(event.client_event_id)
    if response is not None and response.state is ResponseState.RUMOURED and asked is not None:
        # A conflict named it before it showed itself; now it says whose it is.
        _end_rumours(session, event.response_id, step)
        response = None
    if response is None:
        step.unseen = True
        response = _owner_without_created(session, event, asked, step)
    elif response.over:
        if response.state is ResponseState.FORGOTTEN:
            session.fire(response, terminal, step)
        return session.ignore("stale response")
    if response is None:
        if _was_the_answer(session, event):
            end_speech_wait(session, SpeechEvent.ANSWERED_BY_SERVER, step)
        # Somebody's: what else comes of it is stale.
        note_conflict(session, event.response_id, step)
        session.fire(session.by_id[event.response_id], terminal, step)
        return session.ignore("stale response")
    if event.status is ev.ResponseStatus.COMPLETED:
        step.failure = _EMPTY
        if response.has_output:
            session.connection.progressed()  # useful progress only (G11)
    else:
        step.failure = step.assess(event.error or _FAILED)
    session.fire(response, terminal, step)
    return True


def _was_the_answer(session: Session, event: ev.ResponseDone) -> bool:
    """Whether it can only be server VAD's answer, whose ``response.created`` got lost: nobody heard it."""
    unasked = event.client_event_id is None and not session.lane.holders
    return unasked and session.speech.answer_due and event.status is ev.ResponseStatus.COMPLETED


def _owner_without_created(
    session: Session, event: ev.ResponseDone, asked: Response | None, step: Step
) -> Response | None:
    """Whose terminal it is, where ``response.created`` was not seen."""
    if asked is not None and asked.response_id is None:
        return asked
    if event.status is not ev.ResponseStatus.FAILED:
        return None
    # Seen in the wild without created (twilio-samples/…-node#37): the only pending one.
    pending = session.lane.only_pending
    if pending is not None or not session.speech.answer_due:
        return pending
    # Server VAD's own response, failed without created: its turn is retried too.
    step.event = created = ev.ResponseCreated(response_id=event.response_id)
    response_created(session, created, step)
    step.event = event
    return session.by_id.get(event.response_id)


# --- the server: output


def item_started(session: Session, event: ev.ItemStarted, step: Step) -> bool:
    response = session.by_id.get(event.response_id)
    if response is None:
        return session.ignore("stale response")
    response.last_activity = step.now
    if event.kind is ev.ItemKind.OTHER:
        return True
    if event.kind is ev.ItemKind.ACTION:
        if event.item_id in response.acting:
            return session.ignore("repeated item")
        session.fire(response, R.ACTION_STARTED, step)
        return True
    turn = response.turn
    known = event.item_id in session.messages or response.message(event.item_id) is not None
    called = turn is not None and event.item_id in turn.calls
    # The output of a message may have come before it was added.
    stray = event.kind is ev.ItemKind.MESSAGE and response.wanted
    if known or called or (event.item_id in response.undelivered and not stray):
        return session.ignore("repeated item")
    session.fire(response, R.ITEM_STARTED, step)
    if turn is not None and turn.messages and turn.messages[-1].item_id == event.item_id:
        session.messages[event.item_id] = (turn, response, turn.messages[-1])
    return True


def output_received(session: Session, event: ev.OutputReceived, step: Step) -> bool:
    known = session.messages.get(event.item_id)
    owner = session.response(event.response_id) if known is None else known[1]
    if owner is not None and owner.handed_out(event.item_id):
        return _late_output(session, owner, step)
    response = session.by_id.get(event.response_id)
    if response is None:
        return session.ignore("stale response")
    if known is None:
        response.last_activity = step.now
        if not response.wanted and event.item_id in response.undelivered:
            return True  # added after its turn gave it up
        session.fire(response, R.STRAY_OUTPUT, step)
        return session.ignore("output of an item that was not added")
    _, response, message = known
    response.last_activity = step.now
    message.received_ms += event.audio_ms
    if not message.delivered and not response.over:
        session.fire(response, R.OUTPUT_RECEIVED, step)
    return True


def _late_output(session: Session, response: Response, step: Step) -> bool:
    """G16: what was handed out of the message stays, however much more the server makes of it."""
    if response.state is ResponseState.ENDED:
        return session.ignore("stale response")
    response.last_activity = step.now
    session.fire(response, R.LATE_OUTPUT, step)
    return True


def call_received(session: Session, event: ev.CallReceived, step: Step) -> bool:
    response = session.by_id.get(event.response_id)
    if response is None:
        return session.ignore("stale response")
    response.last_activity = step.now
    if event.item_id in session.messages:
        return session.ignore("a message became a call")
    session.fire(response, R.CALL_RECEIVED, step)
    return True


def action_ended(session: Session, event: ev.ActionEnded, step: Step) -> bool:
    response = session.by_id.get(event.response_id)
    if response is None:
        return session.ignore("stale response")
    response.last_activity = step.now
    turn = response.turn
    if event.item_id not in response.acting:
        if turn is not None and event.item_id in turn.actions:
            return session.ignore("repeated item")
        session.fire(response, R.ACTION_STARTED, step)  # its response.output_item.added was lost
    session.fire(response, R.ACTION_ENDED, step)
    return True


def item_activity(session: Session, event: ev.ItemActivity, step: Step) -> bool:
    response = _with_item(session, event.item_id)
    if response is None:
        return session.ignore("stale item")
    response.last_activity = step.now
    return True


def _with_item(session: Session, item_id: str) -> Response | None:
    """The live response that has an item."""
    for response in session.lane.holders:
        if item_id in response.acting or item_id in response.undelivered:
            return response
    known = session.messages.get(item_id)
    return None if known is None or known[1].over else known[1]


def response_activity(session: Session, event: ev.ResponseActivity, step: Step) -> bool:
    response = session.by_id.get(event.response_id)
    if response is None:
        return session.ignore("stale response")
    response.last_activity = step.now
    return True


def unreadable(session: Session, event: ev.Unreadable, step: Step) -> bool:
    session.ignore(event.reason)
    response = session.by_id.get(event.response_id or "")
    if response is None and event.item_id is not None:
        response = _with_item(session, event.item_id)
    if response is None:
        return False
    response.last_activity = step.now
    return True
