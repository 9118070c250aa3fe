"""What the package offers, and what importing it costs."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import realtime_fsm

LIST = Path(__file__).parent / "public_names.txt"
LISTED = [line for line in LIST.read_text("utf-8").splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("module", sorted({name.rpartition(".")[0] for name in LISTED}))
def test_the_public_names_are_those_of_the_list(module: str) -> None:
    offered = importlib.import_module(module)
    assert [name for name in offered.__all__ if not hasattr(offered, name)] == []
    assert sorted(f"{module}.{name}" for name in offered.__all__) == sorted(
        name for name in LISTED if name.rpartition(".")[0] == module
    ), "a new name goes into the list, docs/reference-*.md and the changelog; one that goes breaks"


def test_every_event_is_exported_and_the_controller_knows_what_to_do_with_it() -> None:
    from realtime_fsm._core import events as kinds
    from realtime_fsm._core.handlers import HANDLERS

    classes = {c for c in vars(kinds).values() if isinstance(c, type)}
    events = {c for c in classes if issubclass(c, kinds.Event) and c is not kinds.Event}
    assert events == set(HANDLERS)
    assert {event.__name__ for event in events} <= set(realtime_fsm.__all__)


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
