"""The benchmark runs and gives every figure. Nothing here depends on how long something took."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import realtime_fsm as rf
from benchmarks import page, report
from benchmarks.memory import controller_bytes, turn_bytes
from benchmarks.run import QUICK, TARGETS, Results, run
from benchmarks.scripted_turn import (
    PLAYBACK_TRIGGERS,
    RESPONSE_TRIGGERS,
    TURN_TRIGGERS,
    Caller,
)
from benchmarks.sessions import calls
from realtime_fsm._core import session
from realtime_fsm._core.records import Response

KEYS = {
    "session_cpu_ratio",
    "turn_vs_framework",
    "turn_vs_transitions_floor",
    "turn_vs_python_statemachine",
    "delta_vs_plugin",
    "first_audio_added_ms_p99",
    "reaction_ms_p99",
    "turn_bytes",
    "controller_bytes",
    "growth_ratio",
    "rss_growth_mb",
    "import_ms",
    "push_ratio_600",
    "recorder_ratio",
    "first_audio_loop_turns_added",
    "adapter_import_ms",
}


@pytest.fixture(scope="module")
def found() -> Results:
    return run(QUICK)


def test_every_key_has_a_number_and_a_target(found: Results, tmp_path: Path) -> None:
    report.write(found, tmp_path / "bench.json")
    data = json.loads((tmp_path / "bench.json").read_text("utf-8"))
    assert set(data["targets"]) == set(data["spread"]) == set(TARGETS) == KEYS
    for key in KEYS:
        low, high = data["spread"][key]
        assert math.isfinite(data[key])
        assert low <= high
    assert data["growth"]["turns"][-1] >= QUICK.growth
    differences = {
        *("turn_vs_framework", "delta_vs_plugin", "first_audio_added_ms_p99", "recorder_ratio"),
    }
    for key in KEYS - differences - {"rss_growth_mb"}:
        assert data[key] > 0, key  # the others may be lost in the noise of a quick run


def test_the_rounds_are_pyperfs(found: Results, tmp_path: Path) -> None:
    import pyperf

    report.write(found, tmp_path / "bench.json")
    suite = pyperf.BenchmarkSuite.load(str(tmp_path / "bench.pyperf.json"))
    assert "core turn: ours" in suite.get_benchmark_names()


def test_the_page_can_be_written(found: Results, tmp_path: Path) -> None:
    data = report.as_data(found)
    (tmp_path / "performance.md").write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    page.write(data, tmp_path)
    text = (tmp_path / "performance.md").read_text("utf-8")
    assert "old" not in text
    assert all(f"`{key}`" in text for key in KEYS)
    for name in page.PLOTS:
        assert (tmp_path / "performance" / name).read_text("utf-8").startswith("<svg ")


def test_the_floor_has_the_triggers_that_our_machines_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: Counter[type] = Counter()

    def counting(machine: object, model: object, *rest: Any) -> object:
        taken[type(model)] += 1
        return fire(machine, model, *rest)

    fire: Any = session.fire
    monkeypatch.setattr(session, "fire", counting)
    Caller().turn()
    assert taken == {
        rf.Turn: TURN_TRIGGERS,
        Response: RESPONSE_TRIGGERS,
        rf.Message: PLAYBACK_TRIGGERS,
    }


def test_sizes_are_within_their_targets() -> None:
    assert turn_bytes(500) <= TARGETS["turn_bytes"]
    assert controller_bytes() <= TARGETS["controller_bytes"]


def test_both_calls_put_the_same_frames_on_the_wire() -> None:
    both = calls(turns=1, rounds=1, user=0.5)
    for plain, controlled in zip(both.plain, both.controlled, strict=True):
        assert plain.wire == controlled.wire
        assert sum('"response.create"' in text for text in plain.wire) == 1
        assert any("input_audio_buffer.append" in text for text in plain.wire)
