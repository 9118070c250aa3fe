"""What ``realtime-fsm check`` does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import typer

from .._input import CommandError, InputError
from .._output import say
from .._spread import WorkersDifferError, WorkersGoneError, spread
from .._workers import Dask, NoWorkersError, Processes, Workers, available_cores
from .check import Report, check
from .reader import Issue
from .show import notes, show
from .source import cannot_be_read, name_of, opened

__all__ = ["run"]

#: Bytes of all files from which on it is worth starting processes.
_MUCH = 20_000_000
_GONE = 3


def run(
    paths: Sequence[Path],
    *,
    only: str = "",
    as_json: bool = False,
    jobs: int | None = None,
    dask: str | None = None,
) -> int:
    """Judge the files, ``-`` for standard input; print the verdicts and return the exit code.

    Args:
        jobs: How many processes; None: as many as are worth it.
        dask: The address of the scheduler of a cluster, which gets the files' content.

    Raises:
        InputError: *only* names what cannot be judged, or *jobs* is no number of processes.
        CommandError: The options exclude each other.
    """
    if jobs is not None and jobs < 1:
        raise InputError("--jobs", jobs, "at least 1")
    if dask is not None and jobs is not None:
        raise CommandError("--jobs are processes of this machine: without --dask")
    ids = [each.strip().upper() for each in only.split(",") if each.strip()]
    found, gone = _reports(paths, ids, _workers(paths, jobs, dask))
    if as_json:
        files = [report.as_json() for report in found]
        typer.echo(json.dumps({"version": 1, "files": files}, indent=2, default=str))
    else:
        show(found)
    for report in found:
        if report.exit_code == 2:
            why = next(iter(notes(report)), "nothing could be judged")
            say(f"realtime-fsm: {report.source}: {why}", err=True)
    if gone:
        say(f"realtime-fsm: {gone}", err=True)
        return _GONE
    codes = {report.exit_code for report in found}
    return 1 if 1 in codes else 2 if 2 in codes else 0


def _workers(paths: Sequence[Path], jobs: int | None, dask: str | None) -> Workers | None:
    """Who judges; None: this process."""
    if dask is not None:
        return Dask(dask)
    if jobs is None:
        jobs = available_cores() if sum(map(_size, paths)) >= _MUCH else 1
    jobs = min(jobs, len(paths))
    return Processes(jobs) if jobs > 1 else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _reports(
    paths: Sequence[Path], only: Sequence[str], workers: Workers | None
) -> tuple[list[Report], str]:
    """The reports in the order of the files, and what kept some from being judged."""
    found: dict[int, Report] = {}
    try:
        found.update(_judged(paths, only, workers))
    except (NoWorkersError, WorkersGoneError, WorkersDifferError) as error:
        left = [name_of(path) for n, path in enumerate(paths) if n not in found]
        many = f" and {len(left) - 10} more" if len(left) > 10 else ""
        why = f"{error}. Not judged: {', '.join(left[:10])}{many}"
        return [found[n] for n in sorted(found)], why
    return [found[n] for n in sorted(found)], ""


def _judged(
    paths: Sequence[Path], only: Sequence[str], workers: Workers | None
) -> Iterator[tuple[int, Report]]:
    if workers is None:
        yield from ((n, _check(path, only)) for n, path in enumerate(paths))
        return
    # Nobody else has our standard input.
    ours = [n for n, path in enumerate(paths) if str(path) == "-"]
    yield from ((n, _check(paths[n], only)) for n in ours)
    theirs = [n for n in range(len(paths)) if n not in ours]
    far = isinstance(workers, Dask)
    yield from spread(
        partial(_check_content if far else _check, only=only),
        theirs,
        workers,
        given=lambda n: _content(paths[n]) if far else paths[n],
    )


def _check(path: Path, only: Sequence[str]) -> Report:
    name = name_of(path)
    try:
        with opened(path) as file:
            return check(file, source=name, only=only)
    except OSError as error:
        return _unread(name, error)


def _content(path: Path) -> tuple[str, bytes | OSError]:
    """What a machine needs that has other files."""
    try:
        return name_of(path), path.read_bytes()
    except OSError as error:
        return name_of(path), error


def _check_content(given: tuple[str, bytes | OSError], only: Sequence[str]) -> Report:
    name, content = given
    if isinstance(content, OSError):
        return _unread(name, content)
    return check(io.BytesIO(content), source=name, only=only)


def _unread(name: str, error: OSError) -> Report:
    return Report(name, issues=[Issue(0, cannot_be_read(error))], unreadable=1)
