"""The page begins with what went wrong, its code and its cause."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm.report import Side
from realtime_fsm.report._collect import collect
from realtime_fsm.report._findings import findings
from realtime_fsm.simulator import Failed, Message, Reply
from realtime_fsm.testing import run_virtual, simulated_call

from .reading import Read, read_lines, read_path, read_side

HEADER = {"trace": "realtime-fsm", "version": 1, "mode": "control"}
FAILS = [Reply([Message("One.", seconds=0.8)]), Reply(end=Failed("server_error"))]


def _call(path: Path, script: list[Reply], **options: Any) -> Read:
    async def run() -> None:
        async with simulated_call(script, trace=path, check=False, **options) as call:
            for text in ("a", "b", "c"):
                await call.say(text)
                await call.idle()

    run_virtual(run)
    return read_path(path)


def test_a_turn_that_failed_stands_above_the_figures(tmp_path: Path) -> None:
    read = _call(tmp_path / "call.jsonl", FAILS, controlled=False)
    answer, _, rest = read.text.partition("guarantees judged")[0].partition("to first audio")
    assert rest  # the figures come after it
    assert "What went wrong" in answer
    for told in ("failed", "server_error", "the response failed: server_error (line ", "▲ G8"):
        assert told in answer, answer


def test_a_turn_that_recovered_is_no_harm(tmp_path: Path) -> None:
    read = _call(tmp_path / "call.jsonl", FAILS)
    assert "What failed, and recovered" in read.text
    assert "recovered" in read.text
    assert "server_error" in read.text.partition("to first audio")[0]


def test_a_healthy_call_says_so(tmp_path: Path) -> None:
    read = _call(tmp_path / "call.jsonl", [])
    assert "Nothing went wrong" in read.text
    assert "3 turns" in read.text


def test_the_worst_comes_first_and_breaches_of_no_turn_last(plain: Path) -> None:
    with plain.open("rb") as file:
        side = collect(file, "plain")
    found = findings(side, 0)
    order = ["lost", "failed", "never ended", "broken", "recovered"]
    assert [each.verdict for each in found] == sorted(
        (each.verdict for each in found), key=order.index
    )
    told = Counter(each[0] for found in findings(side, 0) for each in found.breaches)
    assert told == Counter(each[0] for each in side.broken)


def test_a_breach_of_no_turn_is_told() -> None:
    side = Side("call", broken=[("G12", "one root, one report", "too many", 3, 0, None)])
    with pytest.raises(IndexError):
        findings(side, 0)  # there is no such call
    lines = [HEADER, {"t": 0, "by": "session", "type": "agent_state", "old": "a", "new": "b"}]
    read = read_lines(*lines)
    assert "Nothing went wrong" in read.text


#: One line of each kind of error.
ERRORS = [
    ("server", "error", {"event": {"error": {"code": "server_error"}}}),
    ("server", "response.done", {"event": {"response": {"id": "r", "status": "failed"}}}),
    ("server", "response.done", {"event": {"response": {"id": "q", "status": "incomplete"}}}),
    ("net", "lost", {}),
    ("session", "error", {"recoverable": False, "code": "x"}),
    ("session", "speech_done", {"speech": "s", "exception": "RealtimeError", "code": "x"}),
    ("session", "tool_ended", {"call_id": "c", "status": "error"}),
    ("session", "stepped_aside", {"code": "internal"}),
    ("session", "close", {"reason": "error"}),
    ("turn", "ended", {"turn": "turn_1", "outcome": "failed", "code": "server_error"}),
]


@pytest.mark.parametrize(("by", "kind", "more"), ERRORS, ids=[f"{b}.{k}" for b, k, _ in ERRORS])
def test_every_error_is_in_the_lane(by: str, kind: str, more: dict[str, Any]) -> None:
    begun = {
        "t": 0, "by": "turn", "type": "moved", "turn": "turn_1", "source": "requested",
        "event": "LANE_FREE", "dest": "requested", "attempt": 1,
    }  # fmt: skip
    line = {"t": 1, "by": by, "type": kind, "connection": 1, **more}
    read = read_lines(HEADER, begun, line)
    marks = [mark for mark in read.call["marks"] if mark[1] in ("error", "lost")]
    assert len(marks) == 1, read.call["marks"]
    assert marks[0][4] == 3  # the line


def test_ids_of_frames_can_be_found(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    read = _call(path, FAILS)
    ids = " ".join(turn["ids"] for turn in read.data["call-0-events-0"])
    text = path.read_text("utf-8")
    for kind in (
        "response.created",
        "response.output_audio_transcript.delta",
        "rate_limits.updated",
    ):
        line = next(each for each in text.splitlines() if f'"type":"{kind}"' in each)
        event_id = line.partition('"event_id":"')[2].partition('"')[0]
        assert event_id in ids.split(), kind


def test_how_to_have_a_test_of_a_turn_is_told(controlled: Path) -> None:
    with controlled.open("rb") as file:
        side = collect(file, "it's a call.jsonl")
    assert "data-file" not in dict(_article(read_side(side)))
    side.file = "it's a call.jsonl"
    assert _article(read_side(side))["data-file"] == "'it'\"'\"'s a call.jsonl'"


def _article(read: Read) -> dict[str, str | None]:
    return next(attrs for tag, attrs in read.tags if tag == "article")
