"""The connection is lost, comes back or is replaced; the session dies or is closed."""

from __future__ import annotations

from ...._core import events as ev
from ..bound import DROPS, ODDITIES
from ..oracle import Violation
from ..server import Server
from ..world import World
from .errors import EXPIRED, LOST, TRANSIENT


def drop(world: World, how: str = "") -> None:
    world.left[ODDITIES if how else DROPS] -= 1
    lost = losable(world)
    owed = world.oracle.owed
    _cut(world)
    world.oracle.connected = False
    error = EXPIRED if how == "expired" else LOST
    world.tell(ev.ConnectionLost(error=error, for_good=how == "for good"))
    _kept(world, lost, owed=owed)


def deafen(world: World) -> None:
    """The connection is dead and nobody is told, not even what is below the controller."""
    world.left[ODDITIES] -= 1
    world.note("Server", "Server", "the connection is dead, and nobody is told")
    world.server = Server()
    world.oracle.deaf = True


def replaced(world: World, lost: list[str], *, owed: bool) -> None:
    """The controller gave up a silent connection; what is below opens another."""
    world.server = Server()
    world.open.clear()
    world.oracle.connected = False
    world.oracle.disconnected()
    _kept(world, lost, owed=owed)


def losable(world: World) -> list[str]:
    """The turns that must survive the loss of the connection."""
    return [t for t in world.oracle.turns if _loses(world, t)]


def rollover(world: World) -> None:
    world.left[ODDITIES] -= 1
    lost = losable(world)
    owed = world.oracle.owed
    _cut(world)
    world.tell(ev.ConnectionReady())
    _kept(world, lost, owed=owed)


def _loses(world: World, turn_id: str) -> bool:
    return world.oracle.retryable(turn_id, world.oracle.turns[turn_id].asked)


def _kept(world: World, lost: list[str], *, owed: bool) -> None:
    # What is owed is asked anew, and takes the place of what was to be retried.
    spent = world.oracle.dead or world.controller.losses > world.bound.in_force.max_reconnect
    for turn_id in lost if not owed and not spent else ():
        if turn_id not in world.oracle.turns:
            raise Violation("G19: a turn is lost with its connection")
    if owed and not world.oracle.turns and not world.oracle.dead:
        raise Violation("G18: a committed turn is lost with its connection")
    if owed:
        world.oracle.owed = False


def _cut(world: World) -> None:
    world.server = Server()
    world.open.clear()
    world.oracle.disconnected()


def reconnect(world: World) -> None:
    world.oracle.connected = True
    world.tell(ev.ConnectionReady())


def session_failed(world: World) -> None:
    world.left[ODDITIES] -= 1
    world.oracle.dead = True
    world.tell(ev.SessionFailed(error=TRANSIENT))
    all_ended(world, "G10: a turn outlives its session")


def close(world: World) -> None:
    world.closed = True
    world.note("User", "Controller", "closes the session")
    world.controller.close(world.now)
    world.run()
    all_ended(world, "G7: a turn outlives close()")


def all_ended(world: World, complaint: str) -> None:
    playing = {t.id for t in world.controller.turns if t.generation_over and not world.closed}
    if set(world.oracle.turns) - playing:
        raise Violation(complaint)
    world.server = Server()
    world.open.clear()
