"""The table as a `transitions` machine. The only module that imports `transitions`.

One machine serves all turns: nothing is registered per turn, ``Event.trigger`` works on any object
with a ``state``. What is not used, and why, is in ``docs/decisions.md``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, cast

from transitions import EventData, Machine, MachineError

from ._commands import TurnMoved
from ._errors import TableError
from ._rules import Step
from ._states import FINAL, TurnState
from ._table import INITIAL, TABLE, TIMERS, Arrow, Effect, Guard, Row, TurnEvent, arrows
from ._turn import Turn


class Fired(Enum):
    """What an event did to a turn."""

    #: A row was taken; the state may be the same (internal rows).
    TAKEN = "taken"
    #: Rows exist, but every guard said no. Nothing changed.
    REFUSED = "refused"
    #: No row for this event in this state. Nothing changed.
    NO_ROW = "no row"


def check_table(table: tuple[Row, ...]) -> None:
    """Raise `TableError` naming every problem of a table.

    Checked: states and events are ours, every state is reachable, no row is dead (behind an
    unguarded row for the same state and event), final states have no exit, every other state
    has a way out and a timer that takes it.
    """
    problems: list[str] = []
    rows = arrows(table)
    for row in rows:
        source, event, dest = (cast(object, x) for x in row[:3])
        if not isinstance(source, TurnState):
            problems.append(f"unknown source state {source!r}")
        if dest is not None and not isinstance(dest, TurnState):
            problems.append(f"unknown destination state {dest!r} in a row of {source}")
        if not isinstance(event, TurnEvent):
            problems.append(f"unknown event {event!r} in a row of {source}")
    if not problems:
        problems += _dead_rows(rows) + _unreachable(rows) + _traps(rows)
    if problems:
        raise TableError(tuple(problems))


def _dead_rows(rows: tuple[Arrow, ...]) -> list[str]:
    unguarded: set[tuple[TurnState, TurnEvent]] = set()
    problems = []
    for row in rows:
        key = (row.source, row.event)
        if key in unguarded:
            problems.append(f"dead row: {_name(row)} stands behind an unguarded row")
        if row.guard is None:
            unguarded.add(key)
    return problems


def _unreachable(rows: tuple[Arrow, ...]) -> list[str]:
    seen, todo = {INITIAL}, deque([INITIAL])
    while todo:
        state = todo.popleft()
        for row in rows:
            if row.source is state and row.dest is not None and row.dest not in seen:
                seen.add(row.dest)
                todo.append(row.dest)
    return [
        f"state {s.name} is unreachable from {INITIAL.name}" for s in TurnState if s not in seen
    ]


def _traps(rows: tuple[Arrow, ...]) -> list[str]:
    problems = []
    for state in TurnState:
        exits = [r for r in rows if r.source is state and r.dest not in (None, state)]
        if state in FINAL:
            problems += [f"final state {state.name} has an exit: {_name(r)}" for r in exits]
        elif not exits:
            problems.append(f"state {state.name} has no exit")
        elif not any(r.event in TIMERS for r in exits):
            problems.append(f"state {state.name} has no exit timer")
    return problems


def _name(row: Arrow) -> str:
    dest = row.dest.name if row.dest is not None else "(internal)"
    return f"{row.source.name} --{row.event.name}--> {dest}"


def build(table: tuple[Row, ...]) -> Machine:
    """A machine for this table.

    Raises:
        TableError: The table cannot work; see `check_table`.
    """
    check_table(table)
    machine = Machine(
        model=None,
        states=TurnState,
        initial=INITIAL,
        auto_transitions=False,
        send_event=True,
    )
    for row in arrows(table):
        machine.add_transition(
            trigger=row.event.name,
            source=row.source,
            dest=row.dest,
            conditions=None if row.guard is None else _condition(row.guard),
            after=None if row.effect is None else _callback(row.effect),
        )
    return machine


def _condition(guard: Guard) -> Callable[[EventData], bool]:
    def condition(data: EventData) -> bool:
        model: Any = data.model
        return guard(model, data.kwargs["step"])

    return condition


def _callback(effect: Effect) -> Callable[[EventData], None]:
    def callback(data: EventData) -> None:
        model: Any = data.model
        effect(model, data.kwargs["step"])

    return callback


MACHINE = build(TABLE)


def fire(turn: Turn, event: TurnEvent, step: Step, machine: Machine = MACHINE) -> Fired:
    """Apply one event to one turn; its commands go to ``step.out``.

    Must not be called from a guard or an effect.
    """
    source, mark = turn.state, len(step.out)
    if event.name not in machine.events:
        return Fired.NO_ROW
    try:
        taken = machine.events[event.name].trigger(turn, step=step)
    except MachineError:
        return Fired.NO_ROW
    if not taken:
        return Fired.REFUSED
    step.out.insert(
        mark,
        TurnMoved(
            turn_id=turn.id,
            source=source,
            event=event.name,
            dest=turn.state,
            attempt=turn.attempts,
            label=turn.label,
        ),
    )
    return Fired.TAKEN
