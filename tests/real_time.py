"""Tests in real time, on a machine that may be busy with something else.

What is right is waited for, with a generous end: `becomes`. Where time itself is the matter, how late the machine was
is measured: a run that fails while it did not keep time tells nothing either way, and is lived again. Of calls that are
`timed` in one loop, `at_once` lives again those that failed. Any other test is lived again as a whole, with fixtures of
its own, if it is marked ``real_time``. If the machine never keeps time, the test is skipped, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

__all__ = ["LONG", "Lag", "LateError", "at_once", "becomes", "lived", "timed"]

#: Seconds within which anything is over on a busy machine.
LONG = 60.0
#: Seconds within which what was said last is done on a busy machine.
WITHIN = 15.0
#: Seconds by which loop or process may be late in a run that counts.
KEPT = 0.12
#: How often a story is lived.
LIVES = 4
#: Seconds between the beginnings of stories: what starts a session takes the loop that long.
APART = 0.05


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
        task.cancel()
        await asyncio.wait([task])


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


class Late:
    """How late this process was at the worst, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        over = threading.Event()
        thread = threading.Thread(target=self._run, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _run(self, over: threading.Event) -> None:
        due = time.monotonic() + 0.02
        while not over.wait(max(0.0, due - time.monotonic())):
            self.seconds = max(self.seconds, time.monotonic() - due)
            due = time.monotonic() + 0.02


def lived(run: Callable[[], list[pytest.TestReport]]) -> list[pytest.TestReport]:
    """The reports of a test that counts."""
    for _ in range(LIVES):
        late = Late()
        with late.measured():
            reports = run()
        if late.seconds <= KEPT or not any(report.failed for report in reports):
            return reports
    for report in reports:
        if report.failed:
            why = f"the machine did not keep time: {late.seconds:.2f} s late; {report.longreprtext[-500:]}"
            report.outcome = "skipped"
            report.longrepr = (report.nodeid, 0, why)
    return reports
