"""What an error means, and a rate limit: whose it is (G3), and whether it settles anything (G20)."""

from __future__ import annotations

from . import events as ev
from .connection_events import fail_session
from .error_kinds import active_response_id, ends_session, is_slot_taken
from .errors import ErrorInfo
from .machine_events import ResponseEvent as R
from .machine_events import TurnEvent as E
from .records import Response
from .response_effects import SHOWS_ITSELF
from .session import OWN_IDS, Session
from .speech_events import fire_speech
from .states import PENDING, RUNNING, ErrorKind, Origin, ResponseState, TurnState
from .step import Step
from .user_speech import SpeechEvent

#: An error without an event id answers the only pending create, if it is one of these: errors
#: about our own frames come with the id of the frame, or concern a frame that has none (truncate).
_ANSWERS_A_CREATE = (ErrorKind.TRANSIENT, ErrorKind.FATAL, ErrorKind.UNKNOWN)
#: …and the answer that server VAD owes is refused by one of these.
_ANSWERS_VAD = (ErrorKind.TRANSIENT, ErrorKind.UNKNOWN)


def error_received(session: Session, event: ev.ErrorReceived, step: Step) -> bool:
    step.failure = error = step.assess(event.error)
    response = session.asked(event.event_id)
    if event.event_id is None and error.kind in _ANSWERS_A_CREATE:
        response = session.lane.only_pending
    if response is None and _names_another_create(event):
        response = session.lane.only_pending
    if response is None and event.event_id is None and _refuses_answer(session, error):
        fire_speech(session, SpeechEvent.DROPPED, step)
        turn = session.new_turn(Origin.SERVER_VAD, step)
        session.fire(turn, E.ANSWER_REFUSED, step)
        return True
    known = True
    conflict = error.kind is ErrorKind.CONFLICT
    if response is None or response.state not in PENDING:
        known = event.event_id is not None and event.event_id.startswith(OWN_IDS)
        if known and conflict:
            _nothing_to_cancel(session, event.event_id, step)
        elif conflict and active_response_id(error.message):
            # G20: it settles nothing (any more), but it names who holds the lane.
            note_conflict(session, active_response_id(error.message), step)
        if conflict and event.event_id is None:
            _answer_in_place(session, step)
    elif event.event_id is not None and event.event_id == response.probe_id:
        # On an ordered protocol this proves that the create never became a response.
        if conflict:
            session.fire(response, R.NOTHING_TO_CANCEL, step)
    elif conflict:
        note_conflict(session, active_response_id(error.message), step)
        session.fire(response, R.CONFLICT, step)
    else:
        session.fire(response, R.REFUSED, step)
    if error.kind is ErrorKind.SESSION_END:
        session.connection.announce_end()
    if ends_session(error) and not (response is not None and response.number > 1):
        fail_session(session, error, step)
        return True
    return known or session.ignore("error for somebody else")


def _names_another_create(event: ev.ErrorReceived) -> bool:
    """Whether a taken slot is told by an id of another form than that of the create it answers."""
    named = event.event_id is not None and not event.event_id.startswith(OWN_IDS)
    return named and is_slot_taken(event.error)


def _refuses_answer(session: Session, error: ErrorInfo) -> bool:
    """Whether it answers the create that server VAD made for itself."""
    owed = session.speech.answer_owed and session.speech.answer_due
    return owed and error.kind in _ANSWERS_VAD and not session.connection.dead


def _answer_in_place(session: Session, step: Step) -> None:
    """G18: server VAD's create comes late and meets what went ahead of it, and is for nobody's question:
    so we issue the answer it owed."""
    running = [r.turn for r in session.lane.holders if r.state is ResponseState.ACTIVE]
    ahead = any(turn is not None and turn.ahead for turn in running)
    if ahead and session.speech.answer_may_come:
        fire_speech(session, SpeechEvent.DROPPED, step)
        session.new_turn(Origin.SERVER_VAD, step)


def _nothing_to_cancel(session: Session, event_id: str | None, step: Step) -> None:
    """G6, G20: it harms nothing."""
    for holder in tuple(session.lane.holders):
        if holder.cancel_id == event_id:
            session.fire(holder, R.NOTHING_TO_CANCEL, step)


def note_conflict(session: Session, name: str | None, step: Step) -> None:
    """A conflict told that somebody holds the lane: that is believed for a while (G20). One that is
    waited for may be slow; any other should have shown itself before, on an ordered wire."""
    known = session.response(name)
    running = [r for r in session.lane.holders if r.state in RUNNING]
    if name is None and running:
        # On an ordered wire no other can have the slot.
        for holder in running:
            session.fire(holder, R.NAMED, step)
    elif known is None:
        stranger = name is not None and not _is_expected(session)
        rumour = Response(
            turn=None,
            number=0,
            state=ResponseState.RUMOURED,
            last_activity=step.now,
            response_id=name,
            deadline=step.now + (SHOWS_ITSELF if stranger else session.policy.stall_timeout),
            stranger=stranger,
        )
        session.begin(rumour)
    elif known.state is not ResponseState.ENDED:
        session.fire(known, R.NAMED, step)


def _is_expected(session: Session) -> bool:
    """Whether server VAD may have begun a response that did not show itself yet, or a turn would
    have one that it asked for in vain (G4)."""
    if session.speech.may_be_answered:
        return True
    asked = session.by_event.values()
    return any(r.response_id is None and r.turn is not None and r.turn.misses(r) for r in asked)


def rate_limits_updated(session: Session, event: ev.RateLimitsUpdated, step: Step) -> bool:
    if event.reset_after is not None:
        tell_rate_limits(session, step.now + event.reset_after, step)
    return event.reset_after is not None


def tell_rate_limits(session: Session, until: float, step: Step) -> None:
    """The exhausted rate limits are reset then: a failure without a hint has one now."""
    session.limited_until = step.limited_until = until
    for turn in tuple(session.live.values()):
        if turn.state is TurnState.RETRY_WAIT:
            session.fire(turn, E.LIMIT_TOLD, step)
