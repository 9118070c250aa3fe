"""Answers that come late, or never."""

from __future__ import annotations

from ...simulator.config import ServerConfig
from ...simulator.script import Created, DoneLost, Message, Reply, Stalled, Unanswered, audio_ms
from .scenario import Expect, Scenario
from .steps import Ask, HandleDone, Interrupt, Wait
from .words import ANSWER, OTHER, long

__all__ = ["ROWS"]

_SECOND = Ask("Is there parking?")
_UNANSWERED = Reply(ack=Unanswered())
_LATE = Reply([long(0.8)], ack=Created(after=11.0))

ROWS = (
    Scenario(
        id="h",
        title="response.create is never answered",
        replies=(_UNANSWERED, ANSWER),
        steps=(Ask(),),
        seconds=9.5,  # server VAD's answer is waited for before it is asked for
        plain=Expect(handles=("timed out",), silence=(9.9, 10.1)),
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=2, silence=(0.0, 10.5)),
    ),
    Scenario(
        id="h2",
        title="h, interrupted after 1 s, then a second reply",
        replies=(_UNANSWERED, ANSWER),
        steps=(Ask(), Wait(1.0), Interrupt(), _SECOND),
        plain=Expect(heard=(0.6,), handles=("interrupted", "ok"), creates=2),
        controlled=Expect(
            heard=(0.6,), handles=("interrupted", "ok"), creates=2, silence=(0.0, 1.5)
        ),
    ),
    Scenario(
        id="i",
        title="created 11 s late, a second reply at 11.5 s",
        replies=(_LATE, ANSWER, OTHER),
        config=ServerConfig(cancel_before_created=True),
        steps=(Ask(), Wait(11.5), _SECOND),
        plain=Expect(heard=(0.6,), handles=("timed out", "ok"), creates=2),
        controlled=Expect(
            heard=(0.6, 0.6),
            handles=("ok", "ok"),
            creates=3,
            remembered=("Good morning to you my friend.", "Yes there is one behind our house."),
        ),
        note="a bare cancel reaches the response before it is created (undocumented)",
    ),
    Scenario(
        id="i2",
        title="created 11 s late, a second reply when the first times out",
        replies=(_LATE, ANSWER, OTHER),
        config=ServerConfig(cancel_before_created=True),
        steps=(Ask(), HandleDone(1), _SECOND),
        plain=Expect(
            handles=("timed out", "already_has_active"),
            creates=2,
            collisions=1,
            errors=("already_has_active",),
        ),
        controlled=Expect(heard=(0.6, 0.6), handles=("ok", "ok"), creates=3),
    ),
    Scenario(
        id="s",
        title="two replies at once, response.done 1 s late",
        replies=(
            Reply([Message("Here is what I know.", seconds=0.5)], done_delay=1.0),
            Reply([Message("There is nothing else.", seconds=0.5)]),
        ),
        steps=(Ask(), _SECOND),
        plain=Expect(heard=(0.5, 0.5), handles=("ok", "ok"), creates=2),
        controlled=Expect(heard=(0.5, 0.5), handles=("ok", "ok"), creates=2),
    ),
    Scenario(
        id="t",
        title="response.done is lost, then a second reply",
        replies=(Reply([Message("Here is what I know.", seconds=0.5)], end=DoneLost()), ANSWER),
        steps=(Ask(), Wait(1.0), _SECOND),
        plain=Expect(heard=(0.5,), handles=("never done", "never done"), state="speaking"),
        controlled=Expect(
            heard=(0.5, 0.6),
            handles=("stalled", "ok"),
            creates=2,
            errors=("stalled",),
            silence=(0.0, 21.0),
        ),
    ),
    Scenario(
        id="u",
        title="the server falls silent after 500 of 2000 ms, then a second reply",
        replies=(Reply([long()], end=Stalled(at=audio_ms(500))), ANSWER),
        steps=(Ask(), Wait(1.0), _SECOND),
        plain=Expect(heard=(0.5,), handles=("never done", "never done"), state="speaking"),
        controlled=Expect(
            heard=(0.5, 0.6),
            handles=("stalled", "ok"),
            creates=2,
            errors=("stalled",),
            silence=(0.0, 21.0),
        ),
    ),
)
