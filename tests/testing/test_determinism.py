"""The same script gives the same record, byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from realtime_fsm.simulator import Record
from realtime_fsm.testing import canonical

from .recorded import recorded

ROOT = Path(__file__).parents[2]


def test_two_runs_give_the_same_bytes() -> None:
    first = recorded()
    assert recorded() == first
    lines = [json.loads(line) for line in first.splitlines()]
    assert {line["connection"] for line in lines} == {1, 2}
    assert sum(line["event"]["type"] == "response.create" for line in lines) >= 3


def test_two_processes_with_other_hash_seeds_give_the_same_bytes() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, str(Path(__file__).with_name("recorded.py"))],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0]
    assert outputs[0] == outputs[1] == recorded()


def test_ids_are_renamed_in_order_of_appearance() -> None:
    def record(a: str, b: str) -> list[Record]:
        return [
            Record(
                0.1 + 0.2, 1, "client", {"type": "x", "event_id": b, "previous_item_id": "root"}
            ),
            Record(1.0, 1, "server", {"type": "y", "item": {"id": a, "text": "cab"}, "list": [b]}),
            Record(1.0, 1, "server", {"type": "error", "message": f"no item '{a}'", "n": None}),
        ]

    one = record("item_0a1b2c3d4e5f", "response_create_123456789012")
    other = record("item_aaaaaaaaaaaa", "response_create_ffffffffffff")
    assert canonical(one) == canonical(other)
    lines = [json.loads(line) for line in canonical(one).splitlines()]
    assert lines[0] == {
        "t": 0.3,
        "connection": 1,
        "direction": "client",
        "event": {"type": "x", "event_id": "response_create#1", "previous_item_id": "root"},
    }
    assert lines[1]["event"]["item"] == {"id": "item#1", "text": "cab"}
    assert lines[1]["event"]["list"] == ["response_create#1"]
    assert lines[2]["event"]["message"] == "no item 'item#1'"
    assert canonical([]) == b""
