"""Time: when something is due, and what happens then."""

from __future__ import annotations

import math

from .connection_events import heed_doubts
from .machine_events import ResponseEvent as R
from .records import Turn
from .session import Session
from .speech_events import end_speech_wait
from .step import Step
from .timers import TIMEOUTS, Timer, timer_of
from .user_speech import SpeechEvent


def next_deadline(session: Session) -> float:
    """When something is due at the earliest; infinity: nothing is."""
    soonest = _speech_deadline(session)
    for response in session.lane.holders:
        if response.deadline is not None and response.deadline < soonest:
            soonest = response.deadline
    if not session.live:
        return soonest
    user_speaking = session.speech.held_up
    waited_for = session.host_waits or session.lane.waited_for
    overtaken = False  # by one that is due soon
    for turn in session.live.values():
        timer = timer_of(turn, session.policy, user_speaking=user_speaking, waited_for=waited_for)
        if timer is not None and timer.at < soonest:
            soonest = timer.at
        overtaken = overtaken or session.is_due_soon(turn, session.now)
        if session.now < turn.retry_at < soonest:
            soonest = turn.retry_at
        elif turn.waiting and turn.retry_at <= session.now and session.lane.free():
            soonest = soonest if overtaken else session.now
    return soonest


def advance(session: Session, step: Step) -> None:
    """Fire what is due."""
    now = step.now
    if now >= _speech_deadline(session):
        end_speech_wait(session, SpeechEvent.TIMEOUT, step)
    for turn in tuple(session.live.values()):
        timer = _timer_of(turn, session)
        if timer is not None and now >= timer.at:
            step.failure = TIMEOUTS.get(timer.event, step.failure)
            session.fire(turn, timer.event, step)
    for response in tuple(session.lane.holders):
        due = response.deadline is not None and now >= response.deadline
        if due and not response.over:
            session.fire(response, R.DEADLINE, step)
            heed_doubts(session, step)


def _timer_of(turn: Turn, session: Session) -> Timer | None:
    return timer_of(
        turn,
        session.policy,
        user_speaking=session.speech.held_up,
        waited_for=session.host_waits or session.lane.waited_for,
    )


def _speech_deadline(session: Session) -> float:
    """Until when things are held up for the user's speech. While a request waits, server VAD's answer
    is given less time: plain LiveKit gives it none (G24, G27)."""
    speech, policy = session.speech, session.policy
    if speech.until is None:
        return math.inf
    if speech.answer_due and session.lane.waited_for:
        return speech.until - policy.timeout + min(policy.timeout, policy.vad_answer_timeout)
    return speech.until
