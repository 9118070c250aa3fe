"""Time: it jumps to the next timer."""

from __future__ import annotations

from ...._core import commands as cmd
from ..bound import TIMEOUTS
from ..oracle import Violation
from ..world import World
from . import connection, host

#: States hold milliseconds: what is due within half of one is due now.
_AT_ONCE = 0.0005


def tick(world: World) -> None:
    at = world.controller.next_deadline()
    assert at is not None
    world.now = max(world.now, at)
    world.note("Controller", "Controller", "the next timer is due")
    before = set(world.oracle.turns)
    lost, owed, up = connection.losable(world), world.oracle.owed, world.oracle.connected
    world.controller.advance(world.now)
    while (at := world.controller.next_deadline()) is not None:
        if not world.now < at < world.now + _AT_ONCE:
            break
        world.now = at
        world.controller.advance(at)
    world.oracle.now = world.now
    world.run()
    if up and any(isinstance(c, cmd.ReplaceConnection) for c in world.answers):
        if not world.oracle.unanswered:
            raise Violation("G4: a connection that answers is replaced")
        connection.replaced(world, lost, owed=owed)
    # To ask again after a backoff is no time-out.
    if not any(isinstance(c, cmd.CreateResponse) and c.turn_id in before for c in world.answers):
        world.left[TIMEOUTS] = max(world.left[TIMEOUTS] - 1, -1)
    if world.left[TIMEOUTS] < 0 and world.playing is not None and world.playing[3]:
        host.resume(world)  # no host pauses for ever
