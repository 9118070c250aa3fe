"""What a retry costs a turn, and whether it can afford one (G9, G10)."""

from __future__ import annotations

import math

from .records import Turn
from .states import ErrorKind
from .step import Step

#: A create that meets another response this often fails instead of asking again.
MAX_CONFLICTS = 5

#: Retries that a kind of failure is worth; None: as many as the policy has.
RETRIES: dict[ErrorKind, int | None] = {
    ErrorKind.TRANSIENT: None,
    ErrorKind.SESSION_END: None,
    ErrorKind.UNKNOWN: 1,
    ErrorKind.EMPTY: 1,
}


def retry_delay(turn: Turn, step: Step) -> float:
    """Seconds until it is asked for again: the server's hint, capped, or the policy's interval."""
    hint = step.failure.retry_after
    if hint is not None:
        return min(hint, step.policy.longest_hint)
    return step.policy.interval(turn.retries)


def within_budget(turn: Turn, step: Step) -> bool:
    """Whether another attempt can be afforded. G9: bounded in number and in total time; G10: not in a session that is dead."""
    if step.lane.connection.dead:
        return False
    kind = step.failure.kind
    worth = RETRIES.get(kind, 0)
    if worth is None and kind is ErrorKind.SESSION_END:
        limit: float = math.inf  # a planned end costs nothing
    else:
        limit = step.policy.max_retry if worth is None else min(worth, step.policy.max_retry)
    if turn.retries >= limit:
        return False
    by = turn.recover_by
    wait = retry_delay(turn, step)
    return wait <= step.policy.recovery_deadline if by is None else step.now + wait <= by
