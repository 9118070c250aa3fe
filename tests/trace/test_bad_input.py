"""What `check` and `report` say of a file of which nothing can be judged: the same lines, exit status 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app

from .test_foreign import GPT_LIVE

#: The lines of a whole call, with their ends.
Bad = Callable[[list[bytes]], bytes]


def log(lines: list[bytes]) -> list[bytes]:
    """The same call as another library would log it."""
    rows = [json.loads(line) for line in lines]
    events = [
        (row["t"], {"type": row["type"], **row["event"]})
        for row in rows
        if row.get("by") in ("server", "client")
    ]
    return [json.dumps({"t": t, "event": event}).encode() + b"\n" for t, event in events]


def live(*, by_recorder: bool = False) -> list[bytes]:
    """GPT-Live's events, in a log or as a recorder would write them: to be mixed with others."""
    told = []
    for t, event in enumerate(GPT_LIVE):
        rest = {key: value for key, value in event.items() if key != "type"}
        line = {"t": t, "by": "server", "type": event["type"], "connection": 1, "event": rest}
        told.append(line if by_recorder else {"t": t, "event": event})
    return [json.dumps(each).encode() + b"\n" for each in told]


OTHER = "nothing could be judged: events of another protocol: session.start"
BAD: dict[str, tuple[Bad, str, str]] = {
    "empty": (lambda lines: b"", "no event of a call in it", "read"),
    "another log": (lambda lines: b"hello\nworld\n", "no event of a call in it", "read"),
    "header only": (
        lambda lines: lines[0], "line 1: a header, and nothing of a call behind it", "read",
    ),
    "header cut off": (lambda lines: lines[0][:40], "line 1: cut off in mid-line", "read"),
    "another version": (
        lambda lines: lines[0].replace(b'"version":1', b'"version":99') + b"".join(lines[1:]),
        "line 1: version 99 is unknown, this is a reader of version 1", "read",
    ),
    "not JSON": (lambda lines: bytes(range(256)) * 3, "line 2: not JSON", "read"),
    "one huge line": (lambda lines: b"A" * (17 << 20), "line 1: longer than 16 MiB", "read"),
    "mixed": (lambda lines: b"".join([*log(lines)[:40], *live()]), OTHER, "judged"),
    "mixed, with a header": (
        lambda lines: b"".join([*lines[:40], *live(by_recorder=True), *lines[40:]]), OTHER, "judged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_nothing_of_it_can_be_judged(kind: str, clean_path: Path, tmp_path: Path) -> None:
    make, note, what = BAD[kind]
    path = tmp_path / "bad.jsonl"
    path.write_bytes(make(clean_path.read_bytes().splitlines(keepends=True)))
    checked, reported = (
        CliRunner().invoke(app, [command, str(path)], env={"COLUMNS": "400"})
        for command in ("check", "report")
    )
    assert (checked.exit_code, reported.exit_code) == (2, 2)
    assert f"bad.jsonl: nothing could be {what}" in checked.stdout
    assert f"bad.jsonl: nothing could be {what}" in reported.stderr
    if note != OTHER:
        assert f"  {note}" in checked.stdout
    else:
        assert note.partition(": ")[2] in checked.stdout
    assert note in reported.stderr
    assert path.with_suffix(".html").exists() == (what == "judged")


@pytest.mark.parametrize("at", [1 / 3, 2 / 3])
def test_both_name_the_same_lines_of_a_call_that_is_cut_off(
    at: float, clean_path: Path, tmp_path: Path
) -> None:
    """It is judged up to the cut, so this is no exit status 2."""
    lines = clean_path.read_bytes().splitlines(keepends=True)
    n = round(len(lines) * at)
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b"".join([*lines[:n], lines[n][: len(lines[n]) // 2]]))
    checked, reported = (
        CliRunner().invoke(app, [command, str(path)], env={"COLUMNS": "400"})
        for command in ("check", "report")
    )
    assert (checked.exit_code, reported.exit_code) == (0, 0)
    told = [
        f"line {n + 1}: cut off in mid-line",
        f"cut off after line {n}: what was under way then is not judged",
    ]
    assert reported.stderr.splitlines() == told
    shown = [line.strip() for line in checked.stdout.splitlines()]
    assert [line for line in shown if "line" in line and line in told] == told
    assert not [line for line in shown if line.startswith("lines ")]
