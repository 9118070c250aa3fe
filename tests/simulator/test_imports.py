"""What importing the simulator brings along."""

from __future__ import annotations

import subprocess
import sys

import pytest

import realtime_fsm.simulator as simulator


@pytest.mark.parametrize("module", ["core", "faulty", "virtual", "rules", "schedule_json"])
def test_the_core_is_light(module: str) -> None:
    heavy = ("livekit", "aiohttp", "asyncio", "socket", "openai")
    code = (
        f"import sys, realtime_fsm.simulator.{module}\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    assert all(getattr(simulator, name) is not None for name in simulator.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        simulator.nonsense  # noqa: B018
