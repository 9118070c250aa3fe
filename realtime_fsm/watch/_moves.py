"""Sees every transition of the machines of responses and of playback while somebody looks.

Turns tell of theirs (``turn_moved``). A session has its machines as an attribute, so they are put
around for as long as somebody looks, and nothing is there otherwise.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from enum import Enum
from typing import Any, cast

from .. import TurnController
from .._core.machine import Fired, Machines
from .._core.records import Response

__all__ = ["Moves"]

#: Told: the machine, what moved, where from, by what event.
Told = Callable[[str, Any, Any, str], None]


class _Seen:
    """One event of a machine."""

    __slots__ = ("_name", "_rows", "_told", "_what")

    def __init__(self, what: str, name: str, rows: Any, told: Told) -> None:
        self._what, self._name, self._rows, self._told = what, name, rows, told

    def trigger(self, *args: Any, **given: Any) -> Any:
        """What the machine does, and returns. What is said of it can change neither."""
        source = getattr(args[0], "state", None)
        result = self._rows.trigger(*args, **given)
        if result is Fired.TAKEN:
            self._told(self._what, args[0], source, self._name)
        return result


class _Around:
    """A machine, as far as `realtime_fsm._core.machine.fire` uses it."""

    def __init__(self, what: str, machine: Any, told: Told) -> None:
        self.events = {name: _Seen(what, name, rows, told) for name, rows in machine.events.items()}


class Moves:
    """Told of moves while it follows a controller. *told* raises nothing."""

    def __init__(self, told: Callable[..., None]) -> None:
        self._write = told
        self._controller: TurnController | None = None
        self._plain: Machines | None = None
        self._around: Machines | None = None

    def follow(self, controller: TurnController | None) -> None:
        """Look at this one from now on, or at none. Writes how it stands."""
        if controller is self._controller:
            return
        self._let_go()
        self._controller = controller
        if controller is None:
            return
        session = controller._session
        self._plain = plain = session.machines
        self._around = session.machines = plain._replace(
            response=cast(Any, _Around("response", plain.response, self._moved)),
            playback=cast(Any, _Around("playback", plain.playback, self._moved)),
        )
        for turn in controller.turns:
            self._stands("turn", turn.id, turn.state, label=turn.label)
            if turn.attempt is not None:
                self._stands("response", turn.id, turn.attempt.state, of=turn.attempt.response_id)
            for message in turn.messages:
                self._stands("playback", turn.id, message.state, of=message.item_id)

    def _let_go(self) -> None:
        if self._controller is None or self._plain is None:
            return
        session = self._controller._session
        if session.machines is self._around:  # else another one is around ours, and keeps it
            session.machines = self._plain

    def _stands(self, machine: str, turn: str, state: Enum, **more: Any) -> None:
        self._write("stands", machine=machine, turn=turn, state=state.value, **more)

    def _moved(self, machine: str, model: Any, source: Any, event: str) -> None:
        with contextlib.suppress(Exception):
            self._tell(machine, model, source, event)

    def _tell(self, machine: str, model: Any, source: Any, event: str) -> None:
        turn = model.turn.id if isinstance(model, Response) and model.turn is not None else None
        of = model.response_id if isinstance(model, Response) else model.item_id
        self._write(
            "moved",
            machine=machine,
            turn=turn,
            of=of,
            source=source.value,
            event=event,
            dest=model.state.value,
        )
