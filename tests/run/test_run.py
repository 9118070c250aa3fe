"""``realtime-fsm run``: workers that know nothing of us, in processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm import InputError
from realtime_fsm.run import RunSettings
from realtime_fsm.simulator import Failed, Message, RealtimeServer, Reply, Script
from realtime_fsm.trace import Report, check

from ..real_time import LONG

WORKER = Path(__file__).with_name("worker.py")
COMMAND = [sys.executable, "-m", "realtime_fsm.cli", "run"]
ENVIRONMENT = {
    "LIVEKIT_URL": "ws://127.0.0.1:1",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": "secret" * 8,
}


async def call(*options: str, where: str, whose: str = "session") -> tuple[dict[str, Any], str]:
    """A worker's one call, whose first response fails: what it told, and what it logged."""
    script = Script([Reply(end=Failed("server_error")), Reply([Message("Hello.", seconds=0.4)])])
    async with RealtimeServer(script) as server:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *options,
            str(WORKER),
            "--",
            "start",
            "--flag",
            env={
                **os.environ,
                **ENVIRONMENT,
                "WHERE": where,
                "WHOSE": whose,
                "SIMULATED": server.url,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), LONG)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    log = err.decode()
    assert process.returncode == 0, log
    told = [line for line in out.decode().splitlines() if line.startswith("told ")]
    assert len(told) == 1, log
    return json.loads(told[0].removeprefix("told ")), log


@pytest.mark.parametrize(
    ("where", "whose"),
    [
        ("forkserver", "session"),
        ("spawn", "session"),
        ("thread", "agent"),
        ("thread", "fallback"),
    ],
)
async def test_g9_a_worker_of_somebody_else_recovers(
    where: str, whose: str, tmp_path: Path
) -> None:
    told, log = await call("--record", str(tmp_path), where=where, whose=whose)
    outer = "RealtimeModelFallbackAdapter" if whose == "fallback" else "ControlledRealtimeModel"
    assert told == {
        "heard": 0.4,
        "exception": "None",
        "model": outer,
        "arguments": ["start", "--flag"],
    }
    assert "is controlled, mode control" in log
    header, report = judged(tmp_path)
    assert header["mode"] == "control"
    assert report.lines["playback"], "attached"
    assert report.responses == {"failed": 1, "completed": 1}
    assert not report.broken


async def test_observed_it_is_plain_and_the_trace_says_so(tmp_path: Path) -> None:
    told, log = await call("--mode", "observe", "--record", str(tmp_path), where="thread")
    assert (told["heard"], told["exception"]) == (0.0, "None")
    assert "is controlled, mode observe" in log
    assert judged(tmp_path)[0]["mode"] == "observe"


def judged(folder: Path) -> tuple[dict[str, Any], Report]:
    """The header of the only trace in the folder, and the verdict on it."""
    (trace,) = folder.iterdir()
    with trace.open("rb") as file:
        header = json.loads(file.readline())
        file.seek(0)
        return header, check(file, source=trace.name)


# --- processes that have nothing to do with us


def run(
    *arguments: str, script: str = "", folder: Path, **env: str
) -> subprocess.CompletedProcess[str]:
    file = folder / "agent.py"
    file.write_text(script, "utf-8")
    return subprocess.run(
        [*COMMAND, *arguments, str(file)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )


def test_a_sitecustomize_that_was_there_still_runs(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sitecustomize.py").write_text("import os; os.environ['MINE'] = '1'")
    done = run(
        script="import os, sitecustomize; print(os.environ['MINE'], sitecustomize.__file__)",
        folder=tmp_path,
        PYTHONPATH=str(tmp_path / "mine"),
    )
    assert done.stdout.split() == ["1", str(tmp_path / "mine" / "sitecustomize.py")], done.stderr


def test_a_script_without_livekit_is_told_so_and_keeps_its_exit_code(tmp_path: Path) -> None:
    done = run(script="import sys; sys.exit(7)", folder=tmp_path)
    assert done.returncode == 7
    assert "livekit.agents was not imported, so nothing was controlled" in done.stderr


def test_another_environment_below_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "livekit" / "agents").mkdir(parents=True)
    (tmp_path / "livekit" / "agents" / "__init__.py").write_text("HERE = True")
    program = "import livekit.agents; print(livekit.agents.HERE)"
    script = f"""
import os, subprocess, sys
env = {{**os.environ, "PYTHONPATH": os.environ["PYTHONPATH"].split(os.pathsep)[0] + os.pathsep + {str(tmp_path)!r}}}
print(subprocess.check_output([sys.executable, "-S", "-c", "import site, sitecustomize; {program}"], env=env, text=True))
"""
    done = run(script=script, folder=tmp_path)
    assert done.stdout.strip() == "True", done.stderr


# --- settings


def test_pyproject_speaks_and_flags_win(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.realtime-fsm]\nmode = 'observe'\nrecord = 'traces'\n"
        "[tool.realtime-fsm.retry]\nmax_retry = 1\nkinds = {odd = 'fatal'}\n"
    )
    (tmp_path / "sub").mkdir()
    script = "from realtime_fsm.run import RunSettings; print(RunSettings.of_process())"
    done = run(
        "--mode", "control", "--retry", "max_retry=2", script=script, folder=tmp_path / "sub"
    )
    assert done.stdout.strip() == (
        f"RunSettings(mode='control', record={str(tmp_path / 'traces')!r}, "
        "retry={'max_retry': 2, 'kinds': {'odd': 'fatal'}}, watch=False, watch_words=False)"
    ), done.stderr
    assert (tmp_path / "traces").is_dir()


