"""Who runs mutants: ``--jobs N`` processes of this machine, or ``--dask ADDRESS``, a cluster whose workers
have this repository in the same state, and are started in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from realtime_fsm._spread import spread
from realtime_fsm._workers import Dask, Processes, Workers

_T = TypeVar("_T")
_R = TypeVar("_R")


def value_of(arguments: Sequence[str], name: str) -> str | None:
    """What follows an option, None if it is not given."""
    return arguments[arguments.index(name) + 1] if name in arguments else None


def workers_of(arguments: Sequence[str]) -> Workers | None:
    """Those that the options name; None: this process."""
    dask, jobs = value_of(arguments, "--dask"), value_of(arguments, "--jobs")
    if dask is not None:
        return Dask(dask)
    return None if jobs is None else Processes(int(jobs))


def each(
    run: Callable[[_T], _R],
    parts: Sequence[_T],
    workers: Workers | None,
    tell: Callable[[_R], Any] = lambda result: None,
    *,
    size: int = 1,
) -> list[_R]:
    """What *run* makes of each part, in their order; *tell* hears of each as it comes."""
    found: dict[_T, _R] = {}
    for part, result in (
        _here(run, parts) if workers is None else spread(run, parts, workers, size=size)
    ):
        found[part] = result
        tell(result)
    return [found[part] for part in parts]


def _here(run: Callable[[_T], _R], parts: Sequence[_T]) -> Iterator[tuple[_T, _R]]:
    return ((part, run(part)) for part in parts)
