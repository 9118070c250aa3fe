"""The machine built from other tables, here and now: what `build` hands to `transitions`, what a
refused event is, and the words of a bad table."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum

import pytest

import realtime_fsm as rf
from realtime_fsm._core.machine import MACHINES, TURN_DEFINITION, Definition, build, check
from realtime_fsm._core.turn_table import TABLE, Row, TurnEvent

from .harness import Bench

S, E = rf.TurnState, TurnEvent


def test_a_machine_has_the_tables_states_and_events_and_nothing_else() -> None:
    machine = build(TURN_DEFINITION)
    assert set(machine.events) == {e.name for e in TurnEvent}
    assert set(machine.states) == {s.name for s in S}
    assert (machine.initial, machine.models) == ("REQUESTED", [])


def test_a_machine_built_anew_does_the_same() -> None:
    """Guards too: the first interrupt finds the turn waiting, the second on the wire."""
    b = Bench()
    b.c._session.machines = MACHINES._replace(turn=build(TURN_DEFINITION))
    first = b.ask()
    second = b.ask()
    b.interrupt(second)
    b.interrupt(first)
    assert (first.state, second.state) == (S.CANCELLING, S.DONE)


def test_g25_an_event_without_a_row_and_one_that_is_refused_are_counted() -> None:
    rows = [r for r in TABLE if r.source is not S.REQUESTED or r.event is not E.INTERRUPTED]
    refusing = [*rows, *(r for r in TABLE if r not in rows and r.guard is not None)]
    for table, answer in ((rows, "no row"), (refusing, "refused")):
        c = rf.TurnController()
        turn_machine = build(replace(TURN_DEFINITION, table=tuple(table)))
        c._session.machines = MACHINES._replace(turn=turn_machine)
        turn = c.request(0.0)
        c.interrupt(turn, 0.0)
        assert turn.state is S.REQUESTED
        assert c.ignored == {f"INTERRUPTED in REQUESTED: {answer}": 1}


class Place(Enum):
    START = 1
    END = 2
    ISLAND = 3
    REEF = 4


def test_states_that_only_lead_to_each_other_are_unreachable() -> None:
    table = (
        Row(Place.START, E.CLOSED, Place.END, None, None, None, ""),  # type: ignore[arg-type]
        Row(Place.ISLAND, E.CLOSED, Place.REEF, None, None, None, ""),  # type: ignore[arg-type]
        Row(Place.REEF, E.CLOSED, Place.ISLAND, None, None, None, ""),  # type: ignore[arg-type]
    )
    end = frozenset({Place.END})
    with pytest.raises(rf.TableError) as e:
        check(Definition(table, Place, TurnEvent, (Place.START,), end, frozenset({E.CLOSED})))
    assert e.value.problems == (
        "state ISLAND is unreachable from START",
        "state REEF is unreachable from START",
    )


def test_a_dead_internal_row_is_named() -> None:
    dead = Row(S.CREATED, E.INTERRUPTED, None, None, None, None, "")
    with pytest.raises(rf.TableError) as e:
        check(replace(TURN_DEFINITION, table=(*TABLE, dead)))
    assert e.value.problems == (
        "dead row: CREATED --INTERRUPTED--> (internal) stands behind an unguarded row",
    )
