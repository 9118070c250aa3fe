"""Errors of this library.

::

    RealtimeFSMError
    ├── InputError           what somebody wrote cannot be used (`realtime_fsm._input`)
    ├── LocalProtocolError   the host called the controller in an impossible way
    └── TableError           the transition table is wrong; raised when it is built

What a server does wrong never raises (G25): it is counted, ignored, or ends a turn whose
``error`` field (an `ErrorInfo`) says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._error import RealtimeFSMError
from .states import ErrorKind


class LocalProtocolError(RealtimeFSMError):
    """The host made a call that cannot be meant. The controller's state is unchanged.

    Attributes:
        call: Name of the method that was called.
        field: What was wrong: an argument's name, or ``"state"``.
        value: The offending value.
        expected: What would have been right, in words.
    """

    def __init__(self, call: str, *, field: str, value: object, expected: str) -> None:
        super().__init__(call, field, value, expected)
        self.call = call
        self.field = field
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.call}: {self.field} is {self.value!r}, expected {self.expected}"


class TableError(RealtimeFSMError):
    """The transition table cannot work. Raised at import, listing every problem found.

    Attributes:
        problems: One sentence per problem.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "bad transition table: " + "; ".join(self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """Why an attempt or a turn failed.

    Attributes:
        kind: What it means for the turn.
        code: The provider's code, or ours (``create_timeout``, ``stalled``,
            ``connection_lost``, ``empty_response``), or None.
        type: The provider's error type, or None.
        message: Text for a person; no transcript, no key.
        retry_after: Seconds the server asked to wait, or None.
    """

    kind: ErrorKind
    code: str | None = None
    type: str | None = None
    message: str = ""
    retry_after: float | None = None

    def __str__(self) -> str:
        name = self.code or self.type or self.kind.value
        return f"{name}: {self.message}" if self.message else name
