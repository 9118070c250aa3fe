"""``realtime-fsm report``."""

from __future__ import annotations

import runpy
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app

SAMPLE = Path(__file__).parents[2] / "docs" / "sample"


def test_the_page_stands_beside_the_trace(controlled: Path, tmp_path: Path) -> None:
    trace = tmp_path / "call.jsonl"
    trace.write_bytes(controlled.read_bytes())
    done = CliRunner().invoke(app, ["report", str(trace)])
    assert (done.exit_code, done.stdout) == (0, f"{tmp_path / 'call.html'}\n")
    assert (tmp_path / "call.html").read_text("utf-8").startswith("<!doctype html>")


def test_output_and_standard_input(controlled: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.html"
    done = CliRunner().invoke(
        app, ["report", "-", "--output", str(output)], input=controlled.read_bytes()
    )
    assert done.exit_code == 0
    assert "standard input" in output.read_text("utf-8")


def test_what_cannot_be_read_is_named(controlled: Path, tmp_path: Path) -> None:
    trace = tmp_path / "call.jsonl"
    trace.write_bytes(controlled.read_bytes()[:-30])
    done = CliRunner().invoke(app, ["report", str(trace)])
    assert done.exit_code == 0
    lines = len(trace.read_text("utf-8").splitlines())
    assert done.stderr.splitlines() == [
        f"line {lines}: cut off in mid-line",
        f"cut off after line {lines - 1}: what was under way then is not judged",
    ]


def test_nothing_to_read_is_exit_status_2(tmp_path: Path) -> None:
    trace = tmp_path / "empty.jsonl"
    trace.write_text("")
    done = CliRunner().invoke(app, ["report", str(trace)])
    assert done.exit_code == 2
    assert "nothing could be read" in done.stderr


def test_a_file_that_is_not_there_or_would_be_replaced(controlled: Path) -> None:
    missing = CliRunner().invoke(app, ["report", "no-such-file.jsonl"])
    assert missing.exit_code == 2
    assert "no-such-file.jsonl" in missing.stderr
    before = controlled.read_bytes()
    same = CliRunner().invoke(app, ["report", str(controlled), "--output", str(controlled)])
    assert same.exit_code == 2
    assert "expected another file than the trace itself" in same.stderr
    assert controlled.read_bytes() == before


def test_the_sample_call_is_fresh() -> None:
    """``make sample`` writes it anew."""
    make = runpy.run_path(str(SAMPLE / "make.py"))
    kept = (SAMPLE / "call.jsonl").read_text("utf-8")
    recorded = f'"livekit-agents":"{version("livekit-agents")}"'
    if recorded not in kept.partition("\n")[0]:
        pytest.skip("recorded with another livekit-agents, which sends other frames")
    assert make["happened"](make["trace"]()) == make["happened"](kept)
