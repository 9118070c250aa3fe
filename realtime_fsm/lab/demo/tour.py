"""All calls in both modes: to be watched, as text, as figures, or as a page."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from livekit.agents import __version__ as livekit_agents_version
from rich.console import Console

from ..._version import __version__
from ...watch.command import shown_in_browser
from .calls import CALLS
from .live import LiveCall, can_be_live
from .pages import trace_path, write_page
from .result import MODES, Mode, Result
from .run import run_both, run_call
from .show import Show, demo_console, finding

__all__ = ["show_tour", "tour"]


def show_tour(report: Path | None = None, *, watch: bool = False) -> None:
    """Run the calls and show them as they happen, then the figures.

    In a terminal each call runs in both modes at once, side by side; otherwise one after the other.

    Args:
        report: A page to write about them, see ``docs/report.md``.
        watch: Show them in the browser, too, see ``docs/watch.md``: begin when somebody looks, and
            end when nobody does any more.

    Raises:
        OSError: It cannot be written.
        WatchError: The page cannot be served.
    """
    piped = report == Path("-")
    console = demo_console(stderr=piped)
    show = Show(console)
    if report is not None and not piped:
        report.touch()  # to know at once, and not in half a minute, that it cannot be written
    with tempfile.TemporaryDirectory() as name:
        folder = None if report is None else Path(name)
        screen = Console(highlight=False, stderr=piped)
        with shown_in_browser(watch, "The calls begin when it is open.") as hub:
            if can_be_live(screen):
                results = _live(screen, folder, hub)
            else:
                results = _in_turn(show, folder) if hub is None else _at_once(show, folder, hub)
            show.table(results)
            show.finding(results)
            if report is not None and folder is not None:
                write_page(report, folder, CALLS, results, finding(results))
                if not piped:
                    console.print(f"\nThe page: {report}", soft_wrap=True, markup=False)


def _at_once(show: Show, folder: Path | None, hub: Path) -> list[tuple[Result, Result]]:
    results = []
    for number, call in enumerate(CALLS, 1):
        show.call(number, call)
        plain, controlled = (_trace(folder, number, mode) for mode in MODES)
        unseen = (_say_nothing, _say_nothing)
        results.append(run_both(call, unseen, traces=(plain, controlled), hub=hub))
    return results


def _say_nothing(*_: object) -> None:
    """Who watches in the browser reads nothing here."""


def _live(screen: Console, folder: Path | None, hub: Path | None) -> list[tuple[Result, Result]]:
    results = []
    for number, call in enumerate(CALLS, 1):
        plain, controlled = (_trace(folder, number, mode) for mode in MODES)
        with LiveCall(screen, number, call) as shown:
            results.append(run_both(call, shown.observers, traces=(plain, controlled), hub=hub))
    return results


def _in_turn(show: Show, folder: Path | None) -> list[tuple[Result, Result]]:
    show.intro(len(CALLS))
    results: list[tuple[Result, Result]] = []
    for number, call in enumerate(CALLS, 1):
        show.call(number, call)
        pair = []
        for mode in MODES:
            show.mode(mode)
            trace = _trace(folder, number, mode)
            pair.append(run_call(call, mode, show.moment, trace=trace))
        results.append((pair[0], pair[1]))
    return results


def _trace(folder: Path | None, number: int, mode: Mode) -> Path | None:
    return None if folder is None else trace_path(folder, number, mode)


def tour() -> dict[str, Any]:
    """Run the calls and return what was measured, for ``json.dumps``."""
    return {
        "realtime_fsm": __version__,
        "livekit_agents": livekit_agents_version,
        "calls": [
            {"call": call.name, **{mode: run_call(call, mode).as_json() for mode in MODES}}
            for call in CALLS
        ],
    }
