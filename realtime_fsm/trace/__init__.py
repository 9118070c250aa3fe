"""Traces of calls: record them, read them, and check which guarantees a call kept.

See ``docs/trace.md``. Only :func:`record` imports LiveKit, when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .check import RULES, UNSEEN, Report, Violation, check
from .format import VERSION, Header, Line
from .reader import Issue, read
from .redact import redacted
from .settings import Settings
from .writer import write_record

if TYPE_CHECKING:
    from .recorder import Recorder, record

__all__ = [
    "RULES",
    "UNSEEN",
    "VERSION",
    "Header",
    "Issue",
    "Line",
    "Recorder",
    "Report",
    "Settings",
    "Violation",
    "check",
    "read",
    "record",
    "redacted",
    "write_record",
]


def __getattr__(name: str) -> Any:
    if name not in ("Recorder", "record"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import recorder

    value = globals()[name] = getattr(recorder, name)
    return value
