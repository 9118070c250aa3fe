"""The host's playback: pulls messages, reports them, ends its speeches."""

from __future__ import annotations

from typing import Optional

from ...._core import commands as cmd
from ...._core import events as ev
from ...._core.records import Turn
from ...._core.states import MessageOutcome, TurnState
from ..bound import MS, ODDITIES
from ..oracle import Violation
from ..world import Action, World


def actions(world: World, live: tuple[Turn, ...]) -> list[Action]:
    out: list[Action] = []
    playing = world.playing
    if _next_to_play(world) is not None:
        out.append(("pull",))
    if playing is not None and world.bound.sink:
        _, turn_id, sounding, paused = playing
        record = world.oracle.turns.get(turn_id)
        cut = record is None or record.interrupted
        out += [("report", how) for how in (("cut", "unheard") if cut else ("full", "cut"))]
        if world.bound.audible and not sounding:
            out.append(("sound",))
        if paused:
            out += [("resume",), ("truncate", True)]
            out += [("over_cut", n) for n, t in enumerate(live) if t.id == turn_id]
    for n, turn in enumerate(live):
        if world.oracle.turns[turn.id].interrupted:
            out.append(("over", n))
    return out


def odd_actions(world: World, live: tuple[Turn, ...]) -> list[Action]:
    out: list[Action] = [("session_failed",), ("close",)]
    if world.queued:
        out.append(("not_sent",))
    out += [("give_up", n) for n in range(len(world.open))]
    out += [("unread", n) for n, t in enumerate(live) if t.announced and not t.has_output]
    for n, turn in enumerate(live):
        paused = world.playing is not None and world.playing[3]
        if turn.state is TurnState.STREAMING and not paused:
            out.append(("over_cut", n))
        if turn.state is not TurnState.CANCELLING and not paused:
            out.append(("over_done", n))
    if world.oracle.connected:
        out += [("rollover",), ("drop", "expired"), ("drop", "for good")]
        if world.bound.frames and not world.oracle.deaf:
            out.append(("deafen",))
    if world.bound.audible and world.playing is not None and not world.playing[3]:
        out.append(("pause",))
    if world.bound.sink:
        if world.playing is not None and not world.playing[3]:
            out.append(("truncate", True))
        elif world.playing is None and world.playlist:
            out.append(("truncate", False))
    return out


def _next_to_play(world: World) -> Optional[tuple[str, str]]:
    for one in world.playlist:
        if not world.oracle.turns[one[1]].interrupted:
            return one
    return None


def pull(world: World) -> None:
    one = _next_to_play(world)
    assert one is not None
    world.playlist.remove(one)
    item, turn_id = one
    world.playing = (item, turn_id, not world.bound.audible, False)
    world.tell(ev.MessagePulled(item_id=item))
    if not world.bound.audible and world.bound.sink:
        world.tell(ev.PlaybackStarted())


def sound(world: World) -> None:
    assert world.playing is not None
    world.playing = (*world.playing[:2], True, world.playing[3])
    world.tell(ev.PlaybackStarted())


def pause(world: World) -> None:
    world.left[ODDITIES] -= 1
    assert world.playing is not None
    world.playing = (*world.playing[:3], True)
    world.tell(ev.PlaybackPaused())


def resume(world: World) -> None:
    assert world.playing is not None
    world.playing = (*world.playing[:3], False)
    world.tell(ev.PlaybackResumed())


def report(world: World, how: str) -> None:
    assert world.playing is not None
    item = world.playing[0]
    world.playing = None
    before = _outcomes(world)
    known = item in before
    heard = {"full": MS, "cut": MS / 2, "unheard": 0.0}[how]
    message = world.controller.message(item)
    world.tell(ev.PlaybackFinished(position_ms=heard, interrupted=how != "full"))
    if known and message is not None and message.outcome is None:
        raise Violation("G14: a message has no outcome after its report")
    for other, outcome in _outcomes(world).items():
        if other != item and before.get(other) is not outcome:
            raise Violation("G14: a report changes another message")


def _outcomes(world: World) -> dict[str, Optional[MessageOutcome]]:
    return {m.item_id: m.outcome for t in world.controller.turns for m in t.messages}


def over(world: World, number: int) -> None:
    _speech_over(world, world.controller.turns[number])


def over_cut(world: World, number: int) -> None:
    if world.playing is None or not world.playing[3]:
        world.left[ODDITIES] -= 1
    turn = world.controller.turns[number]
    world.oracle.turns[turn.id].interrupted = True
    _speech_over(world, turn)


def over_done(world: World, number: int) -> None:
    world.left[ODDITIES] -= 1
    turn = world.controller.turns[number]
    world.oracle.turns[turn.id].left_alone = True
    _speech_over(world, turn, interrupted=False)


def _speech_over(world: World, turn: Turn, *, interrupted: bool = True) -> None:
    if world.playing is not None and world.playing[1] == turn.id:
        world.playing = None
    world.tell(ev.SpeechOver(turn_id=turn.id, interrupted=interrupted))


def unread(world: World, number: int) -> None:
    """The host was told of a generation, and reads nothing of it."""
    world.left[ODDITIES] -= 1
    turn = world.controller.turns[number]
    world.tell(ev.AnnouncementLost(turn_id=turn.id))
    if any(not isinstance(c, cmd.TurnMoved) for c in world.answers):
        raise Violation("G27: what the host did not read causes something")


def truncate(world: World, playing: bool) -> None:
    if world.playing is None or not world.playing[3]:
        world.left[ODDITIES] -= 1
    if playing:
        assert world.playing is not None
        item, world.playing = world.playing[0], None
    else:
        item, _ = world.playlist.pop(0)
    world.tell(ev.MessageTruncated(item_id=item, audio_end_ms=MS / 2))
