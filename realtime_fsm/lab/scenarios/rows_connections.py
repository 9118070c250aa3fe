"""Connections that break, are refused, or are replaced."""

from __future__ import annotations

from ...simulator.config import ServerConfig
from ...simulator.errors import ErrorInfo
from ...simulator.faults import At, BreakConnection, Schedule
from ...simulator.script import (
    BEFORE_CREATED,
    CREATED,
    Accept,
    Closed,
    Created,
    Dropped,
    Failed,
    Incomplete,
    Refuse,
    Reply,
    audio_ms,
)
from .scenario import Expect, Scenario
from .steps import Ask, Heard, Interrupt, Wait
from .words import ANSWER, TWO, long

__all__ = ["ROWS"]

_SECOND = Ask("Is there parking?")
_RETRIED = Expect(heard=(0.6,), handles=("ok",), creates=2, errors=None, silence=(0.1, 1.5))
_RECYCLED = {"max_session_duration": 2.0}

ROWS = (
    Scenario(
        id="j",
        title="the socket closes after 500 of 2000 ms",
        replies=(Reply([long()], end=Dropped(at=audio_ms(500))),),
        steps=(Ask(),),
        plain=Expect(heard=(0.5,), handles=("ok",), errors=("connection",)),
        controlled=Expect(heard=(0.5,), handles=("connection_lost",), errors=None),
        note="the default: stop, and say so",
    ),
    Scenario(
        id="j2",
        title="the socket closes before response.created",
        replies=(Reply(end=Dropped(at=BEFORE_CREATED)), ANSWER),
        steps=(Ask(),),
        plain=Expect(handles=("discarded due to session reconnection",), errors=("connection",)),
        controlled=_RETRIED,
        newer=_RETRIED,
    ),
    Scenario(
        id="j3",
        title="the socket closes after response.created",
        replies=(Reply([long()], end=Dropped(at=CREATED)), ANSWER),
        steps=(Ask(),),
        plain=Expect(handles=("ok",), errors=("connection",)),
        controlled=_RETRIED,
    ),
    Scenario(
        id="j4",
        title="l, then the socket closes",
        replies=(TWO,),
        config=ServerConfig(faults=Schedule([BreakConnection(At("conversation.item.truncated"))])),
        steps=(Ask(), Heard(0.8), Interrupt()),
        plain=Expect(
            heard=(0.8,),
            handles=("interrupted",),
            errors=("connection",),
            remembered=(
                "One moment please while I look that up.",
                "It will be with you before noon tomorrow.",
            ),
        ),
        controlled=Expect(
            heard=(0.8,),
            handles=("interrupted",),
            errors=None,
            remembered=("One moment please while I look",),
        ),
    ),
    Scenario(
        id="k",
        title="each connection is closed after session.update",
        replies=(),
        config=ServerConfig(default_handshake=Accept(Closed(1011), on="session.update")),
        steps=(Ask(),),
        seconds=40.0,
        plain=Expect(
            handles=("discarded",), creates=None, errors=None, state=None, connections=(300, 1000)
        ),
        newer=Expect(
            handles=("never done",), creates=None, errors=None, state=None, connections=(300, 1000)
        ),
        controlled=Expect(
            handles=("connection",),
            creates=None,
            errors=None,
            state=None,
            connections=(1, 25),
        ),
    ),
    Scenario(
        id="k2",
        title="each handshake is refused, HTTP 500",
        replies=(),
        greets=True,
        config=ServerConfig(default_handshake=Refuse(500)),
        steps=(Wait(5.0), Ask()),
        plain=Expect(
            handles=("interrupted",),
            creates=0,
            errors=("connection", "connection", "connection", "FATAL"),
            refused=("closing",),
            state=None,
            connections=(4, 4),
        ),
        controlled=Expect(
            handles=("500",),
            creates=0,
            errors=None,
            fatals=1,
            refused=("isn't running",),
            closed=True,
            state=None,
            connections=(1, 4),
        ),
    ),
    Scenario(
        id="k3",
        title="each handshake is refused, HTTP 401",
        replies=(),
        greets=True,
        config=ServerConfig(default_handshake=Refuse(401)),
        steps=(Wait(5.0), Ask()),
        plain=Expect(
            handles=("interrupted",),
            creates=0,
            errors=("connection", "connection", "connection", "FATAL"),
            refused=("closing",),
            state=None,
            connections=(4, 4),
        ),
        controlled=Expect(
            handles=("401",),
            creates=0,
            errors=None,
            fatals=1,
            refused=("isn't running",),
            closed=True,
            state=None,
            connections=(1, 1),
        ),
    ),
    Scenario(
        id="k4",
        title="error insufficient_quota when connected, then the socket closes",
        replies=(),
        greets=True,
        config=ServerConfig(
            default_handshake=Accept(
                Closed(1008, error=ErrorInfo("insufficient_quota")), on="connect"
            )
        ),
        steps=(Ask(),),
        plain=Expect(
            handles=("interrupted",),
            creates=0,
            errors=("FATAL insufficient_quota",),
            refused=("closing",),
            state=None,
            connections=(1, 1),
        ),
        controlled=Expect(
            handles=("insufficient_quota",),
            creates=0,
            errors=("FATAL insufficient_quota",),
            refused=("isn't running",),
            closed=True,
            state=None,
            connections=(1, 1),
        ),
    ),
    Scenario(
        id="bb",
        title="max_session_duration is over while a create waits",
        replies=(Reply([long()], ack=Created(after=2.0)), ANSWER),
        options=_RECYCLED,
        steps=(Wait(1.0), Ask()),
        plain=Expect(handles=("discarded due to session reconnection",), errors=()),
        controlled=_RETRIED,
        newer=_RETRIED,
    ),
    Scenario(
        id="bb2",
        title="max_session_duration is over, the running response fails",
        replies=(Reply([long(1.5)], end=Failed("server_error", at=audio_ms(1400)), pace=0.1),),
        options=_RECYCLED,
        steps=(Wait(1.0), Ask(), Wait(3.0), _SECOND),
        plain=Expect(
            heard=(1.3,),
            handles=("interrupted",),
            errors=("server_error", "FATAL"),
            refused=("closing",),
            state=None,
        ),
        controlled=Expect(
            heard=(1.4, 0.5),
            handles=("server_error", "ok"),
            creates=2,
            errors=("server_error",),
        ),
    ),
    Scenario(
        id="bb3",
        title="the same, the response ends incomplete",
        replies=(
            Reply([long(1.5)], end=Incomplete("max_output_tokens", at=audio_ms(1400)), pace=0.1),
        ),
        options=_RECYCLED,
        steps=(Wait(1.0), Ask(), Wait(3.0), _SECOND),
        plain=Expect(
            heard=(1.3,),
            handles=("interrupted",),
            errors=("FATAL",),
            refused=("closing",),
            state=None,
        ),
        controlled=Expect(
            heard=(1.4, 0.5),
            handles=("max_output_tokens", "ok"),
            creates=2,
            errors=("max_output_tokens",),
        ),
    ),
    Scenario(
        id="bb4",
        title="the same, the response completes",
        replies=(Reply([long(1.5)], pace=0.1),),
        options=_RECYCLED,
        steps=(Wait(1.0), Ask(), Wait(3.0), _SECOND),
        plain=Expect(heard=(1.5, 0.5), handles=("ok", "ok"), creates=2),
        controlled=Expect(heard=(1.5, 0.5), handles=("ok", "ok"), creates=2),
    ),
)
