"""A pool of processes that Ctrl-C ends without a word of theirs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.pool import Pool

from .._workers import without_interrupts

__all__ = ["start_pool"]


def start_pool(
    jobs: int, initializer: Callable[..., None] | None = None, arguments: Sequence[object] = ()
) -> Pool:
    """Return a pool. Leaving it as a context, by Ctrl-C too, ends its processes.

    Args:
        jobs: how many processes.
        initializer: called in each, with *arguments*.
    """
    # A forked child would inherit the event loops and threads of whoever calls this.
    context = multiprocessing.get_context("spawn")
    pool: Pool | None = None
    try:
        with without_interrupts():
            pool = context.Pool(jobs, initializer, arguments)
    except BaseException:
        if pool is not None:
            pool.terminate()
        raise
    return pool
