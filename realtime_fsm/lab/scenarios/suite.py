"""How a scenario is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from livekit.agents import __version__ as livekit_agents_version

from ...compare import Verdict
from ...testing.corpus import Case
from ...testing.corpus._outcome import Outcome
from .groups import SCENARIOS
from .run import compare_scenario, run_scenario

__all__ = ["MEASURED_WITH", "NEWER", "Judged", "judge", "run_all"]

MEASURED_WITH = "1.8.9"
"""The livekit-agents whose plain behaviour the scenarios state."""
NEWER = "2.0.0b1"
"""The one of which they state where it does something else."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A scenario, what was seen of it, and what is wrong with that.

    Attributes:
        scenario: What was run.
        plain: What was seen of plain LiveKit; None where the scenario says nothing about it.
        controlled: What was seen of the controlled model.
        plain_problems: How plain LiveKit is not what it is said to be; empty with another
            livekit-agents than :data:`MEASURED_WITH` and :data:`NEWER`.
        problems: What the controlled call did not do, in words.
        verdict: How it compares with plain LiveKit, each attempt at a question with the same reply;
            None where that cannot be told, see :func:`compare_scenario`.
    """

    scenario: Case
    plain: Outcome | None
    controlled: Outcome
    plain_problems: tuple[str, ...]
    problems: tuple[str, ...]
    verdict: Verdict | None = None

    @property
    def holds(self) -> bool:
        """Whether the controlled call did all it must."""
        return not self.problems

    @property
    def surprising(self) -> bool:
        """Whether something came otherwise than the suite says: fails, or is open and holds."""
        return bool(self.plain_problems) or self.holds == (self.scenario.status == "open")


@cache
def judge(scenario_id: str) -> Judged:
    """Run a scenario in virtual time, plain and controlled, and compare the two, once in a process.

    Raises ``KeyError`` for an unknown id.
    """
    case = SCENARIOS[scenario_id]
    plain = run_scenario(case, plain=True) if case.plain else None
    controlled = run_scenario(case)
    if controlled.seen is None:
        raise RuntimeError(f"{scenario_id}: {controlled.problems}")
    problems = (*controlled.problems, *controlled.seen.complaints)
    if plain is None or plain.seen is None:
        return Judged(case, None, controlled.seen, (), problems, compare_scenario(case))
    stated = livekit_agents_version in (MEASURED_WITH, NEWER)
    surprises = tuple(each for each in plain.problems if each not in plain.seen.broken)
    return Judged(
        case,
        replace(plain.seen, broken=()),
        controlled.seen,
        surprises if stated else (),
        problems,
        compare_scenario(case),
    )


def run_all(ids: Iterable[str]) -> Iterator[Judged]:
    """Judge these, one after another."""
    for each in ids:
        yield judge(each)
