"""What events and commands have in common, made once.

``dataclass`` compiles ``__eq__``, ``__hash__`` and ``__repr__`` for each class: of more than fifty small ones that is a
third of what importing them takes.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any


class Data:
    """Base of data classes that are declared with ``eq=False, repr=False``: equal if class and fields are."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _values(self) == _values(other)

    def __hash__(self) -> int:
        return hash(_values(self))

    def __repr__(self) -> str:
        of: Any = self  # a data class
        told = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in fields(of) if f.repr)
        return f"{type(self).__qualname__}({told})"


def _values(data: Any) -> tuple[object, ...]:
    return tuple(getattr(data, f.name) for f in fields(data) if f.compare)
