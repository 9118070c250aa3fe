"""What the server says, and what has to follow from it."""

from __future__ import annotations

from typing import Optional

from ...._core import commands as cmd
from ...._core import events as ev
from ...._core.error_kinds import error_info
from ...._core.errors import ErrorInfo
from ..bound import MS, ODDITIES
from ..oracle import Record, Violation
from ..server import SPEECH, Response
from ..snapshot import PAST_RESPONSE
from ..world import World
from . import connection, late
from .errors import ACTIVE, FATAL, LIMITED, NOT_ACTIVE, RESET_AFTER, TRANSIENT

_KINDS = {
    "message": ev.ItemKind.MESSAGE,
    "call": ev.ItemKind.FUNCTION_CALL,
    "action": ev.ItemKind.ACTION,
}


def serve(world: World, how: str) -> None:
    frame = world.server.inbox.pop(0)
    if frame[0] == "create":
        _serve_create(world, how, *frame[1:])
    else:
        _serve_cancel(world, how, *frame[1:])


def _serve_create(world: World, how: str, event_id: str, turn_id: str, attempt: int) -> None:
    owner = (turn_id, attempt)
    if how == "accept":
        world.server.active = Response(world.fresh("resp_"), event_id, owner)
        _announce(world)
    elif how == "hold":
        world.left[ODDITIES] -= 1
        world.server.active = Response(world.fresh("resp_"), event_id, owner)
    elif how == "refuse":
        _refuse(world, TRANSIENT, event_id, owner)
    elif how == "refuse_unlinked":
        world.left[ODDITIES] -= 1
        _refuse(world, TRANSIENT, event_id, owner, linked=False)
    elif how == "refuse_fatal":
        world.left[ODDITIES] -= 1
        fatal = ev.ErrorReceived(error=FATAL, event_id=event_id)
        if attempt == 1:
            _die_of(world, fatal, event_id)
        else:
            _fail_alone(world, fatal, event_id, owner)
    elif how == "conflict":
        active = world.server.active
        _conflict(world, PAST_RESPONSE if active is None else active.id, event_id, turn_id)


def _refuse(
    world: World, error: ErrorInfo, event_id: str, owner: tuple[str, int], *, linked: bool = True
) -> None:
    _answered(world, event_id)
    if linked:
        world.oracle.rejected(event_id)
    else:
        world.oracle.refused_unlinked(event_id)
    retry = world.oracle.retryable(*owner)
    world.tell(ev.ErrorReceived(error=error, event_id=event_id if linked else None))
    if retry and owner[0] not in world.oracle.turns:
        raise Violation("G9: a turn is lost though it could be asked again")


def _conflict(world: World, response_id: str, event_id: str, turn_id: str) -> None:
    if world.server.active is not None:
        world.oracle.conflict(response_id)
    _answered(world, event_id)
    world.oracle.rejected(event_id)
    lost = world.oracle.may_fail_by_conflict(turn_id)
    error = error_info(ACTIVE, None, f"active response in progress: {response_id}.")
    world.tell(ev.ErrorReceived(error=error, event_id=event_id))
    if not lost and turn_id not in world.oracle.turns:
        raise Violation("G20: a conflict loses the request")


def _serve_cancel(world: World, how: str, event_id: str, response_id: Optional[str]) -> None:
    active = world.server.active
    if how == "cancel":
        assert active is not None
        finish(world, "cancelled")
        return
    if response_id is not None:
        world.oracle.over(response_id)
    else:
        # On an ordered wire this settles the creates before it. Not every server orders them
        # so ("The probe is not a proof", docs/decisions.md), but it is what a client knows.
        for key in world.oracle.pending():
            if all(frame[1] != key for frame in world.server.inbox):
                world.oracle.rejected(key)
    world.tell(ev.ErrorReceived(error=NOT_ACTIVE, event_id=event_id))


def _answered(world: World, event_id: Optional[str]) -> None:
    world.open[:] = [one for one in world.open if one[2] != event_id]


