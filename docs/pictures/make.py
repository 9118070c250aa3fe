"""The pictures of the README: `python docs/pictures/make.py` (half a minute; all but the first need Chromium).

Made by hand when the demo or the report changes, and looked at.
"""

from __future__ import annotations

import asyncio
import io
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from realtime_fsm.lab.demo.calls import CALLS
from realtime_fsm.lab.demo.live import LiveCall
from realtime_fsm.lab.demo.run import run_both
from realtime_fsm.lab.demo.show import Show
from realtime_fsm.watch._serve import Local

HERE = Path(__file__).parent
#: What the picture shows of the demo: the rate limit, as it is shown while it runs, and the figures of all calls.
SHOWN = 2
WIDTH = 100


def demo() -> None:
    """The demo's screen, as SVG without fonts from elsewhere."""
    canvas = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False
    )
    screen = Console(width=WIDTH, file=io.StringIO(), force_terminal=True)
    results = []
    for number, call in enumerate(CALLS, 1):
        with LiveCall(screen, number, call) as shown:
            results.append(run_both(call, shown.observers, traces=(None, None)))
        if number == SHOWN:
            canvas.print(shown)
    Show(canvas).finding(results)
    text = re.sub(r"@font-face {.*?\n    }\n", "", canvas.export_svg(title="make demo"), flags=re.S)
    (HERE / "demo.svg").write_text(text, "utf-8")


def report() -> None:
    """The first screen of the sample report."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("report.png needs Chromium")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={profile}", "--window-size=1280,860"),
                f"--screenshot={HERE / 'report.png'}",
                (HERE.parent / "sample" / "call.html").as_uri(),
            ],
            check=True,
            capture_output=True,
        )


async def watch() -> None:
    """The page of running calls: the demo's rate limit while the answer is heard."""
    sys.path.insert(0, str(HERE.parents[1]))
    from tests.report.browser import browser

    with Local(port=0) as hub:
        async with browser() as page:
            await page.look(width=1280, height=1340)
            await page.send("Page.navigate", url=hub.url)
            await page.until(
                "document.getElementById('state')?.textContent.startsWith('Connected')"
            )
            unseen = (lambda *_: None, lambda *_: None)
            call = asyncio.to_thread(run_both, CALLS[SHOWN - 1], unseen, hub=hub.path)
            running = asyncio.ensure_future(call)
            await page.until(
                "[...document.querySelectorAll('.now')].some(e => e.textContent.includes('streaming'))"
            )
            await asyncio.sleep(0.7)
            (HERE / "watch.png").write_bytes(await page.screenshot())
            await running


if __name__ == "__main__":
    demo()
    report()
    asyncio.run(watch())
