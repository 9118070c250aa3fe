"""SCXML and XState's JSON, read and run by implementations that are not ours."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import xstate_statemachine
from statemachine.io.loader import load

from realtime_fsm import InputError, diagrams
from realtime_fsm._core.machine import arrows
from realtime_fsm.diagrams._statechart import BEGINNING

from .test_formats import DEFINITIONS, WHO, machines

#: (source, event, dest or None, guard, effect, what is sent), in the order in which they are tried.
Arrow = tuple[str, str, Any, str, str, str]


def expected(machine: str) -> list[Arrow]:
    """By source, and there in the order of the table."""
    definition = DEFINITIONS[machine]
    out: list[Arrow] = [
        (
            row.source.name,
            row.event.name,
            row.dest and row.dest.name,
            row.guard.__name__ if row.guard else "",
            row.effect.__name__ if row.effect else "",
            f"{WHO[type(row.tells)]}.{row.tells.name}" if row.tells else "",
        )
        for row in arrows(definition.table)
    ]
    order = [state.name for state in definition.states]
    return sorted(out, key=lambda arrow: order.index(arrow[0]))


def read_scxml(machine: str, guards: int = 1) -> Any:
    """A class anew each time: of one class, only the first instance gets its data."""
    text = diagrams.render(machine, format="scxml")
    return load(text.replace('expr="1"', f'expr="{guards}"'), format="scxml")


def read_xstate(machine: str) -> Any:
    config = json.loads(diagrams.render(machine, format="xstate"))
    arrows = [a for s in config["states"].values() for on in s.get("on", {}).values() for a in on]
    actions = [a if isinstance(a, str) else a["type"] for r in arrows for a in r.get("actions", ())]
    logic = xstate_statemachine.MachineLogic(
        guards={a["guard"]: lambda *_: True for a in arrows if "guard" in a},
        actions={a: lambda *_: None for a in actions},
    )
    return xstate_statemachine.create_machine(config, logic=logic, strict_config=True)


@machines
def test_a_reader_of_scxml_finds_every_arrow_in_its_place(machine: str) -> None:
    found = [
        (t.source.id, str(t.event), None if t.internal or not t.targets else t.target.id)
        for state in read_scxml(machine).states
        for t in state.transitions
        if state.id != BEGINNING
    ]
    stays = [(s, e, d) for s, e, d, *_ in expected(machine)]
    # This reader gives a transition without a target its source as one.
    assert [(s, e, d or s) for s, e, d in found] == [(s, e, d or s) for s, e, d in stays]


@machines
def test_a_reader_of_xstate_finds_every_arrow_in_its_place(machine: str) -> None:
    found: list[Arrow] = []
    for state in read_xstate(machine).states.values():
        for event, ways in state.on.items():
            for way in ways:
                does = {a.type: a.params for a in way.actions}
                sends = (does.pop("tell", None) or {}).get("event", "")
                (effect,) = does or ("",)
                found.append((state.key, event, way.target_str, way.guard or "", effect, sends))
    found = [arrow for arrow in found if arrow[0] != BEGINNING]

    def by_event(them: list[Arrow]) -> list[Arrow]:
        return sorted(them, key=lambda arrow: arrow[:2])  # JSON keeps an event's arrows together

    assert by_event(found) == by_event(expected(machine))


@machines
def test_it_runs_and_takes_the_first_arrow_whose_guard_says_yes(machine: str) -> None:
    """Where several arrows wait for an event, in each state that can be reached; every guard says yes."""
    first: dict[tuple[str, str], str] = {}
    for source, event, dest, *_ in expected(machine):
        first.setdefault((source, event), dest or source)
    ways = Counter(arrow[:2] for arrow in expected(machine))
    several = {way for way, n in ways.items() if n > 1} or set(first)
    definition = DEFINITIONS[machine]
    paths: dict[str, list[str]] = {}
    for state in definition.initial:
        paths[state.name] = [f"BEGINS_{state.name}"] if len(definition.initial) > 1 else []
    for source in (todo := list(paths)):
        for (at, event), dest in first.items():
            if at == source and dest not in paths:
                paths[dest] = [*paths[source], event]
                todo.append(dest)
    assert len(paths) > 2
    for (source, event), dest in first.items():
        if source in paths and (source, event) in several:
            run = read_scxml(machine)()
            for each in (*paths[source], event):
                run.send(each)
            assert [state.id for state in run.configuration] == [dest], (source, event)


@machines
def test_a_guard_that_says_no_is_passed_over(machine: str) -> None:
    definition = DEFINITIONS[machine]
    start = definition.initial[0].name
    taken = dict.fromkeys(a[1] for a in expected(machine) if a[0] == start)
    for event in taken:
        ways = [a for a in expected(machine) if a[:2] == (start, event) and not a[3]]
        run = read_scxml(machine, guards=0)()
        if len(definition.initial) > 1:
            run.send(f"BEGINS_{start}")
        run.send(event)
        dest = (ways[0][2] or start) if ways else start
        assert [state.id for state in run.configuration] == [dest], event


@pytest.mark.parametrize("format", ["scxml", "xstate"])
@pytest.mark.parametrize(
    ("machine", "view", "said"),
    [
        (
            "whole",
            "all",
            "machine is 'whole', expected one of turn, response, playback, delegation, client, as",
        ),
        ("turn", "overview", "view is 'overview', expected all, as"),
        ("turn", "state:CREATED", "view is 'state:CREATED', expected all, as"),
    ],
)
def test_what_is_no_machine_is_a_clear_error(
    machine: str, view: str, said: str, format: str
) -> None:
    with pytest.raises(InputError) as raised:
        diagrams.render(machine, view, format)
    assert f"{said} {format}" in str(raised.value)


@pytest.mark.parametrize(("name", "start"), [("turn.scxml", "<?xml"), ("turn.json", "{")])
def test_the_ending_of_a_file_says_it(tmp_path: Any, name: str, start: str) -> None:
    from realtime_fsm.diagrams import command

    said: list[str] = []
    path = tmp_path / name
    assert command.run(command.Request(output=str(path)), write=said.append, warn=said.append)
    assert path.read_text().startswith(start)
    assert said == [f"Written: {path}"]
