"""Views show what they say, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from realtime_fsm import InputError, RetryPolicy, TurnController, diagrams
from realtime_fsm._core.commands import TurnMoved
from realtime_fsm._core.errors import ErrorInfo
from realtime_fsm._core.events import (
    CreateSent,
    ResponseCreated,
    ResponseDone,
    ResponseStatus,
)
from realtime_fsm._core.states import ErrorKind
from realtime_fsm.diagrams._model import CHARTS, EVERYWHERE, FAMILIES, PLAYBACK, TURN, Edge, Rule
from realtime_fsm.diagrams._views import Move, brief, view, walk

SVG = "{http://www.w3.org/2000/svg}"


def test_the_overview_has_every_pair_of_states_and_says_what_is_left_out() -> None:
    picture = view(TURN, "overview")
    pairs = {(r.source, r.dest) for r in TURN.rules if r.dest is not None}
    assert {(e.source, e.dest) for e in picture.edges} == pairs
    assert not {r.event for r in picture.rules} & EVERYWHERE
    assert "Left out: rules that stay" in picture.caption
    assert picture.caption.split(" (")[0][:40] in diagrams.svg(view="overview")


def test_the_words_of_the_overview_name_events_that_exist() -> None:
    known = {name for chart in CHARTS.values() for name, _ in chart.events}
    assert set(FAMILIES) | EVERYWHERE <= known


def test_the_events_that_an_overview_leaves_out_are_known_to_every_live_state() -> None:
    live = {s.name for s in TURN.states if not s.final}
    for event in EVERYWHERE:
        assert {r.source for r in TURN.rules if r.event == event} == live


def test_few_words_for_many_rules() -> None:
    rules = tuple(Rule("A", f"EVENT_{i}", "B", guard="may") for i in range(9))
    lines = brief(Edge("A", "B", "normal", rules), rules)
    assert lines == [(f"event {i}", False) for i in range(4)] + [
        ("and 5 more", False),
        ("[may]", False),
    ]
    mixed = (Rule("A", "X", "B", timer=True), Rule("A", "Y", "B", guard="may"))
    assert brief(Edge("A", "B", "normal", mixed), mixed) == [("x", True), ("y", False)]


def test_a_guard_stands_at_an_arrow_only_where_the_event_may_lead_elsewhere() -> None:
    here = (Rule("A", "X", "B", guard="may"), Rule("A", "X", "B", otherwise=True))
    edge = Edge("A", "B", "normal", here)
    assert brief(edge, here) == [("x", False)]
    before = (Rule("A", "X", "C", guard="is_missed"), *here)
    assert brief(edge, before) == [("x", False), ("[else]", False)]


def test_recovery_has_the_rules_into_and_out_of_recovery() -> None:
    rules = view(TURN, "recovery").rules
    assert rules == tuple(r for r in TURN.rules if "RETRY_WAIT" in (r.source, r.dest))
    with pytest.raises(InputError, match="view is 'recovery'"):
        view(PLAYBACK, "recovery")


@pytest.mark.parametrize("state", ["STREAMING", "streaming", "Done"])
def test_a_states_neighbourhood(state: str) -> None:
    picture = view(TURN, f"state:{state}")
    assert picture.rules == tuple(r for r in TURN.rules if state.upper() in (r.source, r.dest))
    assert picture.name == f"turn-state-{state.lower()}"


def test_what_is_out_of_focus_is_faint() -> None:
    root = ElementTree.fromstring(diagrams.svg(view="state:created"))
    for g in root.iter(f"{SVG}g"):
        if g.get("data-source") is not None:
            near = "CREATED" in (g.get("data-source"), g.get("data-dest"))
            assert ("faint" not in (g.get("class") or "").split()) == near


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (("turn", "sideways"), "view", "sideways"),
        (("turn", "state:"), "view", "state:"),
        (("turn", "state:NAPPING"), "state", "NAPPING"),
        (("turn", "path:trace.jsonl"), "view", "path:trace.jsonl"),
        (("turn", "path:missing.jsonl#turn_1"), "trace", "missing.jsonl"),
        (("turn", "all", "png"), "format", "png"),
        (("lift", "all"), "machine", "lift"),
        (("whole", "recovery"), "view", "recovery"),
    ],
)
def test_what_does_not_exist_is_named(
    arguments: tuple[str, ...],
    field: str,
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        diagrams.render(*arguments)
    assert (caught.value.field, caught.value.value) == (field, value)
    assert f"{field} is {value!r}, expected " in str(caught.value)


# --- the path of a turn


def recorded(tmp_path: Path) -> tuple[Path, list[TurnMoved]]:
    """A turn whose first attempt fails, as a trace with other lines in between."""
    controller = TurnController(RetryPolicy())
    moved: list[TurnMoved] = []
    lines = [
        '{"schema": 1}',
        "",
        "not json",
        '{"by": "turn", "type": "ended", "turn": "turn_1"}',
        "[]",
    ]

    def note(t: float) -> None:
        for command in controller.commands():
            if isinstance(command, TurnMoved):
                moved.append(command)
                lines.append(
                    json.dumps(
                        {
                            "t": t,
                            "by": "turn",
                            "type": "moved",
                            "turn": command.turn_id,
                            "source": command.source.value,
                            "event": command.event,
                            "dest": command.dest.value,
                            "attempt": command.attempt,
                            "label": command.label,
                        }
                    )
                )

    controller.request(10.0)
    note(10.0)
    controller.receive(CreateSent(turn_id="turn_1", attempt=1, event_id="e1"), 10.0)
    controller.receive(ResponseCreated(response_id="r1", client_event_id="e1"), 10.25)
    note(10.25)
    error = ErrorInfo(kind=ErrorKind.TRANSIENT, code="server_error")
    controller.receive(
        ResponseDone(response_id="r1", status=ResponseStatus.FAILED, error=error), 10.5
    )
    note(10.5)
    controller.advance(11.5)
    note(11.5)
    controller.close(12.0)
    note(12.0)
    path = tmp_path / "trace.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    return path, moved


def test_the_path_of_a_turn_is_highlighted_with_steps_and_times(tmp_path: Path) -> None:
    path, moved = recorded(tmp_path)
    assert len(moved) >= 5
    picture = view(TURN, f"path:{path}#turn_1")
    assert [(m.source, m.event, m.dest) for m in picture.moves] == [
        (m.source.name, m.event, m.dest.name) for m in moved
    ]
    assert picture.moves[1].at == 0.25
    assert picture.name == "turn-path-turn-1"
    root = ElementTree.fromstring(diagrams.svg(view=f"path:{path}#turn_1"))
    taken = {
        (g.get("data-source"), g.get("data-dest"))
        for g in root.iter(f"{SVG}g")
        if "taken" in (g.get("class") or "").split()
    }
    assert taken == {(m.source.name, "" if m.source is m.dest else m.dest.name) for m in moved}
    steps = [g for g in root.iter(f"{SVG}g") if g.get("data-step")]
    assert [g.get("data-step") for g in steps] == [str(i + 1) for i in range(len(moved))]
    assert "0.250 s" in [t.text for t in steps[1].iter(f"{SVG}text")]
    assert "(2) response created at 0.250 s" in diagrams.mermaid(view=f"path:{path}#turn_1")
    assert "| 2 | 0.250 | requested | response created | created |" in diagrams.markdown(
        view=f"path:{path}#turn_1"
    )
    assert "response created" in diagrams.render("turn", f"path:{path}#turn_1", "dot")


def test_a_turn_that_the_trace_does_not_have(tmp_path: Path) -> None:
    path, _ = recorded(tmp_path)
    with pytest.raises(InputError, match=r"turn is 'turn_9', expected one of .*turn_1"):
        view(TURN, f"path:{path}#turn_9")


def test_a_move_that_the_table_does_not_have() -> None:
    with pytest.raises(InputError, match="move is 'DONE --CLOSED--> FAILED'"):
        walk(TURN, "turn_1", (Move("DONE", "CLOSED", "FAILED"),))


def test_moves_without_times_are_drawn_too() -> None:
    picture = walk(TURN, "turn_1", (Move("CREATED", "ITEM_STARTED", "STREAMING"),))
    assert [r.event for r in picture.rules] == ["ITEM_STARTED"]
