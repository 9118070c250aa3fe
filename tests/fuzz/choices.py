"""Bytes as a row of choices, so that a fuzzer that changes a byte changes one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")

_STRINGS = ("", "x", "r1", "i1", "error", "failed", "completed", "\u0000", "ü" * 40, "a" * 300)
_NUMBERS = (0, 1, -1, 64, 2**63, 0.5, -0.0, 1e308, float("inf"), float("nan"), True)


class Choices:
    """Reads *data* once; every choice after its end is the first."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def over(self) -> bool:
        """Whether nothing is left to choose."""
        return self._at >= len(self._data)

    def byte(self) -> int:
        if self.over:
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def pick(self, options: Sequence[T]) -> T:
        return options[self.byte() % len(options)]

    def rest(self) -> bytes:
        rest, self._at = self._data[self._at :], len(self._data)
        return rest

    def json(self, keys: Sequence[str], depth: int = 4) -> Any:
        """Any JSON value, with these keys in its objects."""
        kind = self.byte() % 8 if depth else self.byte() % 4
        if kind == 0:
            return self.pick(_STRINGS)
        if kind == 1:
            return self.pick(_NUMBERS)
        if kind == 2:
            return None
        if kind == 3:
            return self.byte() % 2 == 0
        if kind == 4:
            return [self.json(keys, depth - 1) for _ in range(self.byte() % 4)]
        return {self.pick(keys): self.json(keys, depth - 1) for _ in range(self.byte() % 8)}
