"""Deviations that the simulator has no switch for: each is found, and no other rule is blamed.

Every tenth is asked all questions here, each of them by ``make conform-proof``.
"""

from __future__ import annotations

import pytest

from .bends import BENDS
from .bent import Bend, ask_bent
from .test_questions import UNASKED

WHOLE = {*list(BENDS)[::10], "OneOldName"}  # names are judged by all that was seen


def test_who_bends_nothing_is_not_seen() -> None:
    assert [a for _, a in ask_bent(Bend) if a.verdict != "kept" and a.rule not in UNASKED] == []


@pytest.mark.parametrize("name", BENDS)
def test_a_deviation_is_found_and_no_other(name: str) -> None:
    bend, rules = BENDS[name]
    result = ask_bent(bend, only=() if name in WHOLE else sorted(rules))
    assert {rule.id for rule, answer in result if answer.verdict == "deviates"} == rules
    assert result.ended is None
    assert result.seconds < 70
