"""The page in headless Chromium: it shows what happens, can be stopped and stepped, and is not fooled."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from realtime_fsm.watch._player import play

from ..report.browser import Page, browser
from ..report.conftest import needs_chromium
from ..report.hostile import lines as hostile_lines
from .hubs import HEADER, Place, Source, hub_at, line, moved, until

pytestmark = needs_chromium

NOW = "document.querySelector('.now')?.textContent"
LIT = "[...document.querySelectorAll('.lit')].map(e => e.dataset.state)"
WHERE = "document.querySelector('.where').textContent"
SAID = "document.querySelector('.film [role=status]').textContent"
LISTED = "[...document.querySelectorAll('.list tbody tr')].map(e => e.textContent)"


@contextlib.asynccontextmanager
async def page_of(hub: Place, opened: Page) -> AsyncIterator[Page]:
    await opened.send("Page.navigate", url=hub.web.url)
    await opened.until("document.getElementById('state')?.textContent.startsWith('Connected')")
    yield opened


def begin(source: Source, name: str = "a", **told: Any) -> None:
    source.call(name, **{"label": "It", "began": 1_700_000_000, **told})
    source.say(name, HEADER)
    source.say(name, moved(0.1, "turn_1", "requested", "LANE_FREE", "requested"))


async def test_a_call_is_seen_as_it_goes_on(place: Path) -> None:
    async with hub_at(place / "h") as hub, browser() as opened, page_of(hub, opened) as page:
        assert await page.run("document.getElementById('state').textContent") == (
            "Connected. No call has begun yet."
        )
        async with hub.source() as source:
            begin(source)
            await page.until(f"{NOW} === 'turn_1: requested'")
            assert await page.run(LIT) == ["REQUESTED"]
            source.say("a", moved(0.3, "turn_1", "requested", "RESPONSE_CREATED", "created"))
            source.say("a", moved(0.4, "turn_1", "created", "RESPONSE_FAILED", "retry_wait"))
            told = {"turn": "turn_1", "attempt": 1, "wait": 60, "code": "server_error"}
            source.say("a", line(0.4, "turn", "recovering", **told))
            source.say("a", line(0.4, "machine", "moved", machine="response", turn="turn_1",
                                 of="resp_1", source="queued", event="LEFT", dest="sent"))  # fmt: skip
            await page.until(f"{NOW} === 'turn_1: asks again, after server_error'")
            assert await page.run(LIT) == ["RETRY_WAIT", "SENT"]
            await page.until(f"{LISTED}[0]?.includes('asks again: server_error')")
            assert "recovering" in (await page.run(LISTED))[0]
            facts = await page.run("document.querySelector('.facts').textContent")
            assert "another attempt, in " in facts
            source.over("a", failed=True)
            await page.until(f"{LISTED}[0]?.includes('failed')")
            assert "1 of them failed" in await page.run(
                "document.querySelector('.count').textContent"
            )
            assert "The report of this call" in await page.run(
                "document.querySelector('.links').textContent"
            )
            source.call("b", label="Next")  # nobody has chosen: the newest is shown
            await page.until("document.querySelector('.call h3').textContent === 'Next'")
        await page.until(f"{LISTED}[0]?.includes('lost')")
        assert page.problems == []
        assert all(url.startswith((hub.base, "data:")) for url in page.requests)


def begun(trace: Path) -> Path:
    """The same call, whose second half comes hours later."""
    header, *lines = trace.read_text("utf-8").splitlines()
    half = len(lines) // 2
    late = [{**each, "t": each["t"] + 1e5} for each in map(json.loads, lines[half:])]
    path = trace.with_name("begun.jsonl")
    path.write_text("\n".join([header, *lines[:half], *map(json.dumps, late)]) + "\n", "utf-8")
    return path


async def test_a_film_is_stopped_and_stepped(place: Path, controlled: Path) -> None:
    async with hub_at(place / "h") as hub, browser() as opened, page_of(hub, opened) as page:
        film = asyncio.ensure_future(play(begun(controlled), place / "h", speed=20, label="film"))
        try:
            await page.until("Number(document.querySelector('.call')?.dataset.line) > 60")
            await page.until(f"{WHERE}.startsWith('at ')")
            await page.key(" ")
            assert "stopped at" in await page.run(WHERE)
            seen = [await page.run(SAID)]
            while len(seen) < 12:
                await page.key(",")
                if (told := await page.run(SAID)) == seen[-1]:
                    break  # the beginning
                seen.append(told)
            del seen[0]  # where it was stopped
            assert len(seen) >= 4
            before = await page.run(LIT)
            for told in reversed(seen[:-1]):
                await page.key(".")
                assert (await page.run(SAID)) == told
            await page.key("f")
            await page.until(f"{WHERE}.startsWith('at ')")
            assert isinstance(before, list)
            # The reader moves the timeline: that means to stop here.
            await page.run("document.querySelector('canvas.lanes').focus()")
            for _ in range(12):
                await page.key("ArrowLeft")
            assert "stopped at" in await page.run(WHERE)
            # Turns are opened as in the report, with their events.
            await page.run("document.querySelector('.turns tbody tr[data-index]').click()")
            await page.until("document.querySelectorAll('#detail .events tbody tr').length > 5")
            await page.key("Escape")
            assert await page.run("document.getElementById('detail').hidden")
        finally:
            film.cancel()
            await asyncio.wait([film])
        await page.until(f"{LISTED}[0]?.includes('lost')")
        await play(controlled, place / "h", speed=1e6, label="film")
        await page.until(f"{LISTED}.some(each => each.includes('ended'))")
        assert page.problems == []


async def test_what_is_chosen_stays_and_a_page_is_loaded_anew(place: Path) -> None:
    async with hub_at(place / "h") as hub, browser() as opened, page_of(hub, opened) as page:
        async with hub.source() as source:
            begin(source, "a", label="first")
            await page.until(f"{NOW} === 'turn_1: requested'")
            await page.until(f"{LISTED}.length === 1")
            await page.run("document.querySelector('.list button').click()")
            begin(source, "b", label="second")
            await page.until(f"{LISTED}.length === 2")
            assert await page.run("document.querySelector('.call h3').textContent") == "first"
            await page.send("Page.reload")
            await page.until("document.querySelector('.call h3')?.textContent === 'first'")
            await page.until(f"{NOW} === 'turn_1: requested'")
            await page.run("document.getElementById('newest').click()")
            await page.until("document.querySelector('.call h3').textContent === 'second'")
        assert page.problems == []


async def test_side_by_side(place: Path) -> None:
    async with hub_at(place / "h") as hub, browser() as opened, page_of(hub, opened) as page:
        async with hub.source() as source:
            begin(source, "a", label="plain", group="one", mode="plain")
            begin(source, "b", label="controlled", group="one")
            await page.until("document.querySelectorAll('.sides.two .call h3').length === 2")
            await page.until("[...document.querySelectorAll('.now')].every(e => e.textContent)")
        assert page.problems == []


async def test_a_hub_that_is_started_anew_is_found_again(place: Path) -> None:
    async with browser() as page:
        async with hub_at(place / "h") as hub, page_of(hub, page):
            port = int(hub.base.rpartition(":")[2])
            async with hub.source() as source:
                begin(source)
                await page.until(f"{NOW} === 'turn_1: requested'")
        await page.until("document.getElementById('trouble').textContent.includes('is lost')")
        assert not await page.run("document.getElementById('trouble').hidden")
        await asyncio.sleep(0.2)
        await page.settled()
        stands = await page.run(WHERE)
        await asyncio.sleep(0.4)
        assert await page.run(WHERE) == stands  # time stands still where nothing is heard
        async with hub_at(place / "h", port=port) as hub:
            await page.until("document.getElementById('trouble').hidden")
            assert await page.run(f"{LISTED}.length") == 0
            async with hub.source() as source:
                begin(source, "b", label="another")
                await page.until("document.querySelector('.call h3').textContent === 'another'")
                await page.until(f"{NOW} === 'turn_1: requested'")
        # Chromium itself writes down a connection that is refused.
        assert all("ERR_CONNECTION_REFUSED" in each for each in page.problems)


async def test_hostile_strings_are_text(place: Path) -> None:
    async with hub_at(place / "h") as hub, browser() as opened, page_of(hub, opened) as page:
        async with hub.source() as source:
            for n, each in enumerate(hostile_lines()[:2]):
                source.call(f"c{n}", label="<img src=x onerror=window.pwned=3>", group="</script>")
                assert each
            for each in hostile_lines():
                source.say("c0", json.dumps(each))
            await page.until("Number(document.querySelector('.call')?.dataset.line) > 20")
            await page.run("document.querySelector('.turns tbody tr[data-index]').click()")
            await page.until("document.querySelectorAll('#detail .events tbody tr').length > 0")
            assert await page.run("window.pwned === undefined")
            assert await page.run("document.querySelectorAll('img').length") == 0
            await page.until(f"{LISTED}[0]?.includes('<img src=x')")
            await page.send("Page.navigate", url=f"{hub.base}/calls/c0/report?token={hub.token}")
            await page.until("document.documentElement?.dataset.ready === 'yes'")
            assert await page.run("window.pwned === undefined")
        assert page.problems == []


async def test_narrow_dark_and_for_a_screen_reader(place: Path, controlled: Path) -> None:
    async with hub_at(place / "h") as hub, browser() as opened, page_of(hub, opened) as page:
        await page.look(width=390, height=844, dark=True)
        await play(controlled, place / "h", speed=1e6, label="it")
        await page.until("Number(document.querySelector('.call')?.dataset.line) > 100")
        assert await page.run("document.documentElement.scrollWidth <= innerWidth")
        tree = await page.send("Accessibility.getFullAXTree")
        nodes = [
            (each.get("role", {}).get("value"), each.get("name", {}).get("value", ""))
            for each in tree["nodes"]
            if not each.get("ignored")
        ]
        named = [name for role, name in nodes if role == "image"]
        assert any(name.startswith("Turn: done. Its path: ") for name in named)
        assert ("region", "Calls") in nodes
        assert all(name for role, name in nodes if role in ("button", "link", "checkbox"))
        assert page.problems == []


async def test_a_browser_without_what_the_page_needs(place: Path) -> None:
    async with hub_at(place / "h") as hub, browser() as page:
        script = "delete window.WebSocket; delete CanvasRenderingContext2D.prototype.roundRect"
        await page.send("Page.addScriptToEvaluateOnNewDocument", source=script)
        await page.send("Page.navigate", url=hub.web.url)
        await page.until("document.getElementById('state')?.textContent.includes('too old')")
        told = await page.run("document.getElementById('state').textContent")
        assert told == (
            "This browser is too old to show calls live: it has no WebSocket, roundRect."
        )
        assert page.problems == []


async def test_a_page_that_is_hidden_and_an_hour_of_lines_do_no_harm(place: Path) -> None:
    async with hub_at(place / "h") as hub, browser() as opened, page_of(hub, opened) as page:
        async with hub.source() as source:
            source.call("a", label="long")
            source.say("a", HEADER)
            for n in range(2000):
                t, turn = 1.8 * n, f"turn_{n}"
                source.say("a", moved(t, turn, "requested", "RESPONSE_CREATED", "created"))
                source.say("a", moved(t + 0.2, turn, "created", "ITEM_STARTED", "streaming"))
                source.say("a", moved(t + 1.5, turn, "streaming", "PLAYBACK_OVER", "done"))
                source.say("a", line(t + 1.5, "turn", "ended", turn=turn, outcome="completed"))
                if n % 100 == 0:
                    await source.writer.drain()
            await until(lambda: hub.hub.calls["a"].lines == 8001)
            await page.until("document.querySelector('.call')?.dataset.line === '8001'")
            assert "2000 of 2000 turns" in await page.run(
                "document.querySelector('.table .count').textContent"
            )
            assert await page.run("document.querySelectorAll('*').length") < 3000
        assert page.problems == []
