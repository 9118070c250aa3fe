"""Every case of the corpus: those that hold do, those that are open do not, and none is worse than plain LiveKit.

What takes long, all of them played both ways, is in one file: each process would do it again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from livekit import agents

from realtime_fsm.testing.corpus import Case, cases, compare, gaps, page, parse, run
from realtime_fsm.testing.corpus._page import measured, row, write

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


#: Of each family of orderings some.
sampled = pytest.mark.sampled(6, kind=lambda case: case.ordering[0])


@sampled
@pytest.mark.parametrize("case", of_level("call"))
def test_case(case: Case) -> None:
    result = measured(case.id).controlled
    assert result.holds, "\n".join([*result.problems, "", *result.log])


CALLS = [pytest.param(case, id=case.id) for case in cases() if case.level == "call"]


@sampled
@pytest.mark.parametrize("case", CALLS)
def test_g27_a_call_of_the_corpus_is_not_worse(case: Case) -> None:
    verdict = measured(case.id).verdict
    assert verdict is not None
    assert not verdict.worse, "\n".join(map(str, verdict.worse))


def test_a_case_of_the_notation_can_be_compared() -> None:
    (case,) = parse(
        """
        id: X1
        title: a failure before any output
        source: livekit/agents#6205
        guarantees: G9
        S replies failed server_error
        S replies says "Good morning." 1s
        U asks B "Hello?"
        expect: B answered
        """.replace("        ", "")
    )
    verdict = compare(case)
    assert verdict.word == "better"
    assert [each.clause for each in verdict.better] == ["unheard"]


def test_the_controller_alone_cannot_be_compared() -> None:
    (case, *_) = (case for case in cases() if case.level == "exact")
    with pytest.raises(ValueError, match="there is no LiveKit in it"):
        compare(case)


# --- the pages


DOCS = Path(__file__).parents[2] / "docs"
WRITTEN = (DOCS / "corpus.md").read_text("utf-8")
(MEASURED_WITH,) = re.findall(r"livekit-agents (\S+) without us", WRITTEN)
newest = pytest.mark.skipif(
    agents.__version__ != MEASURED_WITH,
    reason=f"measured with livekit-agents {MEASURED_WITH}, here is {agents.__version__}",
)


@newest
@sampled
@pytest.mark.parametrize("case", CALLS)
def test_its_line_of_the_page_is_fresh(case: Case) -> None:
    assert row(case) in WRITTEN.splitlines()


@newest
@pytest.mark.long
def test_the_page_of_the_corpus_is_fresh() -> None:
    assert page() == WRITTEN


@newest
@pytest.mark.long
def test_stale_pages_are_noticed_and_written(tmp_path: Path) -> None:
    (tmp_path / "corpus-notation.md").write_text("nothing", "utf-8")
    with pytest.raises(ValueError, match="lacks the mark"):
        write(tmp_path)
    before, _, after = (DOCS / "corpus-notation.md").read_text("utf-8").partition("### Lines")
    stale = before + after[after.index("<!-- end") :]
    (tmp_path / "corpus-notation.md").write_text(stale, "utf-8")
    write(tmp_path)
    for name in ("corpus.md", "corpus-notation.md"):
        assert (tmp_path / name).read_text("utf-8") == (DOCS / name).read_text("utf-8")
