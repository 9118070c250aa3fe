"""Every rule of the delegation tables broken in five ways: a test must notice each.

``python -m tests.duplex.mutants``: a minute. Tests of one tracker (`test_tracker.py`, `test_rows.py`) run against each broken table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from realtime_fsm._core.errors import TableError
from realtime_fsm._core.machine import Arrow, Definition, arrows, build, check
from realtime_fsm.duplex import book
from realtime_fsm.duplex.machines import CLIENT_DEFINITION, DELEGATION_DEFINITION

from . import test_rows, test_tracker

DEFINITIONS = {"DELEGATION_MACHINE": DELEGATION_DEFINITION, "CLIENT_MACHINE": CLIENT_DEFINITION}


def broken(definition: Definition) -> Iterator[tuple[str, Arrow, tuple[Arrow, ...]]]:
    """The rules with one of them broken: how, which, and the table."""
    rows = list(arrows(definition.table))
    for n, row in enumerate(rows):
        before, after = rows[:n], rows[n + 1 :]
        yield "removed", row, (*before, *after)
        other = next(s for s in definition.states if s not in (row.source, row.dest))
        yield "redirected", row, (*before, row._replace(dest=other), *after)
        if row.guard is not None:
            guard = row.guard
            wrong = row._replace(guard=lambda of, step, guard=guard: not guard(of, step))
            yield "negated", row, (*before, wrong, *after)
        if row.effect is not None:
            yield "effect dropped", row, (*before, row._replace(effect=None), *after)
        if row.tells is not None:
            yield "untold", row, (*before, row._replace(tells=None), *after)


def cases() -> Iterator[Callable[[], object]]:
    """The tests, each with every set of its parameters."""
    for name, test in (vars(test_tracker) | vars(test_rows)).items():
        if not name.startswith("test_") or "grows" in name:
            continue
        marks = [m for m in getattr(test, "pytestmark", ()) if m.name == "parametrize"]
        if not marks:
            yield test
            continue
        (mark,) = marks
        names, values = mark.args
        for value in values:
            given = (value,) if isinstance(names, str) else tuple(value)
            yield lambda test=test, given=given: test(*given)  # type: ignore[misc]


def notices(
    machine: str, definition: Definition, table: tuple[Arrow, ...], all_: list[Any]
) -> bool:
    wrong = replace(definition, table=table)
    try:
        check(wrong)
    except TableError:
        return True
    with patch.object(book, machine, build(wrong)):
        return any(map(_fails, all_))


def _fails(test: Callable[[], object]) -> bool:
    try:
        test()
    except Exception:
        return True
    return False


def main() -> int:
    all_ = list(cases())
    assert not any(map(_fails, all_))
    count, missed = 0, []
    for machine, definition in DEFINITIONS.items():
        for how, row, table in broken(definition):
            count += 1
            if not notices(machine, definition, table, all_):
                dest = "stays" if row.dest is None else row.dest.name
                missed.append(f"{how}: {row.source.name} {row.event.name} -> {dest}")
    print(f"{count} broken rules, {count - len(missed)} noticed")
    print(*missed, sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
