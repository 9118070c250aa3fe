"""Records and commands hold at run time what their annotations say. Python itself checks none of it."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Iterable
from typing import Any

import realtime_fsm as rf


def check(c: rf.TurnController, commands: Iterable[rf.Command]) -> None:
    """Everything that this controller remembers, and what it answered."""
    session = c._session
    responses = {*session.lane.holders, *session.past.values(), *session.by_event.values()}
    for turn in (*c.turns, *c.finished):
        _check(turn)
        for message in turn.messages:
            _check(message)
    for record in (*responses, *commands):
        _check(record)
    connection = session.connection
    assert type(connection.end_announced) is bool
    assert connection.up_since is None or isinstance(connection.up_since, float)
    assert c.stepped_aside is None or isinstance(c.stepped_aside, rf.ErrorInfo)
    assert all(type(reason) is str for reason in c.ignored)
    assert session.by_id.keys().isdisjoint(session.past), "a response is alive, or it is past"


def _check(record: Any) -> None:
    for name, kinds in _fields(type(record)):
        value = getattr(record, name)
        assert isinstance(value, kinds), f"{type(record).__name__}.{name} is {value!r}"


@functools.cache
def _fields(cls: type) -> tuple[tuple[str, tuple[type, ...]], ...]:
    hints = typing.get_type_hints(cls)
    return tuple((f.name, _kinds(hints[f.name])) for f in dataclasses.fields(cls))


def _kinds(hint: Any) -> tuple[type, ...]:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return tuple(kind for arg in typing.get_args(hint) for kind in _kinds(arg))
    if hint is float:
        return (float, int)
    return (origin or hint,)
