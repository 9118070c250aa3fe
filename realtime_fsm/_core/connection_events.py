"""What each event of the connection means: for what runs on it, and for what waits for one (G11, G19)."""

from __future__ import annotations

from dataclasses import replace

from . import events as ev
from .commands import ReplaceConnection, ReportSession
from .connection import AT_ONCE, CONTRADICTED, ROLLOVER, SILENT, ConnectionEvent
from .errors import ErrorInfo
from .machine_events import ResponseEvent as R
from .machine_events import TurnEvent as E
from .session import Session
from .speech_events import fire_speech
from .states import ErrorKind, Origin, TurnState
from .step import Step
from .user_speech import SpeechEvent


def drop_connection(session: Session, error: ErrorInfo, step: Step, *, for_good: bool) -> None:
    """What ran on it, or was owed on it, is asked again on the next (G18, G19): not after many
    without progress (G11). There is a next one all the same, as with plain LiveKit (G27)."""
    step.failure = error
    was_up = session.connection.up
    if session.connection.end_announced:
        step.failure = error = replace(error, kind=ErrorKind.SESSION_END)
    elif error.kind is ErrorKind.SESSION_END and not for_good:
        session.connection.announce_end()
    wait = session.policy.retry_interval - session.connection.age(step.now)
    counts = session.connection.lost(step.now, for_good=for_good)
    losses = session.connection.losses
    if losses <= AT_ONCE:
        wait = 0.0
    if counts and losses > session.policy.max_reconnect:
        spent = f"gave up after {losses} connections in a row were lost"
        step.failure = ErrorInfo(kind=ErrorKind.FATAL, code=error.code, message=spent)
        if session.policy.on_exhausted == "escalate":
            # Before the turns hear of the loss, so that they fail of the end: one report (G12).
            fail_session(session, step.failure, step)
    if was_up:
        _tell_waiting(session, step)
    end_connection(session, step)
    if not session.connection.dead and (for_good or (counts and wait > 0)):
        # What is below would try again at once, for ever (livekit/agents PR#6352): one that brought
        # nothing has lasted as long as the walk has a step before there is another.
        session.unsent.clear()
        for queued in tuple(session.lane.holders):
            session.fire(queued, R.QUEUE_LOST, step)
        step.out.append(ReplaceConnection(reason=error, wait=max(wait, 0.0)))


def end_connection(session: Session, step: Step) -> None:
    """G19: what ran on it is over; what has not left yet still will."""
    owed = session.speech.answer_owed
    for turn in (*session.finished, *session.live.values()):
        session.stranded.add(turn)
    fire_speech(session, SpeechEvent.DROPPED, step)
    for response in tuple(session.lane.holders):
        session.fire(response, R.CONNECTION_LOST, step)
    if owed and not session.connection.dead:
        session.new_turn(Origin.SERVER_VAD, step)


def heed_doubts(session: Session, step: Step) -> None:
    """What a response has told of the connection it is on."""
    while session.doubts:
        doubt = session.doubts.popleft()
        if doubt is ConnectionEvent.STUCK:
            note_stuck(session, step)
        else:
            why = SILENT if doubt is ConnectionEvent.SILENT else CONTRADICTED
            drop_connection(session, why, step, for_good=True)


def note_carried(session: Session, step: Step) -> None:
    """Something left, so there is a connection."""
    if not session.connection.up:
        note_proven(session, step)


def note_proven(session: Session, step: Step) -> None:
    """It is not stuck."""
    session.connection.carried(step.now)
    _tell_ready(session, step)


def note_stuck(session: Session, step: Step) -> None:
    """Nothing leaves, it seems: as good as none."""
    if session.connection.up:
        session.connection.stuck()
        _tell_waiting(session, step)


def fail_session(session: Session, error: ErrorInfo, step: Step) -> None:
    """The session below is dead: no attempt can succeed, and nothing more is awaited (G10)."""
    if not session.connection.dead:
        step.out.append(ReportSession(error=error))
    session.connection.fail(error)
    step.failure = error
    for response in tuple(session.lane.holders):
        session.fire(response, R.SESSION_FAILED, step)
    for turn in tuple(session.live.values()):
        session.fire(turn, E.SESSION_FAILED, step)


def _tell_waiting(session: Session, step: Step) -> None:
    for turn in tuple(session.live.values()):
        if turn.waiting:
            session.fire(turn, E.CONNECTION_LOST, step)


def _tell_ready(session: Session, step: Step) -> None:
    for turn in tuple(session.live.values()):
        if turn.state is TurnState.REQUESTED:
            session.fire(turn, E.CONNECTION_READY, step)
    for response in tuple(session.lane.holders):
        session.fire(response, R.CONNECTION_READY, step)


def connection_lost(session: Session, event: ev.ConnectionLost, step: Step) -> bool:
    drop_connection(session, event.error, step, for_good=event.for_good)
    return True


def connection_ready(session: Session, event: ev.ConnectionReady, step: Step) -> bool:
    """Another connection can be used. What ran on the one before is over, whether its loss was
    told or not."""
    step.failure = ROLLOVER
    end_connection(session, step)
    session.connection.ready(step.now)
    _tell_ready(session, step)
    return True


def session_failed(session: Session, event: ev.SessionFailed, step: Step) -> bool:
    fail_session(session, event.error, step)
    return True
