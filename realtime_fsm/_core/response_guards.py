"""Guards of the response table: each asks one thing of a response, and changes nothing."""

from __future__ import annotations

from .events import ResponseCreated
from .records import Response
from .response_effects import patience_with
from .states import Origin
from .step import Step


def may_probe(response: Response, step: Step) -> bool:
    """Can a bare cancel hit nothing but creates that were given up unanswered?"""
    return step.lane.may_probe(response)


def cancel_is_out(response: Response, step: Step) -> bool:
    """Was its one cancel sent, by us or below us, or when a conflict named it (G6)?"""
    rumour = step.rumour
    return response.cancel_id is not None or (rumour is not None and rumour.cancel_id is not None)


def nothing_came(response: Response, step: Step) -> bool:
    """Was the server silent ever since it was asked: by a probe or a cancel?"""
    return step.lane.connection.is_silent_since(response.asked_at)


def is_missing(response: Response, step: Step) -> bool:
    """The same, and does somebody wait for the lane, or has it been so for very long? While nobody
    waits, or for what would be lost with it, a connection may be only held up; and what the user
    says on it meanwhile is lost with it too (G27)."""
    awaited = step.lane.awaited and not step.lane.connection.at_stake
    overdue = _is_overdue(response, step)
    return nothing_came(response, step) and (awaited or overdue)


def is_stuck(response: Response, step: Step) -> bool:
    """Does it keep the slot for good, by all that the server says?"""
    return response.stuck


def costs_a_question(response: Response, step: Step) -> bool:
    """The same, and would what waits be lost with the connection, and has it not been so for very long?"""
    at_stake = step.lane.connection.at_stake
    return response.stuck and at_stake and not _is_overdue(response, step)


def _is_overdue(response: Response, step: Step) -> bool:
    """Was it asked too long ago to keep the connection for what would be lost with it?"""
    return response.asked_at + step.policy.timeout + step.policy.answer_timeout <= step.now


def has_time_left(response: Response, step: Step) -> bool:
    """May it still be answered in time?"""
    return response.sent_at + step.policy.timeout > step.now


def is_missed(response: Response, step: Step) -> bool:
    """Does its turn want a response, and has none that was acknowledged?"""
    return response.turn is not None and response.turn.misses(response)


def was_probed(response: Response, step: Step) -> bool:
    """Was a bare cancel sent before it showed itself, and was nothing of it handed out?"""
    return response.probe_id is not None and not response.has_output


def was_given_up_unseen(response: Response, step: Step) -> bool:
    """Is it the one that shows itself, unasked by us, with its cancel out already?"""
    shown = step.event
    if not isinstance(shown, ResponseCreated) or shown.client_event_id is not None:
        return False
    return shown.response_id == response.response_id and response.cancel_id is not None


def probe_is_young(response: Response, step: Step) -> bool:
    """May the answer to its probe still come?"""
    return response.asked_at + step.policy.first_doubt > step.now


def may_still_end(response: Response, step: Step) -> bool:
    """Did something come of it, or was its cancel sent, within the cancel's time-out?"""
    return response.last_sign + step.policy.cancel_timeout > step.now


def may_still_show(response: Response, step: Step) -> bool:
    """Did something come of it, or was its cancel sent, not too long ago?"""
    return response.last_sign + patience_with(response, step) > step.now


def may_be_cancelled(response: Response, step: Step) -> bool:
    """Has it a name, and was it not cancelled yet (G6)?"""
    return response.response_id is not None and response.cancel_id is None


def was_denied(response: Response, step: Step) -> bool:
    """Did the server say before that it does not run, and then that it has the slot?"""
    return response.denied


def outlives_cancel(response: Response, step: Step) -> bool:
    """Did a conflict tell before that it lives, though its cancel had had its time?"""
    return response.denied and cancel_is_out(response, step)


def was_dropped(response: Response, step: Step) -> bool:
    """Is it server VAD's, and nothing came of it? Some servers drop a response that the user talked
    over, without a terminal, and answer no cancel of it. Or did it keep the slot, which another has now?"""
    turn = response.turn
    silent = not response.has_output and not response.undelivered
    return response.stuck or (silent and turn is not None and turn.origin is Origin.SERVER_VAD)
