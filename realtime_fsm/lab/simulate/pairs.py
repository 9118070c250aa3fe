"""Each call lived twice, on plain LiveKit and controlled, and how the controlled one is worse."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..._input import InputError
from ...compare import CLAUSES, Finding, Life, Verdict
from ...compare import judge as judge_lives
from .caller import play
from .drawing import draw
from .evidence import Evidence
from .report import shards_of
from .run import quiet_logs
from .scenario import Profile, Scenario, Turn
from .waiting import Waited, add_up, rows, summed, waited

__all__ = ["Difference", "PairResult", "compare_scenario", "describe_pairs", "live_pair", "merge_pairs", "run_pair", "summarize_pairs"]  # fmt: skip

_SHOWN = 3  # calls that are named of each kind
_SAME = ("seed", "faults", "mode", "planned")
_ADDED = ("calls", "same", "better", "worse", "questions", "simulated_ms")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which a call is worse, or better.

    Attributes:
        clause: of G27.
        kind: the clause, and what was going on about that question, in few words.
        text: all that is to be said of it, with what was subtracted.
    """

    clause: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairResult:
    """What came of one call.

    Attributes:
        seed: the call's own.
        verdict: ``worse``, ``better`` or ``same``.
        worse: in what.
        better: in what.
        allowed: lateness that what was subtracted explains.
        questions: how many were asked in both lives.
        plain, controlled: how long the caller waited in each.
        simulated_ms: of both lives.
    """

    seed: int
    verdict: str
    worse: tuple[Difference, ...] = ()
    better: tuple[Difference, ...] = ()
    allowed: tuple[Difference, ...] = ()
    questions: int = 0
    plain: Waited = field(default_factory=Waited)
    controlled: Waited = field(default_factory=Waited)
    simulated_ms: int = 0


def live_pair(scenario: Scenario) -> tuple[Evidence, Evidence]:
    """Play a call twice, and return what was seen of plain LiveKit and of the controlled one."""
    with quiet_logs():
        return play(scenario, plain=True), play(scenario, check=False)


def run_pair(seed: int, profile: Profile = "none") -> PairResult:
    """Draw the call of that seed, with what applications do besides, and live it twice."""
    scenario = draw(seed, profile, acts=True)
    return compare_scenario(scenario, *live_pair(scenario))[0]


def compare_scenario(
    scenario: Scenario, plain: Evidence, controlled: Evidence
) -> tuple[PairResult, Verdict]:
    """Compare what was seen of both lives of a call."""
    verdict = judge_lives(plain.life, controlled.life)

    def told(findings: Iterable[Finding]) -> tuple[Difference, ...]:
        return tuple(Difference(f.clause, _kind(scenario, f), str(f)) for f in findings)

    asked = {each.key for each in controlled.life.questions}
    keys = asked | {each.key for each in plain.life.questions}
    failed = [key for key in keys if any(_failures(scenario, key))]
    result = PairResult(
        seed=scenario.seed or 0,
        verdict=verdict.word,
        worse=told(verdict.worse),
        better=told(verdict.better),
        allowed=told(verdict.allowed),
        questions=len(asked & {each.key for each in plain.life.questions}),
        plain=waited(plain.life, controlled.life, failed),
        controlled=waited(controlled.life, plain.life, failed),
        simulated_ms=round(1000 * (plain.life.seconds + controlled.life.seconds)),
    )
    return result, verdict


# --- what kind of a difference it is


def _kind(scenario: Scenario, finding: Finding) -> str:
    return f"{finding.clause}: {_circumstance(scenario, finding.question)}"


def _circumstance(scenario: Scenario, key: str) -> str:
    """What was going on about a question: what the application did, and what failed of it."""
    if not key:
        kinds = {t.act.kind for t in scenario.turns if t.act is not None}
        faults = bool(scenario.config.faults)
        return "a call with faults" if faults else ", ".join(sorted(kinds)) or "a plain call"
    turns = list(scenario.turns)
    number = re.match(r"\d+", key)
    at = int(number[0]) - 1 if number else 0
    mine: list[Turn] = [t for n, t in enumerate(turns) if n == at]
    before = [t for n, t in enumerate(turns) if n == at - 1]
    words = [f"{t.act.kind}" for t in mine if t.act is not None]
    words += [f"{t.act.kind} before" for t in before if t.act is not None and t.act.kind == "ask"]
    words += [f"after {t.then.replace('_', ' ')}" for t in before if t.then != "listens"]
    words += [f"caller {t.then.replace('_', ' ')}" for t in mine if t.then != "listens"]
    words += _failures(scenario, key)
    return ", ".join(dict.fromkeys(words)) or "nothing besides"


