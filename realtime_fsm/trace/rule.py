"""What a rule is: one guarantee, as far as facts show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from .facts import Fact, Look
from .format import Seen
from .story import Story

__all__ = ["Handler", "Key", "Problem", "Rule"]

Handler: TypeAlias = "Callable[[Any], None]"
#: A kind of fact; of the wire, who sent which type.
Key: TypeAlias = "type[Fact] | tuple[str, str]"


@dataclass(eq=False, slots=True)
class Problem:
    """One breach: what, the lines it rests on, and the messages it is about."""

    text: str
    events: Sequence[Seen]
    items: tuple[str, ...] = ()


class Rule:
    """One guarantee. A new object for each call.

    Subclasses give ``id``, ``name``, the ``needs`` (who must have told something, or nothing can be
    said; ``a|b`` for either, ``time`` for times, ``audio`` for some of the model's), and handlers.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ("server", "client")

    def __init__(self, story: Story, found: Callable[[Rule, Problem], None]) -> None:
        self.story = story
        self.wire = story.wire
        self.settings = story.settings
        self._found = found

    def handlers(self) -> Mapping[Key, Handler]:
        """What to call with which fact, or line of the wire, before it takes effect."""
        return {}

    def rest(self, look: Look) -> None:
        """All that was asked should have come to its end by now."""

    def end(self) -> None:
        """There is no more, and nothing is missing."""

    def broken(
        self, text: str, events: Sequence[Seen | Fact | None], items: tuple[str, ...] = ()
    ) -> None:
        """Report a breach."""
        lines: list[Seen] = [
            each.line if isinstance(each, Fact) else each for each in events if each is not None
        ]
        self._found(self, Problem(text, lines, items))
