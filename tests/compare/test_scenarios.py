"""G27: each scenario is lived twice, and is not worse than on plain LiveKit."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm.lab.scenarios import SCENARIOS, judge
from realtime_fsm.testing.corpus._script import plan

#: Those that are worse. Whoever repairs one deletes its line.
WORSE: dict[str, str] = {}


def every_scenario() -> list[Any]:
    return [
        pytest.param(
            name,
            marks=pytest.mark.xfail(reason=why, raises=AssertionError, strict=True)
            if (why := WORSE.get(name))
            else (),
        )
        for name in SCENARIOS
    ]


@pytest.mark.parametrize("name", every_scenario())
def test_g27_a_scenario_is_not_worse(name: str) -> None:
    verdict = judge(name).verdict
    if verdict is not None:
        assert not verdict.worse, "\n".join(map(str, verdict.worse))


def test_nearly_all_can_be_compared() -> None:
    left_out = {name for name in SCENARIOS if judge(name).verdict is None}
    assert all("regenerate" in name or plan(SCENARIOS[name]).models for name in left_out)
    assert len(left_out) < len(SCENARIOS) / 5
