"""Lives a case, and looks at it with the same eyes as at the trace it came from."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..report._collect import collect
from ..report._story import Side, Turn
from ..testing.corpus import parse, run

__all__ = ["Incident", "incident", "live", "shows", "step", "steps"]

_VARIES = re.compile(r"'[^']*'|\b\w*_\w*\d\w*\b|\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Incident:
    """What became of one turn.

    Attributes:
        rules: the guarantees that were broken about it, and in which way: the text of each breach,
            without ids and numbers.
        outcome, code: how it ended.
    """

    rules: frozenset[tuple[str, str]]
    outcome: str
    code: str

    @property
    def ids(self) -> tuple[str, ...]:
        """The guarantees alone."""
        return tuple(sorted({rule for rule, _ in self.rules}, key=lambda rule: int(rule[1:])))

    def only(self, rule: str) -> Incident:
        """The same with one guarantee."""
        return Incident(frozenset(r for r in self.rules if r[0] == rule), self.outcome, self.code)


def incident(side: Side, call: int, turn: Turn) -> Incident:
    """What became of *turn* of a call."""
    rules = frozenset(
        (rule, _VARIES.sub("#", text))
        for rule, _, text, _, at, number in side.broken
        if at == call and number == turn.number
    )
    return Incident(rules, turn.outcome, turn.error)


def shows(side: Side, wanted: Incident) -> bool:
    """Whether in a lived call the same became of a turn."""
    return any(
        found.rules >= wanted.rules and (found.outcome, found.code) == (wanted.outcome, wanted.code)
        for at, call in enumerate(side.calls)
        for found in (incident(side, at, turn) for turn in call.turns)
    )


#: Frames that only repeat others, come by the second, or come when they like.
_NOISE = re.compile(
    r"session\.|rate_limits|conversation\.item\.(added|done|created|input)|input_audio_buffer\.(append|clear)"
    r"|response\.(content_part|.*\.(delta|done)$)(?<!response\.done)"
)


def step(by: object, kind: object) -> str | None:
    """What a line of a trace is in the order of a call, or None if it is none of it."""
    if by not in ("server", "client", "net") or _NOISE.match(str(kind)):
        return None
    return f"{by} {kind}"


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
