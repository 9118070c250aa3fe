"""Row mutants: every rule of the three tables is broken in five ways, and something must fail.

``python -m tests.mutants.rows [--json FILE] [--jobs N | --dask ADDRESS]`` breaks them all and says what noticed. A scenario is run
on a broken table only if, on ours, it brings that event in that state: no other can tell.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.stateful import run_state_machine_as_test

from realtime_fsm import RetryPolicy, TurnController
from realtime_fsm._core import machine, session
from realtime_fsm._core.errors import TableError
from realtime_fsm._core.machine import (
    MACHINES,
    PLAYBACK_DEFINITION,
    RESPONSE_DEFINITION,
    TURN_DEFINITION,
    Arrow,
    Definition,
    arrows,
    build,
    check,
)
from realtime_fsm._core.states import PlaybackState, ResponseState, TurnState
from realtime_fsm.testing.corpus import Case, cases, run
from tests.core import (
    test_actions,
    test_announced,
    test_controller,
    test_controller_ends,
    test_controller_midway,
    test_controller_user,
    test_dropped,
    test_recovery,
    test_response_rows,
    test_rows,
)
from tests.core.harness import consistent
from tests.properties.test_controller_machine import Calls

from .workers import each, value_of, workers_of

#: The random histories: few, always the same, and what fails is not made shorter.
BUDGET = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    verbosity=Verbosity.quiet,
    suppress_health_check=list(HealthCheck),
)


DEFINITIONS = {
    "turn": TURN_DEFINITION,
    "response": RESPONSE_DEFINITION,
    "playback": PLAYBACK_DEFINITION,
}


class How(Enum):
    """What is done to a rule."""

    REMOVED = "removed"
    REDIRECTED = "redirected"
    #: A rule without a guard never holds then; that is the same as REMOVED, and not done again.
    NEGATED = "guard negated"
    DROPPED = "effect dropped"
    UNTOLD = "tells nobody"


@dataclass(frozen=True)
class Mutant:
    """One rule (of one state and one event) that is broken."""

    definition: Definition
    number: int
    how: How

    @property
    def arrow(self) -> Arrow:
        return arrows(self.definition.table)[self.number]

    @property
    def table(self) -> tuple[Arrow, ...]:
        rows, arrow = list(arrows(self.definition.table)), self.arrow
        if self.how is How.REMOVED:
            del rows[self.number]
        elif self.how is How.REDIRECTED:
            rows[self.number] = arrow._replace(dest=_elsewhere(arrow.source, arrow.dest))
        elif self.how is How.NEGATED:
            guard = arrow.guard
            assert guard is not None
            rows[self.number] = arrow._replace(guard=lambda model, step: not guard(model, step))
        elif self.how is How.DROPPED:
            rows[self.number] = arrow._replace(effect=None)
        else:
            rows[self.number] = arrow._replace(tells=None)
        return tuple(rows)

    @property
    def refused(self) -> bool:
        """Whether the table is not even built: see `realtime_fsm._core.machine.check`."""
        try:
            check(replace(self.definition, table=self.table))
        except TableError:
            return True
        return False

    @property
    def rule(self) -> str:
        """The rule in words."""
        arrow = self.arrow
        guard = "" if arrow.guard is None else f" [{arrow.guard.__name__}]"
        dest = "(stays)" if arrow.dest is None else arrow.dest.value
        effect = "" if arrow.effect is None else f" / {arrow.effect.__name__}"
        tells = "" if arrow.tells is None else f", tells {arrow.tells.name}"
        return f"{arrow.source.value} --{arrow.event.name}{guard}--> {dest}{effect}{tells}"

    def __str__(self) -> str:
        return f"{self.rule}: {self.how.value}"


def _elsewhere(source: Enum, dest: Enum | None) -> Enum | None:
    if dest is PlaybackState.FINISHED:
        return None
    if isinstance(source, PlaybackState):
        return PlaybackState.FINISHED
    if isinstance(source, ResponseState):
        ended = ResponseState.ENDED in (source, dest)
        return ResponseState.FORGOTTEN if ended else ResponseState.ENDED
    return TurnState.FAILED if dest is not TurnState.FAILED else TurnState.DONE


def mutants(definition: Definition) -> Iterator[Mutant]:
    """Every rule of a table, broken in each way that applies to it."""
    for number, arrow in enumerate(arrows(definition.table)):
        yield Mutant(definition, number, How.REMOVED)
        yield Mutant(definition, number, How.REDIRECTED)
        if arrow.guard is not None:
            yield Mutant(definition, number, How.NEGATED)
        if arrow.effect is not None:
            yield Mutant(definition, number, How.DROPPED)
        if arrow.tells is not None:
            yield Mutant(definition, number, How.UNTOLD)


def all_mutants() -> tuple[Mutant, ...]:
    return tuple(mutant for each in DEFINITIONS.values() for mutant in mutants(each))


@contextmanager
def in_force(mutant: Mutant) -> Iterator[None]:
    """Within this every new controller obeys the broken table."""
    with patch.object(machine, "check"):  # some would be refused
        built = build(replace(mutant.definition, table=mutant.table))
    (name,) = [name for name, each in DEFINITIONS.items() if each is mutant.definition]
    with patch.object(session, "MACHINES", MACHINES._replace(**{name: built})):
        yield


# --- what notices


Pair = tuple[Enum, Enum]


class Scenario(NamedTuple):
    """Something that holds with our tables.

    Attributes:
        pairs: The (state, event) pairs that occur in it.
        seconds: How long it takes.
    """

    name: str
    play: Callable[[], Any]
    pairs: frozenset[Pair]
    seconds: float


_MODULES = (
    *(test_actions, test_announced, test_dropped),
    *(test_controller, test_controller_ends, test_controller_midway, test_controller_user),
    *(test_recovery, test_response_rows, test_rows),
)


@lru_cache(maxsize=1)
def scenarios() -> tuple[Scenario, ...]:
    """The exact cases of the corpus, the core's tests and the random histories; quick ones first."""
    plays = [(f"corpus {c.id}", partial(_holds, c)) for c in cases() if c.level == "exact"]
    for module in _MODULES:
        plays += _tests_of(module)
    plays.append(("random histories", partial(run_state_machine_as_test, Calls, settings=BUDGET)))
    return tuple(sorted((_observed(*each) for each in plays), key=lambda s: s.seconds))


