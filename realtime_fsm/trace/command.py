"""What ``realtime-fsm check`` does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import typer

from .._collector import seldom_collected
from .._input import CommandError, InputError
from .._output import say
from .._spread import WorkersDifferError, WorkersGoneError, itself, spread
from .._workers import Dask, NoWorkersError, Processes, Workers, available_cores
from .check import Report, check
from .pieces import Piece, opened_piece, pieces
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
    if workers is None:
        return [_check(path, only) for path in paths], ""
    parts = list(dict.fromkeys(each for path in paths for each in _pieces(path)))
    found: dict[Piece, Report] = {}
    # Nobody else has our standard input.
    found.update((each, _check(each.path, only)) for each in parts if str(each.path) == "-")
    gone = ""
    try:
        found.update(_judged([each for each in parts if each not in found], only, workers))
    except (NoWorkersError, WorkersGoneError, WorkersDifferError) as error:
        gone = f"{error}. Not judged: "
    of: dict[Path, list[Piece]] = {}
    for each in parts:
        of.setdefault(each.path, []).append(each)
    whole = [path for path, mine in of.items() if all(each in found for each in mine)]
    if gone:
        left = [name_of(path) for path in of if path not in whole]
        gone += ", ".join(left[:10]) + (f" and {len(left) - 10} more" if len(left) > 10 else "")
    reports = {path: Report.of_pieces([found[each] for each in of[path]]) for path in whole}
    return [reports[path] for path in paths if path in reports], gone


def _pieces(path: Path) -> list[Piece]:
    return [Piece(path)] if str(path) == "-" or _size(path) < _MUCH else pieces(path)


def _judged(
    parts: Sequence[Piece], only: Sequence[str], workers: Workers
) -> Iterator[tuple[Piece, Report]]:
    far = isinstance(workers, Dask)
    run = partial(_check_content if far else _check_piece, only=only)
    return spread(run, parts, workers, given=_content if far else itself)


def _check(path: Path, only: Sequence[str]) -> Report:
    name = name_of(path)
    try:
        with opened(path) as file, seldom_collected():
            return check(file, source=name, only=only)
    except OSError as error:
        return _unread(name, error)


def _check_piece(piece: Piece, only: Sequence[str]) -> Report:
    name = name_of(piece.path)
    try:
        with opened_piece(piece) as file, seldom_collected():
            return check(file, source=name, only=only, before=piece.before)
    except OSError as error:
        return _unread(name, error)


def _content(piece: Piece) -> tuple[str, int, bytes | OSError]:
    """What a machine needs that has other files: the file's name, how many lines stand before, and what
    is in it."""
    name = name_of(piece.path)
    try:
        with opened_piece(piece) as file:
            return name, piece.before, file.read()
    except OSError as error:
        return name, piece.before, error


def _check_content(given: tuple[str, int, bytes | OSError], only: Sequence[str]) -> Report:
    name, before, content = given
    if isinstance(content, OSError):
        return _unread(name, content)
    with seldom_collected():
        return check(io.BytesIO(content), source=name, only=only, before=before)


def _unread(name: str, error: OSError) -> Report:
    return Report(name, issues=[Issue(0, cannot_be_read(error))], unreadable=1)
