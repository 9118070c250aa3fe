"""Lets the clocks of the ``time`` module follow a virtual loop, in the thread of that loop."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from .clock import VirtualLoop

__all__ = ["follow"]

# 2100-01-01 UTC. A constant, so that runs are alike. In the future, because LiveKit orders a chat
# by `created_at` and an agent's initial messages, made before the run, have to stay the first.
_EPOCH_NS = 4_102_444_800 * 10**9
_NAMES = (
    "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep",
)  # fmt: skip
_MODELS = ("livekit.agents.llm.chat_context", "livekit.agents.voice.events")

_real: dict[str, Any] = {name: getattr(time, name) for name in _NAMES}
_clocks: dict[int, _Clocks] = {}
_lock = threading.Lock()
_bound: set[str] = set()


class _Clocks:
    """The functions of ``time`` in the thread of a virtual loop.

    Virtual time stands still while callbacks run, but two real readings differ, and LiveKit counts
    on it: its queue of speeches is a heap of (priority, ``perf_counter_ns()``, speech), and it
    tries again for as long as two readings are equal. So each reading is a little later than the
    one before.
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
        # A microsecond later, for a float of this size has no nanoseconds.
        now = _EPOCH_NS + round(self._loop.elapsed * 10**9)
        self._last_time = max(self._last_time + 1000, now)
        return self._last_time

    def time(self) -> float:
        return self.time_ns() / 10**9

    def monotonic_ns(self) -> int:
        return round(self._loop.time() * 10**9)

    def monotonic(self) -> float:
        # Exactly the loop's time, as with asyncio's own loops: code sets timers by it.
        return self._loop.time()

    def sleep(self, seconds: float) -> None:
        self._loop.advance(seconds)


def _redirected(name: str) -> Callable[..., Any]:
    def clock(*args: Any) -> Any:
        clocks = _clocks.get(threading.get_ident())
        return _real[name](*args) if clocks is None else getattr(clocks, name)(*args)

    clock.__name__ = name
    return clock


@contextlib.contextmanager
def follow(loop: VirtualLoop) -> Iterator[None]:
    """Let this thread's clocks follow *loop*; other threads keep the real ones.

    Raises ``RuntimeError`` when they follow a loop already.
    """
    thread = threading.get_ident()
    with _lock:
        if thread in _clocks:
            raise RuntimeError("this thread is in virtual time already")
        if not _clocks:
            _bind_models()
            for name in _NAMES:
                _real[name] = getattr(time, name)
                setattr(time, name, _redirected(name))
        _clocks[thread] = _Clocks(loop)
    try:
        yield
    finally:
        with _lock:
            del _clocks[thread]
            if not _clocks:
                for name in _NAMES:
                    setattr(time, name, _real[name])


def _bind_models() -> None:
    """LiveKit's chat items and events hold ``time.time`` itself as a default factory, while other
    chat items get ``created_at=time.time()``; both have to be of one clock, or the history is out
    of order. The change stays: without a virtual loop it is the real clock as before.
    """
    for name in _MODELS:
        module = sys.modules.get(name)
        if module is None or name in _bound:
            continue
        _bound.add(name)
        for model in vars(module).values():
            field = getattr(model, "model_fields", {}).get("created_at")
            if field is not None and field.default_factory is time.time:
                field.default_factory = _redirected("time")
                model.model_rebuild(force=True)
