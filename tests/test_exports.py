"""What the package offers, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import realtime_fsm


def test_every_public_name_exists_once() -> None:
    names = realtime_fsm.__all__
    assert len(names) == len(set(names))
    for name in names:
        assert hasattr(realtime_fsm, name)


def test_the_contracts_public_names() -> None:
    from realtime_fsm import RetryPolicy, Turn, TurnController, TurnOutcome, TurnState
    from realtime_fsm.livekit import ControlledRealtimeModel

    assert all((RetryPolicy, Turn, TurnController, TurnOutcome, TurnState, ControlledRealtimeModel))


@pytest.mark.parametrize("module", ["realtime_fsm", "realtime_fsm.cli", "realtime_fsm.diagrams"])
def test_the_core_imports_neither_livekit_nor_asyncio(module: str) -> None:
    banned = ["livekit"] if module == "realtime_fsm.cli" else ["livekit", "asyncio", "random"]
    program = f"import sys, {module}; print([m for m in {banned} if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_version_of_the_package_and_of_the_distribution_agree() -> None:
    from importlib.metadata import version

    assert version("realtime-fsm") == realtime_fsm.__version__
