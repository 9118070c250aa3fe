"""A trace of which a part is missing: judged as far as it can be, and no breach is made of it."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm.report import collect
from realtime_fsm.testing import SimulatedCall, run_virtual
from realtime_fsm.trace import Report, check

from .calls import HELLO, TWO, WEATHER, everything, play

Cut = Callable[[list[bytes], int], list[bytes]]
CUTS: dict[str, Cut] = {
    "the end": lambda lines, n: lines[:n],
    "the end, in mid-line": lambda lines, n: [*lines[:n], lines[n][: len(lines[n]) // 2]],
    "the beginning": lambda lines, n: lines[n:],
    "half a line": lambda lines, n: [
        *lines[:n], lines[n][: len(lines[n]) // 2] + b"\n", *lines[n + 1 :],
    ],
    "a line": lambda lines, n: [*lines[:n], b"\x00" * 40 + b"\n", *lines[n + 1 :]],
    "a stretch": lambda lines, n: [*lines[:n], b"...\n", *lines[n + 9 :]],
    "a field": lambda lines, n: [
        *lines[:n], lines[n].replace(b'"type"', b'"typo"', 1), *lines[n + 1 :],
    ],
}  # fmt: skip


def judge(lines: list[bytes]) -> Report:
    return check(io.BytesIO(b"".join(lines)))


def found(report: Report) -> set[tuple[str, str]]:
    return {(each.id, each.text) for each in report.violations}


@pytest.fixture(scope="module")
def plain_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cuts") / "plain.jsonl"
    run_virtual(lambda: everything(path, controlled=False))
    return path


async def calm(path: Path) -> None:
    """Four answers, with time between them."""

    async def drive(call: SimulatedCall) -> None:
        for text in ("Hello?", "The weather in Oslo?", "And tomorrow?", "Thank you."):
            await call.say(text)
            await call.idle()
            await asyncio.sleep(2.0)

    await play(path, [TWO, WEATHER, HELLO, TWO, HELLO], drive, controlled=True)


@pytest.fixture(scope="module")
def calm_lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("cuts") / "calm.jsonl"
    run_virtual(lambda: calm(path))
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("what", CUTS)
def test_what_is_missing_is_no_breach(what: str, clean_path: Path, plain_path: Path) -> None:
    for path in (clean_path, plain_path):
        lines = path.read_bytes().splitlines(keepends=True)
        whole = found(judge(lines))
        for n in range(3, len(lines) - 1, 13):
            report = judge(CUTS[what](lines, n))
            assert found(report) <= whole, f"line {n + 1} of {path.name}"


def test_what_comes_before_a_cut_is_judged(plain_path: Path) -> None:
    lines = plain_path.read_bytes().splitlines(keepends=True)
    whole = judge(lines)
    first = min(each.lines[-1].number for each in whole.violations if each.lines)
    cut = judge(lines[: first + 20])
    assert found(cut)
    assert cut.cut_off == [first + 20]
    assert judge(lines).cut_off == []


@pytest.mark.parametrize("what", ["the beginning", "a line", "a stretch"])
def test_what_comes_after_the_next_quiet_moment_is_judged_again(
    what: str, calm_lines: list[dict[str, Any]]
) -> None:
    """G1: a create is planted into the last answer of the call."""
    calm = calm_lines
    at = max(n for n, each in enumerate(calm) if each.get("type") == "response.created") + 1
    late = {"t": calm[at]["t"] + 0.02, "by": "client", "type": "response.create", "event": {}}
    rest = [each for each in calm[at:] if each["t"] > late["t"]]
    lines = [json.dumps(each).encode() + b"\n" for each in [*calm[:at], late, *rest]]
    assert judge(lines).broken["G1"] == 1
    report = judge(CUTS[what](lines, 30))
    assert report.broken["G1"] == 1
    (skipped,) = report.skipped
    assert skipped[1] < at
    assert skipped[0] == (1 if what == "the beginning" else 32)


def test_a_call_that_is_never_quiet_again_is_not_judged() -> None:
    line = {"t": 1, "by": "client", "type": "response.create", "connection": 1, "event": {}}
    lines = [json.dumps(line | {"t": n}).encode() + b"\n" for n in range(5)]
    report = judge(lines)
    assert report.judged == []
    assert report.not_judged["G1"] == "no server lines"
    server = json.dumps(line | {"t": 9, "by": "server", "type": "x"}).encode()
    assert judge([*lines, server]).not_judged["G1"] == "the call is not whole and was never quiet"


def test_lines_of_other_logs_between_those_of_a_call_hide_nothing(
    clean: list[dict[str, Any]],
) -> None:
    at = next(n for n, each in enumerate(clean) if each.get("type") == "response.created")
    planted = {"t": clean[at]["t"] + 0.01, "by": "client", "type": "response.create"}
    lines = [*clean[: at + 1], planted | {"connection": 1, "event": {}}, *clean[at + 1 :]]
    between = [
        b"2026-05-01 10:00:00,123 INFO livekit.agents starting\n",
        b"DEBUG:asyncio:using selector\n",
        b'{"level": "INFO", "message": "received job request"}\n',
    ]
    mixed = [b for each in lines for b in (json.dumps(each).encode() + b"\n", *between)]
    report = judge(mixed)
    assert report.broken["G1"] == 1
    assert report.skipped == []
    others = [each for each in report.issues if "order" not in each.text]
    assert {each.text for each in others} == {"not JSON", "neither t nor by: not a line of a trace"}


def test_lines_after_the_recorders_last_are_of_another_call(clean: list[dict[str, Any]]) -> None:
    lines = [json.dumps(each).encode() + b"\n" for each in clean]
    report = judge([*lines, *lines[40:]])
    assert (report.calls, report.broken) == (2, {})
    assert "no header" in report.issues[0].text


def test_a_servers_record_tells_how_long_it_is(clean: list[dict[str, Any]]) -> None:
    """G17: a call without an output, at what is the end, or only a cut."""
    item = {"id": "i", "type": "function_call", "call_id": "k", "status": "completed"}
    line = {"t": 1, "by": "server", "type": "response.output_item.done", "connection": 1}
    asked = {"t": 0, "by": "client", "type": "response.create", "connection": 1, "event": {}}
    header = {"trace": "realtime-fsm", "version": 1, "mode": "server"}
    lines = [asked, line | {"event": {"item": item, "response_id": "r"}}]
    for count, broken in ((2, {"G17": 1}), (3, {})):
        data = [json.dumps(each).encode() + b"\n" for each in [header | {"lines": count}, *lines]]
        assert judge(data).broken == broken


def test_the_page_of_a_trace_that_was_cut_off_holds_nothing_against_its_last_turn(
    clean: list[dict[str, Any]],
) -> None:
    lines = [json.dumps(each).encode() + b"\n" for each in clean]
    for n in range(20, len(lines), 9):
        side = collect(io.BytesIO(b"".join(lines[:n])), "cut")
        wrong = [m for turn in side.calls[0].turns for m in turn.messages if m.heard_ms == 0.0]
        assert not wrong, f"cut after line {n}"