def _holds(case: Case) -> None:
    made: list[TurnController] = []

    def controller(policy: RetryPolicy) -> TurnController:
        made.append(TurnController(policy))
        return made[0]

    result = run(case, controller=controller)
    assert result.holds, result.problems[0]
    consistent(made[0])


def _tests_of(module: ModuleType) -> Iterator[tuple[str, Callable[[], Any]]]:
    """The tests of a module, with their parameters."""
    for name, function in vars(module).items():
        if not name.startswith("test_"):
            continue
        choices = []
        for mark in getattr(function, "pytestmark", ()):
            names, values = mark.args
            keys = [n.strip() for n in names.split(",")] if isinstance(names, str) else names
            rows = [v if len(keys) > 1 else (v,) for v in values]
            choices.append([dict(zip(keys, row, strict=True)) for row in rows])
        for chosen in itertools.product(*choices):
            values = {k: v for each in chosen for k, v in each.items()}
            suffix = f"[{'-'.join(str(v) for v in values.values())}]" if values else ""
            yield (
                f"{module.__name__.rpartition('.')[2]}::{name}{suffix}",
                partial(function, **values),
            )


def _observed(name: str, play: Callable[[], Any]) -> Scenario:
    pairs: set[Pair] = set()

    def noted(of: Any, model: Any, event: Enum, step: Any) -> Any:
        pairs.add((model.state, event))
        return machine.fire(of, model, event, step)

    began = time.perf_counter()
    with patch.object(session, "fire", noted):
        play()
    return Scenario(name, play, frozenset(pairs), time.perf_counter() - began)


def killer(mutant: Mutant) -> tuple[str, str] | None:
    """The scenario that fails with this mutant and what it says, or None: it survives."""
    pair = (mutant.arrow.source, mutant.arrow.event)
    for scenario in scenarios():
        if pair in scenario.pairs:
            with in_force(mutant):
                try:
                    scenario.play()
                except Exception as error:  # whatever it is, it is noticed
                    words = (str(error) or type(error).__name__).splitlines()
                    return scenario.name, words[0]
    return None


def tried(number: int) -> dict[str, Any]:
    """What became of the mutant with this number."""
    mutant = all_mutants()[number]
    by = killer(mutant)
    return {
        "rule": mutant.rule,
        "mutation": mutant.how.value,
        "refused_when_built": mutant.refused,
        "killed_by": by[0] if by else None,
        "says": by[1] if by else None,
    }


def main(arguments: list[str]) -> int:
    def tell(of: dict[str, Any]) -> None:
        print(f"{of['rule']}: {of['mutation']}\n    {of['killed_by'] or 'SURVIVES'}", flush=True)

    numbers = range(len(all_mutants()))
    found = each(tried, numbers, workers_of(arguments), tell, size=5)
    survivors = [of for of in found if of["killed_by"] is None]
    print(f"\n{len(found)} row mutants: {len(found) - len(survivors)} killed")
    for of in survivors:
        print(f"survives: {of['rule']}: {of['mutation']}")
    if (path := value_of(arguments, "--json")) is not None:
        Path(path).write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
