"""Which guarantees a call kept, by its trace alone. Shares no code with the controller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from .format import BY, Header, Line
from .heard_rules import HeardIsHistory, MessageOrder, TruncateBounds
from .lane_rules import (
    BenignCancel,
    CancelBarrier,
    ConflictResync,
    CreateSettles,
    Orphan,
    OwnerOfTurns,
    SingleFlight,
)
from .quiet import Quiet
from .reader import End, Entry, Issue, follow
from .rule import Call, Handler, Rule, Settings
from .session_rules import BudgetByProgress, Epoch, FatalStops, OneReport, TurnNotSession
from .turn_rules import IdScoped, OneTerminal, StatusAware, ToolOnce, TurnNotLost
from .wire import body_of

__all__ = ["RULES", "UNSEEN", "Checker", "Report", "Violation", "check", "judge"]

#: Everything a trace can show, in the order of the guarantees.
RULES: tuple[type[Rule], ...] = (
    SingleFlight, CreateSettles, IdScoped, Orphan, CancelBarrier, BenignCancel, OneTerminal,
    StatusAware, FatalStops, BudgetByProgress, OneReport, MessageOrder, TruncateBounds,
    HeardIsHistory, ToolOnce, TurnNotLost, Epoch, ConflictResync, OwnerOfTurns, TurnNotSession,
)  # fmt: skip
#: What no trace shows, and why.
UNSEEN: dict[str, str] = {
    "G9": "what was handed downstream is not in a trace",
    "G14": "which report the controller took for which message is not in a trace",
    "G21": "which speech an interrupt was meant for is not in a trace",
    "G22": "what an application shows is not in a trace",
    "G23": "an exception half way is not in a trace",
    "G25": "an exception of the adapter is not in a trace",
}
_SHOWN = 50  # violations of one guarantee that are kept with their lines
_ISSUES = 50  # likewise of what cannot be read


@dataclass(frozen=True, slots=True)
class Violation:
    """A guarantee that was broken.

    Attributes:
        id: the guarantee's, such as ``G5``.
        name: the guarantee's.
        text: what happened.
        lines: what it rests on, in the order of the file.
    """

    id: str
    name: str
    text: str
    lines: tuple[Line, ...]

    def as_json(self) -> dict[str, Any]:
        """The violation as ``--json`` prints it."""
        lines = [{"line": each.number, **each.fields()} for each in self.lines]
        return {"id": self.id, "name": self.name, "text": self.text, "lines": lines}


@dataclass(slots=True)
class Report:
    """The verdict on one file.

    Attributes:
        source: the file's name.
        header: of its last call; None when nothing could be read.
        violations: what was broken, the first 50 of each guarantee, in the order found.
        broken: how often each guarantee was broken.
        judged: ids of the guarantees that were judged.
        not_judged: the others: id to why.
        issues: what could not be read, the first 50.
        unreadable: how many issues there were.
        skipped: lines that were not judged, since some are missing before them: (first, last), the
            first 50.
        cut_off: last lines of calls that were not recorded to their end: what was under way then
            was not judged.
        lines: how many lines were read, by who did what they tell.
        calls: how many headers.
        seconds: of all calls.
        responses: how many ended with which status.
        errors: how many of the server's ``error`` events had which code.
    """

    source: str
    header: Header | None = None
    violations: list[Violation] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    judged: list[str] = field(default_factory=list)
    not_judged: dict[str, str] = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    unreadable: int = 0
    skipped: list[tuple[int, int]] = field(default_factory=list)
    cut_off: list[int] = field(default_factory=list)
    lines: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    seconds: float = 0.0
    responses: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def exit_code(self) -> int:
        """0: nothing was broken. 1: something was. 2: there was nothing to read."""
        return 1 if self.broken else 0 if sum(self.lines.values()) else 2

    def as_json(self) -> dict[str, Any]:
        """The report as ``--json`` prints it, see ``docs/trace.md``."""
        return {
            "source": self.source,
            "exit_code": self.exit_code,
            "mode": self.header.mode if self.header is not None else None,
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "lines": dict(sorted(self.lines.items())),
            "responses": dict(sorted(self.responses.items())),
            "errors": dict(sorted(self.errors.items())),
            "broken": dict(self.broken),
            "violations": [each.as_json() for each in self.violations],
            "judged": self.judged,
            "not_judged": self.not_judged,
            "unreadable": self.unreadable,
            "issues": [{"line": each.number, "text": each.text} for each in self.issues],
        }


class Checker:
    """Judges one call, line by line.

    Args:
        found: called with each rule and problem, as soon as it is known.
        call: what is known of the call.
        rules: those to judge by.
    """

    def __init__(
        self,
        found: Callable[[Rule, Any], None],
        *,
        call: Call | None = None,
        rules: Iterable[type[Rule]] = RULES,
    ) -> None:
        self.call = call or Call()
        self._found = found
        self._rules = [rule(self.call) for rule in rules]
        self._handlers: dict[tuple[str, str], list[Handler]] = {}
        for rule in self._rules:
            for key, handler in rule.handlers().items():
                self._handlers.setdefault(key, []).append(handler)

    def feed(self, line: Line) -> None:
        """The next line. The rules see it before it takes effect on the call."""
        self.call.advance(line.t)
        for handler in self._handlers.get((line.by, line.type), ()):
            handler(line)
        self.call.apply(line)
        if self.call.problems:
            self._collect()

    def end(self) -> None:
        """The call is over. Not to be called for one that was cut off: what was under way then is
        nobody's fault."""
        for rule in self._rules:
            rule.end()
        self._collect()

    def _collect(self) -> None:
        while self.call.problems:
            self._found(*self.call.problems.popleft())