def _failures(scenario: Scenario, key: str) -> Iterator[str]:
    replies = scenario.script.answers.get(key, ())
    for reply in replies[:1]:
        ends = type(reply.end).__name__
        if type(reply.ack).__name__ != "Created":
            yield type(reply.ack).__name__.lower()
        elif ends != "Completed":
            yield ends.lower()
        elif not reply.items:
            yield "empty"
    if scenario.config.faults is not None:
        for fault in scenario.config.faults.event_faults:
            if fault.at.question == key:
                yield f"{type(fault).__name__} at {fault.at.event}"


# --- reports


def summarize_pairs(
    results: Iterable[PairResult],
    *,
    seed: int,
    faults: str,
    planned: int,
    shard: tuple[int, int] = (1, 1),
    wall_seconds: float = 0.0,
) -> dict[str, Any]:
    """Return the report of the calls of one shard. The same calls give the same report in any
    order, *wall_seconds* apart.
    """
    calls = sorted(results, key=lambda result: result.seed)
    words = Counter(call.verdict for call in calls)
    return _finished(
        {
            "seed": seed,
            "faults": faults,
            "mode": "compare",
            "planned": planned,
            "shards": [f"{shard[0]}/{shard[1]}"],
            "calls": len(calls),
            **{word: words[word] for word in ("same", "better", "worse")},
            "questions": sum(call.questions for call in calls),
            "simulated_ms": sum(call.simulated_ms for call in calls),
            "better_clauses": dict(Counter(d.clause for call in calls for d in call.better)),
            "allowed_lateness": sum(len(call.allowed) for call in calls),
            "waited": {
                "plain": summed(call.plain for call in calls),
                "controlled": summed(call.controlled for call in calls),
            },
            "worse_calls": [
                {
                    "seed": call.seed,
                    "worse": [
                        {"clause": d.clause, "kind": d.kind, "text": d.text} for d in call.worse
                    ],
                }
                for call in calls
                if call.worse
            ],
            "wall_seconds": round(wall_seconds, 3),
        }
    )


