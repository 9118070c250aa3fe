"""The report of the code mutants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .code import main


def test_it_counts_and_names_what_survived(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = {"lane.x_1": 1, "lane.x_2": 0, "lane.x_3": 33, "lane.x_4": -24, "lane.x_5": None}
    (tmp_path / "_lane.py.meta").write_text(json.dumps({"exit_code_by_key": codes}), "utf-8")
    assert main(tmp_path) == 1
    told = capsys.readouterr().out
    assert "| `_lane.py` | 4 | 2 | 50.0% |" in told
    assert "not run: 1" in told
    assert "survives: lane.x_2\nsurvives: lane.x_3 (no test reaches it)\n" in told
    good = {f"lane.x_{n}": 1 for n in range(20)} | {"lane.y": 0}
    (tmp_path / "_lane.py.meta").write_text(json.dumps({"exit_code_by_key": good}), "utf-8")
    assert main(tmp_path) == 0


def test_nothing_run_is_no_proof(tmp_path: Path) -> None:
    assert main(tmp_path) == 1
