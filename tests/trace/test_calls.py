"""The checker on recorded calls: plain LiveKit's known faults are found, ours are clean."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_fsm.testing import run_virtual
from realtime_fsm.trace import Report, check

from .calls import FAULTS, everything, play


def verdict(path: Path) -> Report:
    with path.open("rb") as file:
        return check(file, source=path.name)


def judged(path: Path, name: str, *, controlled: bool) -> Report:
    script, drive, options, _ = FAULTS[name]
    run_virtual(lambda: play(path, script, drive, controlled=controlled, **options))
    report = verdict(path)
    assert report.issues == []
    return report


@pytest.mark.parametrize("name", FAULTS)
def test_plain_livekits_faults_are_found(tmp_path: Path, name: str) -> None:
    """The names are those of the measured baseline."""
    report = judged(tmp_path / "call.jsonl", name, controlled=False)
    assert FAULTS[name][3] <= set(report.broken)
    assert report.exit_code == 1


@pytest.mark.parametrize("name", FAULTS)
def test_controlled_calls_are_clean(tmp_path: Path, name: str) -> None:
    report = judged(tmp_path / "call.jsonl", name, controlled=True)
    assert not report.broken


def test_a_plain_call_where_nothing_fails_breaks_no_more_than_it_does(tmp_path: Path) -> None:
    """G6: plain LiveKit's cancels name nothing; and its history has an interrupted answer whole, of
    which the server remembers what was heard (G16). All else is kept."""
    path = tmp_path / "call.jsonl"
    run_virtual(lambda: everything(path, controlled=False))
    report = verdict(path)
    assert set(report.broken) == {"G6", "G16"}
    assert report.header is not None
    assert report.header.mode == "plain"
    assert report.not_judged["G3"] == "no turn lines"


def test_an_observed_call_is_judged_as_the_plain_call_it_is(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    script, drive, options, faults = FAULTS["c"]
    run_virtual(
        lambda: play(path, script, drive, controlled=True, mode="observe", check=False, **options)
    )
    report = verdict(path)
    assert report.header is not None
    assert report.header.mode == "observe"
    assert report.lines["turn"] > 0
    assert "G3" in report.not_judged
    assert faults <= set(report.broken)
