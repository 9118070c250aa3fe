"""Random calls: where nothing fails nobody raises an alarm, one breach of each guarantee planted into
the same calls is found, and whatever happens all who judge a call say the same of it.

A sample; `make judge` plays a thousand, and five hundred in which responses fail.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_fsm.simulator.faults import Profile
from realtime_fsm.trace import RULES

from .plants import PLANTS
from .said import drawn_call, failing_call, healthy_call


def test_every_rule_has_a_plant() -> None:
    assert list(dict.fromkeys(name for name, _, _ in PLANTS)) == [rule.id for rule in RULES]


@pytest.mark.parametrize("seed", range(2))
def test_a_healthy_call_is_no_alarm_and_what_is_planted_in_it_is_found(
    seed: int, tmp_path: Path
) -> None:
    assert healthy_call(seed, tmp_path / "call.jsonl") == []


@pytest.mark.parametrize("controlled", [True, False], ids=["controlled", "plain"])
def test_all_say_the_same_of_a_call_in_which_responses_fail(
    controlled: bool, tmp_path: Path
) -> None:
    found, broken = [], 0
    for seed in range(8):
        differ, anything = failing_call(seed, tmp_path / f"{seed}.jsonl", controlled=controlled)
        found += differ
        broken += anything
    assert found == []
    assert controlled or broken > 0, "else it would prove little"


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("profile", "number"),
    [("rough", 535), ("rough", 572), ("rough", 594), ("hostile", 510), ("hostile", 613)],
)  # fmt: skip
def test_simulate_check_and_the_report_say_the_same(
    profile: Profile, number: int, tmp_path: Path
) -> None:
    """Calls on which `simulate` and `check` disagreed once."""
    assert drawn_call(number, profile, tmp_path / "call.jsonl") == []
