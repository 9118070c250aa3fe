"""A result in a few lines, and what changed between two."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ..simulator.rule import Rule
from .compare import Change
from .result import Answer, Result

__all__ = ["change_lines", "lines"]

_WIDTH = 100


def lines(result: Result) -> Iterator[str]:
    """Yield the lines of a result."""
    model = f" · {result.model}" if result.model else ""
    yield f"{result.url}{model} · {result.dialect} · {result.date}"
    spent = f"{result.seconds:g} s, {result.responses} responses"
    yield f"{spent}, {result.tokens} tokens" if result.tokens else spent
    for note in result.notes:
        yield from _wrapped(note, "note: ")
    if result.ended:
        yield from _wrapped(result.ended, "Not all was asked: ")
    groups = (
        ("deviating from what is documented or was observed", result.deviations),
        ("not as was assumed", result.surprises),
        ("not judged", [(r, a) for r, a in result if a.verdict == "not judged"]),
    )
    for title, group in groups:
        if group:
            yield ""
            yield f"{len(group)} {title}"
            for rule, answer in group:
                yield from _line(rule, answer)
    kept = [rule.id for rule, answer in result if answer.verdict == "kept"]
    yield ""
    yield f"{len(kept)} of {len(result.answers)} kept"
    yield from _wrapped(", ".join(kept), "  ")


def change_lines(changes: list[Change], since: str) -> Iterator[str]:
    """Yield the lines of a comparison."""
    yield ""
    yield f"{len(changes) or 'nothing'} changed since {since}"
    for change in changes:
        yield from _wrapped(f"{change.rule:<24}  {change.text}", "  ", " " * 28)


def _line(rule: Rule, answer: Answer) -> Iterator[str]:
    value = f"{_shown(answer.value)}: " if answer.value is not None else ""
    yield from _wrapped(f"{rule.id:<24}  {value}{answer.how}", "  ", " " * 28)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _wrapped(text: str, first: str, rest: str = "  ") -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )
