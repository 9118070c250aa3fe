"""A pool of processes that Ctrl-C ends without a word of theirs."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.pool import Pool

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
    with _without_interrupts():
        return context.Pool(jobs, initializer, arguments)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C reaches all processes of the terminal. Those that are started meanwhile never take it, not
    even while they import; the parent ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
