"""The base of this library's errors."""

from __future__ import annotations

__all__ = ["RealtimeFSMError"]


class RealtimeFSMError(Exception):
    """Base of all errors raised by this library."""
