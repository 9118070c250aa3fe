"""The same turn on bare state machine libraries."""

from __future__ import annotations

from typing import Any

from statemachine import State, StateMachine
from transitions import Machine

from realtime_fsm import PlaybackState, TurnState
from realtime_fsm._core.machine import PLAYBACK_DEFINITION, TURN_DEFINITION, Definition, arrows

from .scripted_turn import TRIGGERS


class _Model:
    __slots__ = ("state",)
    state: str


class Transitions:
    """Bare `transitions`, used as cheaply as it can be: two states, nothing called."""

    def __init__(self) -> None:
        machine = Machine(None, ["A", "B"], initial="A", auto_transitions=False)
        machine.add_transition("go", "A", "B")
        machine.add_transition("go", "B", "A")
        self._go = machine.events["go"]
        self._model = _Model()
        self._model.state = "A"

    def play(self, turns: int) -> None:
        for _ in range(turns * TRIGGERS):
            self._go.trigger(self._model)


#: The healthy turn, and what each of its two messages goes through.
_TURN = (
    "lane_free", "response_created", "item_started", "output_received", "item_started",
    "output_received", "response_completed", "playback_over",
)  # fmt: skip
_MESSAGE = ("pulled", "started", "reported")
#: Guards of our table that hold at those events; of the others one may say no.
_HOLD = {"is_waiting", "spoke", "generated"}


class PythonStateMachine:
    """The same tables on python-statemachine: a machine for each turn and each message."""

    def __init__(self) -> None:
        self._turn = _class(TURN_DEFINITION)
        self._message = _class(PLAYBACK_DEFINITION)

    def play(self, turns: int) -> None:
        for _ in range(turns):
            turn = self._turn()
            for name in _TURN:
                turn.send(name)
            for _ in range(2):
                message = self._message()
                for name in _MESSAGE:
                    message.send(name)
                assert message.current_state_value == PlaybackState.FINISHED.value
            assert turn.current_state_value == TurnState.DONE.value


def _class(definition: Definition) -> type[StateMachine]:
    """The table's rows, guards and effects included; what they would look at is left out."""
    states = {
        s: State(
            value=s.value, initial=s in definition.initial, final=s in definition.final
        )
        for s in definition.states
    }  # fmt: skip
    body: dict[str, Any] = {f"in_{s.name.lower()}": state for s, state in states.items()}
    for row in arrows(definition.table):
        source = states[row.source]
        options: dict[str, Any] = {"internal": row.dest is None}
        if row.guard is not None:
            options["cond"] = _yes if row.guard.__name__ in _HOLD else _no
        if row.effect is not None:
            options["on"] = _effect
        rows = source.to(source if row.dest is None else states[row.dest], **options)
        name = row.event.name.lower()
        body[name] = body[name] | rows if name in body else rows
    return type("Table", (StateMachine,), body)


def _yes() -> bool:
    return True


def _no() -> bool:
    return False


def _effect() -> None:
    pass
