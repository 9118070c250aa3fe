"""What is told of failures: which end the session, and the one report of its end (G12, G26)."""

from __future__ import annotations

import time

from livekit.agents import APIError, llm

from .._core.errors import ErrorInfo
from .._core.policy import RetryPolicy
from .._core.states import ErrorKind
from ._speech import SpeechTracker

QUESTION_LOST = ErrorInfo(
    kind=ErrorKind.CLIENT_BUG,
    code="question_lost",
    message="the question was deleted, or its connection lost before its words were known",
)
OUTPUT_LEFT_OUT = ErrorInfo(
    kind=ErrorKind.CLIENT_BUG,
    code="item_left_out",
    message="the tool's output was left out: asked again without it the tool would run again",
)


class Failures:
    """One session's.

    Args:
        label: Names the model in errors.
    """

    def __init__(self, policy: RetryPolicy, label: str) -> None:
        self._policy = policy
        self._label = label
        #: How many turns were told to have failed.
        self.count = 0
        #: Of those, how many since the agent last spoke.
        self._in_a_row = 0
        #: The one report of the session's end, once it is decided; and that it was told.
        self.final: llm.RealtimeModelError | None = None
        self.final_told = False

    def spoke(self) -> None:
        """The agent speaks."""
        self._in_a_row = 0

    def tolerates(self, speeches: SpeechTracker) -> bool:
        """Whether the session goes on after one more turn that failed for good. It does, unless the policy
        says otherwise."""
        self._in_a_row += 1
        how = self._policy.on_exhausted
        if how != "pipeline":
            return how == "fail_turn"
        return self._in_a_row <= speeches.max_unrecoverable_errors

    def ends(self, report: llm.RealtimeModelError) -> bool:
        """The session ends with this report. Returns whether it is the first. AgentSession closes on it, and a
        fallback adapter swaps, so it waits until what was received has played."""
        if self.final is not None:
            return False
        self.final = report
        return True

    def report_of(self, error: ErrorInfo, *, recoverable: bool) -> llm.RealtimeModelError:
        """What an AgentSession is told of it."""
        body = {"code": error.code, "type": error.type, "message": error.message}
        return llm.RealtimeModelError(
            timestamp=time.time(),
            label=self._label,
            error=APIError(str(error), body=body, retryable=recoverable),
            recoverable=recoverable,
        )
