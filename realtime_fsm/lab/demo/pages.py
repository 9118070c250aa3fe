"""The demo's calls as one page, plain and controlled side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..._output import to_file
from ...report import Group, Side, collect, page
from .calls import Call
from .result import MODES, NAMES, Mode, Result

__all__ = ["trace_path", "write_page"]


def trace_path(folder: Path, number: int, mode: Mode) -> Path:
    """Where the trace of a call is, among those of a page."""
    return folder / f"{number}-{mode}.jsonl"


def write_page(
    output: Path,
    folder: Path,
    calls: Sequence[Call],
    results: Sequence[tuple[Result, Result]],
    finding: str,
) -> None:
    """Write the page of all calls.

    Args:
        output: The page.
        folder: Where the traces are.
        calls: What was played.
        results: What was measured of each, (plain, controlled).
        finding: What that comes to.

    Raises:
        OSError: It cannot be written.
    """
    groups = []
    for number, (call, pair) in enumerate(zip(calls, results, strict=True), 1):
        sides = [
            _side(trace_path(folder, number, mode), mode, result)
            for mode, result in zip(MODES, pair, strict=True)
        ]
        groups.append(Group(f"{number}. {call.name}", sides, call.title))
    html = page("The same calls, with plain LiveKit and controlled", groups, note=finding)
    to_file(output, html)


def _side(path: Path, mode: Mode, result: Result) -> Side:
    with path.open("rb") as file:
        side = collect(file, NAMES[mode])
    silence = f"longest silence {result.longest_silence:.2f} s"
    unanswered = len(result.unanswered)
    told = [f"{result.heard_seconds:.2f} s heard", silence]
    if unanswered:
        told.append(f"{unanswered} of {len(result.answers)} questions unanswered")
    if result.exceptions:
        told.append(f"exception {', '.join(result.exceptions)}")
    if not result.memory_is_right:
        told.append("remembers what was not heard")
    side.note = "; ".join(told) + "."
    return side
