"""Rows of the baseline again, with what comes next, or with another setting."""

from __future__ import annotations

from dataclasses import replace

from ...simulator.config import ServerConfig
from ...simulator.script import Created, Dropped, Failed, Incomplete, Rejected, Reply, audio_ms
from .rows import ROWS
from .scenario import Expect, Scenario
from .steps import Ask, Run
from .words import ANSWER, OTHER, long

__all__ = ["VARIANTS"]

_ROW = {row.id: row for row in ROWS}
_FAILED = Reply(end=Failed("server_error"))
_SHORT = {"retry_interval": 0.2}
_REGENERATE = {"after_exposure": "regenerate"}
#: What a model says that is asked to go on.
_REST = Reply([replace(long(0.8), text="At eight it left for your town.")])


def _variant(row: str, name: str, **changes: object) -> Scenario:
    return replace(_ROW[row], id=f"{row}/{name}", plain=None, open="", **changes)  # type: ignore[arg-type]


_EXHAUSTED = Expect(handles=("server_error",), creates=4, errors=("server_error",))

VARIANTS = (
    _variant(
        "c",
        "exhausted",
        title="server_error four times, then a second question",
        policy=_SHORT,
        replies=(_FAILED,) * 4,
        steps=(Ask(), Ask("Is there parking?")),
        controlled=replace(_EXHAUSTED, heard=(0.5,), handles=("server_error", "ok"), creates=5),
    ),
    _variant(
        "g",
        "no id",
        title="an error without event_id answers response.create",
        replies=(Reply(ack=Rejected("server_error", linked=False)), ANSWER),
    ),
    _variant(
        "v",
        "exhausted",
        title="session.run(), server_error four times",
        policy=_SHORT,
        replies=(_FAILED,) * 4,
        controlled=replace(_EXHAUSTED, runs=("server_error",)),
    ),
    _variant(
        "v",
        "healthy",
        title="session.run(), healthy",
        replies=(ANSWER,),
        controlled=Expect(heard=(0.6,), handles=("ok",), runs=("1 messages",)),
    ),
    _variant(
        "v",
        "after output",
        title="session.run(), server_error after 500 of 2000 ms",
        replies=(Reply([long()], end=Failed("server_error", at=audio_ms(500))),),
        controlled=Expect(
            heard=(0.5,),
            handles=("server_error",),
            errors=("server_error",),
            runs=("server_error",),
        ),
    ),
    _variant(
        "v",
        "content filter",
        title="session.run(), content_filter",
        replies=(Reply(end=Incomplete("content_filter")),),
        steps=(Run(),),
        controlled=Expect(
            handles=("content_filter",), errors=("content_filter",), runs=("content_filter",)
        ),
    ),
    _variant(
        "i",
        "no early cancel",
        title="created 11 s late, and a bare cancel does not reach it before",
        replies=(Reply([long(0.8)], ack=Created(after=11.0)), ANSWER, OTHER),
        config=ServerConfig(),
        controlled=Expect(
            heard=(0.6, 0.6), handles=("ok", "ok"), creates=None, collisions=1, errors=()
        ),
        note="the server denies that there is anything to cancel, so one create meets the late"
        " response; it is kept and sent again",
    ),
    _variant(
        "e",
        "regenerate",
        title='the same with after_exposure="regenerate"',
        policy=_REGENERATE,
        replies=(*_ROW["e"].replies, _REST),
        controlled=Expect(heard=(0.5, 0.8), handles=("ok",), creates=2),
    ),
    _variant(
        "j",
        "regenerate",
        title='the same with after_exposure="regenerate"',
        policy=_REGENERATE,
        replies=(Reply([long()], end=Dropped(at=audio_ms(500))), _REST),
        controlled=Expect(heard=(0.5, 0.8), handles=("ok",), creates=2, errors=None),
    ),
    _variant(
        "u",
        "regenerate",
        title='the same with after_exposure="regenerate"',
        policy=_REGENERATE,
        replies=(*_ROW["u"].replies[:1], _REST),
        controlled=Expect(heard=(0.5, 0.8, 0.5), handles=("ok", "ok"), creates=3),
    ),
)
