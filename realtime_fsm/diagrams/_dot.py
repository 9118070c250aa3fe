"""DOT, for Graphviz and whatever reads its language."""

from __future__ import annotations

from ._mermaid import identifier
from ._model import LOOPS, Edge, Kind, State
from ._views import Picture, brief
from ._whole import CAPTION, PARTS, RELATIONS, TITLE

_FONT = 'fontname="Helvetica,Arial,sans-serif"'
_NODES: dict[Kind, str] = {
    "normal": 'style="rounded,filled", color="#2b6cb0", fillcolor="#e8f1fb"',
    "recovery": 'style="rounded,filled,dashed", color="#b7791f", fillcolor="#fef3d6"',
    "cancel": 'style="rounded,filled,dotted", color="#6b46c1", fillcolor="#f1eafa"',
    "failure": 'style="filled", color="#c53030", fillcolor="#fde8e8", penwidth=3',
}
_EDGES: dict[Kind, str] = {
    "normal": 'style=solid, color="#2b6cb0"',
    "recovery": 'style=dashed, color="#b7791f"',
    "cancel": 'style=dotted, color="#6b46c1", penwidth=1.5',
    "failure": 'style=solid, color="#c53030", penwidth=2.5, arrowhead=diamond',
}


def quote(text: str) -> str:
    """A quoted string; control characters become blanks."""
    text = "".join(c if c.isprintable() else " " for c in text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def dot(picture: Picture) -> str:
    """A graph with one arrow for each pair of states; rules that stay are loops."""
    chart = picture.chart
    lines = [f"digraph {quote(chart.name)} {{", *_head(picture.title, picture.caption)]
    touched = {n for r in picture.rules for n in (r.source, r.dest)}
    whole_chart = picture.view in ("all", "overview")
    shown = [s for s in chart.states if s.name in touched or whole_chart]
    begins = [s for s in chart.initial if s in shown]
    lines += ["  start [shape=point, width=0.15];"] if begins else []
    lines += [f"  start -> {identifier(s.name)};" for s in begins]
    lines += [_node(s) for s in shown]
    edges = list(picture.edges)
    lines += [_edge(e, picture) for e in edges]
    if picture.brief:
        lines += [
            f"  {s.name} -> {s.name} [label={quote(LOOPS[s.name][1])}, {_EDGES[s.kind]}];"
            for s in shown
            if s.name in LOOPS
        ]
    return "\n".join([*lines, "}"]) + "\n"


def _head(title: str, caption: str) -> list[str]:
    return [
        f"  graph [rankdir=LR, labelloc=t, label={quote(title)}, tooltip={quote(caption)}, {_FONT}];",
        f"  node [shape=box, {_FONT}];",
        f"  edge [fontsize=10, {_FONT}];",
    ]


def _node(state: State) -> str:
    final = ", peripheries=2" if state.final else ""
    return f"  {identifier(state.name)} [label={quote(state.text)}, {_NODES[state.kind]}{final}];"


def _edge(edge: Edge, picture: Picture) -> str:
    if picture.brief:
        texts = [text + (" (timer)" if timer else "") for text, timer in brief(edge, picture.rules)]
    else:
        texts = [rule.label for rule in edge.rules]
    label = '"' + "".join(quote(t)[1:-1] + "\\l" for t in texts) + '"'  # \l: a line, to the left
    ends = f"{identifier(edge.source)} -> {identifier(edge.dest or edge.source)}"
    return f"  {ends} [label={label}, {_EDGES[edge.kind]}];"


def whole() -> str:
    """The parts and their relations."""
    lines = ["digraph whole {", *_head(TITLE, CAPTION)]
    for part in PARTS:
        label = '"' + "\\n".join(quote(t)[1:-1] for t in (part.text, *part.lines)) + '"'
        style = 'shape=ellipse, style=solid, color="#64748b"' if part.outside else _NODES[part.kind]
        lines.append(f"  {part.name} [label={label}, {style}];")
    for relation in RELATIONS:
        label = '"' + "".join(quote(t)[1:-1] + "\\l" for t in relation.lines) + '"'
        ends = f"{relation.source} -> {relation.dest}"
        lines.append(f"  {ends} [label={label}, {_EDGES[relation.kind]}];")
    return "\n".join([*lines, "}"]) + "\n"
