"""A file of many calls: an index, a page for each, and one call in memory at a time."""

from __future__ import annotations

import gc
import io
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.report import command
from realtime_fsm.report._collect import MOST_CALLS, collect_each, holds_many
from realtime_fsm.report._story import Call
from realtime_fsm.trace.pieces import HEADER, pieces

from .reading import Read


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, controlled: Path, plain: Path) -> Path:
    """Twelve controlled calls and twelve plain ones, and a line between that is no JSON."""
    path = tmp_path_factory.mktemp("day") / "day.jsonl"
    calls = [controlled.read_bytes(), plain.read_bytes()]
    path.write_bytes(b"".join(calls * 12).replace(calls[1], b"{not JSON\n" + calls[1], 1))
    return path


def test_a_day_is_an_index_and_a_page_each(day: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(day)])
    assert (done.exit_code, done.stdout) == (0, f"{day.with_suffix('.html')}\n")
    pages = sorted((day.parent / "day").iterdir())
    assert [p.name for p in pages] == sorted(f"call-{n}.html" for n in range(1, 25))
    read = Read(day.with_suffix(".html").read_text("utf-8"))
    links = [str(a["href"]) for tag, a in read.tags if tag == "a" and "#" not in str(a["href"])]
    assert links == [f"day/call-{n}.html" for n in range(1, 25)]
    second = (day.parent / "day" / "call-2.html").read_text("utf-8")
    assert "day.jsonl, call 2" in second
    assert 'data-file="day.jsonl --call 2"' in second  # what makes a test of it finds it
    # What stands between two calls is of the one before.
    assert "not JSON" in (day.parent / "day" / "call-1.html").read_text("utf-8")
    assert "not JSON" not in second


def test_a_folder_with_a_day_in_it_lists_its_calls(day: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(day.parent), "--output", str(tmp_path)])
    assert done.exit_code == 0
    index = (tmp_path / "index.html").read_text("utf-8")
    assert len(re.findall(r'href="day\.jsonl-\d+\.html"', index)) == 24


def test_each_call_is_judged_as_in_a_file_of_its_own(day: Path, controlled: Path) -> None:
    with controlled.open("rb") as file:
        (alone,) = collect_each(file, "alone")
    with day.open("rb") as file:
        sides = list(collect_each(file, "day"))
    assert [side.first for side in sides] == list(range(1, 25))
    for side in sides[2::2]:
        assert len(side.calls) == 1
        assert side.judged == alone.judged
        assert len(side.calls[0].turns) == len(alone.calls[0].turns)
        assert [b[:3] for b in side.broken] == [b[:3] for b in alone.broken]


def test_nothing_is_kept_of_a_call_that_was_yielded(day: Path) -> None:
    kept = []
    gc.collect()
    gc.freeze()  # only what comes from now on is looked at
    with day.open("rb") as file:
        for side in collect_each(file, "day"):
            assert side.calls
            del side
            gc.collect()
            kept.append(sum(type(each) is Call for each in gc.get_objects()))
    assert kept == [0] * 24


@pytest.mark.parametrize(
    ("calls", "many"), [(0, False), (MOST_CALLS, False), (MOST_CALLS + 1, True)]
)
def test_when_calls_are_many(calls: int, many: bool) -> None:
    line = b' { "trace" : "realtime-fsm", "version": 1}\n{"t": 0}\n'
    assert holds_many(io.BytesIO(line * calls)) is many


def test_few_calls_are_one_page(controlled: Path, tmp_path: Path) -> None:
    trace = tmp_path / "few.jsonl"
    trace.write_bytes(controlled.read_bytes() * 3)
    done = CliRunner().invoke(app, ["report", str(trace)])
    assert done.exit_code == 0
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["few.html", "few.jsonl"]


def test_standard_input_and_output_are_one_page(day: Path, tmp_path: Path) -> None:
    output = tmp_path / "day.html"
    done = CliRunner().invoke(app, ["report", "-", "--output", str(output)], input=day.read_bytes())
    assert done.exit_code == 0
    assert [p.name for p in tmp_path.iterdir()] == ["day.html"]
    done = CliRunner().invoke(app, ["report", str(day), "--output", "-"])
    assert done.exit_code == 0
    assert done.stdout.startswith("<!doctype html>")


def test_a_day_of_which_nothing_can_be_judged_is_exit_status_2(tmp_path: Path) -> None:
    trace = tmp_path / "day.jsonl"
    trace.write_text('{"trace":"other","version":1}\n' * 30)
    done = CliRunner().invoke(app, ["report", str(trace)])
    assert done.exit_code == 2
    assert "nothing could be read" in done.stderr


def test_a_name_without_an_ending_is_a_folder_for_all_of_it(day: Path, tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    done = CliRunner().invoke(app, ["report", str(day), "--output", str(pages)])
    assert (done.exit_code, done.stdout) == (0, f"{pages / 'index.html'}\n")
    read = Read((pages / "index.html").read_text("utf-8"))
    links = [str(a["href"]) for tag, a in read.tags if tag == "a" and "#" not in str(a["href"])]
    assert links == [f"call-{n}.html" for n in range(1, 25)]
    assert all((pages / link).is_file() for link in links)


def test_the_folder_of_the_pages_is_no_file(day: Path, tmp_path: Path) -> None:
    (tmp_path / "pages").write_text("mine")
    done = CliRunner().invoke(app, ["report", str(day), "--output", str(tmp_path / "pages.html")])
    assert done.exit_code == 2
    assert "pages is no file" in done.stderr
    assert (tmp_path / "pages").read_text() == "mine"


def test_the_header_is_known_as_the_reader_knows_it(controlled: Path) -> None:
    first = controlled.read_bytes().partition(b"\n")[0]
    assert HEADER.match(first)


def test_several_processes_write_what_one_does(
    day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large file."""
    one, two = tmp_path / "one" / "d.html", tmp_path / "two" / "d.html"
    for output in (one, two):
        output.parent.mkdir()
        done = CliRunner().invoke(app, ["report", str(day), "--output", str(output)])
        assert done.exit_code == 0
        monkeypatch.setattr(command, "_MUCH", 1)
        monkeypatch.setattr(command, "available_cores", lambda: 2)
        monkeypatch.setattr(pieces, "__defaults__", (200_000,))
    assert len(pieces(day)) > 2
    names = sorted(p.relative_to(one.parent) for p in one.parent.rglob("*.html"))
    assert names == sorted(p.relative_to(two.parent) for p in two.parent.rglob("*.html"))
    for name in names:
        assert (one.parent / name).read_bytes() == (two.parent / name).read_bytes()
