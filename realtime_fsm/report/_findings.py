"""What went wrong in a call, turn by turn: the answer that a page begins with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ._story import Call, Mark, Side, Turn

__all__ = ["Finding", "findings"]

_CAUSES = ("error", "lost")
_LOST = "G18"


@dataclass(frozen=True, slots=True)
class Finding:
    """One turn in trouble, or breaches that belong to no turn.

    Attributes:
        turn: its number in the call; None: no turn.
        name: of the turn.
        t: when it was asked, seconds as in the trace; None: not known.
        verdict: ``lost``, ``failed``, ``broken``, ``never ended`` or ``recovered``.
        code: of the error, or the kind of failure; empty: none.
        cause: the first error of it, in words.
        breaches: id, name, text and line of each guarantee that was broken about it.
    """

    turn: int | None
    name: str
    t: float | None
    verdict: str
    code: str
    cause: str
    breaches: tuple[tuple[str, str, str, int], ...] = ()


_ORDER = ("lost", "failed", "never ended", "broken", "recovered")


def findings(side: Side, number: int) -> list[Finding]:
    """What went wrong in one call of a file, the worst first."""
    call = side.calls[number]
    broken: dict[int | None, list[tuple[str, str, str, int]]] = {}
    for id_, name, text, line, at, turn in side.broken:
        if at == number:
            broken.setdefault(turn, []).append((id_, name, text, line))
    causes = _causes(call.marks)
    found = [
        each
        for turn in call.turns
        if (each := _of(call, turn, broken.get(turn.number, []), causes.get(turn.number)))
    ]
    if None in broken:
        found.append(Finding(None, "", None, "broken", "", "", tuple(broken[None])))
    return sorted(found, key=lambda each: (_ORDER.index(each.verdict), each.turn or 0))


def _of(
    call: Call, turn: Turn, broken: list[tuple[str, str, str, int]], cause: Mark | None
) -> Finding | None:
    ids = {each[0] for each in broken}
    told = "" if cause is None else f"{cause.text} (line {cause.line})"
    code = turn.error
    if _LOST in ids:
        verdict = "lost"
    elif turn.outcome == "failed":
        verdict = "failed"
    elif turn.end is None and call.complete:
        verdict = "never ended"
    elif broken:
        verdict = "broken"
    elif turn.recovered:
        verdict, code = "recovered", turn.backoffs[0].text
    else:
        return None
    return Finding(turn.number, turn.id, turn.asked, verdict, code, told, tuple(broken))


def _causes(marks: Iterable[Mark]) -> dict[int, Mark]:
    """The first error of each turn: what came first is rather what caused the rest."""
    found: dict[int, Mark] = {}
    for mark in marks:
        if mark.kind in _CAUSES and mark.turn is not None and mark.turn not in found:
            found[mark.turn] = mark
    return found
