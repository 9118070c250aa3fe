"""``realtime-fsm check``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app


def run(*arguments: str, text: str | None = None) -> Any:
    return CliRunner().invoke(app, ["check", *arguments], input=text, env={"COLUMNS": "200"})


@pytest.fixture
def broken_path(clean_path: Path, tmp_path: Path) -> Path:
    """A create is planted into the first response."""
    lines = clean_path.read_text("utf-8").splitlines()
    at = next(n for n, line in enumerate(lines) if '"response.created"' in line)
    fields = json.loads(lines[at])
    planted = {"by": "client", "type": "response.create", "connection": 1, "event": {}}
    lines.insert(at + 2, json.dumps({**planted, "t": fields["t"] + 0.02}))
    lines[at + 3 :] = [
        line for line in lines[at + 3 :] if json.loads(line)["t"] >= fields["t"] + 0.02
    ]
    path = tmp_path / "broken [x].jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_a_clean_call(clean_path: Path) -> None:
    done = run(str(clean_path))
    assert done.exit_code == 0
    assert "no violation found" in done.stdout
    assert "judged: G1, G2" in done.stdout


def test_a_broken_call(broken_path: Path) -> None:
    done = run(str(broken_path))
    assert done.exit_code == 1
    assert str(broken_path) in done.stdout, "brackets in a name are no markup"
    assert "G1 single flight: a create left while resp_001 was alive (lines" in done.stdout
    assert "client    response.create" in done.stdout
    assert ": 1 violation of G1\n" in done.stdout
    assert "no violation found" in run(str(broken_path), "--only", "G2").stdout


def test_only(broken_path: Path) -> None:
    assert run(str(broken_path), "--only", "G5,g6").exit_code == 0
    assert run(str(broken_path), "--only", "G1").exit_code == 1
    done = run(str(broken_path), "--only", "G14")
    assert done.exit_code == 2
    assert "only is 'G14', expected one of G1, " in done.stderr
    assert run(str(broken_path), "--only", "G99").exit_code == 2


def test_standard_input_and_several_files(clean_path: Path, broken_path: Path) -> None:
    text = broken_path.read_text("utf-8")
    done = run("-", text=text)
    assert done.exit_code == 1
    assert "standard input" in done.stdout
    assert run(str(clean_path), str(broken_path)).exit_code == 1
    assert run(str(clean_path), str(clean_path)).exit_code == 0


def test_files_that_cannot_be_read(tmp_path: Path, clean_path: Path, broken_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert run(str(empty)).exit_code == 2
    done = run(str(tmp_path / "missing.jsonl"), str(clean_path))
    assert done.exit_code == 2
    assert "No such file" in done.stdout
    assert run(str(empty), str(broken_path)).exit_code == 1


def test_json(clean_path: Path, broken_path: Path) -> None:
    """The schema that docs/trace.md gives."""
    done = run("--json", str(clean_path), str(broken_path))
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["version"] == 1
    clean, broken = found["files"]
    assert set(clean) == {
        "source", "exit_code", "mode", "calls", "seconds", "lines", "responses", "errors",
        "broken", "violations", "judged", "not_judged", "unreadable", "issues",
    }  # fmt: skip
    assert (clean["exit_code"], clean["broken"], clean["violations"]) == (0, {}, [])
    assert (clean["mode"], clean["calls"]) == ("control", 1)
    assert clean["responses"]["failed"] == 1
    assert broken["broken"]["G1"] == 1
    (violation,) = [each for each in broken["violations"] if each["id"] == "G1"]
    assert set(violation) == {"id", "name", "text", "lines"}
    assert violation["lines"][-1]["type"] == "response.create"
    raw = broken_path.read_text("utf-8").splitlines()
    for line in violation["lines"]:
        number = line.pop("line")
        assert json.loads(raw[number - 1]) == line


def test_checking_imports_no_livekit() -> None:
    code = "import sys, realtime_fsm.trace.command; sys.exit('livekit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
