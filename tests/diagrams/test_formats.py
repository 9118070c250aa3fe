"""Every arrow of the table is in each full output once, and the outputs are well formed."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from realtime_fsm import InputError, diagrams
from realtime_fsm._core.machine import (
    PLAYBACK_DEFINITION,
    RESPONSE_DEFINITION,
    TURN_DEFINITION,
    Definition,
    arrows,
)
from realtime_fsm._core.machine_events import (
    ConnectionEvent,
    PlaybackEvent,
    ResponseEvent,
    TurnEvent,
)
from realtime_fsm._core.response_table import TURN as MEANS
from realtime_fsm.diagrams import _dot, _markdown, _mermaid, _svg
from realtime_fsm.diagrams._layouts import LAYOUTS
from realtime_fsm.diagrams._model import CHARTS, LOOPS, TURN, Chart, Rule, State, words
from realtime_fsm.diagrams._views import Picture, view
from realtime_fsm.duplex import LossKind
from realtime_fsm.duplex.machines import CLIENT_DEFINITION, DELEGATION_DEFINITION

from .graphs import parse

DEFINITIONS = {
    "turn": TURN_DEFINITION,
    "response": RESPONSE_DEFINITION,
    "playback": PLAYBACK_DEFINITION,
    "delegation": DELEGATION_DEFINITION,
    "client": CLIENT_DEFINITION,
}
WHO = {
    TurnEvent: "turn",
    ResponseEvent: "response",
    PlaybackEvent: "playback",
    ConnectionEvent: "connection",
    LossKind: "application",
}
SVG = "{http://www.w3.org/2000/svg}"

machines = pytest.mark.parametrize("machine", DEFINITIONS)


def text_of(row: Any, definition: Definition, *, otherwise: bool) -> str:
    """What must stand at an arrow, said a second time and straight from the enums."""
    guard = "else" if otherwise else ""
    guard = row.guard.__name__.replace("_", " ") if row.guard is not None else guard
    out = row.event.name.lower().replace("_", " ")
    out += " (timer)" if row.event in definition.timers else ""
    out += f" [{guard}]" if guard else ""
    does = [row.effect.__name__.replace("_", " ")] if row.effect is not None else []
    if row.tells is not None:
        what = row.tells.name.lower().replace("_", " ")
        same = MEANS.get(row.event) is row.tells
        does.append(f"tells {WHO[type(row.tells)]}" + ("" if same else f": {what}"))
    return out + (f" / {', '.join(does)}" if does else "")


def expected(machine: str) -> Counter[tuple[str, str, str]]:
    """(source, dest, label) of every arrow; an arrow that stays leads to its source."""
    definition = DEFINITIONS[machine]
    seen: set[tuple[object, object]] = set()
    out: Counter[tuple[str, str, str]] = Counter()
    for row in arrows(definition.table):
        label = text_of(row, definition, otherwise=(row.source, row.event) in seen)
        seen.add((row.source, row.event))
        out[row.source.name, (row.dest or row.source).name, label] += 1
    return out


@machines
def test_every_arrow_is_in_the_mermaid_diagram_once(machine: str) -> None:
    found: Counter[tuple[str, str, str]] = Counter()
    for line in diagrams.mermaid(machine).splitlines():
        match = re.fullmatch(r" +(\w+) --> (\w+): (.+)", line)
        if match:
            source, dest, labels = match.groups()
            for label in labels.split("<br/>"):
                text = label.removesuffix(", N + 1").replace("#58;", ":")
                found[source.removesuffix("_N"), dest.removesuffix("_N"), text] += 1
    assert found == expected(machine)


@machines
def test_every_arrow_is_in_the_dot_graph_once_and_the_graph_parses(machine: str) -> None:
    graph = parse(diagrams.render(machine, format="dot"))
    found: Counter[tuple[str, str, str]] = Counter()
    for edge in graph.get_edges():
        if edge.get_source() == "start":
            continue
        for label in edge.get("label").strip('"').split("\\l")[:-1]:
            found[edge.get_source(), edge.get_destination(), label] += 1
    assert found == expected(machine)
    states = {s.name for s in DEFINITIONS[machine].states}
    assert states <= {node.get_name() for node in graph.get_nodes()}


@machines
def test_every_arrow_is_in_the_markdown_table_once(machine: str) -> None:
    table = diagrams.markdown(machine).split("\n\n")[0].splitlines()[2:]
    found: Counter[tuple[str, str, str]] = Counter()
    for line in table:
        cells = (c.strip() for c in line.strip("|").split(" |"))
        sources, events, guard, dest, effect, tells, _ = cells
        does = ", ".join(t for t in (effect, f"tells {tells}" if tells else "") if t)
        for source in sources.split(", "):
            for event in events.split(", "):
                label = event + (f" [{guard}]" if guard else "") + (f" / {does}" if does else "")
                end = source if dest == "(stays)" else dest
                found[source.upper(), end.upper(), label] += 1
    assert found == expected(machine)
    for row in arrows(DEFINITIONS[machine].table):
        assert row.reason in diagrams.markdown(machine)


@machines
def test_every_arrow_is_in_the_svg_once_and_it_is_well_formed(machine: str) -> None:
    root = ElementTree.fromstring(diagrams.svg(machine))
    found: Counter[tuple[str, str, str]] = Counter()
    for text in root.iter(f"{SVG}text"):
        if text.get("data-event") is None:
            continue
        source, dest = text.get("data-source", ""), text.get("data-dest", "")
        event = text.get("data-event", "")
        assert text.text == words(event.lower())
        rule = next(
            r
            for r in CHARTS[machine].rules
            if (r.source, r.event, r.dest or "") == (source, event, dest)
            and r.guard_text == text.get("data-guard")
        )
        assert text.get("data-effect") == rule.effect
        found[source, dest or source, rule.label] += 1
    assert found == expected(machine)
    # What an event does stands beside it, in words.
    shown = {t.text for t in root.iter(f"{SVG}text")}
    for rule in CHARTS[machine].rules:
        both = f"[{rule.guard_text}] / {rule.effect_text}"
        assert not rule.guard_text or {f"[{rule.guard_text}]", both} & shown
        assert not rule.effect or {f"/ {rule.effect_text}", both} & shown
        who, colon, what = rule.tells_text.partition(": ")
        assert (
            not rule.tells or rule.tells_text in shown or {f"{who}{colon.strip()}", what} <= shown
        )


@machines
def test_the_svg_draws_one_arrow_for_each_pair_of_states(machine: str) -> None:
    root = ElementTree.fromstring(diagrams.svg(machine))
    drawn = [
        (g.get("data-source"), g.get("data-dest") or g.get("data-source"))
        for g in root.iter(f"{SVG}g")
        if g.get("data-source") is not None
    ]
    assert sorted(drawn) == sorted({(s, d) for s, d, _ in expected(machine)})
    states = [g.get("data-state") for g in root.iter(f"{SVG}g") if g.get("data-state")]
    assert states == [s.name for s in DEFINITIONS[machine].states]


def test_the_svg_needs_nothing_else_and_says_what_it_is() -> None:
    text = diagrams.svg()
    root = ElementTree.fromstring(text)
    assert root.findtext(f"{SVG}title")
    assert "Nothing is left out" in (root.findtext(f"{SVG}desc") or "")
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"<script|<image|url\(|@import|href|@font-face", text)


@machines
def test_start_ends_and_timers_are_marked(machine: str) -> None:
    definition = DEFINITIONS[machine]
    text = diagrams.mermaid(machine)
    for state in definition.initial:
        assert f"    [*] --> {state.name}\n" in text
    assert text.count("[*] -->") == len(definition.initial)
    for state in definition.states:
        assert (f"    {state.name} --> [*]\n" in text) == (state in definition.final)
        dot = next(
            li
            for li in diagrams.render(machine, format="dot").splitlines()
            if li.startswith(f"  {state.name} [label")
        )
        assert ("peripheries=2" in dot) == (state in definition.final)
    timers = sum(row.event in definition.timers for row in arrows(definition.table))
    assert text.count("(timer)") == timers
    cards = diagrams.svg(machine).split('class="foot"')[0]
    assert cards.count('class="clock"') == timers


def test_streaming_is_one_state_with_a_loop_inside() -> None:
    text = diagrams.mermaid()
    assert 'state "streaming message N" as STREAMING {' in text
    (loop,) = [line for line in text.splitlines() if "STREAMING_N --> STREAMING_N" in line]
    assert "item started / begin item, N + 1" in html.unescape(loop)
    for state, (event, _) in LOOPS.items():
        assert any((r.source, r.event, r.dest) == (state, event, None) for r in TURN.rules)


# --- not only these tables


def test_a_state_without_a_place_is_a_clear_error() -> None:
    more = replace(TURN, states=(*TURN.states, State("NAPPING", "napping", "normal")))
    with pytest.raises(InputError, match=r"state is 'NAPPING', expected one with a position"):
        _svg.svg(view(more))


@pytest.mark.parametrize("machine", LAYOUTS)
def test_the_layouts_have_every_state_and_no_arrow_too_many(machine: str) -> None:
    for layout in LAYOUTS[machine]:
        if machine in CHARTS:
            chart = CHARTS[machine]
            known = {(r.source, r.dest) for r in chart.rules}
            assert set(layout.places) == {s.name for s in chart.states}
            assert set(layout.routes) == {k for k in known if k[1] not in (None, k[0])}
        for route in layout.routes.values():
            assert route.joins is None or route.joins[0] in layout.routes


def test_an_arrow_without_a_route_is_drawn_all_the_same() -> None:
    rule = Rule("CANCELLING", "CLOSED", "FAILED", effect="fail")
    again = Rule("CREATED", "CLOSED", "CREATED")
    more = replace(TURN, rules=(*TURN.rules, rule, again))
    for narrow in (False, True):
        root = ElementTree.fromstring(_svg.svg(view(more, "overview"), narrow=narrow))
        assert root.find(f".//{SVG}g[@data-source='CREATED'][@data-dest='STREAMING']") is not None
    root = ElementTree.fromstring(_svg.svg(view(more)))
    assert (
        root.find(f".//{SVG}g[@data-source='CANCELLING'][@data-dest='FAILED']/{SVG}path")
        is not None
    )
    assert (
        root.find(f".//{SVG}g[@data-source='CREATED'][@data-dest='CREATED']/{SVG}path") is not None
    )


HOSTILE = 'a"]; x -> y <script>&amp;| `*\\` --> [*]:\n%% \x00\u202e end'


def hostile() -> Picture:
    states = (
        State("A B", HOSTILE, "normal", initial=True),
        State('c-"d', HOSTILE, "failure", final=True),
    )
    rules = (
        Rule("A B", HOSTILE, 'c-"d', guard=HOSTILE, effect=HOSTILE, reason=HOSTILE, timer=True),
        Rule("A B", "X", None, reason=HOSTILE),
    )
    return Picture(
        Chart("turn", HOSTILE, states, rules, ((HOSTILE, HOSTILE),)),
        "all",
        HOSTILE,
        rules,
        caption=HOSTILE,
    )


def test_hostile_names_are_escaped_in_svg() -> None:
    from realtime_fsm.diagrams._layouts import spare

    picture = hostile()
    root = ElementTree.fromstring(_svg.draw(picture, spare(picture.chart)))
    assert not list(root.iter(f"{SVG}script"))
    assert [t.get("data-source") for t in root.iter(f"{SVG}text") if t.get("data-event")] == [
        "A B"
    ] * 2


def test_hostile_names_are_escaped_in_dot() -> None:
    graph = parse(_dot.dot(hostile()))
    assert {n.get_name() for n in graph.get_nodes()} == {
        "graph",
        "node",
        "edge",
        "start",
        "x_A_20_B",
        "x_c_2d__22_d",
    }
    assert len(graph.get_edges()) == 3
    (node,) = graph.get_node("x_A_20_B")
    text = "".join(c if c.isprintable() else " " for c in HOSTILE)
    assert node.get("label") == '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def test_hostile_names_are_escaped_in_mermaid() -> None:
    text = _mermaid.mermaid(hostile())
    assert "<script" not in text
    # Start, end, an arrow, one that stays; the names add none.
    assert text.count("-->") == 4
    for line in text.splitlines()[2:]:
        assert re.match(r"    (\[\*\] -->|\w+ -->|\w+:|classDef|class) ?", line), line


def test_hostile_names_are_escaped_in_markdown() -> None:
    table = _markdown.markdown(hostile()).split("\n\n")[0].splitlines()
    assert len(table) == 4
    for line in table[2:]:
        assert len(re.findall(r"(?<!\\)\|", line)) == 8
        assert "<script" not in line


def test_rules_that_differ_in_state_and_event_are_not_made_one() -> None:
    rules = (Rule("CREATED", "CLOSED", "DONE"), Rule("STREAMING", "STALLED", "DONE"))
    text = _markdown.markdown(replace(view(TURN), rules=rules))
    assert "| created | closed |" in text
    assert "| streaming | stalled |" in text


# --- stable


PICTURES = [
    (machine, "all", kind)
    for machine in diagrams.MACHINES
    for kind in ("mermaid", "dot", "svg", "markdown")
]


def test_every_picture_is_the_same_in_every_process() -> None:
    program = (
        "import hashlib; from realtime_fsm import diagrams; "
        f"drawn = [diagrams.render(*each) for each in {PICTURES}]; "
        "print(hashlib.sha256(repr([drawn, diagrams.files()]).encode()).hexdigest())"
    )
    out = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(out) == 1


def test_no_line_ends_in_a_blank_and_every_file_ends_in_one_newline() -> None:
    drawn = {each: diagrams.render(*each) for each in PICTURES}
    for name, text in {**drawn, **diagrams.files()}.items():
        assert "\r" not in text, name
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name
        assert not re.search(r"[ \t]\n", text), name
