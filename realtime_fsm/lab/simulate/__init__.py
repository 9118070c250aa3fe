"""Random calls in virtual time, with faults, judged by an oracle of its own.

See ``docs/simulate.md``.
"""

from __future__ import annotations

from .drawing import draw
from .evidence import Evidence
from .judge import Judged, TurnFate, judge
from .pairs import Difference, PairResult, run_pair
from .replay import replay, show
from .report import describe, merge, summarize
from .run import CallResult, run_call, run_scenario
from .scenario import PROFILES, Act, Edit, Scenario, Turn, call_seed

__all__ = [
    "PROFILES",
    "Act",
    "Edit",
    "CallResult",
    "Evidence",
    "Difference",
    "Judged",
    "PairResult",
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
    "run_pair",
    "run_scenario",
    "show",
    "summarize",
]
