"""Which rules of the turn table the turns of many calls took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .._core.machine import arrows
from ._story import Call

__all__ = ["Rule", "rules", "taken"]

#: A rule as a trace names it: source, event and destination. Several rows of the table may be one.
Rule = tuple[str, str, str]


def rules() -> dict[Rule, str]:
    """Every rule of the table, in its order, and why it is there."""
    found: dict[Rule, list[str]] = {}
    for row in arrows():
        source = str(row.source.value)
        dest = source if row.dest is None else str(row.dest.value)
        reasons = found.setdefault((source, row.event.name, dest), [])
        if row.reason and row.reason not in reasons:
            reasons.append(row.reason)
    return {rule: "; ".join(reasons) for rule, reasons in found.items()}


def taken(calls: Iterable[Call]) -> Counter[Rule]:
    """How often each rule was taken in calls whose trace has turns."""
    return Counter(
        (move.source, move.event, move.dest)
        for call in calls
        for turn in call.turns
        for move in turn.moves
    )
