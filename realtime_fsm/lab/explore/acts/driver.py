"""What is below the controller: a commanded create leaves, or does not."""

from __future__ import annotations

from ...._core import events as ev
from ..bound import ODDITIES
from ..world import World
from .errors import TRANSIENT


def leave(world: World) -> None:
    turn_id, attempt = world.queued.pop(0)
    event_id = world.fresh("e_")
    world.oracle.sent(turn_id, attempt, event_id)
    world.open.append((turn_id, attempt, event_id))
    world.server.inbox.append(("create", event_id, turn_id, attempt))
    world.note("Controller", "Server", f"response.create {event_id} of {turn_id}")
    world.tell(ev.CreateSent(turn_id=turn_id, attempt=attempt, event_id=event_id), quiet=True)


def not_sent(world: World) -> None:
    world.left[ODDITIES] -= 1
    turn_id, attempt = world.queued.pop(0)
    world.oracle.not_sent(turn_id, attempt)
    world.tell(ev.CreateNotSent(turn_id=turn_id, attempt=attempt, error=TRANSIENT))


def give_up(world: World, number: int) -> None:
    """It waited for the answer to a create long enough: its turn may have given up before."""
    world.left[ODDITIES] -= 1
    turn_id, attempt, _ = world.open.pop(number)
    world.server.cancelled_below = (turn_id, attempt)
    world.oracle.given_up_below()
    world.tell(ev.CreateGivenUp(turn_id=turn_id, attempt=attempt, error=TRANSIENT))
