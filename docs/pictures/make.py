"""The pictures of the README: `python docs/pictures/make.py` (half a minute; the second one needs Chromium).

Made by hand when the demo or the report changes, and looked at.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console

from realtime_fsm.lab.demo.calls import CALLS
from realtime_fsm.lab.demo.live import LiveCall
from realtime_fsm.lab.demo.run import run_both
from realtime_fsm.lab.demo.show import Show

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


if __name__ == "__main__":
    demo()
    report()
