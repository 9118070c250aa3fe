"""Who can do what: one file for each party. An act is a function of the world and of its choice."""

from __future__ import annotations

from collections.abc import Callable

from ...._core.states import TurnState
from ..bound import VAD_TURNS
from ..world import Action, World
from . import clock, connection, driver, host, server, user

__all__ = ["ACTS", "actions", "apply"]

_ALL: tuple[Callable[..., None], ...] = (
    *(clock.tick,),
    *(user.ask, user.interrupt, user.speech, user.stop),
    *(driver.leave, driver.not_sent, driver.give_up),
    *(
        connection.drop,
        connection.deafen,
        connection.rollover,
        connection.reconnect,
        connection.session_failed,
        connection.close,
    ),
    *(
        server.serve,
        server.announce,
        server.beside,
        server.item,
        server.output,
        server.done,
        server.limited,
        server.answer,
    ),
    *(
        host.pull,
        host.sound,
        host.pause,
        host.resume,
        host.report,
        host.over,
        host.over_cut,
        host.over_done,
        host.truncate,
        host.unread,
    ),
)

#: By the first word of an action.
ACTS = {act.__name__: act for act in _ALL}


def actions(world: World) -> list[Action]:
    """Everything that can happen now, in an order that never changes."""
    if world.closed:
        return []
    turns, _, interrupts, drops, oddities, timeouts = world.left
    others = 0 if world.bound.odd == "beside" else oddities
    out: list[Action] = []
    if timeouts < 0:  # silence for good: nothing but timers
        return [("tick",)] if world.controller.next_deadline() is not None else []
    if turns:
        out.append(("ask",))
    live = world.controller.turns
    if world.oracle.dead:  # what was received plays out, and what was queued may leave
        out += [("leave",), ("not_sent",)] if world.queued else []
        out += host.actions(world, live)
        if world.controller.next_deadline() is not None:
            out.append(("tick",))
        return out
    if interrupts:
        out += [("interrupt", n) for n, t in enumerate(live) if t.state is not TurnState.CANCELLING]
    if world.oracle.connected:
        if world.queued:
            out.append(("leave",))
        if not world.oracle.deaf:
            out += world.server.actions(world.bound, vad=world.left[VAD_TURNS], odd=others)
            if oddities and world.bound.odd != "other":
                out += world.server.beside()
        if drops:
            out.append(("drop",))
    else:
        out.append(("reconnect",))
    out += host.actions(world, live)
    if others:
        out += host.odd_actions(world, live)
    if world.controller.next_deadline() is not None:
        out.append(("tick",))
    return out


def apply(world: World, action: Action) -> None:
    """Let one of `actions` happen. Raises `Violation`, or whatever the controller raised."""
    ACTS[action[0]](world, *action[1:])
    world.settled()
