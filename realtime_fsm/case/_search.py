"""Looks for the smallest case in which the same becomes of a turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from ._ordering import Draft, Ordering
from ._writing import draft

__all__ = ["reduced", "windows"]

_SHORT = (0.1, 0.5, 1.0, 3.0)  # seconds that a longer wait may become
#: What may be left out of a reply. How it ends stays: with another end it is another failure.
_DETAIL = re.compile(r" after [\d.]+m?s$| type \S+$")
_MAY_GO = ("says ", "reasons ", "pace ", "created after", "done after")
_NUMBER = re.compile(r"(?<![\w.])(\d+\.\d+)s\b")


def windows(ordering: Ordering, begin: float, end: float) -> Iterator[Draft]:
    """Parts of the call with what happened from *begin* to *end* (seconds) in them, the smallest
    first, and at last the whole call."""
    acts = ordering.acts
    focus = max((n for n, act in enumerate(acts) if act.t <= begin + 0.05), default=0)
    until = next((n for n, act in enumerate(acts) if act.t > end and n > focus), len(acts))
    seen: set[tuple[int, int]] = set()
    before = [1, 2, 4, 8, 16, 32, 64, focus + 1]
    for more in (0, 1, 3, len(acts)):
        for back in before:
            part = (max(0, focus + 1 - back), min(len(acts), until + more))
            if part not in seen:
                seen.add(part)
                yield draft(ordering, *part)


def reduced(made: Draft, holds: Callable[[Draft], bool]) -> Draft:
    """The draft without what it does not need for *holds*, which it has to hold itself."""
    size = None
    while size != made.size:
        size = made.size
        for smaller in (_fewer_acts, _fewer_replies, _fewer_switches, _fewer_clauses):
            made = smaller(made, holds)
    return _rounder(_sooner(made, holds), holds)


def _fewer_acts(made: Draft, holds: Callable[[Draft], bool]) -> Draft:
    at = len(made.body)
    while at > 0:
        at -= 1
        if at >= len(made.body):
            continue
        body = made.body
        rest = body[at + 1 :]
        later = ((rest[0][0] + body[at][0], rest[0][1]), *rest[1:]) if rest else ()
        for shorter in dict.fromkeys(((*body[:at], *rest), (*body[:at], *later))):
            candidate = replace(made, body=shorter)
            if shorter and holds(candidate):
                made = candidate
                break
    return made


def _fewer_replies(made: Draft, holds: Callable[[Draft], bool]) -> Draft:
    for at in reversed(range(len(made.replies))):
        candidate = replace(made, replies=made.replies[:at] + made.replies[at + 1 :])
        if holds(candidate):
            made = candidate
    return made


def _fewer_switches(made: Draft, holds: Callable[[Draft], bool]) -> Draft:
    calls = {
        clause.split()[1] for each in made.replies for clause in each if clause[:6] == "calls "
    }
    for each in made.setup:
        if each.startswith("tool ") and each.split()[1] in calls:
            continue  # an agent without the tool that is called is another agent
        candidate = replace(made, setup=tuple(one for one in made.setup if one != each))
        if holds(candidate):
            made = candidate
    return made


def _fewer_clauses(made: Draft, holds: Callable[[Draft], bool]) -> Draft:
    for at in range(len(made.replies)):
        for clause in made.replies[at]:
            shorter = _DETAIL.sub("", clause)
            options = [(), (shorter,)] if clause.startswith(_MAY_GO) else [(shorter,)]
            for instead in dict.fromkeys(options):
                reply = made.replies[at]
                if clause not in reply or instead == (clause,):
                    continue
                where = reply.index(clause)
                changed = (*reply[:where], *instead, *reply[where + 1 :])
                candidate = replace(
                    made, replies=(*made.replies[:at], changed, *made.replies[at + 1 :])
                )
                if holds(candidate):
                    made = candidate
                    break
    return made


def _sooner(made: Draft, holds: Callable[[Draft], bool]) -> Draft:
    """Long waits become short ones."""
    for at in range(len(made.body)):
        gap, text = made.body[at]
        for seconds in (0.0, *_SHORT):
            if gap > seconds:
                candidate = _with_gap(made, at, seconds, text)
                if holds(candidate):
                    made = candidate
                    break
    return made


def _with_gap(made: Draft, at: int, gap: float, text: str) -> Draft:
    return replace(made, body=(*made.body[:at], (gap, text), *made.body[at + 1 :]))


def _rounder(made: Draft, holds: Callable[[Draft], bool]) -> Draft:
    """Numbers with many places become numbers with few."""

    def rounded(text: str, places: int) -> str:
        return _NUMBER.sub(lambda m: f"{max(0.1, round(float(m[1]), places)):g}s", text)

    for places in (0, 1):
        for at, (gap, text) in enumerate(made.body):
            candidate = _with_gap(made, at, round(gap, places), rounded(text, places))
            if candidate != made and holds(candidate):
                made = candidate
        for at, clauses in enumerate(made.replies):
            for where, clause in enumerate(clauses):
                changed = (*clauses[:where], rounded(clause, places), *clauses[where + 1 :])
                candidate = replace(
                    made, replies=(*made.replies[:at], changed, *made.replies[at + 1 :])
                )
                if candidate != made and holds(candidate):
                    made, clauses = candidate, changed
    return made
