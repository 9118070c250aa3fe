"""Where what was heard of a message, what is shown of it and what the server remembers differ (G16)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class DifferenceKind(Enum):
    """What differs."""

    UNHEARD_SHOWN = "nothing heard, but shown"
    UNHEARD_REMEMBERED = "nothing heard, but remembered"
    POSITION = "more or less remembered than heard"
    NOT_SHOWN = "heard, but not shown"
    WORDS = "other words shown or remembered than were heard"
    ORDER = "shown or remembered in another order than heard"


@dataclass(frozen=True, slots=True)
class Difference:
    """One message's. ``str()`` says it in words.

    Attributes:
        kind: What differs.
        heard_ms: Milliseconds heard.
        remembered_ms: Milliseconds that the server keeps.
    """

    kind: DifferenceKind
    heard_ms: float
    remembered_ms: float

    def __str__(self) -> str:
        if self.kind is DifferenceKind.POSITION:
            return f"{self.heard_ms:.0f} ms heard, {self.remembered_ms:.0f} ms remembered"
        return str(self.kind.value)
