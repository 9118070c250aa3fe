"""Mermaid: what GitHub renders within Markdown."""

from __future__ import annotations

import re

from ._model import KINDS, LOOPS, MARKS, Edge, Kind, Rule, State, groups
from ._views import Picture, brief
from ._whole import CAPTION, PARTS, RELATIONS

#: Colours that can be read on a light and on a dark page; borders and widths differ too.
_STYLES: dict[Kind, str] = {
    "normal": "fill:#e8f1fb,stroke:#2b6cb0,color:#1a202c",
    "recovery": "fill:#fef3d6,stroke:#b7791f,color:#1a202c,stroke-dasharray:6 3",
    "cancel": "fill:#f1eafa,stroke:#6b46c1,color:#1a202c,stroke-dasharray:2 2",
    "failure": "fill:#fde8e8,stroke:#c53030,color:#1a202c,stroke-width:3px",
}
_SAFE = re.compile(r"[^A-Za-z0-9 _.,()\[\]|/+~=-]")


def escape(text: str) -> str:
    """Text for a label: what Mermaid could take for syntax becomes its number."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return _SAFE.sub(lambda m: f"#{ord(m.group())};", " ".join(plain.split()))


def identifier(name: str) -> str:
    """A name that Mermaid and DOT take as it is."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        return name
    return "x_" + "".join(c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in name)


def mermaid(picture: Picture) -> str:
    """A state diagram. A state that loops over messages is drawn with its loop inside."""
    chart = picture.chart
    shown = _shown(picture)
    lines = [f"%% {escape(picture.title)}. {escape(picture.caption)}", "stateDiagram-v2"]
    lines += [f"    [*] --> {identifier(s.name)}" for s in chart.initial if s in shown]
    for state in shown:
        lines += _state(state, picture)
    for edge in picture.edges:
        dest = edge.dest
        if dest is None and edge.source in LOOPS:
            continue  # within its state
        label = "<br/>".join(_labels(edge, picture))
        lines.append(
            f"    {identifier(edge.source)} --> {identifier(dest or edge.source)}: {label}"
        )
    lines += [f"    {identifier(s.name)} --> [*]" for s in shown if s.final]
    for kind in KINDS:
        mine = [identifier(s.name) for s in shown if s.kind == kind]
        if mine:
            lines.append(f"    classDef {kind} {_STYLES[kind]}")
            lines.append(f"    class {','.join(mine)} {kind}")
    return "\n".join(lines) + "\n"


def _shown(picture: Picture) -> list[State]:
    touched = {n for r in picture.rules for n in (r.source, r.dest)}
    return [
        s for s in picture.chart.states if s.name in touched or picture.view in ("all", "overview")
    ]


def _state(state: State, picture: Picture) -> list[str]:
    name, text = identifier(state.name), escape(state.text)
    if state.name not in LOOPS:
        return [f"    {name}: {text}"]
    event, words = LOOPS[state.name]
    inner = f"{name}_N"
    lines = [f'    state "{text}" as {name} {{', f"        {inner}: message N"]
    stays = [e for e in picture.edges if e.source == state.name and e.dest is None]
    labels = [label for e in stays for label in _labels(e, picture, loop=event)]
    if picture.brief:
        labels = [escape(words)]
    if labels:
        lines.append(f"        {inner} --> {inner}: {'<br/>'.join(labels)}")
    return [*lines, "    }"]


def _labels(edge: Edge, picture: Picture, loop: str = "") -> list[str]:
    if picture.brief:
        return [
            escape(text) + (" (timer)" if timer else "")
            for text, timer in brief(edge, picture.rules)
        ]
    if picture.moves:
        return _steps(edge, picture)
    return [_label(rule, loop) for group in groups(edge.rules) for rule in group]


def _label(rule: Rule, loop: str) -> str:
    more = ", N + 1" if rule.event == loop else ""
    return escape(f"{MARKS[rule.mark]} {rule.label}{more}".strip())


def _steps(edge: Edge, picture: Picture) -> list[str]:
    out = []
    for number, move in enumerate(picture.moves, 1):
        dest = None if move.dest == move.source else move.dest
        if (move.source, dest) == (edge.source, edge.dest):
            at = "" if move.at is None else f" at {move.at:.3f} s"
            out.append(escape(f"({number}) {move.event.lower().replace('_', ' ')}{at}"))
    return out


def whole() -> str:
    """The parts and their relations, as a flowchart."""
    lines = [f"%% {escape(CAPTION)}", "flowchart LR"]
    for part in PARTS:
        text = "<br/>".join([f"<b>{escape(part.text)}</b>", *map(escape, part.lines)])
        left, right = ("([", "])") if part.outside else ("[", "]")
        lines.append(f'    {part.name}{left}"{text}"{right}')
    for relation in RELATIONS:
        arrow = "-->" if relation.kind == "normal" else "-.->"
        label = "<br/>".join(map(escape, relation.lines))
        lines.append(f'    {relation.source} {arrow}|"{label}"| {relation.dest}')
    lines += [f"    classDef {kind} {_STYLES[kind]}" for kind in ("normal", "cancel")]
    lines.append("    classDef outside fill:#f8fafc,stroke:#64748b,color:#1a202c")
    lines += [f"    class {p.name} {'outside' if p.outside else p.kind}" for p in PARTS]
    return "\n".join(lines) + "\n"
