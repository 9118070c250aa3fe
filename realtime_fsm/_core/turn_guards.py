"""Guards of the turn table: each asks one thing of a turn, and changes nothing.

A guard may ask whether what is below the turn is over (`heard`, `response_over`).
"""

from __future__ import annotations

from .events import ResponseCreated
from .records import Turn
from .retry_budget import MAX_CONFLICTS, within_budget
from .states import Generation, Origin
from .step import Step


def is_waiting(turn: Turn, step: Step) -> bool:
    """Is it not asked for yet, for want of the lane?"""
    return turn.attempt is None


def is_awaited_below(turn: Turn, step: Step) -> bool:
    """Did somebody below us ask for it, whose create carries an id of its own?"""
    assert isinstance(step.event, ResponseCreated)
    return turn.attempt is None and step.event.client_event_id is not None


def nobody_asked(turn: Turn, step: Step) -> bool:
    """Does no call of the host wait for it?"""
    return turn.origin is not Origin.CLIENT


def has_no_output(turn: Turn, step: Step) -> bool:
    """Was nothing of it handed out?"""
    return not turn.has_output


def has_failed(turn: Turn, step: Step) -> bool:
    """Did an attempt fail before?"""
    return turn.first_failure is not None


def failed_for_the_user(turn: Turn, step: Step) -> bool:
    """Did an attempt fail, or is it asked in place of server VAD, and does no call of the host wait?"""
    owed = has_failed(turn, step) or turn.origin is Origin.SERVER_VAD
    return owed and nobody_asked(turn, step)


def may_ask_again(turn: Turn, step: Step) -> bool:
    """Did its create not meet too many other responses?"""
    return turn.conflicts < MAX_CONFLICTS


def may_retry(turn: Turn, step: Step) -> bool:
    """G9: was nothing of the attempt handed out, does somebody listen, and is there a budget?"""
    exposed = turn.attempt is not None and turn.attempt.has_output
    return not exposed and not turn.speech_over and within_budget(turn, step)


def may_regenerate(turn: Turn, step: Step) -> bool:
    """Was some of it handed out, and is the policy to go on from there? A tool that was handed out
    speaks for itself (G17)."""
    wanted = (
        step.policy.after_exposure == "regenerate"
        and turn.has_output
        and not (turn.calls or turn.actions)
    )
    return wanted and not turn.speech_over and within_budget(turn, step)


def may_regenerate_now(turn: Turn, step: Step) -> bool:
    """The same, and has all of it been heard?"""
    return may_regenerate(turn, step) and turn.playback_over


def replaces(turn: Turn, step: Step) -> bool:
    """Is it to be asked for again once what was handed out has played?"""
    return turn.generation is Generation.BROKEN


def replaces_in_time(turn: Turn, step: Step) -> bool:
    """The same, and does somebody listen still?"""
    return replaces(turn, step) and not turn.speech_over


def spoke(turn: Turn, step: Step) -> bool:
    """Was something of it handed out?"""
    return turn.has_output


def spoke_and_heard(turn: Turn, step: Step) -> bool:
    """The same, and has all of it been heard?"""
    return turn.has_output and turn.playback_over


def heard(turn: Turn, step: Step) -> bool:
    """Does nothing of it play, or wait to be played?"""
    return turn.playback_over


def still_playing(turn: Turn, step: Step) -> bool:
    """Was something of it handed out that plays, or waits to be played?"""
    return turn.has_output and not turn.playback_over


def ends_failed(turn: Turn, step: Step) -> bool:
    """Did generation end with a failure?"""
    return turn.generation is Generation.FAILED


def generated(turn: Turn, step: Step) -> bool:
    """Does no more output come?"""
    return turn.generation_over


def generated_and_playing(turn: Turn, step: Step) -> bool:
    """Does no more output come, and does some of it play or wait to be played?"""
    return turn.generation_over and not turn.playback_over


def response_over(turn: Turn, step: Step) -> bool:
    """Is the response that was cancelled over?"""
    return turn.attempt is None or turn.attempt.over
