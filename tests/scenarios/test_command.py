"""``realtime-fsm scenarios``."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.lab.scenarios import SCENARIOS, command, judge, suite
from realtime_fsm.lab.scenarios.bad_input import Verdict
from realtime_fsm.testing.corpus import parse


def test_a_table_of_both_modes() -> None:
    done = CliRunner().invoke(app, ["scenarios", "a", "l"])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert any(line.split()[:3] == ["l", "plain", "0.80"] for line in lines)
    assert "controlled: 2 of 2 hold" in done.stdout


def test_json_has_the_figures() -> None:
    done = CliRunner().invoke(app, ["scenarios", "c", "--json"])
    assert done.exit_code == 0
    (row,) = json.loads(done.stdout)["scenarios"]
    assert (row["id"], row["holds"], row["problems"]) == ("c", True, [])
    assert (row["plain"]["heard"], row["controlled"]["heard"]) == ([], [0.6])
    assert row["controlled"]["handles"] == [{"ended": "ok", "took": 0.73}]


def test_a_scenario_that_does_not_hold_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    (wrong,) = parse(SCENARIOS["a"].text + "expect: hears 3s\n")
    monkeypatch.setattr(suite, "judge", judge.__wrapped__)
    monkeypatch.setitem(suite.SCENARIOS, "a", wrong)
    done = CliRunner().invoke(app, ["scenarios", "a"])
    assert done.exit_code == 1
    assert "a: heard: 1 s" in done.stdout


def test_an_open_scenario_that_holds_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "judge", judge.__wrapped__)
    monkeypatch.setitem(
        suite.SCENARIOS, "a", replace(SCENARIOS["a"], status="open", reason="a reason")
    )
    done = CliRunner().invoke(app, ["scenarios", "a"])
    assert done.exit_code == 1
    assert "holds now" in done.stdout


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["nothing"], "the scenario is 'nothing', expected one of "),
        (["--json", "--page"], "give one of"),
        (["a", "--page"], "none with --page, which is of all"),
    ],
)
def test_bad_options_name_themselves(options: list[str], text: str) -> None:
    done = CliRunner().invoke(app, ["scenarios", *options])
    assert done.exit_code == 2
    assert text in done.stderr


@pytest.mark.parametrize(("kind", "code"), [("goes on", 0), ("hang", 1)])
def test_bad_input_is_summed_up(kind: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = list(command.mutations())[:3]
    monkeypatch.setattr(command, "mutations", lambda: iter(chosen))
    monkeypatch.setattr(command, "run_mutation", lambda _: Verdict(kind, "so"))  # type: ignore[arg-type]
    done = CliRunner().invoke(app, ["scenarios", "--bad-input"])
    assert done.exit_code == code
    assert f"3 calls with one field of one frame wrong: 3 {kind}" in done.stdout


def test_without_the_plugin_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "livekit.plugins.openai", None)
    done = CliRunner().invoke(app, ["scenarios"])
    assert done.exit_code == 2
    assert 'pip install "realtime-fsm[openai]"' in done.stderr
