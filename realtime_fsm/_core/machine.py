"""The tables as `transitions` machines. The only module that imports `transitions`.

One machine serves all turns, one all responses, one all messages: nothing is registered, ``Event.trigger`` works on
any object with a ``state``. What is not used, and why, is in ``docs/decisions.md``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from typing import Any, NamedTuple, Optional

from transitions import Event, Machine, Transition

from .errors import TableError
from .machine_events import ConnectionEvent, PlaybackEvent, ResponseEvent, TurnEvent
from .playback_table import PLAYBACK_TABLE
from .response_table import BIRTHS, RESPONSE_TABLE, UNTIMED
from .response_table import TIMERS as RESPONSE_TIMERS
from .response_table import TURN as SAME_TO_TURN
from .states import FINAL, PlaybackState, ResponseState, TurnState
from .step import Step
from .turn_table import INITIAL, TABLE, TIMERS


class Fired(Enum):
    """What an event did."""

    #: A row was taken; the state may be the same (internal rows).
    TAKEN = "taken"
    #: Rows exist, but every guard said no. Nothing changed.
    REFUSED = "refused"
    #: No row for this event in this state. Nothing changed.
    NO_ROW = "no row"


#: What an event of each of these is told to.
LISTENERS: dict[type[Enum], str] = {
    TurnEvent: "turn",
    ResponseEvent: "response",
    PlaybackEvent: "playback",
    ConnectionEvent: "connection",
}


@dataclass(frozen=True)
class Definition:
    """A table and what its states are.

    Attributes:
        initial: How one begins.
        timers: Events that a timer fires; every state needs one that leaves it, or tells somebody.
        untimed: States that need none: nothing waits in them, or the timers of another machine
            watch them.
        listeners: What an event of each kind in the column ``tells`` is told to.
    """

    table: tuple[Any, ...]
    states: type[Enum]
    events: type[Enum]
    initial: tuple[Enum, ...]
    final: frozenset[Enum]
    timers: frozenset[Enum]
    untimed: frozenset[Enum] = frozenset()
    listeners: Mapping[type[Enum], str] = field(default_factory=lambda: LISTENERS)


class Arrow(NamedTuple):
    """One transition: a row with a single source and a single event."""

    source: Any
    event: Any
    dest: Any
    guard: Optional[Callable[[Any, Step], bool]]
    effect: Optional[Callable[[Any, Step], None]]
    tells: Optional[Enum]
    reason: str


def arrows(table: tuple[Any, ...] = TABLE) -> tuple[Arrow, ...]:
    """A table with its groups written out, in table order."""
    out = []
    for row in table:
        sources = row.source if isinstance(row.source, tuple) else (row.source,)
        events = row.event if isinstance(row.event, tuple) else (row.event,)
        for source, event in product(sources, events):
            # One that the mapping lacks stands as it is, for `check` to name.
            tells = row.tells.get(event, row.tells) if isinstance(row.tells, Mapping) else row.tells
            out.append(Arrow(source, event, row.dest, row.guard, row.effect, tells, row.reason))
    return tuple(out)


def told(row: Arrow, listeners: Mapping[type[Enum], str] = LISTENERS) -> str:
    """Who is told by a row, and what, unless that is the event of the same meaning: in words."""
    if row.tells is None:
        return ""
    to = listeners[type(row.tells)]
    same = SAME_TO_TURN.get(row.event) is row.tells
    return to if same else f"{to}: {row.tells.name.lower()}"


def check(definition: Definition) -> None:
    """Raise `TableError` naming every problem of a table.

    Checked: states and events are ours, guards and effects can be called, who is told is another
    machine, every state is reachable, no row is dead (behind an unguarded row for the same state and
    event), final states have no exit, every other state has a way out, and a timer that takes it or
    tells another machine.
    """
    rows = arrows(definition.table)
    wrong = [_unknown(definition, row) for row in rows]
    problems = [problem for each in wrong for problem in each]
    rows = tuple(row for row, found in zip(rows, wrong, strict=True) if not found)
    problems += _dead_rows(rows) + _unreachable(definition, rows) + _traps(definition, rows)
    if problems:
        raise TableError(tuple(problems))


def _unknown(definition: Definition, row: Arrow) -> list[str]:
    """What a row names that there is not."""
    problems = []
    if not isinstance(row.source, definition.states):
        problems.append(f"unknown source state {row.source!r}")
    if row.dest is not None and not isinstance(row.dest, definition.states):
        problems.append(f"unknown destination state {row.dest!r} in a row of {row.source}")
    if not isinstance(row.event, definition.events):
        problems.append(f"unknown event {row.event!r} in a row of {row.source}")
    where = f"in the row of {row.source} and {row.event}"
    named: tuple[tuple[str, object], ...] = (("guard", row.guard), ("effect", row.effect))
    for what, found in named:
        if found is not None and not callable(found):
            problems.append(f"{what} {found!r} cannot be called, {where}")
    if row.tells is not None:
        if type(row.tells) not in definition.listeners:
            problems.append(f"tells {row.tells!r}, which nobody listens to, {where}")
        elif isinstance(row.tells, definition.events):
            problems.append(f"tells its own machine {row.tells.name}, {where}")
    return problems


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
    seen, todo = set(definition.initial), deque(definition.initial)
    while todo:
        state = todo.popleft()
        for row in rows:
            if row.source is state and row.dest is not None and row.dest not in seen:
                seen.add(row.dest)
                todo.append(row.dest)
    start = ", ".join(s.name for s in definition.initial)
    missing = [s for s in definition.states if s not in seen]
    return [f"state {s.name} is unreachable from {start}" for s in missing]


def _traps(definition: Definition, rows: tuple[Arrow, ...]) -> list[str]:
    problems = []
    for state in definition.states:
        exits = [r for r in rows if r.source is state and r.dest not in (None, state)]
        timed = [r for r in rows if r.source is state and (r in exits or r.tells is not None)]
        if state in definition.final:
            problems += [f"final state {state.name} has an exit: {_name(r)}" for r in exits]
        elif not exits:
            problems.append(f"state {state.name} has no exit")
        elif state not in definition.untimed and not any(
            r.event in definition.timers for r in timed
        ):
            problems.append(f"state {state.name} has no exit timer")
    return problems


def _name(row: Arrow) -> str:
    dest = row.dest.name if row.dest is not None else "(internal)"
    return f"{row.source.name} --{row.event.name}--> {dest}"


class _Event(Event):
    """An event of a machine without callbacks of its own: the rows of the model's state are tried in
    order. `Event.trigger` makes a partial and an `EventData` for each, and logs five times
    (`docs/performance.md`)."""

    def trigger(self, model: Any, step: Step) -> Fired:  # type: ignore[override]
        rows = self.transitions.get(model.state._name_)
        if rows is None:
            return Fired.NO_ROW
        for row in rows:
            if row.execute(model, step):  # type: ignore[call-arg]
                return Fired.TAKEN
        return Fired.REFUSED


class _Transition(Transition):
    """A row being taken, in the order of `Transition.execute`: guard, state, effect. Ours have one
    guard and one effect, both functions of (model, step)."""

    row: Arrow

    def execute(self, model: Any, step: Step) -> bool:  # type: ignore[override]
        row = self.row
        if row.guard is not None and not row.guard(model, step):
            return False
        if row.dest is not None:
            model.state = row.dest
        if row.effect is not None:
            row.effect(model, step)
        step.taken = row
        return True


class _Machine(Machine):
    event_cls = _Event
    transition_cls = _Transition


def build(definition: Definition) -> Machine:
    """A machine for this table.

    Raises:
        TableError: The table cannot work; see `check`.
    """
    check(definition)
    machine = _Machine(
        model=None,
        states=definition.states,
        initial=definition.initial[0],
        auto_transitions=False,
    )
    for row in arrows(definition.table):
        name = row.event.name
        machine.add_transition(trigger=name, source=row.source, dest=row.dest)
        transition: Any = machine.events[name].transitions[row.source.name][-1]
        transition.row = row
    return machine


TURN_DEFINITION = Definition(TABLE, TurnState, TurnEvent, (INITIAL,), FINAL, TIMERS)
RESPONSE_DEFINITION = Definition(
    RESPONSE_TABLE, ResponseState, ResponseEvent, BIRTHS, frozenset(), RESPONSE_TIMERS, UNTIMED
)
PLAYBACK_DEFINITION = Definition(
    PLAYBACK_TABLE,
    PlaybackState,
    PlaybackEvent,
    (PlaybackState.WAITING,),
    frozenset({PlaybackState.FINISHED}),
    frozenset({PlaybackEvent.SPEECH_OVER}),
)


class Machines(NamedTuple):
    """The three machines that a session's turns, responses and messages obey."""

    turn: Machine
    response: Machine
    playback: Machine


MACHINES = Machines(*map(build, (TURN_DEFINITION, RESPONSE_DEFINITION, PLAYBACK_DEFINITION)))


def fire(machine: Machine, model: Any, event: Enum, step: Any) -> Fired:
    """Apply one event to one model. Must not be called from a guard or an effect."""
    rows: Any = machine.events.get(event._name_)
    return Fired.NO_ROW if rows is None else rows.trigger(model, step)
