"""A call of ``simulate`` in the notation of the corpus."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from realtime_fsm.case import _drawn
from realtime_fsm.cli import app
from realtime_fsm.lab.simulate.pairs import Difference
from realtime_fsm.testing.corpus import parse, run


def test_what_is_wrong_with_a_call_is_wrong_in_its_case() -> None:
    text, told, all_of_it = _drawn.drawn(164833312963465, "mild", plain=True)
    assert (told, all_of_it) == ("broken, as in the call: G16", True)
    (case,) = parse(text)
    assert len(case.body) < 6, "the smallest part that shows it"
    assert any(each.startswith("G16") for each in run(case, plain=True).problems)
    assert run(case).problems == ()


def test_a_call_with_which_nothing_is_wrong_is_a_case_as_a_whole() -> None:
    done = CliRunner().invoke(app, ["simulate", "--replay", "2", "--case"])
    assert (done.exit_code, done.stderr) == (
        0,
        "nothing is wrong with the call; the case is all of it\n",
    )
    (case,) = parse(done.stdout)
    assert case.title == "drawn from seed 2, faults none"
    assert len([line for line in case.body if line.actor == "U"]) > 5
    assert run(case).problems == ()


def test_a_case_that_does_not_show_what_is_wrong_is_exit_status_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a call lived twice; the judge is made to see what no case has."""
    worse = _drawn.compare_scenario

    def compared(*given: object) -> object:
        (found, verdict) = worse(*given)  # type: ignore[arg-type]
        late = Difference("late", "late", "late")
        return type(found)(seed=found.seed, verdict="worse", worse=(late,)), verdict

    monkeypatch.setattr(_drawn, "compare_scenario", compared)
    done = CliRunner().invoke(app, ["simulate", "--compare", "--replay", "2", "--case"])
    assert done.exit_code == 1
    assert done.stderr.startswith(
        "realtime-fsm: the case is all of the call, and does not show late: "
    )
    assert parse(done.stdout)
