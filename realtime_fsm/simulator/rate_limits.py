"""The allowance that ``rate_limits.updated`` tells clients about."""

from __future__ import annotations

from .wire import Wire

__all__ = ["RateLimits"]

_REQUESTS = 1000
_TOKENS = 200_000


class RateLimits:
    """Counts what one connection has used. The numbers are invented and refuse nothing."""

    __slots__ = ("_requests", "_tokens", "_wire")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._requests = 0
        self._tokens = 0

    def send(self, tokens: int) -> None:
        """Send the event, after one more response that used *tokens*."""
        self._requests += 1
        self._tokens += tokens
        limits = [
            {
                "name": name,
                "limit": limit,
                "remaining": max(0, limit - used),
                "reset_seconds": 60.0,
            }
            for name, limit, used in (
                ("requests", _REQUESTS, self._requests),
                ("tokens", _TOKENS, self._tokens),
            )
        ]
        self._wire.send("rate_limits.updated", rate_limits=limits)
