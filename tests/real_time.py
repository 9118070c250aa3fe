"""Tests in real time, on a machine that may be busy with something else.

What is right is waited for, with a generous end: `becomes`. Where time itself is the matter, how late the loop was is
measured: a run that fails while the machine did not keep time tells nothing either way, and is lived again: `timed`,
within `at_once` or below `in_time`. If the machine never keeps time, the test is skipped, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from livekit.agents import utils

__all__ = ["LONG", "Lag", "LateError", "at_once", "becomes", "in_time", "timed"]

#: Seconds within which anything is over on a busy machine.
LONG = 60.0
#: Seconds within which what was said last is done on a busy machine.
WITHIN = 15.0
#: Seconds by which the loop may be late in a run that counts.
KEPT = 0.12
#: How often a story is lived.
LIVES = 4
#: Seconds between the beginnings of stories: what starts a session takes the loop that long.
APART = 0.1


class LateError(Exception):
    """It failed, and the loop was late meanwhile."""


class Lag:
    """How late the loop was at the worst, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.02
            await asyncio.sleep(0.02)
            self.seconds = max(self.seconds, loop.time() - due)


@contextlib.asynccontextmanager
async def timed() -> AsyncIterator[Lag]:
    """What is in here depends on the time. Raises `LateError` for what fails while the loop is late."""
    lag = Lag()
    task = asyncio.create_task(lag.run())
    try:
        yield lag
    except (Exception, pytest.fail.Exception) as error:
        if lag.seconds <= KEPT:
            raise
        raise LateError(f"{lag.seconds:.2f} s late: {type(error).__name__}: {error}") from error
    finally:
        await utils.aio.cancel_and_wait(task)


async def becomes(holds: Callable[[], object], *, within: float = WITHIN) -> None:
    """Wait until *holds* returns something that is not False and no assertion of its fails."""
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        try:
            if holds() is not False:
                return
            told = AssertionError(f"not within {within:g} s")
        except (AssertionError, LookupError) as error:
            told = AssertionError(str(error))
        if loop.time() > end:
            raise told
        await asyncio.sleep(0.02)


async def at_once(story: Callable[..., Awaitable[None]], *choices: Any, **options: Any) -> None:
    """Tell the story with each combination of these choices, and name those that fail."""
    cases = list(itertools.product(*choices))
    for _ in range(LIVES):
        ends = await asyncio.gather(
            *(_after(n * APART, story, case, options) for n, case in enumerate(cases)),
            return_exceptions=True,
        )
        told = {case: end for case, end in zip(cases, ends, strict=True) if end is not None}
        failed = {case: end for case, end in told.items() if not isinstance(end, LateError)}
        for error in failed.values():
            raise AssertionError(f"{list(failed)}") from error
        cases = list(told)
        if not cases:
            return
    pytest.skip(f"the machine did not keep time for {told}")


async def _after(
    seconds: float, story: Callable[..., Awaitable[None]], case: Any, options: Any
) -> None:
    await asyncio.sleep(seconds)
    await story(*case, **options)


_T = TypeVar("_T", bound=Callable[..., Any])


def in_time(test: _T) -> _T:
    """A test with something `timed`, which is lived again where the machine did not keep time."""

    @functools.wraps(test)
    async def lived(*args: Any, **kwargs: Any) -> None:
        await at_once(functools.partial(test, *args, **kwargs))

    return lived  # type: ignore[return-value]
