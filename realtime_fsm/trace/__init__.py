"""Traces of calls: record them, read them, and check which guarantees a call kept.

See ``docs/trace.md``. Only :func:`record` imports LiveKit, when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazily
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

__getattr__, __dir__ = lazily(__name__, {"recorder": ("Recorder", "record")})
