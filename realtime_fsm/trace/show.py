"""Prints reports for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from .._output import printable
from .check import Report, Violation
from .format import Line
from .reader import Issue
from .wire import body_of

__all__ = ["describe", "details", "issue_text", "notes", "show"]

_LINES = 8  # of one violation


def show(reports: Iterable[Report], file: IO[str] | None = None) -> None:
    """Print what was found in each file."""
    console = Console(file=file, highlight=False, soft_wrap=True)
    for report in reports:
        _show(report, console)


def issue_text(issue: Issue) -> str:
    """What is wrong with a file, in one line."""
    where = f"line {issue.number}: " if issue.number else ""
    return where + printable(issue.text)


def notes(report: Report, most: int | None = None) -> list[str]:
    """What is wrong with a file, in a line each: what cannot be read, of which *most* are told one by
    one, and what is not judged for it."""
    shown = report.issues[:most]
    told = [issue_text(issue) for issue in shown]
    if report.unreadable > len(shown):
        told.append(f"and {_counted(report.unreadable - len(shown), 'more such line')}")
    for first, last in report.skipped[:most]:
        what = f"line {first} is" if first == last else f"lines {first} to {last} are"
        told.append(f"{what} not judged: what was under way there is not known")
    told += [
        f"cut off after line {number}: what was under way then is not judged"
        for number in report.cut_off[:most]
    ]
    return told


def _show(report: Report, console: Console) -> None:
    name = escape(printable(report.source))
    lines = sum(report.lines.values())
    if not lines:
        console.print(f"[bold red]{name}: nothing could be read[/]")
    elif report.broken:
        count = sum(report.broken.values())
        broken = ", ".join(sorted(report.broken, key=_number))
        console.print(f"[bold red]{name}: {_counted(count, 'violation')} of {broken}[/]")
    elif not report.judged:
        console.print(f"[bold yellow]{name}: nothing could be judged[/]")
    else:
        console.print(f"[bold green]{name}: no violation found[/]")
    calls = "" if report.calls <= 1 else f"{report.calls} calls, "
    mode = "" if report.header is None else f", mode {report.header.mode or 'unknown'}"
    length = f"{calls}{_counted(lines, 'line')}, {report.seconds:.1f} s"
    console.print(f"  {length}{_safe(mode)}")
    if report.responses:
        console.print(f"  responses: {_amounts(report.responses)}")
    if report.errors:
        console.print(f"  errors from the server: {_amounts(report.errors)}")
    for note in notes(report):
        console.print(f"  [yellow]{escape(note)}[/]")
    for violation in report.violations:
        _show_violation(violation, console)
    hidden = sum(report.broken.values()) - len(report.violations)
    if hidden:
        console.print(f"\n  and {_counted(hidden, 'more violation')}")
    console.print(f"\n  judged: {', '.join(report.judged) or 'nothing'}")
    reasons: dict[str, list[str]] = {}
    for each, reason in report.not_judged.items():
        reasons.setdefault(reason, []).append(each)
    for reason, ids in reasons.items():
        console.print(f"  not judged: {', '.join(ids)}: {_safe(reason)}")
    console.print()


def _safe(text: str) -> str:
    """A text from elsewhere: neither markup, nor anything that a terminal acts on."""
    return escape(printable(text))


def _amounts(counts: Mapping[str, int]) -> str:
    return _safe(
        ", ".join(f"{count} {printable(name, 80)}" for name, count in sorted(counts.items()))
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _show_violation(violation: Violation, console: Console) -> None:
    at = ", ".join(str(each.number) for each in violation.lines)
    lines = "line" if len(violation.lines) == 1 else "lines"
    console.print()
    console.print(
        f"  [bold]{violation.id} {escape(violation.name)}[/]: {_safe(violation.text)}"
        + (f" [dim]({lines} {at})[/]" if at else "")
    )
    for line in violation.lines[-_LINES:]:
        console.print(Text(f"    {line.number:>7}  {describe(line)}"))


def describe(line: Line) -> str:
    """One line of a trace, for people, safe to print."""
    by, kind = printable(line.by, 24), printable(line.type, 80)
    return f"{line.t:9.3f} s  {by:8}  {kind}  {printable(details(line))}".rstrip()


_DETAILS_IN_ORDER = (
    "audio_end_ms", "turn", "event", "dest", "outcome", "code", "speech", "interrupted",
    "exception", "position", "new", "recoverable", "reason",
)  # fmt: skip
_DETAILS = frozenset(_DETAILS_IN_ORDER)


def details(line: Line) -> str:
    """What is worth knowing of a line besides its type."""
    event = line.event
    body, item = body_of(event.get("response")), body_of(event.get("item"))
    words = []
    if line.by == "client":
        words.append(("event_id", event.get("event_id")))
    words.append(("response", event.get("response_id") or body.get("id")))
    words.append(("item", event.get("item_id") or item.get("id")))
    if line.type == "response.done":
        words.append(("status", body.get("status")))
    words.append(("call", event.get("call_id") or item.get("call_id")))
    if "error" in event:
        error = body_of(event["error"])
        words += [("error", error.get("code")), ("answers", error.get("event_id"))]
    if not _DETAILS.isdisjoint(event):
        words += [(name, event[name]) for name in _DETAILS_IN_ORDER if name in event]
    return "  ".join(
        f"{key}={value[:200] if isinstance(value, str) else value}"
        for key, value in words
        if value is not None
    )


def _number(id: str) -> int:
    return int(id[1:])
