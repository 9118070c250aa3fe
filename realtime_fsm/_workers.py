"""Who does the parts of some work: processes of this machine, or an existing Dask cluster."""

from __future__ import annotations

import contextlib
import functools
import gc
import hashlib
import logging
import os
import platform
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from importlib import import_module, metadata
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from ._input import InputError

__all__ = [
    "Dask",
    "NoWorkersError",
    "Processes",
    "Workers",
    "available_cores",
    "check_address",
    "versions",
    "without_interrupts",
]

#: Seconds that a scheduler may take to answer.
_CONNECT = 10.0
#: Seconds for which it is known who works there.
_FRESH = 2.0
#: Seconds that a cluster may be without workers: one that restarts them is not gone.
_EMPTY = 30.0


class NoWorkersError(RuntimeError):
    """There is nobody to do the work. The message says why, and what helps."""


class Workers(Protocol):
    """Executors of one kind.

    Attributes:
        name: What it is called in messages.
    """

    name: str

    def start(self) -> Executor:
        """One that can be used; again after it broke. Raises `NoWorkersError`."""

    def width(self) -> int:
        """How many parts it does at a time, at least 1."""

    def lives(self) -> bool:
        """Whether it may still do what it was given."""

    def stop(self) -> None:
        """Leave it; what it was given is not waited for. Never raises."""


def available_cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux has it
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


class Processes:
    """Processes of this machine. See `Workers`."""

    def __init__(self, count: int) -> None:
        self.name = f"{count} processes"
        self._count = count
        self._pool: _Pool | None = None

    def start(self) -> Executor:
        self.stop()
        with without_interrupts():
            self._pool = _Pool(self._count)
        return self._pool

    def width(self) -> int:
        return self._count

    def lives(self) -> bool:
        return True

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.leave()
            self._pool = None


class _Pool(ProcessPoolExecutor):
    """Starts its processes when there is something to do."""

    def __init__(self, count: int) -> None:
        # A forked child would inherit the event loops and threads of whoever calls this.
        context = SpawnContext()
        self._started: list[BaseProcess] = []

        def process(*args: Any, **kwargs: Any) -> BaseProcess:
            self._started.append(SpawnContext.Process(*args, **kwargs))
            return self._started[-1]

        context.Process = process  # type: ignore[assignment,misc]
        super().__init__(count, mp_context=context, initializer=_begin)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        with without_interrupts():
            return super().submit(function, *args, **kwargs)

    def leave(self) -> None:
        """End its processes, whatever they do: Python waits for them when it exits."""
        self.shutdown(wait=False, cancel_futures=True)
        for each in self._started:
            if each.is_alive():
                each.terminate()


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Within this, processes are started. Ctrl-C reaches all processes of the terminal: these never take
    it, not even while they import, and this one does when they have all that they wait for; it ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    with _interrupted_later():
        resource_tracker.ensure_running()  # it lets Ctrl-C through again when it is started
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _interrupted_later() -> Iterator[None]:
    """A mask is of one thread: a signal is given to another one, such as a library's, and Python
    raises it here all the same."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)


def _begin() -> None:
    # What is imported stays; the collector need not look at it again and again.
    gc.freeze()
    # What is never retrieved is logged at some later time.
    logging.disable(logging.CRITICAL)
    gc.set_threshold(50_000, 20, 20)


_ADDRESS = re.compile(r"(\w+://)?(\[[^]\s]+\]|[^\s/:]+):(?P<port>\d{1,5})")


def check_address(address: str) -> None:
    """Raise `InputError` for what can be no scheduler's address. Dask would say so, too, and then wait."""
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        raise InputError("--dask", address, "a scheduler's address, as in tcp://10.0.0.1:8786")


class Dask:
    """A Dask cluster that runs already, and whose workers have this package. See `Workers`.

    Args:
        address: Of its scheduler, such as ``tcp://10.0.0.1:8786``. It runs what it is sent, and so do
            we: only one that you trust.

    Raises:
        InputError: It is no address.
    """

    def __init__(self, address: str) -> None:
        check_address(address)
        self.name = f"the Dask cluster at {address}"
        self._address = address
        self._client: Any = None
        self._seen_at = 0.0
        self._threads: dict[str, int] = {}
        self._asked_at = -_FRESH

    def start(self) -> Executor:
        try:
            distributed: Any = import_module("distributed")
        except ImportError as e:
            raise NoWorkersError(
                f"--dask needs Dask ({e}): pip install 'realtime-fsm[scale]'"
            ) from None
        self.stop()
        try:
            self._client = distributed.Client(self._address, timeout=_CONNECT, set_as_default=False)
        except (OSError, ValueError, ImportError) as e:
            raise NoWorkersError(f"no Dask scheduler answers at {self._address}: {e}") from None
        self._seen_at = time.monotonic()
        executor: Executor = self._client.get_executor(pure=False)
        return executor

    def width(self) -> int:
        return max(1, sum(self._workers().values()))

    def lives(self) -> bool:
        if self._client is None or self._client.status != "running":
            return False  # a lost scheduler forgets what it was given
        if self._workers():
            self._seen_at = time.monotonic()
        return time.monotonic() - self._seen_at < _EMPTY

    def _workers(self) -> dict[str, int]:
        """Threads by worker, as the scheduler told in the last seconds."""
        now = time.monotonic()
        if now - self._asked_at > _FRESH:
            try:
                self._threads = dict(self._client.nthreads())
            except Exception:  # of its socket, in many words
                self._threads = {}
            self._asked_at = now
        return self._threads

    def stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close(timeout=_CONNECT)


@functools.cache
def versions() -> tuple[str, ...]:
    """What the result of a part depends on, in words: whoever does one has to have the same."""
    return (
        f"realtime-fsm {_of('realtime-fsm')} ({_source()})",
        *(f"{name} {_of(name)}" for name in ("livekit-agents", "livekit-plugins-openai")),
        f"Python {'.'.join(platform.python_version_tuple()[:2])}",
    )


def _of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _source() -> str:
    """A version does not tell what was changed since."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
