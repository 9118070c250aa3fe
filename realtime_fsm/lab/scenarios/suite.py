"""All scenarios, in groups, and how one is judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

from livekit.agents import __version__ as livekit_agents_version

from ..._input import InputError
from ...compare import Verdict
from .composition import COMPOSITION
from .known_open import OPEN
from .matrix import MATRIX
from .outcome import Outcome, differences
from .rows import ROWS
from .run import compare_scenario, run_scenario
from .scenario import Expect, Scenario
from .variants import VARIANTS

__all__ = [
    "GROUPS",
    "MEASURED_WITH",
    "NEWER",
    "SCENARIOS",
    "Judged",
    "judge",
    "run_all",
    "said_of_plain",
    "select",
]

MEASURED_WITH = "1.8.9"
"""The livekit-agents whose plain behaviour the scenarios state."""
NEWER = "2.0.0b1"
"""The one of which they state where it does something else."""


def _known(scenarios: Iterable[Scenario]) -> tuple[Scenario, ...]:
    return tuple(replace(each, open=OPEN.get(each.id, "")) for each in scenarios)


GROUPS: dict[str, tuple[Scenario, ...]] = {
    "baseline": _known(ROWS),
    "variants": _known(VARIANTS),
    "turns": _known(MATRIX),
    "composition": _known(COMPOSITION),
}
SCENARIOS: dict[str, Scenario] = {each.id: each for group in GROUPS.values() for each in group}


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

    scenario: Scenario
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
        return bool(self.plain_problems) or self.holds == bool(self.scenario.open)


@cache
def judge(scenario_id: str) -> Judged:
    """Run a scenario in virtual time, plain and controlled, and compare the two, once in a process.

    Raises ``KeyError`` for an unknown id.
    """
    scenario = SCENARIOS[scenario_id]
    plain = None if scenario.plain is None else run_scenario(scenario, "plain")
    controlled = run_scenario(scenario, "controlled")
    plain_problems: list[str] = []
    said = said_of_plain(scenario)
    if plain is not None and said is not None:
        plain_problems = differences(said, plain)
    problems = differences(scenario.controlled, controlled)
    problems += [*controlled.broken, *controlled.complaints]
    verdict = compare_scenario(scenario)
    return Judged(scenario, plain, controlled, tuple(plain_problems), tuple(problems), verdict)


def said_of_plain(scenario: Scenario, version: str = livekit_agents_version) -> Expect | None:
    """What plain LiveKit is said to make of a scenario, with this livekit-agents."""
    if version == NEWER:
        return scenario.newer or scenario.plain
    return scenario.plain if version == MEASURED_WITH else None


def select(wanted: Iterable[str]) -> list[str]:
    """Return the ids that *wanted* names: ids, names of groups, or the part before the slash;
    nothing is all.

    Raises `InputError` for one that names nothing.
    """
    chosen: dict[str, None] = {}
    for name in wanted:
        found = [name] if name in SCENARIOS else [each.id for each in GROUPS.get(name, ())]
        found = found or [each for each in SCENARIOS if each.startswith(f"{name}/")]
        if not found:
            known = ", ".join([*GROUPS, *(each for each in SCENARIOS if "/" not in each)])
            raise InputError("the scenario", name, f"one of {known}")
        chosen.update(dict.fromkeys(found))
    return list(chosen) or list(SCENARIOS)


def run_all(ids: Iterable[str]) -> Iterator[Judged]:
    """Judge these, one after another."""
    for each in ids:
        yield judge(each)
