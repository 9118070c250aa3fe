"""The one timer of a controller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ._guard import Guard

#: A timer that fires so much too late, seconds, tells of the loop: it stood still, and what came
#: meanwhile is not read yet. Seconds to read it in.
LATE = 0.25
#: Seconds to read what came in the instant in which a timer fires.
TO_READ = 0.01


class DeadlineTimer:
    """Calls *due* at a time of the running loop, at most one at once: a timer judges what has been
    read."""

    def __init__(self, due: Callable[[], None], guard: Guard | None = None) -> None:
        self._due = due
        self._when_due = self._fire if guard is None else guard(self._fire)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        #: Until when what is not read yet is read; nothing is due before.
        self._reading_until = 0.0

    def set(self, at: float | None) -> None:
        """Be called at *at*, or not at all. One set earlier fires early, and is set again by whoever
        it calls: deadlines move back with every delta, and setting a timer costs more than that."""
        if self._timer is not None:
            if at is not None and self._timer.when() <= at and not self._timer.cancelled():
                return
            self._was_late(self._timer)
            self._timer.cancel()
            self._timer = None
        if at is not None:
            at = max(at, self._reading_until, self._loop.time())
            self._timer = self._loop.call_at(at, self._when_due)

    def _was_late(self, timer: asyncio.TimerHandle) -> bool:
        now = self._loop.time()
        late = now - timer.when() > LATE
        if late:
            self._reading_until = now + LATE
        return late

    def _fire(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and self._was_late(timer):
            self.set(self._reading_until)
        else:
            self._due()
