"""What goes with an event: what guards may look at, and where effects put their commands."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .commands import Command
from .error_kinds import is_rate_limit
from .errors import ErrorInfo
from .events import Event
from .lane import Lane
from .policy import RetryPolicy
from .records import Response
from .states import ErrorKind

_NO_REASON = ErrorInfo(kind=ErrorKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Report:
    """What came with an event of playback.

    Attributes:
        position_ms: Milliseconds played.
        interrupted: It was cut off, or its turn was interrupted.
        audible: There is a sink that tells when it begins to play.
        transcript: The words that were played, where the sink knows them.
    """

    position_ms: float = 0.0
    interrupted: bool = False
    audible: bool = False
    transcript: str | None = None


NOTHING = Report()


@dataclass(slots=True)
class Step:
    """One event being applied, with all that follows from it.

    Attributes:
        lane: The lane, its connection and the user's speech. For guards.
        event: What was received, if anything was.
        failure: Why an attempt is over, if it is.
        response: The response that is told of; for a turn that has none yet, its own.
        rumour: What a conflict told of the response that shows itself.
        report: What the sink said.
        unseen: What ends was never seen to begin: plain LiveKit takes no notice of its terminal.
        held_up: For how many seconds the user's speech held things up.
        limited_until: When the exhausted rate limits are reset.
        taken: The row that was taken last.
    """

    now: float
    policy: RetryPolicy
    out: list[Command]
    new_event_id: Callable[[str], str]
    lane: Lane
    event: Event | None = None
    failure: ErrorInfo = _NO_REASON
    response: Response | None = None
    rumour: Response | None = None
    report: Report = NOTHING
    unseen: bool = False
    held_up: float = 0.0
    limited_until: float = -math.inf
    taken: Any = None

    def assess(self, error: ErrorInfo) -> ErrorInfo:
        """What the policy makes of an error, and when the server allows another attempt."""
        error = self.policy.reclassified(error)
        unhinted = is_rate_limit(error) and error.retry_after is None
        if unhinted and self.limited_until > self.now:
            return replace(error, retry_after=self.limited_until - self.now)
        return error
