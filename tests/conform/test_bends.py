"""Deviations that the simulator has no switch for: each is found, and no other rule is blamed."""

from __future__ import annotations

import pytest

from .bends import BENDS
from .bent import Bend, ask_bent


def test_who_bends_nothing_is_not_seen() -> None:
    assert [
        a for _, a in ask_bent(Bend) if a.verdict != "kept" and a.rule != "session-expiry"
    ] == []


@pytest.mark.parametrize(("bend", "rules"), BENDS.values(), ids=BENDS)
def test_a_deviation_is_found_and_no_other(bend: type[Bend], rules: frozenset[str]) -> None:
    result = ask_bent(bend)
    assert {rule.id for rule, answer in result if answer.verdict == "deviates"} == rules
    assert result.ended is None
    assert result.seconds < 70
