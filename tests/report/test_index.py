"""A folder of traces: an index page, with what could not be read named and not fatal."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.report._index import Entry, index
from realtime_fsm.report._rows import rules

from .browser import Page
from .conftest import needs_chromium
from .hostile import STRINGS
from .reading import Read
from .test_browser import drive

ROWS = "[...document.querySelectorAll('table.index tbody tr')].filter(r => !r.hidden)"
NAMES = f"{ROWS}.map(r => r.cells[0].textContent)"


@pytest.fixture
def folder(tmp_path: Path, controlled: Path, plain: Path) -> Path:
    made = tmp_path / "traces"
    (made / "night").mkdir(parents=True)
    shutil.copy(controlled, made / "controlled.jsonl")
    shutil.copy(plain, made / "night" / "plain.jsonl")
    (made / "a b & c.jsonl").write_text(
        '{"trace":"realtime-fsm","version":1,"mode":"plain"}\n'
        '{"t":0,"by":"server","type":"session.created","connection":1,"event":{"session":{}}}\n'
    )
    (made / "cut.jsonl").write_bytes(controlled.read_bytes()[:30_000])
    (made / "empty.jsonl").write_text("")
    (made / "garbage.log").write_bytes(b"\x00\xff<script>alert(1)</script>\n")
    (made / "notes.txt").write_text("not a trace")
    return made


def test_a_folder_becomes_an_index_and_its_pages(folder: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(folder)])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{folder / 'index.html'}\n"
    assert "empty.jsonl: nothing could be read" in done.stderr
    assert "garbage.log: nothing could be read" in done.stderr
    read = Read((folder / "index.html").read_text("utf-8"))
    links = [
        attrs["href"] for tag, attrs in read.tags if tag == "a" and "#" not in str(attrs["href"])
    ]
    assert sorted(map(str, links)) == [
        "a%20b%20%26%20c.jsonl.html",
        "controlled.jsonl.html",
        "cut.jsonl.html",
        "night/plain.jsonl.html",
    ]
    for name in ("a b & c.jsonl", "controlled.jsonl", "cut.jsonl", "night/plain.jsonl"):
        assert (folder / f"{name}.html").read_text("utf-8").startswith("<!doctype html>")
    for told in ("files not read", "Guarantees broken", "heard = history", "▲ G"):
        assert told in read.text
    assert "notes.txt" not in read.text
    assert not (folder / "notes.txt.html").exists()


def test_the_pages_may_go_elsewhere(folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "pages"
    done = CliRunner().invoke(app, ["report", str(folder), "--output", str(output)])
    assert done.exit_code == 0
    assert (output / "night" / "plain.jsonl.html").exists()
    assert not list(folder.rglob("*.html"))
    file = tmp_path / "file"
    file.write_text("")
    done = CliRunner().invoke(app, ["report", str(folder), "--output", str(file)])
    assert done.exit_code == 2
    assert "expected a folder" in done.stderr


def test_a_folder_without_anything_to_read(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 2
    assert "there is no trace in" in done.stderr
    (tmp_path / "bad.jsonl").write_text("nothing\n")
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 2
    assert "bad.jsonl" in (tmp_path / "index.html").read_text("utf-8")


def test_the_totals_are_those_of_the_calls(folder: Path) -> None:
    CliRunner().invoke(app, ["report", str(folder)])
    read = Read((folder / "index.html").read_text("utf-8"))
    done = CliRunner().invoke(app, ["check", "--json", *map(str, sorted(folder.rglob("*.jsonl")))])
    checked = json.loads(done.stdout)["files"]
    broken: Counter[str] = Counter()
    for each in checked:
        broken += Counter(each["broken"])
    assert broken
    for rule, count in broken.items():
        assert re.search(rf"{rule}[a-z =-]+{count}", read.text), (rule, count)


def test_rules_taken_are_counted_over_all_traces(folder: Path, controlled: Path) -> None:
    """Which rules production took: one row for each rule, with how often."""
    CliRunner().invoke(app, ["report", str(folder)])
    read = Read((folder / "index.html").read_text("utf-8"))
    lines = [json.loads(line) for line in controlled.read_text("utf-8").splitlines()[1:]]
    taken = {(m["source"], m["event"], m["dest"]) for m in lines if m["type"] == "moved"}
    told = re.search(r"(\d+) of (\d+) rules of the turn table were taken", read.text)
    assert told is not None
    assert (int(told[1]), int(told[2])) == (len(taken), len(rules()))
    assert taken <= set(rules())


def test_without_turns_no_rules_are_claimed() -> None:
    html = index("Calls", [Entry("call.jsonl", "call.html")])
    assert "No trace has turns of a controller" in html


@needs_chromium
def test_the_index_filters_sorts_and_is_linked_to(folder: Path) -> None:
    assert CliRunner().invoke(app, ["report", str(folder)]).exit_code == 0

    async def run(opened: Page) -> None:
        await opened.open(folder / "index.html")
        assert len(await opened.run(NAMES)) == 6
        choose = (
            "(e => {{ e.value = '{1}'; e.dispatchEvent(new Event('input')); }})"
            "(document.getElementById('{0}'))"
        )
        await opened.run(choose.format("which", "unreadable"))
        assert set(await opened.run(NAMES)) == {"cut.jsonl", "empty.jsonl", "garbage.log"}
        assert await opened.run("location.hash") == "#unreadable,worst"
        rule = await opened.run("document.querySelector('[data-rule]').dataset.rule")
        await opened.run("document.querySelector('[data-rule]').click()")
        assert await opened.run("location.hash") == f"#{rule},worst"
        assert await opened.run(NAMES) == ["night/plain.jsonl"]
        await opened.run(choose.format("which", "recovered"))
        assert "controlled.jsonl" in await opened.run(NAMES)
        await opened.run(choose.format("which", "all"))
        await opened.run(choose.format("order", "slowest"))
        waits = await opened.run(f"{ROWS}.map(r => Number(r.dataset.slowest))")
        assert waits == sorted(waits, reverse=True)
        assert waits[0] > 0
        # A turn in trouble leads to its place on its page.
        link = f"{ROWS}.flatMap(r => [...r.cells[1].querySelectorAll('a')])[0]"
        href = await opened.run(f"{link}.href")
        assert "#" in href
        for width in (1280, 390):
            await opened.look(width=width)
            await opened.settled()
            assert await opened.run("document.documentElement.scrollWidth") <= width
        assert await opened.run("document.querySelectorAll('script[src], img').length") == 0

    assert drive(run) == []


@needs_chromium
def test_hostile_names_are_shown_and_never_run(tmp_path: Path) -> None:
    entries = [Entry(text, problem=text, notes=[text], started=text) for text in STRINGS]
    file = tmp_path / "index.html"
    file.write_text(index("Calls", entries), "utf-8", errors="replace")

    async def run(opened: Page) -> None:
        await opened.open(file)
        assert len(await opened.run(NAMES)) == len(STRINGS)
        assert await opened.run("window.pwned") is None
        assert await opened.run("document.querySelectorAll('img, iframe').length") == 0
        for width in (1280, 390):
            await opened.look(width=width)
            await opened.settled()
            assert await opened.run("document.documentElement.scrollWidth") <= width

    assert drive(run) == []
