"""The last attempt goes to a new connection, where every one on this connection failed the same way.

A session of the server's can be poisoned: it answers each request with an error until it is left
(livekit/agents#6040). That is believed once for each useful progress, so an outage of the service
costs a connection and no call.
"""

from __future__ import annotations

from typing import NamedTuple

from .._core.commands import Recovering
from .._core.controller import TurnController
from .._core.error_kinds import is_rate_limit
from .._core.records import Turn
from .._core.states import ErrorKind

#: Failures of one kind until the connection is suspected.
_FEW = 2


class _Failures(NamedTuple):
    epoch: int
    code: str | None
    times: int


class FreshConnection:
    """One session's."""

    def __init__(self, controller: TurnController) -> None:
        self._controller = controller
        self._failures: dict[str, _Failures] = {}

    def is_due(self, failed: Recovering) -> bool:
        """Count an attempt's failure. Returns whether the next attempt is the last, and is better made
        on another connection."""
        controller, code = self._controller, failed.reason.code
        turn = controller.find(failed.turn_id)
        before = self._failures.pop(failed.turn_id, None)
        if turn is None or not _is_the_servers(failed):
            return False
        same = before is not None and before[:2] == (controller.epoch, code)
        count = before.times + 1 if before is not None and same else 1
        self._failures[failed.turn_id] = _Failures(controller.epoch, code, count)
        most = controller.policy.max_retry
        return count == most >= _FEW and controller.losses == 0 and self._nothing_else(turn)

    def over(self, turn_id: str) -> None:
        """A turn ended."""
        self._failures.pop(turn_id, None)

    def _nothing_else(self, turn: Turn) -> bool:
        """Whether nothing on the connection would be missed."""
        others = (t for t in self._controller.turns if t is not turn)
        return not self._controller.unanswered and all(
            t.waiting or t.generation_over for t in others
        )


def _is_the_servers(failed: Recovering) -> bool:
    """Whether the server answers, and only by an error that speaks of itself."""
    error = failed.reason
    said = error.kind is ErrorKind.TRANSIENT and error.type is not None
    return said and error.retry_after is None and not is_rate_limit(error)
