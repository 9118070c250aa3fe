"""Responses that fail, or end early."""

from __future__ import annotations

from ...simulator.config import ServerConfig
from ...simulator.faults import At, HangUp, InjectError, Schedule
from ...simulator.script import (
    END,
    Failed,
    FunctionCall,
    Incomplete,
    Message,
    Rejected,
    Reply,
    audio_ms,
)
from .scenario import Expect, Scenario
from .steps import Again, Ask, HandleDone, Run, Say
from .words import ANSWER, LONG, OTHER, long, two

__all__ = ["ROWS"]

_ASK = (Ask(),)
_CREATE = At("response.create", side="client")
_SAY = (Say(),)
_FAILED = Reply(end=Failed("server_error"))
_TOOL = FunctionCall("look_up", {"what": "parcel"})
_RETRIED = Expect(heard=(0.6,), handles=("ok",), creates=2, silence=(0.1, 0.3))
_SILENT = Expect(handles=("ok",), errors=("server_error",))

ROWS = (
    Scenario(
        id="a",
        title="healthy, one message",
        replies=(Reply([long(1.0)]),),
        steps=_ASK,
        plain=Expect(heard=(1.0,), handles=("ok",)),
        controlled=Expect(heard=(1.0,), handles=("ok",)),
    ),
    Scenario(
        id="b",
        title="healthy, two messages",
        replies=(Reply(two(0.7, 0.8)),),
        steps=_ASK,
        plain=Expect(heard=(0.7, 0.8), handles=("ok",)),
        controlled=Expect(heard=(0.7, 0.8), handles=("ok",)),
    ),
    Scenario(
        id="c",
        title="server_error, no output",
        replies=(_FAILED, ANSWER),
        steps=_ASK,
        plain=_SILENT,
        controlled=_RETRIED,
    ),
    Scenario(
        id="d",
        title="rate limit, no output",
        replies=(Reply(end=Failed("rate_limit_exceeded")), ANSWER),
        steps=_ASK,
        plain=Expect(handles=("ok",), errors=("rate_limit_exceeded",)),
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=2, silence=(1.2, 1.5)),
        note='retried when the message says: "try again in 1.2s"',
    ),
    Scenario(
        id="e",
        title="server_error after 500 of 2000 ms",
        replies=(Reply([long()], end=Failed("server_error", at=audio_ms(500))),),
        steps=_ASK,
        plain=Expect(heard=(0.5,), handles=("ok",), errors=("server_error",)),
        controlled=Expect(heard=(0.5,), handles=("server_error",), errors=("server_error",)),
        note="the default: stop, and say so",
    ),
    Scenario(
        id="f",
        title="insufficient_quota",
        replies=(Reply(end=Failed("insufficient_quota")), ANSWER),
        steps=_ASK,
        plain=Expect(
            handles=("interrupted",), errors=("FATAL insufficient_quota",), closed=False, state=None
        ),
        controlled=Expect(
            handles=("insufficient_quota",),
            errors=("FATAL insufficient_quota",),
            closed=True,
            state=None,
        ),
    ),
    Scenario(
        id="f2",
        title="error insufficient_quota, then the socket closes",
        replies=(ANSWER,),
        config=ServerConfig(
            faults=Schedule(
                [
                    InjectError(_CREATE, "insufficient_quota", linked=True, instead=True),
                    HangUp(_CREATE, 1008),
                ]
            )
        ),
        steps=_ASK,
        plain=Expect(
            handles=("insufficient_quota",),
            errors=("FATAL insufficient_quota",),
            closed=False,
            state=None,
            connections=(1, 1),
        ),
        controlled=Expect(
            handles=("insufficient_quota",),
            errors=("FATAL insufficient_quota",),
            closed=True,
            state=None,
            connections=(1, 1),
        ),
    ),
    Scenario(
        id="g",
        title="an error answers response.create",
        replies=(Reply(ack=Rejected("server_error")), ANSWER),
        steps=_ASK,
        plain=Expect(handles=("server_error",), errors=("server_error",)),
        controlled=_RETRIED,
    ),
    Scenario(
        id="n",
        title="server VAD, server_error, no output",
        turns="server_vad",
        replies=(_FAILED, ANSWER),
        steps=_SAY,
        plain=Expect(handles=("ok",), creates=0, errors=("server_error",)),
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=1, silence=(0.1, 0.3)),
    ),
    Scenario(
        id="n2",
        title="server VAD, healthy",
        turns="server_vad",
        replies=(Reply([long(0.8)]),),
        steps=_SAY,
        plain=Expect(heard=(0.8,), handles=("ok",), creates=0),
        controlled=Expect(heard=(0.8,), handles=("ok",), creates=0),
    ),
    Scenario(
        id="p",
        title="server_error after a completed function call",
        replies=(Reply([_TOOL], end=Failed("server_error", at=END)), ANSWER),
        steps=_ASK,
        plain=Expect(heard=(0.6,), handles=("ok",), creates=2, tools=1, errors=("server_error",)),
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=2, tools=1, errors=None),
        note="the tool has run: it must not run again, and its reply speaks",
    ),
    Scenario(
        id="p2",
        title="a tool ran, its reply fails",
        replies=(Reply([_TOOL]), _FAILED, ANSWER),
        steps=_ASK,
        plain=Expect(handles=("ok",), creates=2, tools=1, errors=("server_error",)),
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=3, tools=1),
    ),
    Scenario(
        id="p3",
        title="a tool ran, the create of its reply is refused",
        replies=(Reply([_TOOL]), Reply(ack=Rejected("server_error")), ANSWER),
        steps=_ASK,
        plain=Expect(handles=("server_error",), creates=2, tools=1, errors=("server_error",)),
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=3, tools=1),
    ),
    Scenario(
        id="p4",
        title="healthy, a message and a function call",
        replies=(Reply([Message("Let me see what there is.", seconds=0.6), _TOOL]), ANSWER),
        steps=_ASK,
        plain=Expect(heard=(0.6, 0.6), handles=("ok",), creates=2, tools=1),
        controlled=Expect(heard=(0.6, 0.6), handles=("ok",), creates=2, tools=1),
    ),
    Scenario(
        id="q",
        title="max_output_tokens after 700 of 2000 ms",
        replies=(Reply([long()], end=Incomplete("max_output_tokens", at=audio_ms(700))),),
        steps=_ASK,
        plain=Expect(heard=(0.7,), handles=("ok",)),
        controlled=Expect(
            heard=(0.7,), handles=("max_output_tokens",), errors=("max_output_tokens",)
        ),
    ),
    Scenario(
        id="q2",
        title="content_filter, no output",
        replies=(Reply(end=Incomplete("content_filter")), ANSWER),
        steps=_ASK,
        plain=Expect(handles=("ok",)),
        controlled=Expect(handles=("content_filter",), errors=("content_filter",)),
    ),
    Scenario(
        id="r",
        title="completed, but empty",
        replies=(Reply(), ANSWER),
        steps=_ASK,
        plain=Expect(handles=("ok",)),
        controlled=_RETRIED,
    ),
    Scenario(
        id="v",
        title="session.run() with c",
        replies=(_FAILED, ANSWER),
        steps=(Run(),),
        plain=Expect(handles=("ok",), errors=("server_error",), runs=("0 messages",)),
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=2, runs=("1 messages",)),
    ),
    Scenario(
        id="x",
        title="the application asks again after c",
        replies=(_FAILED, ANSWER, OTHER),
        steps=(Ask(), HandleDone(1), Again()),
        plain=Expect(
            heard=(0.6,),
            handles=("ok", "ok"),
            creates=2,
            errors=("server_error",),
            questions=1,
        ),
        controlled=Expect(heard=(0.6, 0.6), handles=("ok", "ok"), creates=3, questions=1),
        note="controlled the first reply is heard already",
    ),
    Scenario(
        id="y",
        title="by text, with c",
        text=True,
        replies=(_FAILED, ANSWER),
        steps=_ASK,
        plain=_SILENT,
        controlled=Expect(handles=("ok",), creates=2, shown=("Good morning to you my friend.",)),
    ),
    Scenario(
        id="z",
        title="conversation.item.create is never confirmed",
        replies=(LONG,),
        config=ServerConfig(confirm_items=False),
        steps=_ASK,
        plain=Expect(heard=(2.0,), handles=("ok",), silence=(5.0, 5.2)),
        controlled=Expect(heard=(2.0,), handles=("ok",), silence=(0.0, 1.1)),
    ),
)
