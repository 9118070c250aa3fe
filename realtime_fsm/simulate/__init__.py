"""Random calls in virtual time, with faults, judged by an oracle of its own.

See ``docs/simulate.md``.
"""

from __future__ import annotations

from .evidence import Evidence
from .judge import Judged, TurnFate, judge
from .replay import replay, show
from .report import MergeError, describe, merge, summarize
from .run import CallResult, run_call, run_scenario
from .scenario import PROFILES, Scenario, Turn, call_seed, draw

__all__ = [
    "PROFILES",
    "CallResult",
    "Evidence",
    "Judged",
    "MergeError",
    "Scenario",
    "Turn",
    "TurnFate",
    "call_seed",
    "describe",
    "draw",
    "judge",
    "merge",
    "replay",
    "run_call",
    "run_scenario",
    "show",
    "summarize",
]
