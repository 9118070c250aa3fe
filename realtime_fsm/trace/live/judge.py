"""Judges a GPT-Live call as far as its frames show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..facts import Fact, Frame
from ..format import Line
from ..settings import Settings
from .rules import LIVE_RULES, LiveRule
from .story import LiveStory

__all__ = ["LiveJudge"]


class LiveJudge:
    """Takes the facts of one call, one by one.

    Args:
        ids: of the guarantees that are asked for.
        settings: tolerances.
        found: called with each breach: the rule's id and name, what happened, and the lines it rests on.
        partial: the beginning of the call is missing.
    """

    def __init__(
        self,
        ids: Sequence[str],
        settings: Settings,
        found: Callable[[str, str, str, list[Line]], None],
        *,
        partial: bool,
    ) -> None:
        self._ids, self._settings = ids, settings
        self._tell = found
        self._partial = partial
        self._waits = False  # something is missing, until the next connection
        self._begin()

    def _begin(self) -> None:
        self._story = LiveStory(partial=self._partial)
        self._rules = [
            rule(self._story, self._settings, self._found)
            for rule in LIVE_RULES
            if rule.id in self._ids
        ]

    def _found(self, rule: LiveRule, what: str, lines: list[Line]) -> None:
        self._tell(rule.id, rule.name, what, lines)

    def pause(self) -> None:
        """Something is missing here: what is under way is not known, until a session starts."""
        self._waits = True

    def feed(self, fact: Fact) -> None:
        """The next fact."""
        if self._waits:
            if not (isinstance(fact, Frame) and fact.type == "session.start"):
                return
            self._waits = self._partial = False
            self._begin()
        for rule in self._rules:
            if not isinstance(fact, Frame):
                rule.fact(fact)
            elif fact.direction == "client":
                rule.sent(fact.line)
            else:
                rule.received(fact.line)
        self._story.apply(fact)

    def end(self, *, cut: bool) -> None:
        """There is no more; *cut*: the rest is missing."""
        if not self._waits:
            for rule in self._rules:
                rule.end(cut=cut)