def check(
    file: IO[bytes],
    *,
    source: str = "",
    only: Collection[str] = (),
    settings: Settings | None = None,
) -> Report:
    """Judge a trace, or a raw log, see :func:`realtime_fsm.trace.read` for what is read.

    Args:
        file: open for reading bytes; read once, from where it stands.
        source: its name, for the report.
        only: ids of guarantees; all when empty.
        settings: tolerances.

    Raises:
        ValueError: *only* names a guarantee that no trace can show.
    """
    return judge(follow(file), source=source, only=only, settings=settings)


def judge(
    entries: Iterable[Entry | End],
    *,
    source: str = "",
    only: Collection[str] = (),
    settings: Settings | None = None,
) -> Report:
    """Judge what :func:`~realtime_fsm.trace.reader.follow` yields, for those who look at it themselves, too.

    Args:
        entries: of one file; taken once, in order.
        source: the file's name, for the report.
        only: ids of guarantees; all when empty.
        settings: tolerances.

    Raises:
        ValueError: *only* names a guarantee that no trace can show.
    """
    unknown = [each for each in only if each not in {rule.id for rule in RULES}]
    if unknown:
        names = ", ".join(rule.id for rule in RULES)
        reason = f": {UNSEEN[unknown[0]]}" if unknown[0] in UNSEEN else ""
        raise ValueError(f"{unknown[0]} cannot be judged by a trace{reason}; there are {names}")
    rules = [rule for rule in RULES if not only or rule.id in only]
    return _Reading(Report(source), rules, settings or Settings()).run(entries)


