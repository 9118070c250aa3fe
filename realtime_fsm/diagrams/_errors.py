"""What can be wrong with a request for a picture."""

from __future__ import annotations

from .._core.errors import RealtimeFSMError


class DiagramError(RealtimeFSMError, ValueError):
    """A picture was asked for that cannot be drawn.

    Attributes:
        field: What was wrong: ``"view"``, ``"state"``, ``"format"``, ``"revision"``, …
        value: The offending value.
        expected: What would have been right, in words.
    """

    def __init__(self, *, field: str, value: object, expected: str) -> None:
        super().__init__(field, value, expected)
        self.field = field
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.field} is {self.value!r}, expected {self.expected}"
