"""What comes too late or twice changes nothing (G3, G14, G17, G23)."""

from __future__ import annotations

from ...._core import commands as cmd
from ...._core import events as ev
from ...._core.states import TurnState
from ..bound import MS, TIMEOUTS
from ..oracle import Violation
from ..server import Response
from ..snapshot import PAST_RESPONSE
from ..world import World
from .errors import TRANSIENT


def echo(world: World, response: Response) -> None:
    """G3: what is repeated of a response that is over changes nothing."""
    events: list[ev.Event] = [
        ev.ResponseCreated(response_id=response.id, client_event_id=response.event_id),
        ev.ResponseDone(
            response_id=response.id,
            status=ev.ResponseStatus.FAILED,
            client_event_id=response.event_id,
        ),
    ]
    for item, kind, _ in response.items:
        if kind == "action":
            events.append(ev.ActionEnded(response_id=response.id, item_id=item))
        elif kind == "call":
            events.append(ev.CallReceived(response_id=response.id, item_id=item))
        else:
            events.append(ev.OutputReceived(response_id=response.id, item_id=item, audio_ms=MS))
    _changes_nothing(world, events)


def check_stale(world: World) -> None:
    """G3, G14, G23: late events, surplus reports and interrupts of what ended do nothing."""
    if world.closed or world.left[TIMEOUTS] < 0:
        return
    past = PAST_RESPONSE
    events: list[ev.Event] = [
        ev.ResponseCreated(response_id=past),
        ev.ItemStarted(response_id=past, item_id="late", kind=ev.ItemKind.MESSAGE),
        ev.OutputReceived(response_id=past, item_id="late", audio_ms=MS),
        ev.CallReceived(response_id=past, item_id="late"),
        ev.ItemStarted(response_id=past, item_id="late", kind=ev.ItemKind.ACTION),
        ev.ActionEnded(response_id=past, item_id="late"),
        ev.ResponseDone(response_id=past, status=ev.ResponseStatus.FAILED),
        ev.CreateSent(turn_id="gone", attempt=1, event_id="late"),
        ev.CreateNotSent(turn_id="gone", attempt=1, error=TRANSIENT),
        ev.MessagePulled(item_id="late"),
        ev.SpeechOver(turn_id="gone", interrupted=True),
    ]
    if world.playing is None and world.bound.sink:
        events += [
            ev.PlaybackStarted(),
            ev.PlaybackFinished(position_ms=MS, interrupted=False),
        ]
    _changes_nothing(world, events)
    _causes_nothing(world, _repeated(world))
    for turn in world.controller.turns:
        if turn.state is TurnState.CANCELLING:
            world.controller.interrupt(turn, world.now)
    for c in world.controller.commands():
        if not isinstance(c, cmd.TurnMoved):
            raise Violation(f"G23: a second interrupt causes {c}")


def _repeated(world: World) -> list[ev.Event]:
    """What a server said of the response that is alive, once more."""
    active = world.server.active
    if active is None or not active.announced or world.oracle.waiting_for(active.owner) is None:
        return []
    created = ev.ResponseCreated(response_id=active.id, client_event_id=active.event_id)
    calls = [
        ev.CallReceived(response_id=active.id, item_id=item)
        for item, kind, done in active.items
        if kind == "call" and done
    ]
    actions = [
        ev.ActionEnded(response_id=active.id, item_id=item)
        for item, kind, done in active.items
        if kind == "action" and done
    ]
    return [created, *calls, *actions]


def _changes_nothing(world: World, events: list[ev.Event]) -> None:
    before = world.pack()
    _causes_nothing(world, events)
    if world.pack() != before:
        raise Violation(f"G3: one of {[type(e).__name__ for e in events]} too late changes")


def _causes_nothing(world: World, events: list[ev.Event]) -> None:
    for event in events:
        world.controller.receive(event, world.now)
        for c in world.controller.commands():
            if not isinstance(c, cmd.TurnMoved):
                raise Violation(f"G3: {type(event).__name__} too late causes {c}")
    world.controller.ignored.clear()
