"""Runs many calls: in this process, in several, or on other machines."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..._spread import spread
from ..._workers import Processes, Workers
from .pairs import PairResult, run_pair
from .run import CallResult, quiet_logs, run_call
from .scenario import Profile, call_seed

__all__ = ["run_calls", "run_pairs", "seeds_of"]

_TOGETHER = 2  # calls that a worker is given at a time: a second or two


def seeds_of(calls: int, seed: int, shard: tuple[int, int] = (1, 1)) -> list[int]:
    """Return the seeds of the calls of a shard: every n-th call, from the i-th on."""
    number, count = shard
    return [call_seed(seed, index) for index in range(number - 1, calls, count)]


def run_calls(
    seeds: list[int],
    profile: Profile = "none",
    *,
    plain: bool = False,
    jobs: int = 1,
    workers: Workers | None = None,
    traces: Path | None = None,
    done: Callable[[CallResult], object] = lambda result: None,
) -> list[CallResult]:
    """Run the calls of these seeds in *jobs* processes, or by *workers*, and return their results, in any
    order.

    *done* is called with each. *traces* is a folder for their traces. What is returned does not depend on who ran
    them. Raises what `realtime_fsm._spread.spread` does.
    """
    run = partial(run_call, profile=profile, plain=plain, traces=traces)
    return list(_each(run, seeds, jobs, workers, done))


def run_pairs(
    seeds: list[int],
    profile: Profile = "none",
    *,
    jobs: int = 1,
    workers: Workers | None = None,
    done: Callable[[PairResult], object] = lambda result: None,
) -> list[PairResult]:
    """Live each call twice, see :func:`run_calls`."""
    return list(_each(partial(run_pair, profile=profile), seeds, jobs, workers, done))


_T = TypeVar("_T")


def _each(
    run: Callable[[int], _T],
    seeds: list[int],
    jobs: int,
    workers: Workers | None,
    done: Callable[[_T], object],
) -> Iterator[_T]:
    jobs = min(jobs, len(seeds))
    if workers is None and jobs > 1:
        workers = Processes(jobs)
    for result in _here(run, seeds) if workers is None else _there(run, seeds, workers):
        done(result)
        yield result


def _here(run: Callable[[int], _T], seeds: list[int]) -> Iterator[_T]:
    with quiet_logs():
        yield from map(run, seeds)
        # "Task exception was never retrieved" is logged when the task is collected.
        gc.collect()


def _there(run: Callable[[int], _T], seeds: list[int], workers: Workers) -> Iterator[_T]:
    for _, result in spread(run, seeds, workers, size=_TOGETHER):
        yield result
