"""What the command line writes: safe to print, whatever is in a file; and what it does when it
cannot be written."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from realtime_fsm._output import CarefulGroup, printable
from realtime_fsm.cli import app

from .report.reading import read_path

FULL = Path("/dev/full")
ACTS = (
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe",
    "\u2067",
    "\r\n\x08\x7f\x9b31m",
    "\ud83d",
    "\u2028",
)
HEADER = {"trace": "realtime-fsm", "version": 1, "mode": "control"}
BROKEN = [
    HEADER,
    {"t": 0, "by": "client", "type": "response.create", "connection": 1, "event": {}},
    {"t": 0.1, "by": "server", "type": "response.created", "connection": 1, "event": {"response": {"id": "r1"}}},
    {"t": 0.2, "by": "client", "type": "response.create", "connection": 1, "event": {}},
]  # fmt: skip


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in lines), "utf-8")
    return path


def acting(text: str) -> list[str]:
    """What of a text a terminal would act on."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn")
    return [c for c in text if c != "\n" and unicodedata.category(c) in kinds]


# --- safe to print


@given(st.text(st.characters(), max_size=50))
def test_printable(text: str) -> None:
    told = printable(text)
    assert not acting(told)
    assert "\n" not in told
    assert told.encode() or not text
    if text.isprintable():
        assert told == text


def test_what_is_long_is_cut() -> None:
    assert printable("x" * 1_000_000) == "x" * 400 + "… (1000000 characters)"


def hostile(acts: str) -> list[dict[str, Any]]:
    """A broken call in which it is in every place of a line, with words, so that it is not hashed."""
    header = {**HEADER, "transcripts": True, "mode": acts, "model": acts, "started": acts}
    lines: list[dict[str, Any]] = [{**header, "versions": {acts: acts}}]
    names = ("code", "reason", "turn", "outcome", "dest", "event", "speech", "item_id", "call_id")
    for n, base in enumerate((*BROKEN[1:], *BROKEN[1:])):
        event = {**base["event"], "event_id": acts, "item_id": acts, acts: acts}
        if base["by"] == "server":
            event["response"] = {"id": acts, "status": acts, "metadata": {acts: acts}}
        lines.append({**base, "t": n, "event": event})
        own = {"t": n, "type": acts} | dict.fromkeys(names, acts)
        lines += [{**own, "by": by} for by in ("session", "turn", acts)]
        error = {"error": {"code": acts, "event_id": acts}, "event_id": f"{n}{acts}"}
        lines.append({"t": n, "by": "server", "type": "error", "connection": 1, "event": error})
        end = {
            "response": {"id": acts, "status": acts, "status_details": {"error": {"code": acts}}}
        }
        lines.append({**lines[-1], "type": "response.done", "event": end})
    return [*lines, {"t": acts, "by": "user", "type": acts}, {"t": 99, "by": 3, "type": acts}]


@pytest.mark.parametrize("acts", ACTS)
def test_check_and_report_print_nothing_that_a_terminal_acts_on(acts: str, tmp_path: Path) -> None:
    name = "".join(c for c in acts if c not in "\0/" and not "\ud800" <= c <= "\udfff") or "x"
    path = write(tmp_path / f"{name}.jsonl", hostile(acts))
    for arguments in (["check"], ["check", "--json"], ["report"]):
        done = CliRunner().invoke(app, [*arguments, str(path)], env={"COLUMNS": "200"})
        assert done.exit_code in (0, 1), done.output
        assert not acting(done.stdout)
        assert not acting(done.stderr)
        assert acts not in done.output
    read = read_path(path)
    assert not acting(read.text)
    assert not acting(read.html.replace("\u200d", ""))


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_knows_few_characters_gets_escapes(encoding: str, tmp_path: Path) -> None:
    lines = hostile("ключ → 鍵 🔑")
    path = write(tmp_path / "a.jsonl", lines)
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "realtime_fsm", "check", str(path)]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"G2 create settles" in done.stdout


# --- cannot be written


def arguments(name: str, tmp_path: Path) -> list[str]:
    broken = str(write(tmp_path / "broken.jsonl", BROKEN))
    return {
        "version": ["--version"],
        "help": ["check", "--help"],
        "check": ["check", broken],
        "check as JSON": ["check", "--json", broken],
        "report": ["report", broken],
        "diagrams": ["diagrams", "--view", "overview"],
    }[name]


NAMES = ("version", "help", "check", "check as JSON", "report", "diagrams")


