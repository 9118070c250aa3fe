"""What is loaded, and when: nobody pays for what they do not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: An agent has imported these anyway.
LIVEKIT = "from livekit.agents import Agent, AgentSession; from livekit.plugins import openai\n"
#: What only those need who test, judge, look, or observe.
LATER = (
    "case", "compare", "conform", "diagrams", "lab", "report", "run", "simulator", "testing", "trace", "watch",
    "livekit._observe", "livekit.telemetry",
)  # fmt: skip


def loaded(program: str, before: str = "") -> list[str]:
    """The modules of ours that a program loads."""
    source = (
        f"import sys\n{before}\nbefore = set(sys.modules)\n{program}\n"
        "print(*sorted(m for m in set(sys.modules) - before if m.startswith('realtime_fsm')))"
    )
    out = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    return out.stdout.split()


def test_the_adapter_loads_no_tool_and_no_telemetry() -> None:
    program = (
        "from realtime_fsm.livekit import ControlledRealtimeModel\n"
        "ControlledRealtimeModel(openai.realtime.RealtimeModel(api_key='x'))"
    )
    found = loaded(program, LIVEKIT)
    assert "realtime_fsm.livekit._session" in found
    heavy = tuple(f"realtime_fsm.{name}" for name in LATER)
    assert [name for name in found if f"{name}.".startswith(tuple(f"{h}." for h in heavy))] == []
    assert len(found) <= 119, "as many modules as an agent of one line loads"


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("TurnObserver", "realtime_fsm.livekit.telemetry"),
        ("Observation", "realtime_fsm.livekit._observe"),
    ],
)
def test_what_observes_is_loaded_when_it_is_named(name: str, module: str) -> None:
    assert module in loaded(f"from realtime_fsm.livekit import {name}", LIVEKIT)


def test_an_exporter_is_loaded_alone() -> None:
    found = loaded("from realtime_fsm.livekit.telemetry import PrometheusObserver", LIVEKIT)
    assert "realtime_fsm.livekit.telemetry._prometheus" in found
    assert "realtime_fsm.livekit.telemetry._otel" not in found


def test_the_pytest_plugin_costs_nothing_where_it_is_not_used() -> None:
    found = loaded("import realtime_fsm.testing.pytest_plugin", "import pytest")
    assert found == [
        "realtime_fsm",
        "realtime_fsm._lazy",
        "realtime_fsm._version",
        "realtime_fsm.testing",
        "realtime_fsm.testing.pytest_plugin",
    ]


def test_the_core_is_loaded_with_the_first_name_of_it() -> None:
    assert loaded("import realtime_fsm") == [
        "realtime_fsm",
        "realtime_fsm._lazy",
        "realtime_fsm._version",
    ]
    assert "realtime_fsm._core.controller" in loaded("from realtime_fsm import TurnController")