def test_pyproject_has_the_calls_watched(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text("[tool.realtime-fsm]\nwatch = true\n")
    found = RunSettings.read(tmp_path)
    assert (found.watch, found.watch_words) == (True, False)
    file.write_text("[tool.realtime-fsm]\nwatch_words = true\n")
    found = RunSettings.read(tmp_path)
    assert (found.watch, found.watch_words) == (True, True)
    file.write_text("[tool.realtime-fsm]\nwatch = 8774\n")
    with pytest.raises(InputError, match="watch is 8774, expected true or false"):
        RunSettings.read(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--watch-host", "203.0.113.7", "--watch"], "203.0.113.7:8774 cannot be listened on"),
        (["--mode", "on"], "mode is 'on', expected one of control, observe, off"),
        (
            ["--retry", "max_retry=-1"],
            "retry is {'max_retry': -1}, expected values that can work (max_retry must be 0 or ",
        ),
        (["--retry", "max_retry"], "--retry is 'max_retry', expected field=value"),
        (["--retry", "tries=2"], "retry.tries is 2, expected one of action_timeout, "),
        (
            ["--retry", 'kinds={a="bad"}'],
            "retry.kinds.a is 'bad', expected one of transient, fatal, ",
        ),
        (
            ["--retry", "timeout=soon"],
            "retry is {'timeout': 'soon'}, expected values that can work (timeout must be ",
        ),
        (["--record", "/dev/null/traces"], "record: /dev/null/traces: "),
    ],
)
def test_settings_that_cannot_be(options: list[str], words: str, tmp_path: Path) -> None:
    done = run(*options, script="print('started')", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"realtime-fsm: {words}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[tool.realtime-fsm]\nmoode = 'off'",
            "tool.realtime-fsm.moode is 'off', expected one of mode, record",
        ),
        ("[tool]\nrealtime-fsm = 1", "tool.realtime-fsm is 1, expected a table"),
        ("[tool.realtime-fsm]\nretry = 3", "tool.realtime-fsm.retry is 3, expected a table"),
        ("[tool.realtime-fsm]\nrecord = 3", "tool.realtime-fsm.record is 3, expected a folder"),
        ("[tool", "pyproject.toml: "),
        ("\xff", "pyproject.toml: "),
    ],
)
def test_a_pyproject_that_cannot_be(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes(text.encode("latin-1"))
    done = run(script="print('started')", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("name", "words"), [("no.py", "no such file"), (".", "is a folder")])
def test_a_script_that_is_none(name: str, words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert words in done.stderr


def test_a_module(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import sys; print('ran', sys.argv[1:])")
    done = subprocess.run(
        [*COMMAND, "-m", "mine", "--", "start"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "ran ['start']\n", done.stderr


def test_the_documented_pyproject(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "run.md").read_text("utf-8")
    (tmp_path / "pyproject.toml").write_text(page.split("```toml\n")[1].split("```")[0], "utf-8")
    settings = RunSettings.read(tmp_path)
    assert (settings.mode, settings.record) == ("observe", str(tmp_path / "traces"))
    assert settings.policy().max_retry == 2
