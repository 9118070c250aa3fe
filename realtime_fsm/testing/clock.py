"""An event loop whose clock jumps to the next timer instead of sleeping.

:func:`run_virtual` runs a coroutine on a :class:`VirtualLoop`, :func:`virtual_time` does so for a
test function. Nothing in here knows LiveKit::

    @virtual_time
    async def test_a_minute_passes() -> None:
        await asyncio.sleep(60)  # takes no time

**When the clock moves.** Only when no callback is ready, and then to the earliest timer. It stands
still, and real time passes, while a job of ``run_in_executor`` (so also ``asyncio.to_thread``)
runs and inside :meth:`VirtualLoop.hold`. Before each jump, sockets and wake-ups from other threads
that have arrived are served. A thread of your own that will call ``call_soon_threadsafe`` some day
is unknown to the loop: wait for it inside ``hold()``.

**When nothing can happen any more** the run ends at once with :class:`NothingLeft`, which shows
where each task waits. A timer that is set again and again keeps a hung run alive, so it also ends
at a *limit* of virtual time, with :class:`TimeIsUp`; that takes no longer. While sockets are open
something may still come, so the loop waits for *patience* real seconds first.

**Other clocks.** ``time.time``, ``monotonic``, ``perf_counter``, their ``_ns`` twins and
``time.sleep`` follow the loop in its thread, for LiveKit computes waits and orders chat items by
them; ``datetime.now()`` and names imported by ``from time import time`` do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import linecache
import re
import selectors
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor
from types import FrameType
from typing import Any, TypeVar

__all__ = ["NothingLeft", "TimeIsUp", "VirtualLoop", "VirtualTimeError", "describe_tasks"]

T = TypeVar("T")

_START = 1000.0  # not 0: `if started_at:` is a common way to ask whether something started
_POLL_EVERY = 64  # busy turns of the loop
_SPIN_LIMIT = 100_000  # busy turns of the loop at one moment


class VirtualTimeError(RuntimeError):
    """A run in virtual time cannot go on.

    Attributes:
        tasks: where each pending task waits, as text.
    """

    def __init__(self, message: str, tasks: str) -> None:
        super().__init__(f"{message}\n{tasks}" if tasks else message)
        self.tasks = tasks


class NothingLeft(VirtualTimeError):  # noqa: N818 - says what happened
    """Tasks wait, and nothing is left that could wake them: no callback, no timer, no job in a
    thread. On a real clock this is a hang.
    """


class TimeIsUp(VirtualTimeError):  # noqa: N818 - says what happened
    """The run's *limit* of virtual seconds is over, or the loop spins without time passing."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time.

    Args:
        limit: How many virtual seconds may pass, None for no limit.
        patience: How many real seconds to wait for jobs in threads and for sockets.
    """

    def __init__(self, *, limit: float | None = 3600.0, patience: float = 10.0) -> None:
        self._now = _START
        self._end = None if limit is None else _START + limit
        self._patience = patience
        self._holds = 0
        super().__init__(_JumpingSelector(self))
        self._own_fds = len(self._jumping.get_map())

    @property
    def _jumping(self) -> selectors.BaseSelector:
        selector: selectors.BaseSelector = self._selector  # type: ignore[attr-defined]
        return selector

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Stop the clock: something outside of the loop, such as a thread, is being waited for."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1

    def run_in_executor(  # type: ignore[override]  # 3.10 has no TypeVarTuple
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run *func* in a thread. The clock stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._holds += 1
        future.add_done_callback(self._release)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Join the threads of the default executor."""
        with self.hold():
            await super().shutdown_default_executor(*args, **kwargs)

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now - _START

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass now, as a callback that blocks does.

        Raises :class:`TimeIsUp` past the limit.
        """
        now = self._now + max(seconds, 0.0)
        if self._end is not None and now > self._end:
            raise TimeIsUp(
                f"the run is not over after {self._end - _START:g} virtual seconds",
                describe_tasks(self),
            )
        self._now = now

    def extend(self, limit: float | None) -> None:
        """Allow *limit* more virtual seconds from now on, None for no limit."""
        self._end = None if limit is None else self._now + limit

    def _release(self, _: object) -> None:
        self._holds -= 1


class _JumpingSelector(selectors.BaseSelector):
    """Where the loop would sleep: let the clock jump instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()
        self._busy = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return self._spin()
        self._busy = 0
        events = self._real.select(0)
        if events:
            return events
        loop = self._loop
        if loop._holds:
            return self._wait_for("a job in a thread")
        if timeout is None:
            if len(self._real.get_map()) > loop._own_fds:
                return self._wait_for("a socket")
            raise NothingLeft("nothing is left that could wake a task", describe_tasks(loop))
        loop.advance(timeout)
        return events

    def _spin(self) -> list[tuple[selectors.SelectorKey, int]]:
        # Callbacks are ready. Asking the system each time would cost more than most of them.
        self._busy += 1
        if self._busy % _POLL_EVERY:
            return []
        if self._busy > _SPIN_LIMIT:
            self._busy = 0
            raise TimeIsUp(
                f"{_SPIN_LIMIT} turns of the loop at one moment: something polls with sleep(0), "
                "and time does not pass while callbacks are ready",
                describe_tasks(self._loop),
            )
        return self._real.select(0)

    def _wait_for(self, what: str) -> list[tuple[selectors.SelectorKey, int]]:
        events = self._real.select(self._loop._patience)
        if events:
            return events
        raise NothingLeft(
            f"nothing came from {what} for {self._loop._patience:g} real seconds",
            describe_tasks(self._loop),
        )

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


# --- where tasks wait


def describe_tasks(loop: asyncio.AbstractEventLoop) -> str:
    """Return where each pending task of *loop* waits, as text."""
    return "\n".join(line for task in in_order(asyncio.all_tasks(loop)) for line in _describe(task))


def in_order(tasks: Iterable[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """Return *tasks* by name, which is by age for those that asyncio named."""
    return sorted(tasks, key=lambda task: _natural(task.get_name()))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _describe(task: asyncio.Task[Any]) -> Iterator[str]:
    coroutine: Any = task.get_coro()
    yield f"{task.get_name()}: {getattr(coroutine, '__qualname__', coroutine)}"
    for frame in _frames(coroutine):
        code = frame.f_code
        yield f"  {code.co_filename}:{frame.f_lineno} in {code.co_name}"
        source = linecache.getline(code.co_filename, frame.f_lineno).strip()
        if source:
            yield f"    {source}"


def _frames(awaited: Any) -> Iterator[FrameType]:
    # `Task.get_stack()` shows the outermost frame of a waiting task only.
    while awaited is not None:
        for kind in ("cr", "gi", "ag"):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                yield frame
                inner = "gi_yieldfrom" if kind == "gi" else f"{kind}_await"
                awaited = getattr(awaited, inner, None)
                break
        else:
            return
