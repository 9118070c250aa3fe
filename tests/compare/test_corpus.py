"""G27: each call of the corpus is lived twice, and is not worse than on plain LiveKit."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm.testing.corpus import cases, compare, parse
from realtime_fsm.testing.corpus._page import measured

#: Those that are worse. Whoever repairs one deletes its line.
WORSE: dict[str, str] = {}
CALLS = {case.id: case for case in cases() if case.level == "call"}


def every_call() -> list[Any]:
    return [
        pytest.param(
            name,
            marks=pytest.mark.xfail(reason=why, raises=AssertionError, strict=True)
            if (why := WORSE.get(name))
            else (),
        )
        for name in CALLS
    ]


def test_what_is_worse_exists() -> None:
    assert set(WORSE) <= set(CALLS)


@pytest.mark.parametrize("name", every_call())
def test_g27_a_call_of_the_corpus_is_not_worse(name: str) -> None:
    verdict = measured(name).verdict
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
