"""The proof of the proof, in short: some of the row mutants (`make row-mutants` runs all)."""

from __future__ import annotations

import pytest

from realtime_fsm._core.machine import arrows
from realtime_fsm._core.turn_table import TurnEvent

from .rows import DEFINITIONS, How, Mutant, Pair, all_mutants, in_force, killer, scenarios

#: A fixed sample, over all tables and all five ways.
SAMPLE = all_mutants()[0::25]


def test_all_rules_are_broken_in_every_way_that_applies() -> None:
    found = all_mutants()
    assert len({str(mutant) for mutant in found}) == len(found)
    for definition in DEFINITIONS.values():
        for number, arrow in enumerate(arrows(definition.table)):
            ways = {How.REMOVED, How.REDIRECTED}
            ways |= {How.NEGATED} if arrow.guard else set()
            ways |= {How.DROPPED} if arrow.effect else set()
            ways |= {How.UNTOLD} if arrow.tells else set()
            mine = {m.how for m in found if m.definition is definition and m.number == number}
            assert mine == ways, arrow
    assert {mutant.how for mutant in SAMPLE} == set(How)
    assert len({id(mutant.definition) for mutant in SAMPLE}) == 3


def test_every_state_of_a_rule_meets_its_event() -> None:
    """A rule that nothing tells of is noticed here; what it does, by its mutants."""
    met = frozenset[Pair]().union(*(scenario.pairs for scenario in scenarios()))
    rules = {(a.source, a.event) for d in DEFINITIONS.values() for a in arrows(d.table)}
    assert rules - met == set()


@pytest.mark.sampled(3, kind=lambda mutant: (mutant.how, mutant.definition.table[0]))
@pytest.mark.parametrize("mutant", SAMPLE, ids=str)
def test_a_broken_rule_is_noticed(mutant: Mutant) -> None:
    assert killer(mutant) is not None


def test_what_changes_nothing_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the check: a mutant is not killed by being run as one."""
    mutant = next(m for m in all_mutants() if m.how is How.REMOVED)
    monkeypatch.setattr(Mutant, "table", property(lambda self: arrows(self.definition.table)))
    assert killer(mutant) is None


def test_a_mutant_is_in_force_for_a_while() -> None:
    from realtime_fsm._core import session
    from tests.core.test_rows import happened

    before = session.MACHINES
    mutant = next(
        m
        for m in all_mutants()
        if m.arrow.event is TurnEvent.RESPONSE_CREATED
        and m.arrow.guard is None  # asked for by a host
        and m.how is How.REMOVED
    )
    with in_force(mutant), pytest.raises(AssertionError):
        happened("created | completed | -")
    assert session.MACHINES is before
    assert happened("created | completed | -").startswith("retry_wait")
