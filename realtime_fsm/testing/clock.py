"""Virtual time: an event loop whose clock jumps to the next timer instead of sleeping.

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
where each task waits. While sockets are open something may still come, so the loop waits for
*patience* real seconds first.

**Other clocks.** ``time.time``, ``monotonic``, ``perf_counter``, their ``_ns`` twins and
``time.sleep`` follow the loop in its thread, for LiveKit computes waits and orders chat items by
them; ``datetime.now()`` and names imported by ``from time import time`` do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import linecache
import random
import re
import selectors
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from types import FrameType
from typing import Any, ParamSpec, TypeVar, overload

__all__ = [
    "NothingLeft",
    "TimeIsUp",
    "VirtualLoop",
    "VirtualTimeError",
    "describe_tasks",
    "run_virtual",
    "virtual_time",
]

T = TypeVar("T")
P = ParamSpec("P")

# 2100-01-01 UTC. A constant, so that runs are alike. In the future, because LiveKit orders a chat
# by `created_at` and an agent's initial messages, made before the run, have to stay the first.
_EPOCH_NS = 4_102_444_800 * 10**9
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


class NothingLeft(VirtualTimeError):
    """Tasks wait, and nothing is left that could wake them: no callback, no timer, no job in a
    thread. On a real clock this is a hang.
    """


class TimeIsUp(VirtualTimeError):
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

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Run *func* in a thread. The clock stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._holds += 1
        future.add_done_callback(self._release)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """Join the threads of the default executor."""
        with self.hold():
            await super().shutdown_default_executor(*args, **kwargs)

    def extend(self, limit: float | None) -> None:
        """Allow *limit* more virtual seconds from now on, None for no limit."""
        self._end = None if limit is None else self._now + limit

    def _release(self, _: object) -> None:
        self._holds -= 1

    def _advance(self, seconds: float) -> None:
        now = self._now + seconds
        if self._end is not None and now > self._end:
            raise TimeIsUp(
                f"the run is not over after {self._end - _START:g} virtual seconds",
                describe_tasks(self),
            )
        self._now = now


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
        loop._advance(timeout)
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
    """Return where each pending task of *loop* waits, the oldest task first, as text."""
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: _natural(task.get_name()))
    return "\n".join(line for task in tasks for line in _describe(task))


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


# --- the clocks of the `time` module


_NAMES = (
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep",
)  # fmt: skip
_real: dict[str, Any] = {name: getattr(time, name) for name in _NAMES}
_clocks: dict[int, _Clocks] = {}
_lock = threading.Lock()


class _Clocks:
    """The functions of ``time`` in the thread of a virtual loop.

    Time stands still while callbacks run, but real readings differ, and LiveKit counts on it: its
    speech queue is a heap of (priority, ``perf_counter_ns()``, speech), and it tries again while
    two readings are equal. So each reading is a little later than the one before.
    """

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._last_counter = 0
        self._last_time = 0

    def perf_counter_ns(self) -> int:
        self._last_counter = max(self._last_counter + 1, self.monotonic_ns())
        return self._last_counter

    def perf_counter(self) -> float:
        return self.perf_counter_ns() / 10**9

    def time_ns(self) -> int:
        # A microsecond, since a float of this size has no nanoseconds.
        now = _EPOCH_NS + round((self._loop._now - _START) * 10**9)
        self._last_time = max(self._last_time + 1000, now)
        return self._last_time

    def time(self) -> float:
        return self.time_ns() / 10**9

    def monotonic_ns(self) -> int:
        return round(self._loop._now * 10**9)

    def monotonic(self) -> float:
        # Exactly the loop's time, as with asyncio's own loops: code sets timers by it.
        return self._loop._now

    def sleep(self, seconds: float) -> None:
        self._loop._advance(seconds)


def _redirect(name: str) -> Callable[..., Any]:
    real = _real[name]

    def virtual(*args: Any) -> Any:
        clocks = _clocks.get(threading.get_ident())
        return real(*args) if clocks is None else getattr(clocks, name)(*args)

    virtual.__name__ = name
    return virtual


@contextlib.contextmanager
def _virtual_clocks(loop: VirtualLoop) -> Iterator[None]:
    thread = threading.get_ident()
    with _lock:
        if thread in _clocks:
            raise RuntimeError("this thread runs in virtual time already")
        if not _clocks:
            for name in _NAMES:
                _real[name] = getattr(time, name)
                setattr(time, name, _redirect(name))
        _clocks[thread] = _Clocks(loop)
    try:
        yield
    finally:
        with _lock:
            del _clocks[thread]
            if not _clocks:
                for name in _NAMES:
                    setattr(time, name, _real[name])


# --- running


def run_virtual(
    main: Callable[[], Awaitable[T]] | Awaitable[T],
    *,
    limit: float | None = 3600.0,
    patience: float = 10.0,
    seed: int = 0,
) -> T:
    """Run *main*, a coroutine or a function that returns one, in virtual time; return its result.

    What is left over at the end is cancelled, as by ``asyncio.run``. When the run cannot go on,
    its tasks are cancelled first, so that their ``finally`` clauses run.

    Args:
        main: What to run.
        limit: How many virtual seconds it may take, None for no limit.
        patience: How many real seconds to wait for a job in a thread or for a socket when there is
            nothing else to do.
        seed: For the ``random`` module, whose state is restored afterwards.

    Raises:
        NothingLeft: *main* waits for something that cannot come.
        TimeIsUp: The *limit* is over, or the loop spins without time passing.
        RuntimeError: An event loop is running in this thread.
    """
    with contextlib.ExitStack() as stack:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            if inspect.iscoroutine(main):
                main.close()
            raise RuntimeError("run_virtual() cannot be called from a running event loop")
        state = random.getstate()
        stack.callback(random.setstate, state)
        random.seed(seed)
        loop = VirtualLoop(limit=limit, patience=patience)
        stack.callback(loop.close)
        stack.callback(asyncio.set_event_loop, None)
        stack.enter_context(_virtual_clocks(loop))
        asyncio.set_event_loop(loop)
        try:
            return loop.run_until_complete(_main(main))
        finally:
            _wind_up(loop)


async def _main(main: Callable[[], Awaitable[T]] | Awaitable[T]) -> T:
    return await (main() if callable(main) else main)


def _wind_up(loop: VirtualLoop) -> None:
    loop.extend(3600.0)
    left = sorted(asyncio.all_tasks(loop), key=lambda task: _natural(task.get_name()))
    for task in left:
        task.cancel()
    # A task that hangs in its clean-up too is given up: the first error says where it hung.
    with contextlib.suppress(VirtualTimeError):
        loop.run_until_complete(_gather(left))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    for task in left:
        if task.done() and not task.cancelled() and task.exception() is not None:
            loop.call_exception_handler(
                {
                    "message": "unhandled exception while run_virtual() wound up",
                    "exception": task.exception(),
                    "task": task,
                }
            )


async def _gather(tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


@overload
def virtual_time(test: Callable[P, Coroutine[Any, Any, T]], /) -> Callable[P, T]: ...
@overload
def virtual_time(
    *, limit: float | None = ..., patience: float = ..., seed: int = ...
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, T]]: ...
def virtual_time(test: Any = None, /, **options: Any) -> Any:
    """Turn an async test into a plain one that runs in virtual time. Options: see
    :func:`run_virtual`.

    It keeps its parameters, so pytest fixtures work, with or without an asyncio plugin. Async
    fixtures do not: they live on another loop.
    """
    if test is None:
        return functools.partial(virtual_time, **options)
    if not inspect.iscoroutinefunction(test):
        raise TypeError(f"virtual_time is for async functions, not {test!r}")

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> Any:
        return run_virtual(lambda: test(*args, **kwargs), **options)

    return run
