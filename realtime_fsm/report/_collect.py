"""Makes the story of a file out of its lines, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import IO

from ..trace import Header, Line, Report
from ..trace.check import judge
from ..trace.pieces import HEADER
from ..trace.reader import End, Entry, follow
from ..trace.show import notes
from ._call import CallReader
from ._story import Side
from ._values import clipped

__all__ = ["collect", "collect_each", "collect_entries", "holds_many"]

#: Calls of one file that have a page together.
MOST_CALLS = 20
_NOTES = 5  # of a kind, that are told; the page has more


def collect(file: IO[bytes], label: str) -> Side:
    """Read a trace, or a log of raw events, once. Never raises for what is in it.

    Args:
        file: open for reading bytes.
        label: its name, for people.
    """
    return collect_entries(follow(file), label)


def holds_many(file: IO[bytes]) -> bool:
    """Whether there are more calls in a trace than one page should have."""
    headers = (line for line in file if HEADER.match(line))
    return next(islice(headers, MOST_CALLS, None), None) is not None


def collect_each(file: IO[bytes], label: str, *, before: int = 0, calls: int = 0) -> Iterator[Side]:
    """The same call by call: of those that were yielded nothing is kept.

    Args:
        file: open for reading bytes.
        label: its name, for people.
        before: how many lines stand before this piece of it, and *calls*: how many calls.
    """
    for number, entries in groupby(follow(file, before=before), key=_CallNumber(calls)):
        yield _one_of(entries, label, number)


def _one_of(entries: Iterable[Entry | End], label: str, number: int) -> Side:
    side = collect_entries(entries, f"{label}, call {number}")
    side.first = number
    return side


class _CallNumber:
    """The number of the call that an entry is of. What stands before the first is its."""

    def __init__(self, before: int) -> None:
        self._first, self._headers = before + 1, before

    def __call__(self, entry: Entry | End) -> int:
        self._headers += isinstance(entry, Header)
        return max(self._headers, self._first)


def collect_entries(entries: Iterable[Entry | End], label: str) -> Side:
    """The same of what :func:`~realtime_fsm.trace.reader.follow` yields, for those who look at it,
    too."""
    readers: list[CallReader] = []
    report = judge(_watched(entries, readers), source=label)
    side = Side(label, [reader.call for reader in readers])
    if "G16" in report.judged:
        for reader in readers:
            reader.judged(report.violations)
    side.judged, side.not_judged = report.judged, report.not_judged
    side.issues, side.unreadable = report.issues, report.unreadable
    side.notes = notes(report, _NOTES)
    side.lines = sum(report.lines.values())
    _breaches(side, report, readers)
    return side


def _watched(entries: Iterable[Entry | End], readers: list[CallReader]) -> Iterator[Entry | End]:
    """The entries on their way to the judge."""
    for entry in entries:
        if isinstance(entry, Header):
            readers.append(CallReader(entry))
        elif isinstance(entry, Line):
            readers[-1].line(entry)
        elif isinstance(entry, End):
            readers[-1].finish(complete=entry.complete)
        elif entry.gap and readers:
            readers[-1].gap()
        yield entry


def _breaches(side: Side, report: Report, readers: list[CallReader]) -> None:
    """Put each breach where it belongs: at the newest of its lines."""
    for violation in report.violations:
        last = violation.lines[-1] if violation.lines else None
        number = 0 if last is None else last.number
        at = next((n for n, r in enumerate(readers) if number <= r.call.last_line), 0)
        turn = None
        text = clipped(violation.text, 400)
        if last is not None and readers:
            turn = readers[at].breach(violation.id, text, violation.lines)
        side.broken.append((violation.id, violation.name, text, number, at, turn))
