"""The page in headless Chromium: it opens, is quick, and can be used by mouse and by keyboard."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm.report import Group, collect, page

from .browser import Page, browser
from .conftest import needs_chromium
from .hostile import STRINGS, write

pytestmark = needs_chromium

ROWS = "[...document.querySelectorAll('.turns tbody tr[data-index]')]"
FOCUS = "document.activeElement"
SHOWN = "!document.getElementById('detail').hidden"


def drive(what: Callable[[Page], Coroutine[Any, Any, None]]) -> list[str]:
    """Do something in a browser; return what its console had to say."""

    async def run() -> list[str]:
        async with browser() as opened:
            await what(opened)
            return opened.problems

    return asyncio.run(run())


def written(path: Path, *traces: Path) -> Path:
    sides = []
    for trace in traces:
        with trace.open("rb") as file:
            sides.append(collect(file, trace.stem))
    path.write_text(page("A call", [Group("A call", sides)]), "utf-8")
    return path


def long_trace(path: Path, one: Path, turns: int) -> Path:
    """The clean call again and again, as one call of so many turns."""
    head, *lines = one.read_text("utf-8").splitlines()
    lines = [line for line in lines if '"type":"recorded"' not in line and "close" not in line]
    length = json.loads(lines[-1])["t"] + 1
    with path.open("w", encoding="utf-8") as file:
        file.write(head + "\n")
        for n in range(-(-turns // 7)):
            for line in lines:
                value = json.loads(
                    re.sub(r'"(resp|item|turn|event|call)_(?!id")', rf'"\1_{n}_', line)
                )
                value["t"] = round(value["t"] + n * length, 6)
                if "until" in value:
                    value["until"] = round(value["until"] + n * length, 6)
                if "connection" in value:
                    value["connection"] += n
                file.write(json.dumps(value, separators=(",", ":")) + "\n")
    return path


async def value(opened: Page, script: str) -> Any:
    await opened.settled()
    return await opened.run(script)


def test_a_call_is_opened_and_clicked(controlled: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "page.html", controlled)

    async def run(opened: Page) -> None:
        await opened.open(file)
        assert await value(opened, f"{ROWS}.length") == 7
        # Nothing is fetched besides the file.
        assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
        box = await opened.run(
            "(r => [r.x, r.y, r.width])(document.querySelector('.lanes').getBoundingClientRect())"
        )
        # The turn that recovered, in the lane of turns: the second one.
        x = box[0] + 150 + (14.6 / (19.6 * 1.02)) * (box[2] - 158)
        await opened.mouse(x, box[1] + 24 + 32 + 20, press=False)
        assert "turn_6: recovered" in await opened.run("document.querySelector('.tip').textContent")
        await opened.mouse(x, box[1] + 24 + 32 + 20)
        assert await opened.run(SHOWN)
        text = await opened.run("document.getElementById('detail').innerText")
        assert "turn_6" in text
        assert "recovered" in text
        assert "recovering" in text
        taken = await opened.run(
            "[...document.querySelectorAll('#detail .edge.taken')].map(e => e.dataset.source + '>' + e.dataset.dest)"
        )
        assert {"CREATED>RETRY_WAIT", "RETRY_WAIT>REQUESTED", "STREAMING>DONE"} <= set(taken)
        assert "STREAMING>FAILED" not in taken

    assert drive(run) == []


def test_a_turn_has_an_address(controlled: Path, plain: Path, tmp_path: Path) -> None:
    """Its id, or that of a response, a message or a frame of it."""
    file = written(tmp_path / "page.html", controlled, plain)
    frame = next(
        line.partition('"event_id":"')[2].partition('"')[0]
        for line in controlled.read_text("utf-8").splitlines()
        if '"type":"rate_limits.updated"' in line
    )

    async def run(opened: Page) -> None:
        await opened.open(file)
        heading = "document.querySelector('#detail h2 bdi').textContent"
        for place, turn in (
            ("call-0:turn_6", "turn_6"),
            ("turn_3", "turn_3"),
            ("call-1:resp_002", "resp_002"),
            (f"call-0:{frame}", "turn_1"),
        ):
            await opened.run(f"location.hash = '{place}'")
            await opened.until(f"{SHOWN} && {heading} === '{turn}'")
        await opened.run("document.querySelector('#detail [title^=Close]').click()")
        assert await opened.run("location.hash") == ""
        await opened.run(f"{ROWS}[0].click()")
        assert (await opened.run("location.hash")).startswith("#call-0:turn_")
        for bad in ("%E0%A4%A", "call-9:turn_1", "nobody", "call-0:"):
            await opened.run(f"location.hash = '{bad}'")
            await opened.settled()

    assert drive(run) == []


def test_search_finds_frames_and_the_picture_is_folded(controlled: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "page.html", controlled)
    lines = [
        line for line in controlled.read_text("utf-8").splitlines() if "response.created" in line
    ]
    line = next(each for each in lines if '"id":"resp_003"' in each)
    event_id = line.partition('"event_id":"')[2].partition('"')[0]

    async def run(opened: Page) -> None:
        await opened.open(file)
        find = (
            "(e => {{ e.value = '{0}'; e.dispatchEvent(new Event('input')); }})"
            "(document.querySelector('.filters input'))"
        )
        for text in (event_id, "resp_003"):
            await opened.run(find.format(text))
            assert await value(opened, f"{ROWS}.length") == 1, text
        await opened.run(f"{ROWS}[0].click()")
        assert await opened.run("document.querySelector('#detail details.path').open") is False
        await opened.run(find.format("item_002"))
        assert await value(opened, f"{ROWS}.length") == 1
        await opened.run(find.format("event_9999"))
        assert await value(opened, f"{ROWS}.length") == 0

    assert drive(run) == []


def test_no_column_is_cut_off(controlled: Path, plain: Path, tmp_path: Path) -> None:
    """Side by side on a notebook, and on a telephone; an opened turn as well."""
    file = written(tmp_path / "page.html", controlled, plain)

    async def run(opened: Page) -> None:
        for width in (1280, 390):
            await opened.look(width=width)
            await opened.open(file)
            for n in (0, 1):
                await opened.run(f"document.querySelectorAll('.table')[{n}].scrollIntoView()")
                await opened.settled()
                window = f"document.querySelectorAll('.window')[{n}]"
                wide = await value(opened, f"[{window}.scrollWidth, {window}.clientWidth]")
                assert wide[0] <= wide[1], (width, n)
                for row in range(await opened.run(f"{window}.querySelectorAll('tbody tr').length")):
                    await opened.run(f"{window}.querySelectorAll('tbody tr')[{row}].click()")
                    cut = "[...document.querySelectorAll('#detail .wide')].filter(e => e.scrollWidth > e.clientWidth)"
                    assert await value(opened, f"{cut}.length") == 0, (width, n, row)

    assert drive(run) == []


def test_the_keyboard_is_enough(controlled: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "page.html", controlled)

    async def run(opened: Page) -> None:
        await opened.open(file)
        await opened.run("document.querySelector('.filters input').focus()")
        await opened.key("Tab")  # the window, which scrolls, may take it first
        if not await opened.run(f"{FOCUS}.matches('tr')"):
            await opened.key("Tab")
        assert await opened.run(f"{FOCUS}.dataset.index") == "0"
        await opened.key("ArrowDown")
        await opened.key("ArrowDown")
        assert await opened.run(f"{FOCUS}.dataset.index") == "2"
        await opened.key("End")
        assert await opened.run(f"{FOCUS}.dataset.index") == "6"
        await opened.key("Enter")
        assert await opened.run(SHOWN)
        assert "turn_7" in await opened.run(f"{FOCUS}.textContent")  # its heading
        await opened.key("Escape")
        assert not await opened.run(SHOWN)
        assert await opened.run(f"{FOCUS}.dataset.index") == "6"
        await opened.run("document.querySelector('.lanes').focus()")
        await opened.key("n")
        heading = "(document.querySelector('#detail h2') || {}).textContent"
        for _ in range(100):  # drawn with the next frame
            if await opened.run(heading):
                break
            await asyncio.sleep(0.05)
        assert "turn_6" in await opened.run(heading)
        await opened.key("Escape")
        assert await opened.run(f"{FOCUS}.className") == "lanes"
        before = await opened.run("document.querySelector('.lanes').toDataURL()")
        await opened.key("+")
        assert await opened.run("document.querySelector('.lanes').toDataURL()") != before
        await opened.key("0")
        assert await opened.run("document.querySelector('.lanes').toDataURL()") == before

    assert drive(run) == []


def test_a_screen_reader_finds_names_and_a_table(controlled: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "page.html", controlled)

    async def run(opened: Page) -> None:
        await opened.open(file)
        await opened.settled()
        nodes = (await opened.send("Accessibility.getFullAXTree"))["nodes"]
        named = [
            (n["role"]["value"], n.get("name", {}).get("value", ""))
            for n in nodes
            if not n["ignored"]
        ]
        for role in ("button", "combobox", "searchbox"):
            names = [name for kind, name in named if kind == role]
            assert names
            assert all(names)
        assert any(kind == "grid" and name.startswith("Turns") for kind, name in named)
        assert len([1 for kind, _ in named if kind == "row"]) == 8
        assert "turn_6" in [name for kind, name in named if kind == "rowheader"]
        assert any(kind in ("image", "img") and name.startswith("Timeline") for kind, name in named)
        assert await opened.run("document.querySelector('.turns').ariaRowCount") == "8"

    assert drive(run) == []


def test_turns_are_searched_and_filtered(controlled: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "page.html", controlled)

    async def run(opened: Page) -> None:
        await opened.open(file)
        await opened.settled()
        choose = "(w => {w.value = '%s'; w.dispatchEvent(new Event('input'))})(document.querySelector('select'))"
        await opened.run(choose % "recovered")
        assert await value(opened, f"{ROWS}.map(r => r.cells[0].textContent)") == [
            "turn_6",
            "turn_7",
        ]
        await opened.run(choose % "failed")
        assert await value(opened, f"{ROWS}.length") == 0
        assert await opened.run("document.querySelector('.count').textContent") == "0 of 7 turns"

    assert drive(run) == []


def test_hostile_strings_are_shown_and_never_run(tmp_path: Path) -> None:
    file = written(tmp_path / "page.html", write(tmp_path / "hostile.jsonl"))

    async def run(opened: Page) -> None:
        await opened.open(file)
        assert await value(opened, f"{ROWS}.length") == len(STRINGS)
        for n in range(len(STRINGS)):
            await opened.run(f"{ROWS}[{n}].click()")
            await opened.settled()
            title = await opened.run("document.querySelector('#detail h2 bdi').textContent")
            assert title.startswith(f"{n}{STRINGS[n][:20]}".rstrip("\ud83d"))
        assert await opened.run("window.pwned") is None
        assert "[object" not in await opened.run("document.body.innerText")
        assert await opened.run("document.querySelectorAll('img, iframe').length") == 0
        # However long a string is, the page is not wider than the window.
        for width in (1440, 390):
            await opened.look(width=width)
            await opened.settled()
            assert await opened.run("document.documentElement.scrollWidth") <= width
        assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []

    assert drive(run) == []


def test_of_a_thousand_turns_the_page_holds_what_is_in_view(
    controlled: Path, tmp_path: Path
) -> None:
    file = written(tmp_path / "page.html", long_trace(tmp_path / "long.jsonl", controlled, 1000))

    async def run(opened: Page) -> None:
        await opened.open(file)
        await opened.until(f"{ROWS}.length > 5")
        await opened.settled()
        assert "1.00 s" in await opened.run(f"{ROWS}[2].cells[6].textContent")  # heard
        counts = await opened.run("document.querySelector('.count').textContent")
        assert counts == "1001 of 1001 turns"
        # Only what is in view is in the page.
        assert await opened.run(f"{ROWS}.length") < 60
        await opened.run(f"{ROWS}[0].focus()")
        await opened.key("End")
        assert await opened.run(f"{FOCUS}.dataset.index") == "1000"
        await opened.run("document.querySelector('.buttons button:nth-child(3)').click()")
        await opened.settled()
        assert await opened.run(f"{ROWS}.length") < 60

    assert drive(run) == []


def test_two_calls_side_by_side_move_together(
    controlled: Path, plain: Path, tmp_path: Path
) -> None:
    file = written(tmp_path / "page.html", plain, controlled)

    async def run(opened: Page) -> None:
        await opened.look(width=1700)
        await opened.open(file)
        await opened.until("document.querySelectorAll('.lanes').length === 2")
        await opened.settled()
        pictures = "[...document.querySelectorAll('.lanes')].map(c => c.toDataURL())"
        before = await opened.run(pictures)
        await opened.run("document.querySelector('.buttons button:nth-child(2)').click()")
        after = await value(opened, pictures)
        assert before[0] != after[0]
        assert before[1] != after[1]

    assert drive(run) == []


@pytest.mark.parametrize("width", [1440, 390])
def test_light_and_dark_differ_and_fit(controlled: Path, tmp_path: Path, width: int) -> None:
    file = written(tmp_path / "page.html", controlled)
    pictures: list[bytes] = []

    async def run(opened: Page) -> None:
        for dark in (False, True):
            await opened.look(width=width, dark=dark)
            await opened.open(file)
            await opened.settled()
            assert await opened.run("document.documentElement.scrollWidth") <= width
            pictures.append(await opened.screenshot())

    assert drive(run) == []
    assert pictures[0] != pictures[1]


#: Of each text that is shown: its contrast, by WCAG 2, with the ground it stands on, if that is
#: below what level AA asks for.
FAINT = """
(() => {
  const light = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const bright = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const parts = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, ground) => ground.map((v, i) => top[i] * top[3] + v * (1 - top[3]));
  const ground = (e) => e ? over(parts(getComputedStyle(e).backgroundColor), ground(e.parentElement)) : [255, 255, 255];
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let looked = 0;
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement, style = getComputedStyle(e);
    if (!walk.currentNode.data.trim() || e.closest('svg, script, style') || !e.checkVisibility()) continue;
    looked += 1;
    const below = ground(e), two = [bright(below), bright(over(parts(style.color), below))].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const contrast = (two[0] + 0.05) / (two[1] + 0.05);
    if (contrast < (large ? 3 : 4.5)) found.push(`${contrast.toFixed(2)} ${e.outerHTML.slice(0, 80)}`);
  }
  return [looked, found];
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_has_contrast_enough(controlled: Path, tmp_path: Path, dark: bool) -> None:
    file = written(tmp_path / "page.html", controlled)

    async def run(opened: Page) -> None:
        await opened.look(dark=dark)
        await opened.open(file)
        await opened.settled()
        for row in range(await opened.run(f"{ROWS}.length")):
            await opened.run(f"{ROWS}[{row}].click()")
            looked, found = await value(opened, FAINT)
            assert looked > 80
            assert found == []
        await opened.run("document.body.style.color = '#888'")
        assert (await opened.run(FAINT))[1]  # what is too faint is seen

    assert drive(run) == []
