"""The command line."""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from realtime_fsm import __version__
from realtime_fsm.cli import app


def test_version() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"realtime-fsm {__version__}\n")


@pytest.mark.parametrize("module", ["realtime_fsm", "realtime_fsm.cli"])
def test_the_module_runs_as_the_command(module: str) -> None:
    command = [sys.executable, "-m", module, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"realtime-fsm {__version__}\n")
    done = subprocess.run([*command[:-1], "--help"], capture_output=True, text=True, check=False)
    assert "Usage: realtime-fsm" in done.stdout


def test_without_a_command_it_shows_help() -> None:
    done = CliRunner().invoke(app, [], env={"COLUMNS": "80"})
    assert "demo" in done.output
    assert "--version" in done.output


def test_importing_the_cli_does_not_import_livekit() -> None:
    code = "import sys, realtime_fsm.cli; sys.exit('livekit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_demo_without_the_plugin_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "livekit.plugins.openai", None)
    done = CliRunner().invoke(app, ["demo"])
    assert done.exit_code == 2
    assert 'pip install "realtime-fsm[openai]"' in done.stderr
    assert not done.stdout


def test_demo_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime_fsm.lab.demo import CALLS, run_call, tour

    monkeypatch.setattr(tour, "run_call", functools.partial(run_call, speed=4.0))
    monkeypatch.setattr(tour, "CALLS", CALLS[1:2])
    done = CliRunner().invoke(app, ["demo", "--json"])
    assert done.exit_code == 0
    assert not done.stderr
    (call,) = json.loads(done.stdout)["calls"]
    assert call["call"] == "rate limit"
    assert (call["plain"]["heard_seconds"], call["plain"]["creates"]) == (0, 1)
    assert (call["controlled"]["heard_seconds"], call["controlled"]["creates"]) == (1.2, 2)
