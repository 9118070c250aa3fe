"""Keeps logs off the terminal, and counts the errors among them."""

from __future__ import annotations

import contextlib
import gc
import logging
from collections import Counter
from collections.abc import Iterator

__all__ = ["quiet_logs"]

_LOGGERS = ("livekit", "asyncio", "realtime_fsm", "aiohttp")


class _Count(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        self.errors[record.name.partition(".")[0]] += 1


@contextlib.contextmanager
def quiet_logs() -> Iterator[Counter[str]]:
    """Send these loggers to a counter, and give what it has counted by the end."""
    count = _Count()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.handlers[:], logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers[:], logger.propagate = [count], False
    try:
        yield count.errors
    finally:
        # "Future exception was never retrieved" is logged when the future is collected.
        gc.collect()
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagate
