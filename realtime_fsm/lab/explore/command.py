"""What ``realtime-fsm explore`` does, apart from parsing its options."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Optional

from ..._core.policy import RetryPolicy
from ..._input import InputError
from ..._spread import WorkersDifferError, WorkersGoneError, spread
from ..._workers import NoWorkersError, Workers
from .bound import Bound
from .counterexample import mermaid, replay
from .rows import Rules, Tables
from .search import Progress, Result, search

__all__ = ["describe", "explore", "parts"]


def parts(whole: Bound) -> dict[str, Bound]:
    """The searches that a bound is cut into; docs/explore.md says why, with figures.

    Raises:
        InputError: A number of the bound is impossible.
    """
    policy = replace(whole.policy, max_retry=whole.attempts - 1)
    whole = replace(whole, policy=policy)
    one = min(whole.turns, 1)
    odd = replace(whole, oddities=1, odd="other")
    found = {
        "two replies": replace(whole, messages=1, vad_turns=0),
        "one reply": replace(whole, turns=one, vad_turns=0),
        "server VAD": replace(whole, turns=0, messages=1),
        "reply and server VAD": replace(whole, turns=one, messages=1, interrupts=0, drops=0),
        "odd": replace(odd, turns=one, messages=1, vad_turns=0, drops=0, frames=True),
        "beside": replace(odd, odd="beside", turns=one, messages=1, vad_turns=0, drops=0),
        "odd playback": replace(
            odd,
            turns=one,
            attempts=1,
            vad_turns=0,
            interrupts=0,
            drops=0,
            audible=True,
            policy=_once(policy),
        ),
        "odd server VAD": replace(
            odd, turns=0, messages=1, attempts=1, drops=0, policy=_once(policy)
        ),
        "regenerate": replace(
            odd,
            turns=one,
            messages=1,
            vad_turns=0,
            interrupts=0,
            drops=0,
            policy=replace(policy, after_exposure="regenerate"),
        ),
        "no sink": replace(odd, turns=one, messages=1, vad_turns=0, drops=0, sink=False),
    }
    return {name: bound for name, bound in found.items() if bound.turns or bound.vad_turns}


def _once(policy: RetryPolicy) -> RetryPolicy:
    return replace(policy, max_retry=0)


def explore(
    whole: Bound,
    *,
    tables: Tables = Tables(),  # noqa: B008 - frozen
    jobs: int = 1,
    limit_states: Optional[int] = None,
    progress: bool = False,
    workers: Optional[Workers] = None,
) -> dict[str, Any]:
    """Search every part of a bound and return the report, ready for JSON.

    Args:
        jobs: Processes that share a part.
        limit_states: Of each part.
        progress: Show it on stderr.
        workers: Each searches a part of its own. If they go away, ``stopped`` says so, and the
            parts are those that were done.
    """
    if jobs < 1:
        raise InputError("jobs", jobs, "1 or more")
    if limit_states is not None and limit_states < 1:
        raise InputError("limit_states", limit_states, "1 or more")
    began = time.perf_counter()
    results: dict[str, Result] = {}
    wanted = parts(whole)
    stopped = ""
    if workers is None:
        for name, bound in wanted.items():
            with _shown(name, on=progress) as tell:
                results[name] = search(
                    bound, jobs=jobs, limit_states=limit_states, progress=tell, tables=tables
                )
    else:
        run = partial(_search, limit_states=limit_states, tables=tables)
        try:
            for name, result in spread(run, list(wanted), workers, given=wanted.__getitem__):
                results[name] = result
                if progress:
                    _tell_done(len(results), len(wanted), name)
        except (NoWorkersError, WorkersGoneError, WorkersDifferError) as error:
            left = ", ".join(name for name in wanted if name not in results)
            stopped = f"{error}. Not searched: {left}"
        results = {name: results[name] for name in wanted if name in results}
    rules = Rules(tables)
    taken = set[int]().union(*(r.taken for r in results.values()))
    return {
        "states": sum(r.states for r in results.values()),
        "transitions": sum(r.transitions for r in results.values()),
        "depth": max((r.depth for r in results.values()), default=0),
        "complete": all(r.complete for r in results.values()) and not stopped,
        **({"stopped": stopped} if stopped else {}),
        "violations": [one for name, r in results.items() for one in _violations(name, r, tables)],
        "rows_total": rules.total,
        "rows_taken": len(taken),
        "rows_missing": rules.missing(taken),
        "seconds": round(time.perf_counter() - began, 1),
        "parts": [_part(name, r) for name, r in results.items()],
    }


def _search(bound: Bound, limit_states: Optional[int], tables: Tables) -> Result:
    return search(bound, limit_states=limit_states, tables=tables)


def _tell_done(done: int, of: int, name: str) -> None:
    print(f"{done} of {of} parts: {name}", file=sys.stderr, flush=True)  # noqa: T201


def _part(name: str, result: Result) -> dict[str, Any]:
    numbers = {k: v for k, v in asdict(result.bound).items() if k != "policy"}
    return {
        "part": name,
        "bound": numbers,
        "states": result.states,
        "transitions": result.transitions,
        "depth": result.depth,
        "complete": result.complete,
        "seconds": round(result.seconds, 1),
    }


def _violations(name: str, result: Result, tables: Tables) -> Iterator[dict[str, Any]]:
    for found in result.violations:
        played = replay(found.sequence, result.bound, tables=tables)
        yield {
            "part": name,
            "violation": found.text,
            "count": found.count,
            "sequence": [list(action) for action in found.sequence],
            "events": [
                f"{line.at:7.1f} s  {line.source} -> {line.target}: {line.text}"
                for line in played.lines
            ],
            "mermaid": mermaid(played),
        }


def describe(report: dict[str, Any]) -> Iterator[str]:
    """The report for a person."""
    for part in report["parts"]:
        state = "complete" if part["complete"] else "INCOMPLETE"
        yield (
            f"{part['part']}: {part['states']} states, {part['transitions']} transitions, "
            f"depth {part['depth']}, {state}, {part['seconds']} s"
        )
    for one in report["violations"]:
        yield ""
        yield f"VIOLATION ({one['part']}, {one['count']} times): {one['violation']}"
        yield f"sequence = {[tuple(action) for action in one['sequence']]!r}"
        yield from one["events"]
        yield ""
        yield from one["mermaid"].splitlines()
    yield ""
    yield f"{report['rows_taken']} of {report['rows_total']} rows taken"
    yield from (f"  not taken: {row}" for row in report["rows_missing"])
    yield (
        f"{report['states']} states, {report['transitions']} transitions, "
        f"{len(report['violations'])} violations, {report['seconds']} s"
    )
    if not report["complete"] and "stopped" not in report:
        yield "The search is INCOMPLETE: a limit was hit. What was not looked at may be wrong."


@contextmanager
def _shown(name: str, *, on: bool) -> Iterator[Optional[Progress]]:
    if not on:
        yield None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.status import Status

        with Status(name, console=Console(stderr=True)) as status:
            yield lambda *at: status.update(_line(name, *at))
    else:
        last = [time.monotonic()]

        def tell(*at: int) -> None:
            if time.monotonic() - last[0] >= 5.0 or not at[3]:
                last[0] = time.monotonic()
                print(_line(name, *at), file=sys.stderr, flush=True)  # noqa: T201

        yield tell


def _line(name: str, depth: int, states: int, transitions: int, waiting: int) -> str:
    return (
        f"{name}: depth {depth}, {states} states, {transitions} transitions, {waiting} to look at"
    )
