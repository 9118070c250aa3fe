"""What each event of the user's speech means: for server VAD's answer, and for what waits meanwhile."""

from __future__ import annotations

from . import events as ev
from .machine_events import TurnEvent as E
from .session import Session
from .states import Origin, TurnState
from .step import Step
from .user_speech import SpeechEvent


def fire_speech(session: Session, event: SpeechEvent, step: Step) -> None:
    """Once the user's speech is dealt with, recovery's clocks run again."""
    step.held_up = session.speech.happened(event, step.now)
    if not step.held_up:
        return
    for turn in tuple(session.live.values()):
        if turn.state is TurnState.RETRY_WAIT:
            session.fire(turn, E.USER_SILENT, step)


def end_speech_wait(session: Session, event: SpeechEvent, step: Step) -> None:
    """G18: nothing is awaited any more. The answer that is owed is asked for, unless one that waits will be
    it."""
    owed = session.speech.answer_owed and not session.lane.waited_for
    fire_speech(session, event, step)
    if owed and not session.connection.dead:
        session.new_turn(Origin.SERVER_VAD, step)


def session_configured(session: Session, event: ev.SessionConfigured, step: Step) -> bool:
    session.speech.server_answers = event.server_creates
    return True


def speech_started(session: Session, event: ev.SpeechStarted, step: Step) -> bool:
    fire_speech(session, SpeechEvent.STARTED, step)
    return True


def speech_stopped(session: Session, event: ev.SpeechStopped, step: Step) -> bool:
    if not session.speech.speaking:
        return session.ignore("speech dropped before")
    fire_speech(session, SpeechEvent.STOPPED, step)
    if not session.speech.server_answers:
        fire_speech(session, SpeechEvent.DROPPED, step)
    return True


def input_cleared(session: Session, event: ev.InputCleared, step: Step) -> bool:
    fire_speech(session, SpeechEvent.CLEARED, step)
    return True


def input_idle(session: Session, event: ev.InputIdle, step: Step) -> bool:
    if not session.speech.server_answers:
        return session.ignore("nobody answers the silence")
    fire_speech(session, SpeechEvent.IDLE, step)
    return True


def input_committed(session: Session, event: ev.InputCommitted, step: Step) -> bool:
    if not session.speech.answer_due:
        session.supersede_retries(step)  # the client's own commit: it is about to ask
    fire_speech(session, SpeechEvent.COMMITTED, step)
    return session.speech.answer_owed
