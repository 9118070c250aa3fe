"""Every case of the corpus: those that hold do, those that are open do not."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm.testing.corpus import Case, cases, gaps, run
from realtime_fsm.testing.corpus._page import measured

#: The orderings of the collection, by family. None may disappear.
ORDERINGS = {
    *(f"A{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 17, 18, 19)),
    *(f"B{n}" for n in (1, 2, 3, 5, 6, 7, 8)),
    *(f"C{n}" for n in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13)),
    *(f"D{n}" for n in (2, 3, 5, 6, 7, 8, 9)),
    *(f"E{n}" for n in range(1, 9)),
    *(f"F{n}" for n in (1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14)),
    *(f"G{n}" for n in (2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)),
    *(f"H{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12)),
    *(f"I-{n}" for n in "bcdfghijk"),
    *(f"J{n}" for n in range(1, 12)),
}


def test_no_ordering_is_missing_and_no_id_is_taken_twice() -> None:
    known = [*cases(), *gaps()]
    assert {item.ordering for item in known} == ORDERINGS
    ids = [item.id for item in known]
    assert len(ids) == len(set(ids))


def test_every_guarantee_but_those_of_other_kinds_is_exercised() -> None:
    """G25 and G26 have no ordering: they are about frames and about a setting. Nor have those that
    hold for a call as a whole."""
    found = {guarantee for case in cases() for guarantee in case.guarantees}
    assert found == {f"G{n}" for n in (*range(1, 25), 28)}


def of_level(level: str) -> list[Any]:
    return [
        pytest.param(
            case,
            id=case.id,
            marks=pytest.mark.xfail(reason=case.reason, raises=AssertionError, strict=True)
            if case.status == "open"
            else (),
        )
        for case in cases()
        if case.level == level
    ]


@pytest.mark.parametrize("case", of_level("exact"))
def test_exact_case(case: Case) -> None:
    result = run(case)
    assert result.holds, "\n".join([*result.problems, "", *result.log])


@pytest.mark.parametrize("case", of_level("call"))
def test_case(case: Case) -> None:
    result = measured(case.id).controlled
    assert result.holds, "\n".join([*result.problems, "", *result.log])