def ended(command: list[str], stdout: Any) -> tuple[int, str]:
    whole = [sys.executable, "-m", "realtime_fsm", *command]
    done = subprocess.run(whole, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here to write to")
@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_exit_status_2_and_one_line(name: str, tmp_path: Path) -> None:
    """Not 1, which is "a guarantee was broken"."""
    with FULL.open("wb") as full:
        code, told = ended(arguments(name, tmp_path), full)
    assert (code, told) == (2, "realtime-fsm: cannot be written: No space left on device\n")


@pytest.mark.skipif(os.name != "posix", reason="pipes are closed otherwise there")
@pytest.mark.parametrize("name", ["help", "check", "check as JSON"])
def test_a_pipe_that_nobody_reads_is_exit_status_2_and_one_line(name: str, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        code, told = ended(arguments(name, tmp_path), writer)
    finally:
        os.close(writer)
    assert (code, told) == (2, "realtime-fsm: cannot be written: Broken pipe\n")


def test_every_command_is_careful() -> None:
    assert app.info.cls is CarefulGroup


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here to write to")
def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.jsonl", BROKEN))
    done = CliRunner().invoke(app, ["report", path, "--output", str(FULL)])
    assert done.exit_code == 2
    assert done.stderr == "realtime-fsm: cannot be written: /dev/full: No space left on device\n"
    done = CliRunner().invoke(app, ["report", path, "--output", str(tmp_path / "no" / "x.html")])
    assert done.exit_code == 2
    assert "No such file or directory" in done.stderr
    assert done.stdout == ""


def test_a_page_that_was_there_stays_when_it_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, page = write(tmp_path / "a.jsonl", BROKEN), tmp_path / "a.html"
    page.write_text("yesterday's")

    def refuse(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self == page:
            raise PermissionError(13, "Permission denied", str(self))
        return original(self, *args, **kwargs)

    original = Path.open
    monkeypatch.setattr(Path, "open", refuse)
    done = CliRunner().invoke(app, ["report", str(path)])
    monkeypatch.undo()
    assert done.exit_code == 2
    assert page.read_text() == "yesterday's"


def test_traces_of_random_calls_that_could_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from realtime_fsm.trace.writer import TraceWriter

    monkeypatch.setattr(TraceWriter, "flush", lambda self: self._fail(OSError(28, "No space")))
    command = ["simulate", "--calls", "1", "--jobs", "1", "--trace", str(tmp_path / "t")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "1 of 1 traces are not whole" in done.stderr
    assert done.stderr.count("\n") == 1


# --- cannot be read


def bad(tmp_path: Path, name: str) -> Path:
    """A file of which nothing can be read."""
    path = tmp_path / f"{name}.jsonl"
    header = json.dumps(HEADER)
    contents: dict[str, bytes] = {
        "empty": b"", "blank": b"\n\n  \n", "binary": bytes(range(256)) * 40, "header": header.encode(),
        "cut header": header.encode()[:20], "no object": b"[1, 2]\n", "other text": b"hello\nworld\n",
        "another trace": b'{"trace": "other"}\n', "of tomorrow": b'{"trace": "realtime-fsm", "version": 9}\n{"t": 0}\n',
        "half": b'{"t": 0, "by": "server", "ty', "archive": b"\x1f\x8b\x08\x00" + os.urandom(200),
    }  # fmt: skip
    if name == "folder":
        path.mkdir()
    elif name in contents:
        path.write_bytes(contents[name])
    return path


BAD = ("empty", "blank", "binary", "header", "cut header", "no object", "other text", "another trace",
       "of tomorrow", "half", "archive", "folder", "missing")  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_exit_status_2_in_check_and_report_alike(
    name: str, tmp_path: Path
) -> None:
    path = bad(tmp_path, name)
    checked = CliRunner().invoke(app, ["check", str(path)], env={"COLUMNS": "200"})
    shown = CliRunner().invoke(app, ["report", str(path)])
    assert (checked.exit_code, shown.exit_code) == (2, 2)
    assert f"{path}: nothing could be read" in checked.stdout
    (last,) = shown.stderr.splitlines()
    assert checked.stderr.splitlines()[-1].startswith(f"realtime-fsm: {path}: ")
    if name == "folder":  # of traces, for `report`
        assert last.startswith(f"realtime-fsm: there is no trace in {path}")
        return
    issue = last.removeprefix(f"realtime-fsm: {path}: ").removeprefix("nothing could be read: ")
    assert f"  {issue}\n" in checked.stdout
    assert issue.startswith(("line ", "cannot be read: ", "no event of a call"))
    assert not path.with_suffix(".html").exists()
    assert not acting(checked.stdout + shown.stderr)


def test_a_disk_that_fails_in_mid_file_is_told(tmp_path: Path) -> None:
    """What was read before is judged."""
    import io

    from realtime_fsm.trace import check

    class Failing(io.BytesIO):
        def readline(self, size: int | None = -1) -> bytes:
            line = super().readline(size)
            if self.tell() == len(self.getvalue()):
                raise OSError(5, "Input/output error")
            return line

    data = "".join(json.dumps(each) + "\n" for each in [*BROKEN, BROKEN[-1]]).encode()
    report = check(Failing(data))
    assert report.broken == {"G1": 1}
    assert [each.text for each in report.issues] == ["cannot be read: Input/output error"]


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    from realtime_fsm.trace import command

    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("sys.stdin", None)
        assert command.run([Path("-")]) == 2
