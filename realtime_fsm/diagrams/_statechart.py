"""SCXML (W3C) and XState's JSON: a machine for tools that run or draw one.

Guards and effects are names there. Who asks them has to say what they do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from ._model import Chart, Rule, State
from ._views import Picture

#: Where a life that may begin in several states waits for the event that says in which.
BEGINNING = "BEGINNING"

_NOTE = """\
Generated from the table of realtime-fsm, rules in the order in which they are tried.
Each guard is a variable, and says yes until it is set to 0. Each effect is a line of the log.
What is sent is for another machine: its name, a dot, and its event."""


def begins(state: State) -> str:
    """The event with which a life begins in one of several states."""
    return f"BEGINS_{state.name}"


def scxml(picture: Picture) -> str:
    """State Chart XML, https://www.w3.org/TR/scxml/."""
    chart = picture.chart
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0" datamodel="ecmascript"',
        f'       name="{escape(chart.name)}" initial="{_initial(chart)}">',
        f"  <!-- {chart.title}.\n{_NOTE} -->",
        "  <datamodel>",
        *(f'    <data id="{name}" expr="1"/>' for name in _guards(chart)),
        "  </datamodel>",
    ]
    if len(chart.initial) > 1:
        ways = (f'    <transition event="{begins(s)}" target="{s.name}"/>' for s in chart.initial)
        lines += [f'  <state id="{BEGINNING}">', *ways, "  </state>"]
    for state in chart.states:
        tag = "final" if state.final else "state"
        lines.append(f'  <{tag} id="{state.name}">')
        for rule in _rules(chart, state):
            lines += _transition(rule)
        lines.append(f"  </{tag}>")
    return "\n".join([*lines, "</scxml>"]) + "\n"


def _transition(rule: Rule) -> Iterator[str]:
    cond = f' cond="{rule.guard}"' if rule.guard else ""
    target = f' target="{rule.dest}"' if rule.dest else ""
    start = f'    <transition event="{rule.event}"{cond}{target}'
    does = []
    if rule.effect:
        does.append(f'      <log label="effect" expr="\'{rule.effect}\'"/>')
    if rule.sends:
        does.append(f'      <send event="{rule.sends}"/>')
    # Two hyphens would end the comment.
    yield f"    <!-- {rule.reason.replace('--', '-')} -->"
    if does:
        yield start + ">"
        yield from does
        yield "    </transition>"
    else:
        yield start + "/>"


def xstate(picture: Picture) -> str:
    """The configuration of a machine for `createMachine` of XState 5, as JSON."""
    chart = picture.chart
    states: dict[str, Any] = {}
    if len(chart.initial) > 1:
        states[BEGINNING] = {"on": {begins(s): [{"target": s.name}] for s in chart.initial}}
    for state in chart.states:
        on: dict[str, list[dict[str, Any]]] = {}
        for rule in _rules(chart, state):
            on.setdefault(rule.event, []).append(_json(rule))
        described = {"description": state.text, "tags": [state.kind]}
        states[state.name] = {"type": "final", **described} if state.final else described
        if on:
            states[state.name]["on"] = on
    config = {
        "id": chart.name,
        "description": chart.title,
        "initial": _initial(chart),
        "states": states,
    }
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _json(rule: Rule) -> dict[str, Any]:
    out: dict[str, Any] = {"description": rule.reason}
    if rule.dest:
        out["target"] = rule.dest
    if rule.dest == rule.source:
        out["reenter"] = True
    if rule.guard:
        out["guard"] = rule.guard
    actions: list[Any] = [rule.effect] if rule.effect else []
    if rule.sends:
        actions.append({"type": "tell", "params": {"event": rule.sends}})
    if actions:
        out["actions"] = actions
    if rule.timer:
        out["meta"] = {"timer": True}
    return out


def _initial(chart: Chart) -> str:
    return chart.initial[0].name if len(chart.initial) == 1 else BEGINNING


def _guards(chart: Chart) -> list[str]:
    return sorted({rule.guard for rule in chart.rules if rule.guard})


def _rules(chart: Chart, state: State) -> list[Rule]:
    return [rule for rule in chart.rules if rule.source == state.name]
