"""The tables as `transitions` machines. The only module that imports `transitions`.

One machine serves all turns, one all messages: nothing is registered per turn, ``Event.trigger`` works on any object
with a ``state``. What is not used, and why, is in ``docs/decisions.md``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple, Optional

from transitions import EventData, Machine, MachineError, State, Transition

from ._commands import TurnMoved
from ._errors import TableError
from ._playback_table import PLAYBACK_TABLE, PlaybackEvent
from ._rules import Step
from ._states import FINAL, PlaybackState, TurnState
from ._table import INITIAL, TABLE, TIMERS, TurnEvent
from ._turn import Turn


class Fired(Enum):
    """What an event did to a turn."""

    #: A row was taken; the state may be the same (internal rows).
    TAKEN = "taken"
    #: Rows exist, but every guard said no. Nothing changed.
    REFUSED = "refused"
    #: No row for this event in this state. Nothing changed.
    NO_ROW = "no row"


@dataclass(frozen=True)
class Definition:
    """A table and what its states are.

    Attributes:
        timers: Events that a timer fires; every state that is not final needs a way out by one.
    """

    table: tuple[Any, ...]
    states: type[Enum]
    events: type[Enum]
    initial: Enum
    final: frozenset[Enum]
    timers: frozenset[Enum]


class Arrow(NamedTuple):
    """One transition: a row with a single source and a single event."""

    source: Any
    event: Any
    dest: Any
    guard: Optional[Callable[[Any, Any], bool]]
    effect: Optional[Callable[[Any, Any], None]]
    reason: str


def arrows(table: tuple[Any, ...] = TABLE) -> tuple[Arrow, ...]:
    """A table with its groups written out, in table order."""
    out = []
    for row in table:
        sources = row.source if isinstance(row.source, tuple) else (row.source,)
        events = row.event if isinstance(row.event, tuple) else (row.event,)
        out += [Arrow(s, e, *row[2:]) for s in sources for e in events]
    return tuple(out)


def check(definition: Definition) -> None:
    """Raise `TableError` naming every problem of a table.

    Checked: states and events are ours, every state is reachable, no row is dead (behind an
    unguarded row for the same state and event), final states have no exit, every other state
    has a way out and a timer that takes it.
    """
    problems: list[str] = []
    rows = arrows(definition.table)
    for row in rows:
        if not isinstance(row.source, definition.states):
            problems.append(f"unknown source state {row.source!r}")
        if row.dest is not None and not isinstance(row.dest, definition.states):
            problems.append(f"unknown destination state {row.dest!r} in a row of {row.source}")
        if not isinstance(row.event, definition.events):
            problems.append(f"unknown event {row.event!r} in a row of {row.source}")
    if not problems:
        problems = _dead_rows(rows) + _unreachable(definition, rows) + _traps(definition, rows)
    if problems:
        raise TableError(tuple(problems))


def _dead_rows(rows: tuple[Arrow, ...]) -> list[str]:
    unguarded: set[tuple[Enum, Enum]] = set()
    problems = []
    for row in rows:
        key = (row.source, row.event)
        if key in unguarded:
            problems.append(f"dead row: {_name(row)} stands behind an unguarded row")
        if row.guard is None:
            unguarded.add(key)
    return problems


def _unreachable(definition: Definition, rows: tuple[Arrow, ...]) -> list[str]:
    start = definition.initial
    seen, todo = {start}, deque([start])
    while todo:
        state = todo.popleft()
        for row in rows:
            if row.source is state and row.dest is not None and row.dest not in seen:
                seen.add(row.dest)
                todo.append(row.dest)
    missing = [s for s in definition.states if s not in seen]
    return [f"state {s.name} is unreachable from {start.name}" for s in missing]


def _traps(definition: Definition, rows: tuple[Arrow, ...]) -> list[str]:
    problems = []
    for state in definition.states:
        exits = [r for r in rows if r.source is state and r.dest not in (None, state)]
        if state in definition.final:
            problems += [f"final state {state.name} has an exit: {_name(r)}" for r in exits]
        elif not exits:
            problems.append(f"state {state.name} has no exit")
        elif not any(r.event in definition.timers for r in exits):
            problems.append(f"state {state.name} has no exit timer")
    return problems


def _name(row: Arrow) -> str:
    dest = row.dest.name if row.dest is not None else "(internal)"
    return f"{row.source.name} --{row.event.name}--> {dest}"


class _State(State):
    """A state that looks its name up once; `State` asks the Enum each time."""

    name = cached_property(lambda self: self.value.name)


class _Transition(Transition):
    """A row being taken, in the order of `Transition.execute`: guard, state, effect.

    Ours have one guard and one effect, both functions of (model, step), and the machine has no
    callbacks of its own. Going through the lists of those that `Transition` allows for, with ten
    log calls, takes three times as long (`docs/performance.md`).
    """

    def execute(self, event_data: EventData) -> bool:
        model: Any = event_data.model
        step = event_data.kwargs["step"]
        for condition in self.conditions:
            guard: Any = condition.func
            if not guard(model, step):
                return False
        if self.dest:
            model.state = event_data.machine.states[self.dest].value
        effect: Any
        for effect in self.after:
            effect(model, step)
        return True


class _Machine(Machine):
    state_cls = _State
    transition_cls = _Transition

    def get_model_state(self, model: Any) -> State:
        # As `name`, which is a property written in Python.
        return self.states[model.state._name_]


def build(definition: Definition) -> Machine:
    """A machine for this table.

    Raises:
        TableError: The table cannot work; see `check`.
    """
    check(definition)
    machine = _Machine(
        model=None,
        states=definition.states,
        initial=definition.initial,
        auto_transitions=False,
    )
    for row in arrows(definition.table):
        machine.add_transition(
            trigger=row.event.name,
            source=row.source,
            dest=row.dest,
            conditions=row.guard,
            after=row.effect,
        )
    return machine


TURN_DEFINITION = Definition(TABLE, TurnState, TurnEvent, INITIAL, FINAL, TIMERS)
PLAYBACK_DEFINITION = Definition(
    PLAYBACK_TABLE,
    PlaybackState,
    PlaybackEvent,
    PlaybackState.WAITING,
    frozenset({PlaybackState.FINISHED}),
    frozenset({PlaybackEvent.SPEECH_OVER}),
)
MACHINE = build(TURN_DEFINITION)
PLAYBACK = build(PLAYBACK_DEFINITION)


def fire_row(machine: Machine, model: Any, event: Enum, step: Any) -> Fired:
    """Apply one event to one model. Must not be called from a guard or an effect."""
    rows = machine.events.get(event._name_)
    if rows is None:
        return Fired.NO_ROW
    try:
        taken = rows.trigger(model, step=step)
    except MachineError:
        return Fired.NO_ROW
    return Fired.TAKEN if taken else Fired.REFUSED


def fire(turn: Turn, event: TurnEvent, step: Step, machine: Machine = MACHINE) -> Fired:
    """Apply one event to one turn; its commands go to ``step.out``."""
    source, mark = turn.state, len(step.out)
    result = fire_row(machine, turn, event, step)
    if result is not Fired.TAKEN:
        return result
    step.out.insert(
        mark,
        TurnMoved(
            turn_id=turn.id,
            source=source,
            event=event._name_,
            dest=turn.state,
            attempt=turn.attempts,
            label=turn.label,
        ),
    )
    return Fired.TAKEN
