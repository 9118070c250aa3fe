"""Grades a Realtime server: one question for each rule, over a real WebSocket.

::

    result = await conform(Options(url="http://127.0.0.1:8765/v1", directed=True))
    for rule, answer in result:
        print(rule.id, answer.verdict, answer.how)
"""

from __future__ import annotations

from .known import ConformError, Pace
from .result import Answer, Frame, Result
from .run import Options, Run, conform

__all__ = [
    "Answer",
    "ConformError",
    "Frame",
    "Options",
    "Pace",
    "Result",
    "Run",
    "conform",
]
