"""Runs many calls, in this process or in several."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..processes import start_pool
from .pairs import PairResult, run_pair
from .run import CallResult, quiet_logs, run_call
from .scenario import Profile, call_seed

__all__ = ["available_cores", "run_calls", "run_pairs", "seeds_of"]


def available_cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


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
    traces: Path | None = None,
    done: Callable[[], object] = lambda: None,
) -> list[CallResult]:
    """Run the calls of these seeds in *jobs* processes, and return their results, in any order.

    *done* is called after each. *traces* is a folder for their traces. What is returned does not depend on *jobs*.
    """
    run = partial(run_call, profile=profile, plain=plain, traces=traces)
    return list(_each(run, seeds, jobs, done))


def run_pairs(
    seeds: list[int],
    profile: Profile = "none",
    *,
    jobs: int = 1,
    done: Callable[[], object] = lambda: None,
) -> list[PairResult]:
    """Live each call twice, see :func:`run_calls`."""
    return list(_each(partial(run_pair, profile=profile), seeds, jobs, done))


_T = TypeVar("_T")


def _each(
    run: Callable[[int], _T], seeds: list[int], jobs: int, done: Callable[[], object]
) -> Iterator[_T]:
    for result in _results(run, seeds, min(jobs, len(seeds))):
        yield result
        done()


def _results(run: Callable[[int], _T], seeds: list[int], jobs: int) -> Iterator[_T]:
    if jobs <= 1:
        with quiet_logs():
            yield from map(run, seeds)
            # "Task exception was never retrieved" is logged when the task is collected.
            gc.collect()
        return
    with start_pool(jobs, _start) as pool:
        yield from pool.imap_unordered(run, seeds, chunksize=2)


def _start() -> None:
    # Ctrl-C reaches all processes of the terminal; the parent ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What is imported stays; the collector need not look at it again and again.
    gc.freeze()
    # What is never retrieved is logged at some later time.
    logging.disable(logging.CRITICAL)
    gc.set_threshold(50_000, 20, 20)
