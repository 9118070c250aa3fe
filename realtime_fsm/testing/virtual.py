"""Runs a coroutine, or a test, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar, overload

from ._wall_clock import follow
from .clock import VirtualLoop, VirtualTimeError, in_order

__all__ = ["run_virtual", "virtual_time"]

T = TypeVar("T")
P = ParamSpec("P")

_LAST_SECONDS = 3600.0  # virtual seconds for what is left over to end


def run_virtual(
    main: Callable[[], Awaitable[T]] | Awaitable[T],
    *,
    limit: float | None = 3600.0,
    patience: float = 10.0,
    seed: int = 0,
) -> T:
    """Run *main*, an awaitable or a function that returns one, in virtual time; return its result.

    Tasks left over at the end are cancelled, as by ``asyncio.run``. When the run cannot go on, all
    tasks are cancelled before the error is raised, so their ``finally`` clauses run.

    Args:
        main: What to run.
        limit: How many virtual seconds it may take, None for no limit.
        patience: How many real seconds to wait for a job in a thread, or for a socket when there is
            nothing else to wait for.
        seed: For the ``random`` module, whose state is restored afterwards.

    Raises:
        NothingLeft: *main* waits for something that cannot come.
        TimeIsUp: The *limit* is over, or the loop spins without time passing.
        RuntimeError: Called from a running event loop.
    """
    if asyncio._get_running_loop() is not None:
        if inspect.iscoroutine(main):
            main.close()
        raise RuntimeError("run_virtual() cannot be called from a running event loop")
    state = random.getstate()
    loop = VirtualLoop(limit=limit, patience=patience)
    try:
        with follow(loop):
            random.seed(seed)
            asyncio.set_event_loop(loop)
            try:
                return loop.run_until_complete(_awaited(main))
            finally:
                _wind_up(loop)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        random.setstate(state)


async def _awaited(main: Callable[[], Awaitable[T]] | Awaitable[T]) -> T:
    return await (main() if callable(main) else main)


def _wind_up(loop: VirtualLoop) -> None:
    loop.extend(_LAST_SECONDS)
    left = in_order(asyncio.all_tasks(loop))
    for task in left:
        task.cancel()
    # A task that hangs in its clean-up as well is given up: the first error says where it hung.
    with contextlib.suppress(VirtualTimeError):
        loop.run_until_complete(_all_of(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())


async def _all_of(tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


@overload
def virtual_time(test: Callable[P, Coroutine[Any, Any, T]], /) -> Callable[P, T]: ...
@overload
def virtual_time(
    *, limit: float | None = ..., patience: float = ..., seed: int = ...
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, T]]: ...
def virtual_time(test: Any = None, /, **options: Any) -> Any:
    """Turn an async test into a plain one that runs in virtual time.

    ::

        @virtual_time
        async def test_an_hour_passes() -> None:
            await asyncio.sleep(3600)

    For the options see :func:`run_virtual`. The test keeps its parameters, so fixtures and
    ``parametrize`` work, with or without an asyncio plugin for pytest. Async fixtures do not: they
    live on another loop.

    Raises ``TypeError`` when *test* is not an async function.
    """
    if test is None:
        return functools.partial(virtual_time, **options)
    if not inspect.iscoroutinefunction(test):
        raise TypeError(f"virtual_time is for async functions, not for {test!r}")

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> Any:
        return run_virtual(lambda: test(*args, **kwargs), **options)

    return run
