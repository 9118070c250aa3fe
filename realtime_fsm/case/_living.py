"""Lives a case, and looks at it with the same eyes as at the trace it came from."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..report._collect import collect
from ..report._story import Side
from ..testing.corpus import parse, run
from ._recorded import Incident, incident, step

__all__ = ["live", "shows", "steps"]


def shows(side: Side, wanted: Incident) -> bool:
    """Whether in a lived call the same became of a turn."""
    return any(
        found.rules >= wanted.rules and (found.outcome, found.code) == (wanted.outcome, wanted.code)
        for at, call in enumerate(side.calls)
        for found in (incident(side, at, turn) for turn in call.turns)
    )


def steps(text: str, *, plain: bool) -> list[str]:
    """The order of events when a case is lived."""
    (case,) = parse(text)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "call.jsonl"
        run(case, plain=plain, trace=trace)
        found = (json.loads(line) for line in trace.read_text("utf-8").splitlines())
        return [told for each in found if (told := step(each.get("by"), each.get("type")))]


def live(text: str, *, plain: bool, has: Iterable[str] = ()) -> tuple[Side, frozenset[str]]:
    """Live a case; return what is to be seen of it in a trace that has lines of *has* alone, and the
    guarantees that the case, as a test, finds broken."""
    (case,) = parse(text)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "call.jsonl"
        problems = run(case, plain=plain, trace=trace).problems
        broken = frozenset(each.partition(" ")[0] for each in problems)
        kept = frozenset(has)
        if kept:
            lines = trace.read_text("utf-8").splitlines(keepends=True)
            trace.write_text("".join(line for line in lines if _is_kept(line, kept)), "utf-8")
        with trace.open("rb") as file:
            return collect(file, "case"), broken


def _is_kept(line: str, kept: frozenset[str]) -> bool:
    found = json.loads(line)
    return "trace" in found or found.get("by") in kept
