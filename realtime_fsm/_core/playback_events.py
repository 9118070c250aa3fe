"""What each event of playback and of history means, as `realtime_fsm._core.server_events` does for the rest."""

from __future__ import annotations

from . import events as ev
from .machine_events import PlaybackEvent as P
from .machine_events import TurnEvent as E
from .session import Session
from .states import Correction, MessageOutcome, TurnState
from .step import NOTHING, Report, Step


def message_pulled(session: Session, event: ev.MessagePulled, step: Step) -> bool:
    known = session.messages.get(event.item_id)
    if known is None:
        return session.ignore("stale message")
    turn, _, message = known
    turn.audible = session.audible  # a sink may have come, or gone, since the turn began
    before = session.playback.pulled(turn, message)
    session.fire_playback(turn, message, P.PULLED, step)
    if before is not None:
        of, last = before
        session.fire_playback(of, last, P.NEXT_PULLED, step, Report(audible=of.audible))
    return True


def playback_started(session: Session, event: ev.PlaybackStarted, step: Step) -> bool:
    return _happened(session, P.STARTED, step) or session.ignore("surplus playback report")


def playback_finished(session: Session, event: ev.PlaybackFinished, step: Step) -> bool:
    report = Report(
        position_ms=event.position_ms,
        interrupted=event.interrupted,
        transcript=event.synchronized_transcript,
    )
    known = _happened(session, P.REPORTED, step, report)
    return known or session.ignore("surplus playback report")


def playback_paused(session: Session, event: ev.PlaybackPaused, step: Step) -> bool:
    return _happened(session, P.PAUSED, step)


def playback_resumed(session: Session, event: ev.PlaybackResumed, step: Step) -> bool:
    return _happened(session, P.RESUMED, step)


def _happened(session: Session, event: P, step: Step, report: Report = NOTHING) -> bool:
    """Something without an id: it concerns the message being forwarded, or is a surplus one."""
    turn, message = session.playback.turn, session.playback.message
    if turn is None or message is None:
        return False
    return session.fire_playback(turn, message, event, step, report)


def message_truncated(session: Session, event: ev.MessageTruncated, step: Step) -> bool:
    known = session.messages.get(event.item_id)
    if known is None:
        return session.ignore("stale message")
    turn, response, message = known
    report = Report(position_ms=event.audio_end_ms)
    session.fire_playback(turn, message, P.TRUNCATED, step, report)
    generated = message.outcome is MessageOutcome.FULL and response.over
    if not (generated or message.released or message.outcome is MessageOutcome.SKIPPED):
        message.correction = Correction.CUT
    return True


def message_shown(session: Session, event: ev.MessageShown, step: Step) -> bool:
    message = session.message(event.item_id)
    if message is not None:
        message.shown = event.text
    return message is not None


def item_truncated(session: Session, event: ev.ItemTruncated, step: Step) -> bool:
    return _remembers(session, event.item_id, event.audio_end_ms)


def item_deleted(session: Session, event: ev.ItemDeleted, step: Step) -> bool:
    message = session.message(event.item_id)
    if message is not None and not message.removed:
        message.correction = Correction.RELEASED
    return _remembers(session, event.item_id, 0)


def _remembers(session: Session, item_id: str, ms: int) -> bool:
    message = session.message(item_id)
    if message is not None:
        message.remembered_ms = ms
    return message is not None


def announcement_lost(session: Session, event: ev.AnnouncementLost, step: Step) -> bool:
    turn = session.live.get(event.turn_id)
    if turn is None:
        return session.ignore("stale turn")
    session.fire(turn, E.ANNOUNCEMENT_LOST, step)
    return True


def speech_over(session: Session, event: ev.SpeechOver, step: Step) -> bool:
    turn = session.live.get(event.turn_id)
    if turn is None:
        return session.ignore("stale turn")
    if event.interrupted and turn.state is not TurnState.CANCELLING:
        session.fire(turn, E.INTERRUPTED, step)
    session.fire(turn, E.SPEECH_OVER, step)  # nothing, if that ended it
    return True