def announce(world: World) -> None:
    _announce(world)


def beside(world: World) -> None:
    """A response that somebody below the driver asked for, by a create of its own."""
    world.left[ODDITIES] -= 1
    world.server.active = Response(world.fresh("resp_"), world.fresh("theirs_"), None)
    _announce(world)


def _announce(world: World) -> None:
    response = world.server.active
    assert response is not None
    response.announced = True
    owner = response.owner
    before = set(world.oracle.turns)
    _answered(world, response.event_id)
    world.oracle.created(response.id, response.event_id)
    vad = owner is None and response.event_id is None
    if vad and world.server.speech != SPEECH.index("speaking"):
        world.oracle.speech(None)
    late = None
    if owner is not None and owner != world.server.cancelled_below:
        record = world.oracle.turns.get(owner[0])
        late = record if record is not None and record.adopts(owner[1]) else None
    wanted = (
        owner is None or late is not None or world.oracle.waiting_for(response.owner) is not None
    )
    if late is not None and owner is not None:
        world.oracle.adopted(late, owner[1])
    world.tell(ev.ResponseCreated(response_id=response.id, client_event_id=response.event_id))
    if owner is None:
        new = [t for t in world.oracle.turns if t not in before]
        if len(new) != 1:
            raise Violation("G18: server VAD's response is no turn")
        response.owner = (new[0], 1)
        record = world.oracle.turns[new[0]]
        record.asked = record.current = record.acknowledged = 1
        record.given_up, record.settled = False, True
    released = response.id in world.oracle.cancelled
    if owner is not None and owner == world.server.cancelled_below:
        if released:
            raise Violation("G6: what is cancelled below is cancelled again")
        world.oracle.cancelled_below(response.id)
        world.server.inbox.append(("cancel", world.fresh("below_"), response.id))
    elif released is wanted:
        raise Violation(
            "G3: a response that is waited for is cancelled"
            if wanted
            else "G4: a response nobody waits for is not cancelled"
        )


def item(world: World, kind: str) -> None:
    """Of one that is unseen its ``response.output_item.added`` is lost."""
    response = world.server.active
    assert response is not None
    item = world.fresh("item_")
    if kind.startswith("unseen"):
        world.left[ODDITIES] -= 1
        what = {"unseen call": "call", "unseen action": "action"}.get(kind, "stray")
        response.items.append((item, what, False))
        world.note("Server", "Server", f"begins {item}, and nobody is told")
        return
    response.items.append((item, kind, False))
    record = world.oracle.waiting_for(response.owner)
    world.tell(ev.ItemStarted(response_id=response.id, item_id=item, kind=_KINDS[kind]))
    if kind == "action":
        world.left[ODDITIES] -= 1
        _acted(world, record)


def _acted(world: World, record: Optional[Record]) -> None:
    """The server did something by itself: of a turn that waits for it, that counts as handed out."""
    if record is None:
        return
    record.acted = True
    if not record.exposed:
        raise Violation("G28: what the server did does not count as handed out")


def output(world: World) -> None:
    response = world.server.active
    assert response is not None
    item, kind, _ = response.items[-1]
    response.items[-1] = (item, kind, True)
    if kind == "action":
        record = world.oracle.waiting_for(response.owner)
        world.tell(ev.ActionEnded(response_id=response.id, item_id=item))
        _acted(world, record)
        return
    wanted = world.oracle.waiting_for(response.owner) is not None and kind != "stray"
    event: ev.Event
    if kind == "call":
        event = ev.CallReceived(response_id=response.id, item_id=item)
    else:
        event = ev.OutputReceived(response_id=response.id, item_id=item, audio_ms=MS)
    world.tell(event)
    _delivered(world, item, wanted=wanted, call=kind != "message")


