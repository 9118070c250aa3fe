"""Is the controlled call worse than plain LiveKit? The differential judge of G27.

See ``docs/simulate.md``. It knows nothing of how either call came about: see :class:`Life`.
"""

from __future__ import annotations

from .judge import CLAUSES, ENDS_PLAIN, Clause, Finding, Verdict, judge
from .lateness import Subtracted
from .life import (
    Attempt,
    Collision,
    Deed,
    Ending,
    Heard,
    Life,
    Message,
    Question,
    Span,
    Speech,
    Wait,
)

__all__ = [
    "CLAUSES",
    "ENDS_PLAIN",
    "Attempt",
    "Clause",
    "Collision",
    "Deed",
    "Ending",
    "Finding",
    "Heard",
    "Life",
    "Message",
    "Question",
    "Span",
    "Speech",
    "Subtracted",
    "Verdict",
    "Wait",
    "judge",
]
