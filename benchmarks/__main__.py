"""``python -m benchmarks``: measure, print, and write ``build/bench.json``."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from rich.console import Console

from . import page, report
from .run import FULL, QUICK, run

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    parser.add_argument("--page", action="store_true", help="write docs/performance.md anew")
    arguments = parser.parse_args()
    for name in ("asyncio", "livekit", "realtime_fsm"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    console = Console()
    found = run(QUICK if arguments.quick else FULL, tell=lambda line: console.print(f"… {line}"))
    report.write(found, arguments.output)
    console.print(report.table(found))
    if arguments.page:
        page.write(report.as_data(found), ROOT / "docs")


if __name__ == "__main__":
    main()
