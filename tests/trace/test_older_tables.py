"""Traces of older versions are read. Each was recorded before something that a trace tells of changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realtime_fsm.diagrams._model import TURN
from realtime_fsm.diagrams._views import view
from realtime_fsm.trace import check

#: A call with a stall, a refused create, a lost connection, an interrupt; recorded when a turn and a message
#: had tables and a response had none.
OLDER = sorted((Path(__file__).parent / "older").glob("*.jsonl"))


@pytest.mark.parametrize("path", OLDER, ids=lambda path: path.stem)
def test_an_older_trace_has_a_verdict(path: Path) -> None:
    with path.open("rb") as file:
        report = check(file)
    assert (report.calls, report.issues, report.broken) == (1, [], {})
    assert {"G1", "G2", "G7", "G9", "G16", "G19"} <= set(report.judged)


@pytest.mark.parametrize("path", OLDER, ids=lambda path: path.stem)
def test_the_turns_of_an_older_trace_can_be_drawn(path: Path) -> None:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    turns = {line["turn"] for line in lines if line.get("type") == "moved"}
    assert len(turns) == 4
    for turn in sorted(turns):
        assert view(TURN, f"path:{path}#{turn}").rules
