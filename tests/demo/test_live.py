"""The demo in a terminal, and its page."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from realtime_fsm import TurnMoved, TurnState
from realtime_fsm.cli import app
from realtime_fsm.lab.demo import CALLS, tour
from realtime_fsm.lab.demo.live import LiveCall, can_be_live
from realtime_fsm.lab.demo.moments import Asked, HandleDone, HungUp, Moved, SoundEnded, SoundStarted
from realtime_fsm.lab.demo.run import run_both

from ..report.reading import Read

SPEED = 4.0


def terminal(width: int = 100, **more: Any) -> Console:
    options = {"force_terminal": True, "color_system": None, "legacy_windows": False, **more}
    return Console(file=io.StringIO(), width=width, height=60, **options)


def panes(shown: LiveCall, width: int = 100) -> str:
    screen = terminal(width, record=True)
    screen.print(shown)
    return screen.export_text()


def moved(label: str, dest: TurnState) -> Moved:
    return Moved(
        1,
        TurnMoved(
            turn_id="turn_1",
            source=TurnState.REQUESTED,
            event="X",
            dest=dest,
            attempt=1,
            label=label,
        ),
    )


def test_a_call_is_shown_as_it_happens() -> None:
    shown = LiveCall(terminal(), 2, CALLS[1])
    plain, controlled = shown.observers
    for observer in shown.observers:
        observer(0.0, Asked(1, "When do you close?", barge_in=False))
    assert "nothing asked yet" not in panes(shown)
    controlled(0.2, moved("retry_wait", TurnState.RETRY_WAIT))
    assert "turn   retry_wait" in panes(shown)
    controlled(0.5, moved("streaming message 1", TurnState.STREAMING))
    controlled(0.5, SoundStarted())
    plain(0.6, HandleDone(1, "some_code", False))
    text = panes(shown)
    assert "turn   streaming message 1" in text
    assert "call   some_code" in text
    for observer in shown.observers:
        observer(3.0, HungUp())
    first = next(line for line in panes(shown).splitlines() if "hears" in line)
    left, right = first.split("││") if "││" in first else first.split("│ │")
    assert "█" not in left
    assert right.count("█") > 20
    assert left.count("▲") == right.count("▲") == 1


def test_a_cut_is_seen_in_the_bar() -> None:
    shown = LiveCall(terminal(), 4, CALLS[3])
    _, controlled = shown.observers
    controlled(0.0, Asked(1, "How?", False))
    controlled(0.5, SoundStarted())
    controlled(1.0, SoundEnded(0.5, True))
    controlled(3.4, HungUp())
    bars = [line for line in panes(shown).splitlines() if "hears" in line]
    assert bars[0].count("✕") == 1
    assert "·" in bars[0]


@pytest.mark.parametrize("width", [80, 100, 150, 240])
def test_the_panes_fit_the_terminal(width: int) -> None:
    shown = LiveCall(terminal(width), 4, CALLS[3])
    for observer in shown.observers:
        observer(0.0, Asked(1, "How? " * 40, False))
    assert max(map(len, panes(shown, width).splitlines())) <= min(width, 150)


def test_what_is_no_terminal_or_too_narrow_is_not_live() -> None:
    assert can_be_live(terminal())
    assert not can_be_live(terminal(79))
    assert not can_be_live(Console(file=io.StringIO(), width=100))


def test_a_terminal_shows_both_calls_and_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tour, "run_both", functools.partial(run_both, speed=SPEED))
    monkeypatch.setattr(tour, "CALLS", CALLS[1:2])
    page = tmp_path / "demo.html"
    done = CliRunner().invoke(
        app,
        ["demo", "--report", str(page)],
        env={"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "50"},
    )
    assert done.exit_code == 0, done.output
    assert "plain LiveKit" in done.stdout
    assert "retry_wait" in done.stdout
    assert "Plain LiveKit: 0 of 1 questions answered" in done.stdout.replace("\n", " ")
    read = Read(page.read_text("utf-8"))
    plain, controlled = read.data["call-0"], read.data["call-1"]
    assert (plain["mode"], controlled["mode"]) == ("plain", "control")
    assert [turn["outcome"] for turn in plain["turns"]] == ["failed"]
    (turn,) = controlled["turns"]
    assert (turn["recovered"], turn["words"]) == (True, "When do you close?")
    assert turn["messages"][0]["words"] == "We close at six."
    assert "2. rate limit" not in read.text  # it is the first of these
    assert "1 of 1 questions unanswered" in read.text


def test_the_page_is_written_when_piped_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from realtime_fsm.lab.demo import run_call

    monkeypatch.setattr(tour, "run_call", functools.partial(run_call, speed=SPEED))
    monkeypatch.setattr(tour, "CALLS", CALLS[:1])
    page = tmp_path / "demo.html"
    done = CliRunner().invoke(
        app, ["demo", "--report", str(page)], env={"FORCE_COLOR": None, "TTY_COMPATIBLE": None}
    )
    assert done.exit_code == 0, done.output
    assert f"The page: {page}" in done.stdout
    assert {"call-0", "call-1"} <= Read(page.read_text("utf-8")).data.keys()


def test_a_page_that_cannot_be_written_is_told_before_the_calls(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "--report", str(tmp_path / "no" / "demo.html")])
    assert done.exit_code == 2
    assert "No such file or directory" in done.stderr
    assert not done.stdout


def test_json_and_report_exclude_each_other(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "--json", "--report", str(tmp_path / "x.html")])
    assert done.exit_code == 2
    assert "--json or --report" in done.stderr
