"""The whole has every event that one machine tells another, or that somebody tells a machine."""

from __future__ import annotations

import importlib
import re
from enum import Enum
from xml.etree import ElementTree

import pytest

from realtime_fsm import diagrams
from realtime_fsm._core import machine
from realtime_fsm._core.machine_events import (
    TOLD_BY,
    ConnectionEvent,
    PlaybackEvent,
    ResponseEvent,
    TurnEvent,
)
from realtime_fsm.diagrams._layouts import WHOLE
from realtime_fsm.diagrams._whole import PARTS, RELATIONS

from .graphs import parse

SVG = "{http://www.w3.org/2000/svg}"
EVENTS = {
    "TURN": TurnEvent,
    "RESPONSE": ResponseEvent,
    "PLAYBACK": PlaybackEvent,
    "CONNECTION": ConnectionEvent,
}


@pytest.mark.parametrize("code", sorted({part.code for part in PARTS}))
def test_the_code_that_is_named_exists(code: str) -> None:
    module, *names = code.split(".")
    found: object = importlib.import_module(f"realtime_fsm.{module}")
    for name in names:
        found = getattr(found, name)


@pytest.mark.parametrize("dest", EVENTS)
def test_every_event_of_a_machine_is_told_by_somebody(dest: str) -> None:
    told = {name for r in RELATIONS if r.dest == dest for name in r.events}
    assert told == {event.name for event in EVENTS[dest]}


def test_what_a_table_tells_is_in_the_whole() -> None:
    for source, definition in (
        ("TURN", machine.TURN_DEFINITION),
        ("RESPONSE", machine.RESPONSE_DEFINITION),
        ("PLAYBACK", machine.PLAYBACK_DEFINITION),
    ):
        told = {row.tells for row in machine.arrows(definition.table) if row.tells is not None}
        drawn: set[Enum] = set()
        for relation in RELATIONS:
            if relation.source == source:
                drawn |= {EVENTS[relation.dest][name] for name in relation.events}
        assert drawn == told


def test_nobody_else_tells_what_a_machine_tells() -> None:
    """But for what both may: a turn that a lost connection leaves waiting for the lane."""
    outside = {event for events in TOLD_BY.values() for event in events}
    tables = (machine.TURN_DEFINITION, machine.RESPONSE_DEFINITION, machine.PLAYBACK_DEFINITION)
    inside = {row.tells for d in tables for row in machine.arrows(d.table)} - {None}
    assert outside & inside == {TurnEvent.CONNECTION_LOST}


def test_every_part_has_a_place_and_every_relation_a_route() -> None:
    assert set(WHOLE.places) == {p.name for p in PARTS}
    assert set(WHOLE.routes) == {(r.source, r.dest) for r in RELATIONS}
    assert len(RELATIONS) == len(WHOLE.routes)


def test_every_part_and_relation_is_in_every_format() -> None:
    pairs = sorted((r.source, r.dest) for r in RELATIONS)
    root = ElementTree.fromstring(diagrams.svg("whole"))
    drawn = [(g.get("data-source"), g.get("data-dest")) for g in root.iter(f"{SVG}g")]
    assert sorted(d for d in drawn if d[0]) == pairs
    assert [g.get("data-part") for g in root.iter(f"{SVG}g") if g.get("data-part")] == [
        p.name for p in PARTS
    ]
    graph = parse(diagrams.render("whole", format="dot"))
    assert sorted((e.get_source(), e.get_destination()) for e in graph.get_edges()) == pairs
    mermaid = re.findall(r"^    (\w+) -\.?->\|.+\| (\w+)$", diagrams.mermaid("whole"), re.MULTILINE)
    assert sorted(mermaid) == pairs
    text = diagrams.markdown("whole")
    for relation in RELATIONS:
        assert ", ".join(name.lower().replace("_", " ") for name in relation.events) in text
