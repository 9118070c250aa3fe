"""Calls in which something goes wrong, each with plain LiveKit and with the controlled model.

A real ``AgentSession`` and the real OpenAI plugin against the simulated server, in virtual time::

    realtime-fsm scenarios          # all of them, as a table
    realtime-fsm scenarios c j3 l   # these

Needs the OpenAI plugin (``pip install "realtime-fsm[openai]"``).
"""

from typing import TYPE_CHECKING

from ..._lazy import lazily
from .groups import GROUPS, SCENARIOS, select

if TYPE_CHECKING:
    from .run import compare_scenario, run_scenario
    from .suite import MEASURED_WITH, Judged, judge, run_all

__all__ = [
    "GROUPS",
    "MEASURED_WITH",
    "SCENARIOS",
    "Judged",
    "compare_scenario",
    "judge",
    "run_all",
    "run_scenario",
    "select",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "run": ("compare_scenario", "run_scenario"),
        "suite": ("MEASURED_WITH", "Judged", "judge", "run_all"),
    },
)
