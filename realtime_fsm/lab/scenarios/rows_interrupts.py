"""Interruptions, and replies that want the same moment."""

from __future__ import annotations

from ...simulator.config import ServerConfig
from ...simulator.script import Failed, FunctionCall, Message, Reply
from .scenario import Expect, Scenario
from .steps import Ask, Heard, Interrupt, Say, Wait
from .words import ANSWER, LATER_TEXT, TWO, long, two

__all__ = ["ROWS"]

_SECOND = Ask("Is there parking?")
_SLOW_CANCEL = ServerConfig(cancel_delay=0.3)
_LONG = Reply([long(8.0)], pace=0.09)
_COLLIDES = Expect(
    heard=(0.5,),
    handles=("interrupted", "already_has_active"),
    creates=2,
    collisions=1,
    errors=("already_has_active",),
)
_ANSWERED = Expect(heard=(0.5, 0.6), handles=("interrupted", "ok"), creates=2, silence=(0.0, 0.5))
_CUT = "One moment please while I look"
_FIRST = "One moment please while I look that up."
_UNHEARD = "It will be with you before noon tomorrow."

ROWS = (
    Scenario(
        id="l",
        title="interrupted in message 1 of 2, both generated",
        replies=(TWO,),
        steps=(Ask(), Heard(0.8), Interrupt()),
        plain=Expect(heard=(0.8,), handles=("interrupted",), remembered=(_CUT, _UNHEARD)),
        controlled=Expect(heard=(0.8,), handles=("interrupted",), remembered=(_CUT,)),
    ),
    Scenario(
        id="l2",
        title="interrupted before the first frame of message 1",
        replies=(TWO,),
        output_delay=1.0,
        steps=(Ask(), Wait(0.2), Interrupt()),
        plain=Expect(handles=("interrupted",), remembered=(_FIRST, _UNHEARD)),
        controlled=Expect(handles=("interrupted",), remembered=()),
    ),
    Scenario(
        id="l3",
        title="interrupted in message 2 of 2",
        replies=(Reply(two(1.0, 1.5), pace=0.005),),
        steps=(Ask(), Heard(1.6), Interrupt()),
        plain=Expect(heard=(1.0, 0.6), handles=("interrupted",)),
        controlled=Expect(heard=(1.0, 0.6), handles=("interrupted",)),
    ),
    Scenario(
        id="l5",
        title="l, then a second reply",
        replies=(TWO,),
        steps=(Ask(), Heard(0.8), Interrupt(), Wait(0.5), _SECOND),
        plain=Expect(
            heard=(0.8, 0.5),
            handles=("interrupted", "ok"),
            creates=2,
            remembered=(_CUT, _UNHEARD, LATER_TEXT),
        ),
        controlled=Expect(
            heard=(0.8, 0.5),
            handles=("interrupted", "ok"),
            creates=2,
            remembered=(_CUT, LATER_TEXT),
        ),
    ),
    Scenario(
        id="m",
        title="interrupted and asked anew, the cancel takes 300 ms",
        replies=(_LONG, ANSWER),
        config=_SLOW_CANCEL,
        steps=(Ask(), Heard(0.5), Interrupt(), _SECOND),
        plain=_COLLIDES,
        controlled=_ANSWERED,
    ),
    Scenario(
        id="m2",
        title="the same, after `await session.interrupt()`",
        replies=(_LONG, ANSWER),
        config=_SLOW_CANCEL,
        steps=(Ask(), Heard(0.5), Interrupt(awaited=True), _SECOND),
        plain=_COLLIDES,
        controlled=_ANSWERED,
    ),
    Scenario(
        id="m3",
        title="the same with `handle.interrupt()`, the cancel takes no time",
        replies=(_LONG, ANSWER),
        config=ServerConfig(cancel_delay=0.0),
        steps=(Ask(), Heard(0.5), Interrupt("handle"), _SECOND),
        plain=_ANSWERED,
        controlled=_ANSWERED,
    ),
    Scenario(
        id="o",
        title="a reply is asked for while a server VAD response plays",
        turns="server_vad",
        replies=(Reply([long(1.5)]), ANSWER),
        steps=(Say(), Wait(0.6), _SECOND),
        plain=Expect(heard=(1.5, 0.6), handles=("ok", "ok"), creates=1),
        controlled=Expect(heard=(1.5, 0.6), handles=("ok", "ok"), creates=1),
    ),
    Scenario(
        id="o2",
        title="a reply is asked for while a server VAD response is being created",
        turns="server_vad",
        replies=(Reply([long(0.8)]), ANSWER),
        config=ServerConfig(vad_create_delay=0.15),
        steps=(Say(), Wait(0.04), _SECOND),
        plain=Expect(
            heard=(0.8,),
            handles=("already_has_active", "ok"),
            creates=1,
            collisions=1,
            errors=("already_has_active",),
        ),
        controlled=Expect(heard=(0.8, 0.6), handles=("ok", "ok"), creates=1, silence=(0.0, 0.5)),
        note="both are heard, first what is ready first (G29)",
    ),
    Scenario(
        id="o3",
        title="the user speaks while a tool runs, and that response fails",
        turns="server_vad",
        tool_seconds=2.0,
        replies=(
            Reply([FunctionCall("look_up", {"what": "parcel"})]),
            Reply(end=Failed("server_error")),
            Reply([Message("One reply to what was said last.", seconds=0.6)]),
        ),
        steps=(Say(), Wait(0.4), Say("Is there parking?")),
        plain=Expect(
            handles=("interrupted", "ok"),
            creates=0,
            tools=1,
            errors=("server_error",),
            state="thinking",
        ),
        controlled=Expect(
            heard=(0.6,), handles=("interrupted", "ok"), creates=None, tools=1, errors=()
        ),
        note="one reply to the latest turn, and the agent listens again",
    ),
)
