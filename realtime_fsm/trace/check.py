"""Which guarantees the calls of a file kept. Shares no code with the controller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from .facts import Begun, facts_of
from .format import BY, Header, Line
from .reader import Entry, Issue, read
from .rule import Rule
from .story import Settings
from .verdict import RULES, SHOWN, UNSEEN, Judge, Violation
from .wire import body_of

__all__ = ["RULES", "UNSEEN", "Report", "Violation", "check", "judge"]

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
    return judge(read(file), source=source, only=only, settings=settings)


def judge(
    entries: Iterable[Entry],
    *,
    source: str = "",
    only: Collection[str] = (),
    settings: Settings | None = None,
) -> Report:
    """Judge what :func:`realtime_fsm.trace.read` yields, for those who look at it themselves, too.

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
        self._judge: Judge | None = None
        self._judged: set[str] = set()

    def run(self, entries: Iterable[Entry]) -> Report:
        report = self._report
        for fact in facts_of(self._watched(entries)):
            if isinstance(fact, Begun):
                self._end_call()
                report.header = fact.header
                report.calls += 1
                self._judge = Judge(self._rules, self._settings)
            if self._judge is not None:
                self._judge.feed(fact)
        self._end_call()
        for rule in self._rules:
            if rule.id in self._judged:
                report.judged.append(rule.id)
                report.not_judged.pop(rule.id, None)
            elif not report.calls:
                report.not_judged[rule.id] = "nothing could be read"
        report.not_judged.update(UNSEEN)
        return report

    def _watched(self, entries: Iterable[Entry]) -> Iterator[Header | Line]:
        """The entries on their way, counted."""
        report = self._report
        for entry in entries:
            if isinstance(entry, Line):
                self._count(entry)
                yield entry
            elif isinstance(entry, Header):
                yield entry
            else:
                report.unreadable += 1
                if len(report.issues) < _ISSUES:
                    report.issues.append(entry)

    def _count(self, line: Line) -> None:
        report = self._report
        report.lines[line.by if line.by in BY else "other"] += 1
        if line.by == "server":
            if line.type == "response.done":
                _count(report.responses, body_of(line.event.get("response")).get("status"))
            elif line.type == "error":
                _count(report.errors, body_of(line.event.get("error")).get("code"))

    def _end_call(self) -> None:
        if self._judge is None:
            return
        report, verdict = self._report, self._judge.end()
        self._judged.update(verdict.judged)
        report.not_judged.update(verdict.not_judged)
        report.seconds += verdict.seconds
        left = Counter(each.id for each in report.violations)
        for each in verdict.violations:
            left[each.id] += 1
            if left[each.id] <= SHOWN:
                report.violations.append(each)
        report.broken.update(verdict.broken)


def _count(counter: Counter[str], key: object) -> None:
    name = key if isinstance(key, str) else "none"
    if name in counter or len(counter) < 100:
        counter[name] += 1
