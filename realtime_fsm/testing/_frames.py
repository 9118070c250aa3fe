"""Facts of a call whose plugin shows no wire: what its simulator saw of it is put between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..simulator.observed import ObservedServer
from ..trace.facts import Begun, Fact, facts_of
from ..trace.format import Line

__all__ = ["with_frames"]

_ITEMS = ("item_id", "previous_item_id")


def with_frames(facts: Iterable[Fact], server: ObservedServer, began: float) -> list[Fact]:
    """The facts, and the server's record, in the order of time. *began*: the server's start, in the
    time of the facts. Items have the names by which LiveKit knows them.
    """
    facts = list(facts)
    lines = [
        Line(
            0,
            round(each.t + began, 6),
            each.direction,
            each.type,
            each.connection,
            _event(each, server),
        )
        for each in server.record
        if each.type != "input_audio_buffer.append"
    ]
    lines += [fact.line for fact in facts if not isinstance(fact, Begun)]
    lines.sort(key=lambda line: line.t)  # a frame before what it leads to
    header = [fact.header for fact in facts if isinstance(fact, Begun)]
    numbered = (replace(line, number=number) for number, line in enumerate(lines, 1))
    return list(facts_of([*header, *numbered]))


def _event(record: Any, server: ObservedServer) -> dict[str, Any]:
    event: dict[str, Any] = _named(record.event, server)
    event.pop("type", None)
    return event


def _named(body: Any, server: ObservedServer) -> Any:
    if isinstance(body, list):
        return [_named(each, server) for each in body]
    if not isinstance(body, dict):
        return body
    names = (*_ITEMS, "id") if body.get("object") == "realtime.item" else _ITEMS
    return {
        key: server.known_as(value) if key in names and value else _named(value, server)
        for key, value in body.items()
    }
