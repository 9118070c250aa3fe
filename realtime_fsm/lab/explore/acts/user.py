"""The user: asks, interrupts, speaks."""

from __future__ import annotations

from ...._core import events as ev
from ...._core.states import TurnState
from ..bound import INTERRUPTS, TURNS, VAD_TURNS
from ..oracle import Violation
from ..server import SPEECH
from ..world import World
from . import server


def ask(world: World) -> None:
    world.left[TURNS] -= 1
    world.note("User", "Controller", "asks for a response")
    before = set(world.oracle.turns)
    turn = world.controller.request(world.now)
    if turn.id not in before:
        world.oracle.new_turn(turn.id)
    world.run()
    if world.oracle.dead and turn.live:
        raise Violation("G10: a turn waits for a session that is dead")


def interrupt(world: World, number: int) -> None:
    world.left[INTERRUPTS] -= 1
    turn = world.controller.turns[number]
    world.note("User", "Controller", f"interrupts {turn.id}")
    active = world.server.active
    record = world.oracle.turns[turn.id]
    waiting = None if active is None else world.oracle.waiting_for(active.owner)
    wanted = active is not None and active.announced and waiting is record
    record.interrupted = True
    if world.oracle.voice_until is None or world.oracle.voice_until <= world.now:
        world.oracle.owed = False  # this turn was to be the answer
    world.controller.interrupt(turn, world.now)
    world.run()
    if turn.live and turn.state is not TurnState.CANCELLING:
        raise Violation(f"G23: an interrupt leaves its turn {turn.label}")
    if wanted and active is not None and active.id not in world.oracle.cancelled:
        raise Violation("G23: an interrupt does not cancel the response")


def speech(world: World, cuts: bool) -> None:
    world.left[VAD_TURNS] -= 1
    world.server.speech = SPEECH.index("speaking")
    world.oracle.speech(world.policy.speech_timeout)
    world.tell(ev.SpeechStarted())
    if cuts:
        server.finish(world, "cancelled")


def stop(world: World, then: str) -> None:
    world.server.speech = SPEECH.index("quiet")
    if world.oracle.voice_until is not None:
        world.oracle.speech(world.policy.timeout)
    world.tell(ev.SpeechStopped())
    if then == "clear":
        world.oracle.speech(None)
        world.tell(ev.InputCleared())
    elif then == "commit":
        world.server.speech = SPEECH.index("committed")
        world.oracle.owed = True
        world.tell(ev.InputCommitted())
