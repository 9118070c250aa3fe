"""The connections of one session: how many, how fast one after another, and how the last one ended."""

from __future__ import annotations

from collections import Counter, deque

from .records import WatchPolicy


class Connections:
    """Counts them.

    Attributes:
        number: The current one's, from 1; 0 before the first.
        started: Its ``session.start`` was seen.
        closing: The client asked to close it.
        over: The service said that it is closed.
        closes: How often the service closed one for which reason.
        storm: They come so fast that it was told.
        storm_at: When the first of the storm came.
    """

    def __init__(self, policy: WatchPolicy) -> None:
        self._policy = policy
        self._times: deque[float] = deque(maxlen=policy.storm_connections + 1)
        self.number = 0
        self.started = False
        self.closing = False
        self.over = False
        self.closes: Counter[str] = Counter()
        self.reason: str | None = None
        self.storm = False
        self.storm_at = 0.0

    def next(self, now: float) -> bool:
        """There is another one. Returns whether a storm begins with it."""
        self.number += 1
        self.started = self.closing = self.over = False
        policy, times = self._policy, self._times
        if times and now - times[-1] > policy.storm_window:
            self.storm = False  # the one before lasted
        times.append(now)
        full = len(times) > policy.storm_connections
        begins = full and now - times[0] <= policy.storm_window and not self.storm
        if begins:
            self.storm, self.storm_at = True, times[0]
        return begins

    def ended(self, reason: str | None) -> bool:
        """The service says that the session is over. Returns whether nobody asked for that."""
        again, self.over = self.over, True
        if again or self.closing:
            return False
        self.reason = reason
        if reason is not None and (reason in self.closes or len(self.closes) < 20):
            self.closes[reason] += 1
        return True
