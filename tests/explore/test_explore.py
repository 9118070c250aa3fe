"""The search itself, and its report."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from typer.testing import CliRunner

from realtime_fsm import RetryPolicy
from realtime_fsm.cli import app
from realtime_fsm.lab import explore as package
from realtime_fsm.lab.explore import (
    Bound,
    describe,
    explore,
    mermaid,
    parts,
    replay,
    search,
)

from .test_broken import DEAF

ONCE = RetryPolicy(max_retry=1)
SMALL = Bound(turns=1, messages=1, attempts=1, vad_turns=0, interrupts=0, drops=0, timeouts=0)
TINY = ["--turns", "1", "--messages", "1", "--attempts", "1", "--vad-turns", "0", "--drops", "0"]
TINY += ["--interrupts", "0", "--timeouts", "0"]


@pytest.fixture(scope="module")
def tiny() -> dict[str, Any]:
    return explore(SMALL)


def test_the_report_of_a_small_bound(tiny: dict[str, Any]) -> None:
    """G4: a dead connection is among what may happen in it, and is noticed."""
    report = tiny
    assert report["complete"]
    assert not report["violations"]
    assert DEAF in parts(SMALL).values()
    assert report["rows_taken"] + len(report["rows_missing"]) == report["rows_total"]
    assert report["states"] == sum(part["states"] for part in report["parts"])
    assert any("rows taken" in line for line in describe(report))


def test_two_processes_find_what_one_finds() -> None:
    bound = Bound(turns=1, messages=1, vad_turns=0, interrupts=0, policy=ONCE)
    one, two = search(bound), search(bound, jobs=2)
    assert (one.states, one.transitions, one.depth) == (two.states, two.transitions, two.depth)
    assert one.taken == two.taken
    assert one.complete
    assert two.complete


def test_a_limit_makes_it_incomplete() -> None:
    assert not search(Bound(turns=1, vad_turns=0), limit_states=50).complete


@pytest.mark.parametrize("field", [f.name for f in fields(Bound) if f.type == "int"])
def test_an_impossible_bound_names_field_and_value(field: str) -> None:
    with pytest.raises(ValueError, match=rf"^{field} is -1, expected an int of "):
        Bound(**{field: -1})


def test_every_part_keeps_within_the_bound() -> None:
    whole = Bound(turns=1, vad_turns=0, attempts=3)
    for bound in parts(whole).values():
        assert bound.turns <= 1
        assert bound.vad_turns == 0
        assert bound.policy.max_retry <= 2


def test_a_sequence_can_be_played_again() -> None:
    sequence: list[Any] = [("ask",), ["leave"], ("serve", "accept"), ("item", "message")]
    played = replay(sequence, Bound(vad_turns=0))
    assert played.violation is None
    assert any("ItemStarted" in line.text for line in played.lines)
    text = mermaid(played)
    assert "participant Controller" in text
    assert "Server->>Controller: ItemStarted" in text


def test_a_sequence_that_cannot_happen_names_the_action() -> None:
    with pytest.raises(ValueError, match=r"sequence\[1\] is \('output',\)"):
        replay([("ask",), ("output",)])


def test_the_command_prints_json(tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(package, "explore", lambda bound, **more: asked.append(bound) or tiny)
    done = CliRunner().invoke(app, ["explore", *TINY, "--jobs", "1", "--json"])
    assert done.exit_code == 0
    assert asked == [SMALL]
    report = json.loads(done.stdout)
    assert report == tiny
    wanted = "states transitions depth complete violations rows_total rows_taken seconds"
    assert set(wanted.split()) <= set(report)


def test_the_command_says_that_it_is_incomplete() -> None:
    done = CliRunner().invoke(app, ["explore", *TINY, "--jobs", "1", "--limit-states", "20"])
    assert done.exit_code == 1
    assert "INCOMPLETE" in done.stdout


def test_the_command_refuses_an_impossible_bound() -> None:
    done = CliRunner().invoke(app, ["explore", "--turns", "-1"])
    assert done.exit_code == 2
    assert "turns is -1, expected an int of 0 or more" in done.stderr
