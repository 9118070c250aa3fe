"""Random calls: where nothing fails nobody raises an alarm, one breach of each guarantee planted into
the same calls is found, and whatever happens all who judge a call say the same of it.

A sample by default; `make judge` plays a thousand, and five hundred in which responses fail.
"""

from __future__ import annotations

import io
import json
import os
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm.lab.simulate import Scenario, draw
from realtime_fsm.lab.simulate.run import run_scenario
from realtime_fsm.lab.simulate.scenario import call_seed
from realtime_fsm.report import collect
from realtime_fsm.simulator.faults import Profile
from realtime_fsm.testing import check_all
from realtime_fsm.trace import RULES, check, read
from realtime_fsm.trace.facts import Fact, facts_of

from ..simulate.ordered import draw_in_order
from .plants import PLANTS, Lines, healthy, planted
from .random_calls import play

ALL = os.environ.get("JUDGE") == "all"
HEALTHY = range(1000 if ALL else 5)
FAILING = range(500 if ALL else 8)
#: Calls on which `simulate` and `check` disagreed once.
ONCE: dict[Profile, Sequence[int]] = {
    "rough": (535, 572, 594),
    "hostile": range(510, 614) if ALL else (510, 561, 613),
}


class _Told:
    """What `check_all` takes: the facts of a call."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._facts = facts

    def facts(self) -> Sequence[Fact]:
        return self._facts


def by_check_all(call: Any) -> set[str]:
    try:
        check_all(call)
    except AssertionError as error:
        return {line.split()[0] for line in str(error).splitlines() if line.startswith("G")}
    return set()


def verdicts(data: bytes) -> dict[str, set[str]]:
    """What each who reads a trace says is broken."""
    side = collect(io.BytesIO(data), "trace")
    return {**both(data), "report": {name for call in side.calls for name in call.broken}}


def both(data: bytes) -> dict[str, set[str]]:
    """What `check` and `check_all` say is broken."""
    return {
        "check": set(check(io.BytesIO(data)).broken),
        "check_all": by_check_all(_Told(list(facts_of(read(io.BytesIO(data)))))),
    }


def lines_of(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def data_of(lines: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def test_every_rule_has_a_plant() -> None:
    assert list(PLANTS) == [rule.id for rule in RULES]


def test_a_healthy_call_is_no_alarm_and_what_is_planted_in_it_is_found(tmp_path: Path) -> None:
    found = []
    for seed in HEALTHY:
        path = tmp_path / "call.jsonl"
        played = play(seed, path)
        said = {**verdicts(path.read_bytes()), "live": played.alarms}
        if any(said.values()) or played.differences:
            found.append(f"{seed}: {said} {played.differences}")
            continue
        call = lines_of(path)
        scene = planted(call, healthy, random.Random(seed), goes_on=True)
        if any((said := verdicts(data_of(scene))).values()):
            found.append(f"{seed}, with one more question: {said}")
        for name, (plant, goes_on) in PLANTS.items():
            rng = random.Random(f"{seed} {name}")
            said = both(data_of(planted(call, plant, rng, goes_on=goes_on)))
            if (
                not all(name in ids for ids in said.values())
                or len(set(map(str, said.values()))) > 1
            ):
                found.append(f"{seed}, {name} planted: {said}")
    assert found == [], f"{len(found)} of {len(HEALTHY)} calls"


@pytest.mark.parametrize("controlled", [True, False], ids=["controlled", "plain"])
def test_all_say_the_same_of_a_call_in_which_responses_fail(
    controlled: bool, tmp_path: Path
) -> None:
    found, broken = [], 0
    for seed in FAILING:
        path = tmp_path / "call.jsonl"
        played = play(seed, path, failing=0.3, controlled=controlled)
        said = {**verdicts(path.read_bytes()), "live": played.alarms}
        broken += any(said.values())
        if len({frozenset(ids) for ids in said.values()}) > 1:
            found.append(f"{seed}: {said}")
        # What the controller itself says that differs is a breach.
        if played.differences and "G16" not in said["check"]:
            found.append(f"{seed}: {said}, {played.differences}")
    assert found == []
    assert controlled or broken > 0, "else it would prove little"


@pytest.mark.parametrize("profile", ONCE)
def test_simulate_check_and_the_report_say_the_same(profile: Profile, tmp_path: Path) -> None:
    found = []
    for number in ONCE[profile]:
        for drawn in (draw, draw_in_order):
            scenario: Scenario = drawn(call_seed(1, number), profile)
            path = tmp_path / "call.jsonl"
            path.unlink(missing_ok=True)
            result, seen, _ = run_scenario(scenario, trace=path)
            said = {**verdicts(path.read_bytes()), "simulate": set(result.broken)}
            if len({frozenset(ids) for ids in said.values()}) > 1:
                found.append(f"{number}, {drawn.__name__}: {said}")
            if seen.differences and "G16" not in said["check"]:
                found.append(f"{number}, {drawn.__name__}: {said}, differences")
    assert found == []
