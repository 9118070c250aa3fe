"""A result for other programs: JUnit XML for a CI, and a badge."""

from __future__ import annotations

from html import escape
from xml.sax.saxutils import quoteattr

from .result import Answer, Result

__all__ = ["badge", "junit"]


def junit(result: Result) -> str:
    """Return the result as JUnit XML: a deviation is a failure, what is not judged is skipped.

    What deviates from a mere assumption is no failure: nothing says that it is wrong.
    """
    failed, skipped = len(result.deviations), result.count("not judged")
    counts = f'tests="{len(result.answers)}" failures="{failed}" skipped="{skipped}" errors="0"'
    suite = quoteattr(_xml(f"realtime conformance of {result.url}"))
    made = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name={suite} {counts} time="{result.seconds:g}" timestamp="{result.date}">',
    ]
    bad = {rule.id for rule, _ in result.deviations}
    for rule, answer in result:
        name = quoteattr(_xml(f"{rule.id}: {rule.statement}"))
        made.append(
            f'  <testcase classname="conform" name={name}>{_outcome(answer, bad)}</testcase>'
        )
    if result.ended:
        made.append(f"  <system-out>{escape(_xml(result.ended))}</system-out>")
    return "\n".join([*made, "</testsuite>"]) + "\n"


def _outcome(answer: Answer, bad: set[str]) -> str:
    how = _xml(answer.how)
    if answer.rule in bad:
        return f"<failure message={quoteattr(how)}/>"
    if answer.verdict == "not judged":
        return f"<skipped message={quoteattr(how)}/>"
    return f"<system-out>{escape(how)}</system-out>"


def _xml(text: str) -> str:
    """Without what XML cannot hold."""
    return (
        "".join(c if c >= " " and c not in "\ufffe\uffff" else " " for c in text)
        .encode("utf-8", "replace")
        .decode()
    )


def badge(result: Result) -> str:
    """Return a badge as SVG, with the date of the run."""
    judged = result.count("kept") + result.count("deviates")
    kept = judged - len(result.deviations)
    left, right = "realtime conformance", f"{kept} of {judged} · {result.date}"
    if result.ended:
        right = f"incomplete · {result.date}"
    colour = "#15803d" if kept == judged and not result.ended else "#a25705"
    widths = [round(len(text) * 6.4) + 14 for text in (left, right)]
    whole = sum(widths)
    title = f"{left}: {right}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f'<rect width="{whole}" height="20" rx="3" fill="#334155"/>'
        f'<path d="M{widths[0]} 0h{widths[1] - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{widths[1] - 3}z" '
        f'fill="{colour}"/>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" '
        'text-anchor="middle">'
        f'<text x="{widths[0] / 2:g}" y="14">{escape(left)}</text>'
        f'<text x="{widths[0] + widths[1] / 2:g}" y="14">{escape(right)}</text></g></svg>\n'
    )
