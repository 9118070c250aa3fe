"""What ``realtime-fsm simulate`` does, apart from parsing its options."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..._input import CommandError, InputError, from_json, read_as
from ..._output import UnwritableError, in_words
from ...trace.source import is_whole
from ...watch.command import check_speed
from ..options import check_profile, checked
from .pairs import describe_pairs, merge_pairs, summarize_pairs
from .pool import available_cores, run_calls, run_pairs, seeds_of
from .replay import replay, replay_pair
from .report import describe, merge, summarize

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
) -> dict[str, Any]:
    """Run the calls and return the report. Raises :class:`InputError`, and OSError if a trace could
    not be written."""
    profile, part = checked(calls, faults, shard, jobs)
    if traces is not None:
        try:
            traces.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"--trace: {in_words(error, str(traces))}") from None
    seeds = seeds_of(calls, seed, part)
    start = time.perf_counter()
    with _progress(len(seeds)) as done:
        results = run_calls(
            seeds,
            profile,
            plain=plain,
            jobs=jobs or available_cores(),
            traces=traces,
            done=done,
        )
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


def compare(calls: int, seed: int, faults: str, *, shard: str, jobs: int | None) -> dict[str, Any]:
    """Live each call twice, and return the report. Raises :class:`InputError`."""
    profile, part = checked(calls, faults, shard, jobs)
    seeds = seeds_of(calls, seed, part)
    start = time.perf_counter()
    with _progress(len(seeds)) as done:
        results = run_pairs(seeds, profile, jobs=jobs or available_cores(), done=done)
    return summarize_pairs(
        results,
        seed=seed,
        faults=profile,
        planned=calls,
        shard=part,
        wall_seconds=time.perf_counter() - start,
    )


def _look_at_traces(paths: list[Path]) -> None:
    """A recorder never gets in the way of a call: here somebody wants the traces."""
    lost = [path for path in paths if not is_whole(path)]
    if lost:
        told = f"{len(lost)} of {len(paths)} traces are not whole; is the disk full?"
        raise UnwritableError(errno.EIO, told, str(lost[0]))


def merge_files(files: list[Path]) -> dict[str, Any]:
    """Merge reports from files. Raises :class:`InputError`."""
    reports: dict[str, Any] = {}
    for file in files:
        report = read_as(file, from_json)
        if not isinstance(report, dict):
            raise InputError("the report", report, "a JSON object", file=file)
        if str(file) in reports:
            raise InputError("--merge", str(file), "each report once")
        reports[str(file)] = report
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
def _progress(total: int) -> Iterator[Any]:
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("calls", total=total)
        yield lambda: progress.advance(task)
