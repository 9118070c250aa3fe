"""What a rule is: one guarantee, as far as facts show it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from .facts import Fact, Look
from .format import Line
from .story import Story
from .wire import LOST

__all__ = ["GONE", "Key", "Rule", "RuleOf", "Violation", "on"]

#: A kind of fact; of the wire, who sent which type: ``"server response.done"``.
Key: TypeAlias = "type[Fact] | str"
H = TypeVar("H", bound="Callable[..., None]")
S = TypeVar("S")
#: A connection is over.
GONE = tuple(f"net {how}" for how in LOST)


def on(*keys: Key) -> Callable[[H], H]:
    """Marks what of a rule is called with which facts, before they take effect."""

    def mark(handler: H) -> H:
        handler.called_with = keys  # type: ignore[attr-defined]
        return handler

    return mark


@dataclass(frozen=True, slots=True)
class Violation:
    """A guarantee that was broken.

    Attributes:
        id: the guarantee's, such as ``G5``.
        name: the guarantee's.
        text: what happened.
        lines: what it rests on, in the order of the file.
        items: ids of the messages that it is about, if it is about any.
    """

    id: str
    name: str
    text: str
    lines: tuple[Line, ...]
    items: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The violation as ``--json`` prints it."""
        lines = [{"line": each.number, **each.fields()} for each in self.lines]
        return {"id": self.id, "name": self.name, "text": self.text, "lines": lines}


class RuleOf(Generic[S]):
    """One guarantee, over calls of which so much is known. A new object for each call.

    Subclasses give ``id``, ``name``, the ``needs`` (who must have told something, or nothing can be
    said; ``a|b`` for either, ``time`` for times, ``audio`` for some of the model's), and methods that
    are marked with :func:`on`.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ("server", "client")
    _marked: ClassVar[tuple[tuple[object, str], ...]] = ()

    def __init_subclass__(cls) -> None:
        """Find the methods that are marked, once. What overrides one of them is, too."""
        super().__init_subclass__()
        marked = {name: each.called_with for kind in reversed(cls.__mro__)
                  for name, each in vars(kind).items() if hasattr(each, "called_with")}  # fmt: skip
        cls._marked = tuple(
            (tuple(key.split(" ")) if isinstance(key, str) else key, name)
            for name, keys in marked.items()
            for key in keys
        )

    def __init__(self, story: S, found: Callable[[Violation], None]) -> None:
        self.story = story
        self._found = found
        self.begin()

    def begin(self) -> None:
        """Nothing has happened yet."""

    def handlers(self) -> Iterator[tuple[object, Callable[[Any], None]]]:
        """What to call with which facts: their kind, or who sent which type."""
        for key, name in self._marked:
            yield key, getattr(self, name)

    def rest(self, look: Look) -> None:
        """All that was asked should have come to its end by now."""

    def over(self, *, cut: bool) -> None:
        """There is no more; *cut*: the rest is missing, and what is under way is not known."""
        if not cut:
            self.end()

    def end(self) -> None:
        """There is no more, and nothing is missing."""

    def broken(
        self, text: str, events: Sequence[Line | Fact | None], items: tuple[str, ...] = ()
    ) -> None:
        """Report a breach: what, what it rests on, and the messages it is about."""
        lines = [each.line if isinstance(each, Fact) else each for each in events]
        told = {id(each): each for each in lines if each is not None}
        in_order = sorted(told.values(), key=lambda line: line.number)
        self._found(Violation(self.id, self.name, text, tuple(in_order), items))


class Rule(RuleOf[Story]):
    """One guarantee, over calls of the Realtime protocol."""

    def __init__(self, story: Story, found: Callable[[Violation], None]) -> None:
        self.wire = story.wire
        self.settings = story.settings
        super().__init__(story, found)
