"""What a rule of the server is, and how the code that enforces it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

__all__ = ["ENFORCED", "Rule", "Source", "enforces"]

Source = Literal["documented", "observed", "assumed"]

_F = TypeVar("_F", bound=Callable[..., Any])

ENFORCED: dict[str, list[str]] = {}
"""Rule id to the names of what enforces it, filled when the simulator's modules are imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the Realtime service, and how we know of it.

    Attributes:
        id: a short name that stays.
        statement: what the server does.
        source: ``documented`` by the provider, ``observed`` in public by others, or ``assumed``.
        reference: the event or type whose documentation says so; or public issues as
            ``owner/repo#number``; or, for an assumed rule, why it was assumed.
        field: the :class:`ServerConfig` field that selects what the server does.
        alternatives: the values of that field, the default first.

    Raises ``ValueError`` when *field* comes without at least two *alternatives*, or the reverse.
    """

    id: str
    statement: str
    source: Source
    reference: str
    field: str | None = None
    alternatives: tuple[object, ...] = ()

    def __post_init__(self) -> None:
        if (self.field is None) == (len(self.alternatives) > 1):
            raise ValueError(f"rule {self.id!r}: a field and its alternatives belong together")


def enforces(*rules: Rule) -> Callable[[_F], _F]:
    """Mark a function or class as the place where *rules* are enforced; it is not changed."""

    def mark(place: _F) -> _F:
        for rule in rules:
            ENFORCED.setdefault(rule.id, []).append(
                f"{place.__module__.rpartition('.')[2]}.{place.__qualname__}"
            )
        return place

    return mark