class _Reading:
    def __init__(self, report: Report, rules: Sequence[type[Rule]], settings: Settings) -> None:
        self._report = report
        self._rules = rules
        self._settings = settings
        self._checker: Checker | None = None
        #: After what is missing of the call, until it can be judged again.
        self._quiet: Quiet | None = None
        self._skipped = 0
        self._live = False  # some of the call at hand was judged
        self._judged: set[str] = set()
        # Of the call at hand: the kinds of lines it has, its length, and what was found.
        self._has: set[str] = set()
        self._first: float | None = None
        self._last = 0.0
        self._violations: list[Violation] = []
        self._broken: Counter[str] = Counter()

    def run(self, entries: Iterable[Entry | End]) -> Report:
        report = self._report
        for entry in entries:
            if isinstance(entry, Line):
                self._line(entry)
            elif isinstance(entry, Header):
                self._begin(entry)
            elif isinstance(entry, End):
                self._end_call(entry)
            else:
                self._issue(entry)
        for rule in self._rules:
            if rule.id in self._judged:
                report.judged.append(rule.id)
                report.not_judged.pop(rule.id, None)
            elif not report.calls:
                report.not_judged[rule.id] = "nothing could be read"
        report.not_judged.update(UNSEEN)
        return report

    def _issue(self, issue: Issue) -> None:
        self._report.unreadable += 1
        if len(self._report.issues) < _ISSUES:
            self._report.issues.append(issue)
        if issue.gap and (self._checker is not None or self._quiet is not None):
            self._wait(issue.number)

    def _wait(self, number: int) -> None:
        """Something is missing here: judge nothing until the call is quiet again."""
        header = self._report.header
        self._quiet = Quiet(
            timed=header is not None and header.timed,
            played=header is not None and header.mode not in ("raw", "server"),
        )
        if self._checker is not None:
            self._checker, self._skipped = None, number

    def _begin(self, header: Header) -> None:
        self._report.header = header
        self._report.calls += 1
        self._has = {"time"} if header.timed else set()
        self._first, self._live = None, False
        if header.partial and header.mode != "raw":
            self._checker, self._skipped = None, 0
            self._wait(0)
        else:
            self._judge(partial=header.partial)

    def _judge(self, *, partial: bool) -> None:
        header = self._report.header
        timed = header is None or header.timed
        call = Call(settings=self._settings, header=header, timed=timed, partial=partial)
        self._checker = Checker(self._found, call=call, rules=self._rules)
        self._quiet = None

    def _end_call(self, end: End) -> None:
        report = self._report
        if self._checker is not None and end.complete:
            self._checker.end()
        elif self._quiet is not None:
            self._skip_to(end.number)
        raw = report.header is not None and report.header.mode == "raw"
        if not (end.complete or raw) and len(report.cut_off) < _ISSUES:
            report.cut_off.append(end.number)
        report.seconds += self._last - (self._first or 0.0)
        for rule in self._rules:
            if missing := _missing(rule.needs, self._has):
                # What it seemed to find, it found because it saw half.
                report.not_judged[rule.id] = f"no {missing}"
                self._broken.pop(rule.id, None)
            elif not self._live:
                report.not_judged[rule.id] = "the call is not whole and was never quiet"
            else:
                self._judged.add(rule.id)
        report.broken.update(self._broken)
        left = Counter(each.id for each in report.violations)
        for each in self._violations:
            left[each.id] += 1
            if each.id in self._broken and left[each.id] <= _SHOWN:
                report.violations.append(each)
        self._checker = self._quiet = None
        self._violations, self._broken = [], Counter()

    def _skip_to(self, number: int) -> None:
        if len(self._report.skipped) < _ISSUES:
            self._report.skipped.append((self._skipped + 1, number))

    def _line(self, line: Line) -> None:
        report = self._report
        report.lines[line.by if line.by in BY else "other"] += 1
        self._first = line.t if self._first is None else self._first
        self._last = line.t
        if line.by == "turn" and self._observed():
            return  # what a controller thinks that only watches
        self._has.add(line.by)
        if line.by == "server":
            if line.type == "response.done":
                _count(report.responses, body_of(line.event.get("response")).get("status"))
            elif line.type == "error":
                _count(report.errors, body_of(line.event.get("error")).get("code"))
        if self._quiet is not None and self._quiet.feed(line):
            self._skip_to(line.number - 1)
            self._judge(partial=True)
        if self._checker is not None:
            self._live = True
            self._checker.feed(line)

    def _observed(self) -> bool:
        return self._report.header is not None and self._report.header.mode == "observe"

    def _found(self, rule: Rule, problem: Any) -> None:
        self._broken[rule.id] += 1
        if self._broken[rule.id] <= _SHOWN:
            lines = {id(each): each for each in problem.events}.values()
            told = tuple(sorted(lines, key=lambda each: each.number))
            self._violations.append(Violation(rule.id, rule.name, problem.text, told))


def _count(counter: Counter[str], key: object) -> None:
    name = key if isinstance(key, str) else "none"
    if name in counter or len(counter) < 100:
        counter[name] += 1


def _missing(needs: Iterable[str], has: set[str]) -> str:
    """What is missing, in words, or nothing."""
    for need in needs:
        if not has & set(need.split("|")):
            return "times" if need == "time" else f"{need.replace('|', ' or ')} lines"
    return ""
