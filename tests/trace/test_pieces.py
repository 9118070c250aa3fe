"""A trace of many calls, read in pieces, is judged as one that is read whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.testing import run_virtual
from realtime_fsm.trace import command
from realtime_fsm.trace.check import Report, check
from realtime_fsm.trace.pieces import Piece, opened_piece, pieces

from .calls import everything


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, clean_path: Path) -> Path:
    """Ten calls, of which some break guarantees, one is cut off, and one is of another version; between
    them lines that cannot be read."""
    path = tmp_path_factory.mktemp("pieces") / "day.jsonl"
    run_virtual(lambda: everything(path, controlled=False))
    calls = [clean_path.read_bytes(), path.read_bytes()]
    cut = calls[1][: calls[1].rindex(b"\n", 0, len(calls[1]) // 2) + 1]
    other = b'{"trace":"realtime-fsm","version":99}\n{"t":0,"by":"server","type":"x"}\n'
    path.write_bytes(b"".join([*calls, b"not JSON\n", *calls, cut, other, b"\n\n", *calls, *calls]))
    return path


def whole(path: Path) -> Report:
    with path.open("rb") as file:
        return check(file, source=str(path))


def in_pieces(path: Path, least: int) -> tuple[Report, int]:
    found = []
    for piece in pieces(path, least):
        with opened_piece(piece) as file:
            found.append(check(file, source=str(path), before=piece.before))
    return Report.of_pieces(found), len(found)


@pytest.mark.parametrize("least", [1, 30_000, 10**9])
def test_it_is_judged_as_if_it_were_whole(day: Path, least: int) -> None:
    """Each violation at its own line of the file, and each problem counted once."""
    report, count = in_pieces(day, least)
    assert count == {1: 10, 10**9: 1}.get(least, count)
    assert report.as_json() == whole(day).as_json()
    assert report.skipped == whole(day).skipped
    assert report.cut_off == whole(day).cut_off
    assert report.unreadable
    assert report.broken


def test_nothing_is_left_out_or_read_twice(day: Path) -> None:
    parts = []
    for piece in pieces(day, 1):
        with opened_piece(piece) as file:
            parts.append(file.read())
    assert b"".join(parts) == day.read_bytes()
    assert [piece.before for piece in pieces(day, 1)] == [
        b"".join(parts[:n]).count(b"\n") for n in range(len(parts))
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b'{"type":"session.created"}\n{"trace":"realtime-fsm","version":1}\n',
        b'[{"type":"session.created"},\n{"trace":"realtime-fsm"}]\n',
        b'\xef\xbb\xbf{"trace":"realtime-fsm","version":1}\n',
    ],
)
def test_what_does_not_begin_with_a_header_stays_whole(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(text)
    assert pieces(path, 1) == [Piece(path)]
    assert pieces(tmp_path / "none", 1) == [Piece(tmp_path / "none")]


def test_processes_read_pieces(day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large file, and named twice."""
    one = CliRunner().invoke(app, ["check", "--json", str(day), str(day)])
    monkeypatch.setattr(command, "_MUCH", 1)
    monkeypatch.setattr("realtime_fsm.trace.pieces._LEAST", 1)
    monkeypatch.setattr(pieces, "__defaults__", (1,))
    two = CliRunner().invoke(app, ["check", "--json", "--jobs", "2", str(day), str(day)])
    assert json.loads(two.stdout) == json.loads(one.stdout)
    assert two.exit_code == one.exit_code == 1
