"""The one judge of a call: every guarantee that facts can show, over the facts of one call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .facts import Begun, Fact, Frame, Link, Look, Moved, Recorded, TurnOver, Waiting
from .failure_rules import StatusAware
from .foreign import Foreign
from .format import Line
from .heard_rules import MessageOrder, TruncateBounds
from .lane_rules import (
    BenignCancel,
    CancelBarrier,
    ConflictResync,
    CreateSettles,
    Orphan,
    OwnerOfTurns,
    SingleFlight,
)
from .live.dialect import MEANINGLESS
from .live.rules import LIVE_RULES
from .live.story import LiveStory
from .memory_rules import HeardIsHistory
from .retry_rules import ActionsCount, RetrySafe
from .rule import Rule, RuleOf, Violation
from .session_rules import BudgetByProgress, Epoch, FatalStops, OneReport, TurnNotSession
from .settings import Settings
from .story import Story
from .tool_rules import ToolOnce
from .turn_rules import IdScoped, OneTerminal, TurnNotLost
from .wire import AUDIO_DELTAS

__all__ = ["RULES", "SHOWN", "UNSEEN", "Checker", "Judge", "Verdict", "Violation", "judge_facts"]

#: Everything that facts can show, in the order of the guarantees.
RULES: tuple[type[Rule], ...] = (
    SingleFlight, CreateSettles, IdScoped, Orphan, CancelBarrier, BenignCancel, OneTerminal,
    StatusAware, RetrySafe, FatalStops, BudgetByProgress, OneReport, MessageOrder, TruncateBounds,
    HeardIsHistory, ToolOnce, TurnNotLost, Epoch, ConflictResync, OwnerOfTurns, TurnNotSession,
    ActionsCount,
)  # fmt: skip
#: What no facts show, and why.
UNSEEN: dict[str, str] = {
    "G14": "which report the controller took for which message is not in a trace",
    "G21": "which speech an interrupt was meant for is not in a trace",
    "G22": "what an application shows is not in a trace",
    "G23": "an exception half way is not in a trace",
    "G25": "an exception of the adapter is not in a trace",
}
SHOWN = 50  # violations of one guarantee that are kept with their lines
#: Recordings that end with a line that says so.
_NONE = {"time": "no times", "audio": "no audio"}
_RECORDED = ("control", "observe", "off", "plain")


@dataclass(slots=True)
class Verdict:
    """On one call.

    Attributes:
        violations: what was broken, the first 50 of each guarantee, in the order found.
        broken: how often each guarantee was broken.
        judged: ids of the guarantees that were judged.
        not_judged: the others: id to why.
        seconds: how long the call was.
    """

    violations: list[Violation] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    judged: list[str] = field(default_factory=list)
    not_judged: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class Checker:
    """Judges one call, fact by fact.

    Args:
        rules: those to judge by.
        story: what is known of the call.
        found: called with each breach, as soon as it is known.
    """

    def __init__(
        self,
        rules: Iterable[type[RuleOf[Any]]],
        story: Story | LiveStory,
        found: Callable[[Violation], None],
    ) -> None:
        self._story = story
        self._rules = [rule(story, found) for rule in rules]
        self._handlers: dict[object, list[Callable[[Any], None]]] = {}
        for rule in self._rules:
            for key, handler in rule.handlers():
                self._handlers.setdefault(key, []).append(handler)

    def feed(self, fact: Fact) -> None:
        """The next fact. The rules see it before it takes effect on the story."""
        line, kind = fact.line, type(fact)
        self._story.advance(line.t)
        if kind is Frame or kind is Link:
            for handler in self._handlers.get((line.by, line.type), ()):
                handler(line)
        else:
            for handler in self._handlers.get(kind, ()):
                handler(fact)
        self._story.apply(fact)
        if isinstance(fact, Look) and fact.rest:
            for rule in self._rules:
                rule.rest(fact)

    def end(self, *, cut: bool) -> None:
        """There are no more facts; *cut*: they are missing."""
        for rule in self._rules:
            rule.over(cut=cut)


class Judge:
    """Judges one call as far as its facts show it.

    Args:
        rules: those to judge by.
        settings: tolerances.
    """

    def __init__(
        self, rules: Sequence[type[Rule]] = RULES, settings: Settings | None = None
    ) -> None:
        self._rules = rules
        self._settings = settings or Settings()
        self._duplex = False  # it is one of GPT-Live
        self._checker: Checker | None = self._begin(partial=False)
        self._live = False  # some of the call was judged
        self._first: float | None = None
        self._last = 0.0
        self._verdict = Verdict()
        self._has: set[str] = set()
        self._mode = ""
        self._recorded = False
        self._foreign = Foreign()
        #: A call of GPT-Live was paused, and a session of it began.
        self.resumed = False

    def _begin(self, *, partial: bool) -> Checker:
        if self._duplex:
            ids = [rule.id for rule in self._rules]
            rules = [rule for rule in LIVE_RULES if rule.id in ids]
            return Checker(rules, LiveStory(self._settings, partial=partial), self._keep)
        self._story = Story(settings=self._settings, partial=partial)
        return Checker(self._rules, self._story, self._keep)

    @property
    def story(self) -> Story:
        """What happened so far."""
        return self._story

    def pause(self) -> None:
        """Something is missing here: judge nothing until :meth:`go_on`, or a session of GPT-Live."""
        self._checker = None

    def go_on(self) -> None:
        """Nothing of what is missing is under way any more."""
        header = self._story.header
        self._checker = self._begin(partial=True)
        if header is not None:
            self._story.apply(Begun(Line(0, 0.0, "", "begun", 0, {}), header))

    def feed(self, fact: Fact) -> None:
        """The next fact."""
        line = fact.line
        kind = type(fact)
        if kind is Frame:
            self._foreign.feed(fact)
            if line.type in AUDIO_DELTAS:
                self._has.add("audio")
        elif isinstance(fact, Begun):
            self._mode = fact.header.mode
            self._foreign.begin(fact.header)
            self._has |= {"time"} if fact.header.timed else set()
            # Of a server's record nothing is missing: what is not in it did not happen.
            self._has |= {"server", "client"} if self._mode == "server" else set()
            self._story.apply(fact)
            return
        elif kind is Recorded:
            self._recorded = True
        elif self._mode == "observe" and kind in (Moved, TurnOver, Waiting):
            return  # what a controller thinks that only watches
        if self._foreign.live:
            self._look_at_session(fact)
        self._has.add(line.by)
        if self._first is None:
            self._first = line.t
        self._last = line.t
        if self._checker is not None:
            self._live = True
            self._checker.feed(fact)

    def _look_at_session(self, fact: Fact) -> None:
        """Of GPT-Live: whether it is one that is judged from here on."""
        self.resumed = isinstance(fact, Frame) and fact.type == "session.start"
        header = self._story.header
        if not self._duplex:
            self._duplex = True
            self._verdict.broken.clear()
            self._verdict.violations.clear()
            missing = header is not None and header.partial and header.mode != "raw"
            self._checker = self._begin(partial=missing or not self.resumed)
        elif self.resumed and self._checker is None:
            self._checker = self._begin(partial=False)

    def end(self, *, cut: bool | None = None) -> Verdict:
        """There is no more. *cut*: whether the rest is missing; by default it is where a recorder
        did not say that it stopped. Then what was under way is not judged."""
        if cut is None:
            cut = self._mode == "raw" or (self._mode in _RECORDED and not self._recorded)
        if self._checker is not None:
            self._checker.end(cut=cut)
        verdict = self._verdict
        verdict.seconds = self._last - (self._first or 0.0)
        for rule in self._rules:
            if why := self._why_not(rule):
                # What it seemed to find, it found because it saw half.
                verdict.not_judged[rule.id] = why
                verdict.broken.pop(rule.id, None)
            else:
                verdict.judged.append(rule.id)
        verdict.violations = [each for each in verdict.violations if each.id in verdict.broken]
        verdict.not_judged.update(UNSEEN)
        return verdict

    def _why_not(self, rule: type[Rule]) -> str:
        needs = ("server", "client") if self._duplex else rule.needs
        missing = self._foreign.why or (MEANINGLESS.get(rule.id) if self._duplex else "")
        missing = missing or _missing(needs, self._has)
        return missing or ("" if self._live else "the call is not whole and was never quiet")

    def _keep(self, violation: Violation) -> None:
        verdict = self._verdict
        verdict.broken[violation.id] += 1
        if verdict.broken[violation.id] <= SHOWN:
            verdict.violations.append(violation)


def judge_facts(
    facts: Iterable[Fact],
    *,
    rules: Sequence[type[Rule]] = RULES,
    settings: Settings | None = None,
    cut: bool | None = None,
) -> Verdict:
    """Judge the facts of one call, as :meth:`Judge.feed` and :meth:`Judge.end` do."""
    judge = Judge(rules, settings)
    for fact in facts:
        judge.feed(fact)
    return judge.end(cut=cut)


def _missing(needs: Iterable[str], has: set[str]) -> str:
    """What is missing, in words, or nothing."""
    for need in needs:
        if not has & set(need.split("|")):
            return _NONE.get(need) or f"no {need.replace('|', ' or ')} lines"
    return ""