def merge_pairs(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the report of the run whose shards these are, by the names of their files. Raises
    :class:`InputError` when they are not shards of one run."""
    (first_name, first), *others = reports.items()
    for name, other in reports.items():
        missing = [
            key for key in (*_SAME, *_ADDED, "shards", "worse_calls", "waited") if key not in other
        ]
        if missing:
            expected = "a report of simulate --compare --json"
            raise InputError(missing[0], None, expected, file=name)
    for name, other in others:
        for key in _SAME:
            if other[key] != first[key]:
                expected = f"{first[key]!r} as in {first_name}"
                raise InputError(key, other[key], expected, file=name)
    better: Counter[str] = Counter()
    for report in reports.values():
        better.update(report["better_clauses"])
    worse = [call for report in reports.values() for call in report["worse_calls"]]
    return _finished(
        {
            **{key: first[key] for key in _SAME},
            "shards": shards_of(reports),
            **{key: sum(report[key] for report in reports.values()) for key in _ADDED},
            "better_clauses": dict(better),
            "allowed_lateness": sum(r["allowed_lateness"] for r in reports.values()),
            "waited": {
                side: add_up(report["waited"][side] for report in reports.values())
                for side in ("plain", "controlled")
            },
            "worse_calls": sorted(worse, key=lambda call: call["seed"]),
            "wall_seconds": max(report["wall_seconds"] for report in reports.values()),
        }
    )


def _finished(report: dict[str, Any]) -> dict[str, Any]:
    """Put what follows from the rest in, in a fixed order."""
    clauses: Counter[str] = Counter()
    kinds: dict[str, list[int]] = {}
    for call in report["worse_calls"]:
        for clause in dict.fromkeys(each["clause"] for each in call["worse"]):
            clauses[clause] += 1
        for kind in dict.fromkeys(each["kind"] for each in call["worse"]):
            kinds.setdefault(kind, []).append(call["seed"])
    report["better_clauses"] = {c: report["better_clauses"].get(c, 0) for c in CLAUSES}
    report["worse_clauses"] = {clause: clauses[clause] for clause in CLAUSES}
    report["worse_kinds"] = dict(sorted(kinds.items(), key=lambda kind: (-len(kind[1]), kind[0])))
    report["worse_seeds"] = [call["seed"] for call in report["worse_calls"]]
    report["simulated_seconds"] = report["simulated_ms"] / 1000
    return report


def describe_pairs(report: Mapping[str, Any]) -> Iterator[str]:
    """Say what came out, line by line."""
    shards = report["shards"]
    part = "" if list(shards) == ["1/1"] else f", shards {' '.join(shards)}"
    yield (
        f"{report['calls']} calls of seed {report['seed']}, faults {report['faults']}, each lived"
        f" twice: plain LiveKit and controlled{part}"
    )
    yield ""
    yield f"  {'questions asked in both':<30}{report['questions']:>9}"
    for word in ("same", "better", "worse"):
        yield f"  {word.upper() if word == 'worse' else word:<30}{report[word]:>9}"
    yield ""
    yield f"  {'calls worse, findings better by':<30}{'worse':>9}{'better':>9}"
    for clause, count in report["worse_clauses"].items():
        better = report["better_clauses"][clause]
        if count or better:
            yield f"    {clause:<28}{count:>9}{better:>9}"
    if report["allowed_lateness"]:
        yield f"  {'late for a reason that is told':<30}{report['allowed_lateness']:>9}"
    yield ""
    yield f"  {'':<30}{'plain':>9}{'controlled':>12}"
    for name, plain, controlled in rows(report["waited"]["plain"], report["waited"]["controlled"]):
        yield f"  {name:<30}{plain:>9}{controlled:>12}"
    yield ""
    simulated, wall = report["simulated_seconds"], report["wall_seconds"]
    yield f"{simulated:.0f} s simulated in {wall:.1f} s"
    yield from _worse_calls(report)


def _worse_calls(report: Mapping[str, Any]) -> Iterator[str]:
    if not report["worse_calls"]:
        return
    options = f" --faults {report['faults']}" if report["faults"] != "none" else ""
    texts = {
        (call["seed"], each["kind"]): each["text"]
        for call in report["worse_calls"]
        for each in call["worse"]
    }
    yield ""
    count = len(report["worse_calls"])
    yield f"{count} worse call{'' if count == 1 else 's'}, by kind:"
    for kind, seeds in report["worse_kinds"].items():
        yield f"  {len(seeds):>4}  {kind}"
        for seed in seeds[:_SHOWN]:
            for number, line in enumerate(texts[seed, kind].splitlines()):
                yield f"        {line}" if number == 0 else f"      {line}"
            yield f"          realtime-fsm simulate --compare --replay {seed}{options}"


# --- one call, question by question


def questions_table(plain: Life, controlled: Life) -> Iterator[str]:
    """Say when each question was asked, first answered, and how much was heard, in both lives."""
    yield f"  {'':<34}{'plain LiveKit':<30}{'controlled'}"
    keys = dict.fromkeys(each.key for each in (*plain.questions, *controlled.questions))
    for key in keys:
        cells = [_cell(life, key) for life in (plain, controlled)]
        short = key if len(key) <= 32 else f"{key[:31]}…"
        yield f"  {short:<34}{cells[0]:<30}{cells[1]}"


def _cell(life: Life, key: str) -> str:
    asked = life.asked(key)
    if asked is None:
        return "not asked"
    pieces = life.pieces_of(key)
    if not pieces:
        return f"{asked.at:.2f}: unheard"
    first = min(piece.span.begin for piece in pieces)
    heard = sum(piece.seconds for piece in pieces)
    return f"{asked.at:.2f}: +{first - asked.at:.2f} s, {heard:.2f} s"
