"""One call as a film in the browser: played in virtual time, shown at a speed of choice."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...watch._player import play_all
from ...watch.command import shown_in_browser
from .drawing import draw
from .run import run_scenario
from .scenario import Profile

__all__ = ["film"]

_NAMES = {True: "plain LiveKit", False: "controlled"}


def film(
    seed: int, profile: Profile = "none", *, plain: bool, compare: bool, speed: float
) -> Iterator[str]:
    """Show the call of that seed, and say what became of it.

    Args:
        seed, profile: which call.
        plain: with plain LiveKit, not controlled.
        compare: both, side by side.
        speed: in times real time.

    Raises:
        WatchError: The page cannot be served.
    """
    scenario = draw(seed, profile, acts=compare)
    with tempfile.TemporaryDirectory() as folder:
        traces = []
        for without in (True, False) if compare else (plain,):
            name, trace = _NAMES[without], Path(folder) / f"{without}.jsonl"
            result, _, _ = run_scenario(scenario, plain=without, trace=trace, machines=True)
            yield f"Call {seed}, faults {profile}, {name}: {result.simulated_ms / 1000:.1f} s"
            yield from (f"  {why}" for why in result.why or ("nothing is wrong with it",))
            traces.append((name, trace))
        with shown_in_browser(True, "The film begins when it is open.") as hub:
            assert hub is not None
            asyncio.run(play_all(traces, hub, speed=speed, group=f"call {seed}, faults {profile}"))
