"""Numbers that cannot be: work is bounded by the lines of a file, whatever is in them."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from realtime_fsm.report import Group, collect, page
from realtime_fsm.trace import Issue, Line, check, read

ABSURD = (1e308, -1e308, float("inf"), float("nan"), 10**400, -1, 1_777_630_000.5, 1e17)
HEADER = {"trace": "realtime-fsm", "version": 1, "mode": "control"}


class TooLongError(Exception):
    pass


def steps(what: Callable[[], object], limit: float = float("inf")) -> int:
    """How many functions are called. More than *limit* raises: it may never end."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += 1
        if count > limit:
            raise TooLongError

    sys.setprofile(profile)
    try:
        what()
    finally:
        sys.setprofile(None)
    return count


def encoded(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in lines).encode()


def make_page(data: bytes) -> str:
    return page("x", [Group("x", [collect(io.BytesIO(data), "x")])])


def numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where numbers are."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from numbers(each, (*path, key))
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from numbers(each, (*path, n))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path


def places(lines: list[dict[str, Any]]) -> list[tuple[int, tuple[Any, ...]]]:
    """One line for each field that is a number, and for the time of each kind of line."""
    found: dict[tuple[Any, ...], tuple[int, tuple[Any, ...]]] = {}
    for n, line in enumerate(lines):
        for path in numbers(line):
            key = (line.get("by"), path) if path == ("t",) else (path[0], path[-1])
            found[key] = (n, path)
    return list(found.values())


def changed(
    lines: list[dict[str, Any]], at: int, path: tuple[Any, ...], value: Any
) -> list[dict[str, Any]]:
    line = inner = json.loads(json.dumps(lines[at]))
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return [*lines[:at], line, *lines[at + 1 :]]


def test_each_number_absurd_costs_no_more_than_the_call_itself(clean: list[dict[str, Any]]) -> None:
    lines = clean[:130]
    data = encoded(lines)
    checked = steps(lambda: check(io.BytesIO(data)))
    shown = steps(lambda: make_page(data))
    for number, (at, path) in enumerate(places(lines)):
        for n, value in enumerate(ABSURD):
            wrong = encoded(changed(lines, at, path, value))
            if path == ("t",) or (number + n) % 2:
                steps(lambda wrong=wrong: check(io.BytesIO(wrong)), 3 * checked)  # type: ignore[misc]
            if number % len(ABSURD) == n:
                limit = 3 * shown
                steps(lambda wrong=wrong: make_page(wrong), limit)  # type: ignore[misc]


@pytest.mark.parametrize("value", ABSURD)
def test_one_absurd_time_breaks_nothing_and_is_named(
    value: Any, clean: list[dict[str, Any]]
) -> None:
    for at in range(3, len(clean) - 1, len(clean) // 12):
        report = check(io.BytesIO(encoded(changed(clean, at, ("t",), value))))
        assert report.broken == {}
        assert [
            each.number for each in report.issues if "t is" in each.text or "order" in each.text
        ]
        assert report.seconds < 300


def test_from_relative_to_epoch_time(clean: list[dict[str, Any]]) -> None:
    """What was under way then is not judged, and the call is as long as it was."""
    at, whole = len(clean) // 2, check(io.BytesIO(encoded(clean)))
    later = [each | {"t": each["t"] + 1_777_630_000} for each in clean[at:]]
    report = check(io.BytesIO(encoded([*clean[:at], *later])))
    assert report.broken == {}
    (issue,) = report.issues
    assert issue.number == at + 1
    assert "t is 1777630011" in issue.text
    assert report.skipped[0][0] == at + 2
    assert report.seconds == pytest.approx(whole.seconds, abs=2.0)


def test_times_far_apart_wake_each_timer_a_few_times(clean: list[dict[str, Any]]) -> None:
    """Each line half a day after the one before: no step is absurd, and nothing is answered."""
    lines = [clean[0], *(each | {"t": n * 43_200} for n, each in enumerate(clean[1:]))]
    data, usual = encoded(lines), encoded(clean)
    limit = 3 * steps(lambda: check(io.BytesIO(usual)))
    steps(lambda: check(io.BytesIO(data)), limit)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("delta", 1e308, "event.delta is 1e+308, expected milliseconds of audio"),
        ("delta", float("nan"), "event.delta is nan, expected milliseconds of audio"),
        ("delta", -5, "event.delta is -5, expected milliseconds of audio"),
        ("audio_end_ms", float("inf"), "event.audio_end_ms is inf, expected milliseconds"),
    ],
)
def test_a_number_that_cannot_be_reckoned_with_is_left_out_and_named(
    field: str, value: Any, expected: str
) -> None:
    line = {"t": 1, "by": "server", "type": "response.output_audio.delta", "connection": 1}
    data = encoded([HEADER, line | {"event": {"item_id": "i", field: value}}])
    found = list(read(io.BytesIO(data)))
    (issue,) = [each for each in found if isinstance(each, Issue)]
    assert (issue.number, issue.gap) == (2, True)
    assert issue.text.startswith(expected)
    (kept,) = [each for each in found if isinstance(each, Line)]
    assert kept.event == {"item_id": "i"}


def test_times_of_a_line_far_from_its_beginning_are_not_believed() -> None:
    for until in (1e300, float("nan"), -1, "soon", None):
        line = {"t": 1, "by": "server", "type": "x", "connection": 1, "event": {}, "until": until}
        found = list(read(io.BytesIO(encoded([HEADER, line]))))
        assert [each.until for each in found if isinstance(each, Line)] == [None]
