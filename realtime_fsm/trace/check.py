"""Which guarantees the calls of a file kept. Shares no code with the controller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from .._input import InputError
from .facts import Fact, FactReader
from .format import BY, Header, Line
from .quiet import Quiet
from .reader import End, Entry, Issue, follow
from .rule import Rule
from .settings import Settings
from .verdict import RULES, SHOWN, UNSEEN, Judge, Verdict, Violation

__all__ = ["RULES", "UNSEEN", "Report", "Violation", "check", "judge"]

_BY = frozenset(BY)
_ISSUES = 50  # of what cannot be read, that are kept


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

    @staticmethod
    def of_pieces(reports: Sequence[Report]) -> Report:
        """The verdict on a file whose pieces these are, in its order."""
        whole = Report(reports[0].source, reports[-1].header)
        for each in reports:
            whole._add(each)
            whole.issues += each.issues[: _ISSUES - len(whole.issues)]
            whole.unreadable += each.unreadable
            whole.skipped += each.skipped[: _ISSUES - len(whole.skipped)]
            whole.cut_off += each.cut_off[: _ISSUES - len(whole.cut_off)]
            whole.calls += each.calls
            whole.lines.update(each.lines)
            whole.responses.update(each.responses)
            whole.errors.update(each.errors)
        judged = {name for each in reports for name in each.judged}
        whole.judged = [rule.id for rule in RULES if rule.id in judged]
        whole.not_judged = {k: v for k, v in whole.not_judged.items() if k not in judged}
        return whole

    def _add(self, verdict: Verdict | Report) -> None:
        """Take what was found in one call, or one piece."""
        left = Counter(each.id for each in self.violations)
        for each in verdict.violations:
            left[each.id] += 1
            if left[each.id] <= SHOWN:
                self.violations.append(each)
        self.broken.update(verdict.broken)
        self.not_judged.update(verdict.not_judged)
        self.seconds += verdict.seconds

    @property
    def exit_code(self) -> int:
        """0: nothing was broken. 1: something was. 2: there was nothing to judge."""
        return 1 if self.broken else 0 if self.judged else 2

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


def check(
    file: IO[bytes],
    *,
    source: str = "",
    only: Collection[str] = (),
    settings: Settings | None = None,
    before: int = 0,
) -> Report:
    """Judge a trace, or a raw log, see :func:`realtime_fsm.trace.read` for what is read.

    Args:
        file: open for reading bytes; read once, from where it stands.
        source: its name, for the report.
        only: ids of guarantees; all when empty.
        settings: tolerances.
        before: how many lines stand before this piece of a trace.

    Raises:
        InputError: *only* names a guarantee that no trace can show.
    """
    return judge(follow(file, before=before), source=source, only=only, settings=settings)


def judge(
    entries: Iterable[Entry | End],
    *,
    source: str = "",
    only: Collection[str] = (),
    settings: Settings | None = None,
) -> Report:
    """Judge what :func:`~realtime_fsm.trace.reader.follow` yields, for those who look at it, too.

    Args:
        entries: of one file; taken once, in order.
        source: the file's name, for the report.
        only: ids of guarantees; all when empty.
        settings: tolerances.

    Raises:
        InputError: *only* names a guarantee that no trace can show.
    """
    unknown = [each for each in only if each not in {rule.id for rule in RULES}]
    if unknown:
        names = ", ".join(rule.id for rule in RULES)
        reason = f" ({UNSEEN[unknown[0]]})" if unknown[0] in UNSEEN else ""
        raise InputError("only", unknown[0], f"one of {names}{reason}")
    rules = [rule for rule in RULES if not only or rule.id in only]
    return _Reading(Report(source), rules, settings or Settings()).run(entries)


class _Reading:
    def __init__(self, report: Report, rules: Sequence[type[Rule]], settings: Settings) -> None:
        self._report = report
        self._rules = rules
        self._settings = settings
        self._facts = FactReader()
        self._judge: Judge | None = None
        #: After what is missing of the call, until it can be judged again.
        self._quiet: Quiet | None = None
        self._skipped = 0
        self._judged: set[str] = set()
        self._empty = False  # a header, and nothing behind it so far

    def run(self, entries: Iterable[Entry | End]) -> Report:
        report = self._report
        for entry in entries:
            if isinstance(entry, Line):
                self._empty = False
                self._line(entry)
            elif isinstance(entry, Header):
                self._begin(entry)
            elif isinstance(entry, End):
                self._end_call(entry)
            else:
                self._issue(entry)
        if not (report.calls or report.unreadable):
            self._issue(Issue(0, "no event of a call in it"))
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
        if issue.gap and self._judge is not None:
            if self._quiet is None:
                self._skipped = issue.number
            self._wait(self._judge)

    def _wait(self, judge: Judge) -> None:
        """Something is missing here: judge nothing until the call is quiet again."""
        if self._report.header is not None:
            self._quiet = Quiet(self._report.header)
        judge.pause()

    def _begin(self, header: Header) -> None:
        self._report.header = header
        self._report.calls += 1
        self._empty = True
        self._judge, self._quiet = Judge(self._rules, self._settings), None
        self._feed(self._facts.read(header))
        if header.partial and header.mode == "raw":
            self._judge.go_on()
        elif header.partial:
            self._skipped = 0
            self._wait(self._judge)

    def _feed(self, fact: Fact | None) -> None:
        judge = self._judge
        if fact is None or judge is None:
            return
        if self._quiet is None:
            judge.feed(fact)
            return
        if self._quiet.feed(fact):
            self._skip_to(fact.line.number - 1)
            self._quiet = None
            judge.go_on()
        judge.feed(fact)
        if self._quiet is not None and judge.resumed:
            self._skip_to(fact.line.number - 1)
            self._quiet = None

    def _line(self, line: Line) -> None:
        report, by = self._report, line.by
        report.lines[by if by in _BY else "other"] += 1
        if by == "server":
            if line.type == "response.done":
                _count(report.responses, line.body("response").get("status"))
            elif line.type == "error":
                _count(report.errors, line.body("error").get("code"))
        self._feed(self._facts.line(line))

    def _skip_to(self, number: int) -> None:
        if self._skipped < number and len(self._report.skipped) < _ISSUES:
            self._report.skipped.append((self._skipped + 1, number))

    def _end_call(self, end: End) -> None:
        report, judge = self._report, self._judge
        if judge is None:
            return
        if self._quiet is not None:
            self._skip_to(end.number)
        raw = report.header is not None and report.header.mode == "raw"
        if self._empty:
            self._issue(Issue(end.number, "a header, and nothing of a call behind it"))
        elif not (end.complete or raw) and len(report.cut_off) < _ISSUES:
            report.cut_off.append(end.number)
        verdict = judge.end(cut=not end.complete)
        self._judge = self._quiet = None
        self._judged.update(verdict.judged)
        report._add(verdict)


def _count(counter: Counter[str], key: object) -> None:
    name = key if isinstance(key, str) else "none"
    if name in counter or len(counter) < 100:
        counter[name] += 1
