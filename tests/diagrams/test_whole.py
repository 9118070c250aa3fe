"""The whole is described by hand: what it names must exist, and it is drawn completely."""

from __future__ import annotations

import importlib
import inspect
import re
from xml.etree import ElementTree

import pytest

from realtime_fsm import diagrams
from realtime_fsm.diagrams._layouts import WHOLE
from realtime_fsm.diagrams._whole import PARTS, RELATIONS

from .graphs import parse

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("code", sorted({x.code for x in (*PARTS, *RELATIONS)}))
def test_the_code_that_is_named_exists(code: str) -> None:
    module, *names = code.split(".")
    found: object = importlib.import_module(f"realtime_fsm.{module}")
    for name in names:
        found = getattr(found, name)


def test_the_code_does_what_the_relations_say() -> None:
    """The words that a change of the code would make wrong."""
    from realtime_fsm import _core, _hear, _rules

    grant = inspect.getsource(_core.Core.grant)
    assert "self.lane.free()" in grant
    assert "E.LANE_FREE" in grant
    assert "abandoned = True" in inspect.getsource(_rules.let_go)
    assert "CancelResponse(response_id=" in inspect.getsource(_rules.release)
    assert "E.PLAYBACK_OVER" in inspect.getsource(_core.Core.playback_moved)
    assert "E.CONNECTION_LOST" in inspect.getsource(_core.Core.drop_all)
    assert "lane.leave" in inspect.getsource(_core.Core.settle)
    assert "closed_until" in inspect.getsource(_core.Lane.speech_started)
    assert "core.playback.pulled" in inspect.getsource(_hear.message_pulled)
    assert "DeliverItem" in inspect.getsource(_rules._hand_out)


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
        assert " ".join(relation.lines) in text
