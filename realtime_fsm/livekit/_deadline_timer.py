"""The one timer of a controller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ._guard import Guard


class DeadlineTimer:
    """Calls *due* at a time of the running loop, at most one at once."""

    def __init__(self, due: Callable[[], None], guard: Guard | None = None) -> None:
        self._due = due
        self._when_due = self._fire if guard is None else guard(self._fire)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at: float | None) -> None:
        """Be called at *at*, or not at all. One set earlier fires early, and is set again by whoever
        it calls: deadlines move back with every delta, and setting a timer costs more than that."""
        if self._timer is not None:
            if at is not None and self._timer.when() <= at and not self._timer.cancelled():
                return
            self._timer.cancel()
            self._timer = None
        if at is not None:
            self._timer = self._loop.call_at(at, self._when_due)

    def _fire(self) -> None:
        self._timer = None
        self._due()
