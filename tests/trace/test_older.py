"""A trace recorded by the first version that had any (`older.jsonl.gz`): it knows nothing of what the
server remembers, of what tools began, or of how many words a text has."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from realtime_fsm.report import collect
from realtime_fsm.trace import RULES, check

LINES = gzip.decompress((Path(__file__).parent / "older.jsonl.gz").read_bytes()).splitlines(True)


def test_an_older_trace_stays_readable() -> None:
    report = check(io.BytesIO(b"".join(LINES)))
    assert (report.exit_code, report.issues, report.cut_off) == (0, [], [])
    assert report.judged == [rule.id for rule in RULES]
    side = collect(io.BytesIO(b"".join(LINES)), "older")
    assert [turn.outcome for turn in side.calls[0].turns].count("completed") > 5


@pytest.mark.parametrize(
    ("without", "broken"),
    [
        (b'"conversation.item.truncate"', "G16"),
        (b'"session","type":"error"', "G8"),
    ],
)
def test_what_is_broken_in_it_is_found(without: bytes, broken: str) -> None:
    lines = [line for line in LINES if without not in line or b'"by":"server"' in line]
    assert len(lines) < len(LINES)
    assert broken in check(io.BytesIO(b"".join(lines))).broken