def _delivered(world: World, item: str, *, wanted: bool, call: bool) -> None:
    handed = [c for c in world.answers if isinstance(c, cmd.DeliverItem)]
    name = "G17" if call else "G13"
    if wanted and [c.item_id for c in handed] != [item]:
        raise Violation(f"{name}: what was received is not handed out once")
    if not wanted and handed:
        raise Violation("G4: output of a response that was given up is handed out")
    for c in handed if not call else ():
        if c.turn_id in world.oracle.turns:
            world.playlist.append((item, c.turn_id))


def done(world: World, how: str) -> None:
    if how in ("failed_fatal", "unsaid"):
        world.left[ODDITIES] -= 1
    if how == "unsaid":
        world.note("Server", "Server", "the response is over, and its terminal is lost")
        world.server.active = None
    else:
        finish(world, how)


def limited(world: World, told: str) -> None:
    """A response fails at the rate limit; when that is reset is told before or after it."""
    world.left[ODDITIES] -= 1
    active = world.server.active
    assert active is not None
    record = world.oracle.waiting_for(active.owner)
    if told == "before":
        world.tell(ev.RateLimitsUpdated(reset_after=RESET_AFTER))
    finish(world, "failed_limited")
    if told == "after":
        world.tell(ev.RateLimitsUpdated(reset_after=RESET_AFTER))
    world.oracle.limited(record, RESET_AFTER)


def finish(world: World, how: str) -> None:
    response = world.server.active
    assert response is not None
    world.server.active = None
    status = ev.ResponseStatus(how.partition("_")[0])
    error = {"failed": TRANSIENT, "failed_fatal": FATAL, "failed_limited": LIMITED}.get(how)
    if status is ev.ResponseStatus.INCOMPLETE:
        error = error_info("max_output_tokens", None, "")
    record = world.oracle.waiting_for(response.owner)
    owner = response.owner
    retry = (
        how in ("failed", "failed_limited") and owner is not None and world.oracle.retryable(*owner)
    )
    world.oracle.over(response.id, response.event_id)
    _answered(world, response.event_id)
    world.tell(
        ev.ResponseDone(
            response_id=response.id,
            status=status,
            error=error,
            client_event_id=response.event_id,
        )
    )
    live = owner is not None and owner[0] in world.oracle.turns
    if retry and not live:
        raise Violation("G9: a turn is lost though it could be asked again")
    if live and record is not None and record.expects(owner[1] if owner else 0):
        raise Violation("G8: a turn does not notice that its response is over")
    exposed = live and record is not None and record.exposed
    if (
        how == "failed"
        and exposed
        and record is not None
        and not (record.reported or record.given_up)
    ):
        raise Violation("G8: a failure after exposure is not visible")
    late.echo(world, response)


def _die_of(world: World, event: ev.Event, event_id: str) -> None:
    world.oracle.rejected(event_id)
    world.oracle.dead = True
    world.tell(event)
    connection.all_ended(world, "G10: a turn outlives a fatal error")


def _fail_alone(
    world: World, event: ev.ErrorReceived, event_id: str, owner: tuple[str, int]
) -> None:
    """Plain LiveKit makes no retry: what is told to one does not end the session (G27)."""
    _answered(world, event_id)
    world.oracle.rejected(event_id)
    world.tell(event)
    record = world.oracle.turns.get(owner[0])
    if record is not None and record.expects(owner[1]):
        raise Violation("G10: a turn outlives a fatal error")


def answer(world: World, how: str) -> None:
    world.server.speech = SPEECH.index("quiet")
    if how == "accept":
        world.server.active = Response(world.fresh("resp_"), None, None)
        _announce(world)
    elif how == "refuse":
        world.oracle.refused_unlinked()
        world.tell(ev.ErrorReceived(error=TRANSIENT))
    elif how == "conflict":
        assert world.server.active is not None
        name = world.server.active.id
        world.oracle.conflict(name)
        error = error_info(ACTIVE, None, f"active response in progress: {name}.")
        world.tell(ev.ErrorReceived(error=error))
