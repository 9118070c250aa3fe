"""All calls in both modes, one after another: to be watched, or as figures."""

from __future__ import annotations

from typing import Any

from livekit.agents import __version__ as livekit_agents_version

from .._version import __version__
from .calls import CALLS
from .result import MODES, Result
from .run import run_call
from .show import Show, demo_console

__all__ = ["show_tour", "tour"]


def show_tour() -> None:
    """Run the calls and show them as they happen, then the figures."""
    show = Show(demo_console())
    show.intro(len(CALLS))
    results: list[tuple[Result, Result]] = []
    for number, call in enumerate(CALLS, 1):
        show.call(number, call)
        pair = []
        for mode in MODES:
            show.mode(mode)
            pair.append(run_call(call, mode, show.moment))
        results.append((pair[0], pair[1]))
    show.table(results)
    show.finding(results)


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
