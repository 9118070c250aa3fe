"""What changed between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .result import Answer, Result
from .rules import ALL

__all__ = ["Change", "compare"]


@dataclass(frozen=True, slots=True)
class Change:
    """One rule that is not as it was.

    Attributes:
        rule: its id.
        kind: ``worse`` when a rule is not kept any more, ``better`` when it is again, ``other`` for
            what was not judged in one of the runs, and for another way to deviate.
        text: from what to what.
    """

    rule: str
    kind: Literal["worse", "better", "other"]
    text: str


def compare(old: Result, new: Result) -> list[Change]:
    """Return what changed from *old* to *new*, rules that became worse first.

    Only verdicts and values count: two runs never say the same in the same words.
    """
    changes = []
    for name in [*ALL, *(name for name in new.answers if name not in ALL)]:
        before, after = old.answers.get(name), new.answers.get(name)
        if before is None or after is None:
            continue
        if (before.verdict, before.value) == (after.verdict, after.value):
            continue
        kinds = {("kept", "deviates"): "worse", ("deviates", "kept"): "better"}
        kind = kinds.get((before.verdict, after.verdict), "other")
        text = f"{_short(before)} → {_short(after)}: {after.how}"
        changes.append(Change(name, kind, text))  # type: ignore[arg-type]
    order = ("worse", "better", "other")
    return sorted(changes, key=lambda change: order.index(change.kind))


def _short(answer: Answer) -> str:
    if answer.value is None:
        return answer.verdict
    shown = str(answer.value).lower() if isinstance(answer.value, bool) else answer.value
    return f"{answer.verdict} ({shown})"
