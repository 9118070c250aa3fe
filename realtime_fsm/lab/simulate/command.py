"""What ``realtime-fsm simulate`` does, apart from parsing its options."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ..._input import CommandError, StoppedError
from ..._output import UnwritableError, in_words
from ..._spread import WorkersDifferError, WorkersGoneError
from ..._workers import Dask, NoWorkersError, available_cores, versions
from ...trace.source import is_whole
from ...watch.command import check_speed
from ..options import check_profile, checked
from .kept import Kept, KeptError, default_path
from .pairs import PairResult, describe_pairs, merge_pairs, summarize_pairs
from .pool import run_calls, run_pairs, seeds_of
from .replay import replay, replay_pair
from .report import describe, merge, summarize
from .run import CallResult

__all__ = [
    "compare",
    "film_lines",
    "is_bad",
    "merge_files",
    "replay_lines",
    "report_lines",
    "simulate",
]


_STRICT = ("violations", "hangs", "crashes", "repeated_words")


def simulate(
    calls: int,
    seed: int,
    faults: str,
    *,
    shard: str,
    jobs: int | None,
    plain: bool,
    traces: Path | None = None,
    dask: str | None = None,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Run the calls and return the report.

    Raises :class:`InputError`, :class:`StoppedError`, and OSError if a trace could not be written.
    """
    profile, part = checked(calls, faults, shard, jobs)
    if traces is not None:
        if dask is not None or keep is not None:
            raise CommandError("--trace writes here, each time: without --dask and --keep")
        try:
            traces.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"--trace: {in_words(error, str(traces))}") from None
    seeds = seeds_of(calls, seed, part)
    start = time.perf_counter()
    run = partial(run_calls, profile=profile, plain=plain, traces=traces)
    mode = "plain" if plain else "controlled"
    of = {"seed": seed, "faults": profile, "mode": mode, "planned": calls, "shard": shard}
    results = _run(run, CallResult, seeds, of, jobs=jobs, dask=dask, keep=keep)
    if traces is not None:
        _look_at_traces([traces / f"{each}.jsonl" for each in seeds])
    return summarize(
        results,
        seed=seed,
        faults=profile,
        plain=plain,
        planned=calls,
        shard=part,
        wall_seconds=time.perf_counter() - start,
    )


def compare(
    calls: int,
    seed: int,
    faults: str,
    *,
    shard: str,
    jobs: int | None,
    dask: str | None = None,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Live each call twice, and return the report. Raises :class:`InputError` and :class:`StoppedError`."""
    profile, part = checked(calls, faults, shard, jobs)
    seeds = seeds_of(calls, seed, part)
    start = time.perf_counter()
    run = partial(run_pairs, profile=profile)
    of = {"seed": seed, "faults": profile, "mode": "compare", "planned": calls, "shard": shard}
    results = _run(run, PairResult, seeds, of, jobs=jobs, dask=dask, keep=keep)
    return summarize_pairs(
        results,
        seed=seed,
        faults=profile,
        planned=calls,
        shard=part,
        wall_seconds=time.perf_counter() - start,
    )


_R = TypeVar("_R", CallResult, PairResult)


def _run(
    run: Callable[..., list[_R]],
    kind: type[_R],
    seeds: list[int],
    of: dict[str, Any],
    *,
    jobs: int | None,
    dask: str | None,
    keep: Path | None,
) -> list[_R]:
    """Run what is not kept, and return all."""
    if dask is not None and jobs is not None:
        raise CommandError("--jobs are processes of this machine: without --dask")
    of = {**of, "versions": list(versions())}
    done: dict[int, _R] = {}
    kept = _kept(keep, kind, of)
    if kept is not None:
        done.update(kept.done)
    todo = [seed for seed in seeds if seed not in done]

    def add(advance: Callable[[], object], result: _R) -> None:
        done[result.seed] = result
        if kept is not None:
            kept.add(result)
        advance()

    workers = None if dask is None else Dask(dask)
    try:
        with _progress(len(seeds), len(done)) as advance:
            run(todo, jobs=jobs or available_cores(), workers=workers, done=partial(add, advance))
    except (NoWorkersError, WorkersGoneError, WorkersDifferError) as error:
        raise _stopped(error, kept, kind, of, done, len(seeds)) from None
    finally:
        if kept is not None:
            kept.close()
    return list(done.values())


def _kept(path: Path | None, kind: type[_R], of: dict[str, Any]) -> Kept[_R] | None:
    if path is None:
        return None
    return Kept(path, kind, of)


def _stopped(
    error: Exception,
    kept: Kept[_R] | None,
    kind: type[_R],
    of: dict[str, Any],
    done: dict[int, _R],
    planned: int,
) -> StoppedError:
    """Keep what was done, for it took long, and say where it is."""
    if not done:
        return StoppedError(f"{error}. No call was done.")
    if kept is None:
        path = default_path(of)
        try:
            kept = Kept(path, kind, of)
        except KeptError:  # of older code
            path.unlink()
            kept = Kept(path, kind, of)
        for seed in done.keys() - kept.done.keys():
            kept.add(done[seed])
        kept.close()
    return StoppedError(
        f"{error}. {len(done)} of {planned} calls are done, and kept in {kept.path}: "
        f"the same command with --keep {kept.path} goes on."
    )


def _look_at_traces(paths: list[Path]) -> None:
    """A recorder never gets in the way of a call: here somebody wants the traces."""
    lost = [path for path in paths if not is_whole(path)]
    if lost:
        told = f"{len(lost)} of {len(paths)} traces are not whole; is the disk full?"
        raise UnwritableError(errno.EIO, told, str(lost[0]))


def merge_files(reports: dict[str, Any]) -> dict[str, Any]:
    """Merge reports, by file. Raises :class:`InputError`."""
    pairs = [report.get("mode") == "compare" for report in reports.values()]
    return merge_pairs(reports) if pairs and all(pairs) else merge(reports)


def replay_lines(seed: int, faults: str, *, plain: bool, compare: bool = False) -> Iterator[str]:
    """Play one call, or live it twice, and say what happened. Raises :class:`InputError`."""
    profile = check_profile(faults)
    return replay_pair(seed, profile) if compare else replay(seed, profile, plain=plain)


def film_lines(
    seed: int, faults: str, *, plain: bool, compare: bool, speed: float
) -> Iterator[str]:
    """Show one call in the browser. Raises :class:`InputError`, and ``WatchError``."""
    profile = check_profile(faults)
    check_speed(speed)
    from .film import film

    return film(seed, profile, plain=plain, compare=compare, speed=speed)


def report_lines(report: dict[str, Any]) -> Iterator[str]:
    """Say what came out."""
    return describe_pairs(report) if report["mode"] == "compare" else describe(report)


def is_bad(report: dict[str, Any]) -> bool:
    """Whether ``--strict`` fails, or a comparison does: see docs/simulate.md."""
    return bool(report["worse"]) if report["mode"] == "compare" else any(map(report.get, _STRICT))


@contextmanager
def _progress(total: int, done: int = 0) -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("calls", total=total, completed=done)
        yield lambda: progress.advance(task)
