"""SVG: one file that needs nothing else, in light and dark.

The map stands on top. In a view with every rule each arrow has a number, and the rules stand in
cards below the map; in an overview the words stand at the arrows.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from html import escape
from typing import Optional

from . import _whole as parts
from ._cards import cards
from ._geometry import Key, Layout, Track, head, rounded, shortened, text_width, track
from ._layouts import LAYOUTS, WHOLE
from ._model import KINDS, LOOPS, MARKS, Edge, State, edges
from ._svg_parts import badge, block, box, clean, clock, el, loop, wire, words
from ._svg_style import css
from ._views import Picture, brief

_TOP = 70
_EDGE = 40
_CAPTION_CROWDED = "Left out: rules that stay in a state."
#: Words at the arrows of a narrow picture, and of an overview, are so much larger: a page or a
#: telephone shows those smaller than they are.
_LARGER = 1.22


@dataclass(frozen=True)
class Arrow:
    """An edge to be drawn, and how much it stands out."""

    edge: Edge
    number: str
    faint: bool


_Tracks = dict[tuple[str, Optional[str]], Track]


def svg(picture: Picture, *, narrow: bool = False) -> str:
    """The picture in the layout of its chart; ``narrow``: in the one for small screens.

    Raises:
        InputError: A state has no place in the layout.
    """
    layouts = LAYOUTS[picture.chart.name]
    wanted = 2 if narrow else int(picture.brief)
    layout = layouts[min(wanted, len(layouts) - 1)]
    if picture.brief and layout.crowded:
        picture = replace(picture, brief=False, caption=_CAPTION_CROWDED)
    return draw(picture, layout)


def draw(picture: Picture, layout: Layout) -> str:
    """The picture in a given layout.

    Raises:
        InputError: A state has no place in it.
    """
    for state in picture.chart.states:
        layout.place(state.name)
    arrows = _arrows(picture)
    tracks: _Tracks = {
        (a.edge.source, a.edge.dest): track(layout, a.edge.source, a.edge.dest)
        for a in arrows
        if a.edge.dest not in (None, a.edge.source)
    }
    scale = _LARGER if picture.brief or layout.width < 800 else 1
    # What joins another one lies above it, with its dot.
    order = sorted(arrows, key=lambda a: (not a.faint, _joins(a, tracks)))
    drawn = [_edge(a, tracks, arrows, layout, picture) for a in order]
    drawn += [_state(s, picture, layout) for s in picture.chart.states]
    drawn += [_start(s, layout) for s in picture.chart.initial]
    # Words and numbers above everything else.
    drawn += [_words(a, tracks, layout, picture, scale) for a in arrows if not a.faint]
    numbers = {(a.edge.source, a.edge.dest): a.number for a in arrows}
    ledger, below = cards(picture, numbers, _EDGE, _TOP + layout.height, layout.width - 2 * _EDGE)
    return _page(
        picture.title, picture.caption, layout, drawn, ledger, below, scale, _legend(picture)
    )


def _arrows(picture: Picture) -> list[Arrow]:
    """Faint ones first, so that they lie below."""
    focus = {(e.source, e.dest): e for e in picture.edges}
    out: list[Arrow] = []
    faint: list[Arrow] = []
    chart_edges = picture.edges if picture.brief else edges(picture.chart, picture.chart.rules)
    for edge in chart_edges:
        mine = focus.get((edge.source, edge.dest))
        if mine is None:
            faint.append(Arrow(edge, "", True))
        else:
            out.append(Arrow(mine, _number(mine, picture, len(out) + 1), False))
    return [*faint, *out]


def _number(edge: Edge, picture: Picture, count: int) -> str:
    if picture.moves:
        dest = edge.dest or edge.source
        steps = [
            i for i, m in enumerate(picture.moves, 1) if (m.source, m.dest) == (edge.source, dest)
        ]
        return _ranges(steps)
    marks = "".join(dict.fromkeys(MARKS[r.mark] for r in edge.rules))
    return f"{count} {marks}".strip()


def _ranges(numbers: list[int]) -> str:
    """1, 2, 3, 5 as ``1-3, 5``."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and runs[-1][-1] == n - 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}\u2013{r[-1]}" for r in runs)


def _edge(
    arrow: Arrow,
    tracks: _Tracks,
    arrows: list[Arrow],
    layout: Layout,
    picture: Picture,
) -> str:
    edge = arrow.edge
    class_ = " ".join(
        [
            "edge",
            edge.kind,
            *(["faint"] if arrow.faint else []),
            *([edge.mark] if edge.mark else []),
        ]
        + (["taken"] if picture.moves and not arrow.faint else [])
    )
    data = {"data_source": edge.source, "data_dest": edge.dest or "", "class_": class_}
    if edge.dest in (None, edge.source):
        return el("g", loop(layout.place(edge.source)), **data)
    mine = tracks[edge.source, edge.dest]
    return el(
        "g", wire(mine, joined=_joined(arrow, mine, arrows), thick=edge.kind == "failure"), **data
    )


def _joins(arrow: Arrow, tracks: _Tracks) -> bool:
    mine = tracks.get((arrow.edge.source, arrow.edge.dest))
    return mine is not None and mine.trunk is not None


def _joined(arrow: Arrow, mine: Track, arrows: list[Arrow]) -> bool:
    """Whether the arrow that it joins is drawn, and stands out as much."""
    if mine.trunk is None:
        return False
    return any(
        (a.edge.source, a.edge.dest) == mine.trunk
        and a.faint == arrow.faint
        and a.edge.mark == arrow.edge.mark
        for a in arrows
    )


def _words(
    arrow: Arrow,
    tracks: _Tracks,
    layout: Layout,
    picture: Picture,
    scale: float,
) -> str:
    edge = arrow.edge
    class_ = f"edge {edge.kind} {edge.mark}".strip()
    if edge.dest in (None, edge.source):
        place = layout.place(edge.source)
        x, y = place.port("bottom", place.loop)
        return el("g", badge(arrow.number, x, y + 39), class_=class_)
    mine = tracks[edge.source, edge.dest]
    if not picture.brief:
        return el("g", badge(arrow.number, *mine.badge), class_=class_)
    size = 13 * scale
    lines = _wrapped(brief(edge, picture.rules), mine.wrap)
    return el(
        "g", block(lines, *mine.anchor, mine.align, upwards=mine.upwards, size=size), class_=class_
    )


def _wrapped(lines: list[tuple[str, bool]], letters: int) -> list[tuple[str, bool]]:
    if not letters:
        return lines
    out = []
    for text, timer in lines:
        pieces = textwrap.wrap(text, letters, break_long_words=False)
        out += [(piece, timer and i == 0) for i, piece in enumerate(pieces)]
    return out


def _state(state: State, picture: Picture, layout: Layout) -> str:
    place = layout.place(state.name)
    looping = state.name in LOOPS
    inside = box(place, state.text, state.kind, final=state.final, sheets=looping)
    if looping:
        event, name = LOOPS[state.name]
        x, y = place.port("bottom", place.loop)
        inside += loop(place) if picture.brief else ""
        if picture.brief or any((r.source, r.event) == (state.name, event) for r in picture.rules):
            inside += words(name, x + 30, y + 34, "label start")
    touched = {n for r in picture.rules for n in (r.source, r.dest)}
    faint = state.name not in touched and not picture.brief and picture.view != "all"
    class_ = f"state {state.kind}" + (" faint" if faint else "")
    return el("g", inside, class_=class_, data_state=state.name)


def _start(state: State, layout: Layout) -> str:
    side = layout.starts.get(state.name, layout.start)
    x, y = layout.place(state.name).port(side, 0)
    dx, dy = (-1, 0) if side == "left" else (0, -1)
    far = (x + dx * 46, y + dy * 46)
    points = (far, (x, y))
    line = el("path", d=rounded(shortened(points, 8)), class_="wire")
    dot = el("circle", cx=far[0], cy=far[1], r=8, class_="tip")
    tip = el("polygon", points=head(points, 7), class_="tip")
    return el("g", line, dot, tip, class_="normal")


#: A sign, its words, and how much room the sign takes.
_Sample = tuple[str, str, float]


def _lines(kinds: Iterable[str]) -> list[_Sample]:
    line = el("path", d="M0 -4H34", class_="wire")
    line += el("polygon", points="40,-4 30,-9 30,1", class_="tip")
    return [(el("g", line, class_=kind), kind, 50.0) for kind in kinds]


def _legend(picture: Picture) -> list[_Sample]:
    marks = [m for m in MARKS if m and any(r.mark == m for r in picture.rules)]
    if marks:
        out = [
            (el("g", sign, class_=f"edge {mark}"), f"{MARKS[mark]} {mark}", 50.0)
            for mark in marks
            for sign, _, _ in _lines(["plain"])
        ]
    else:
        kinds = {s.kind for s in picture.chart.states}
        out = _lines(k for k in KINDS if k in kinds)
    double = el("rect", x=1, y=-14, width=26, height=19, rx=6, class_="box")
    double += el("rect", x=4.5, y=-10.5, width=19, height=12, rx=3, class_="inner")
    return [*out, (clock(6, -4.5), "a timer fires it", 19.0), (double, "final state", 36.0)]


def _page(
    title: str,
    caption: str,
    layout: Layout,
    drawn: Iterable[str],
    ledger: str,
    below: float,
    scale: float,
    legend: list[_Sample],
) -> str:
    width = layout.width
    foot, height = _foot(caption, legend, width, below + 26, scale)
    inner = "\n".join(d for d in drawn if d)
    body = [
        el("title", escape(clean(title)), id="title"),
        el("desc", escape(clean(caption)), id="desc"),
        f"<style>\n{css(scale)}</style>",
        el("rect", x=0, y=0, width=width, height=height, rx=12, class_="page"),
        words(title, _EDGE, 46, "title"),
        f'<g transform="translate(0 {_TOP})">\n{inner}\n</g>',
        ledger,
        foot,
    ]
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-labelledby="title desc">'
    )
    return "\n".join([opening, *(b for b in body if b), "</svg>"]) + "\n"


def _foot(
    caption: str, legend: list[_Sample], width: float, y: float, scale: float
) -> tuple[str, float]:
    """The legend and what is left out. Returns also where the picture ends."""
    size = 13 * scale
    out, x = [], float(_EDGE)
    for mark, text, lead in legend:
        w = lead + text_width(text, size) + 30
        if x + w > width - _EDGE / 2 and x > _EDGE:
            x, y = _EDGE, y + 27
        name = el(
            "g",
            mark,
            words(text, lead, 0, "caption"),
            transform=f"translate({x:g} {y:g})",
            class_="normal",
        )
        out.append(name)
        x += round(w)
    letters = int((width - 2 * _EDGE) / (size * 0.46))
    for line in textwrap.wrap(caption, letters):
        y += size * 1.5 + (8 if line == caption[: len(line)] else 0)
        out.append(words(line, _EDGE, round(y, 1), "caption"))
    return el("g", *out, class_="foot"), round(y + 28)


# --- the whole


def whole() -> str:
    """The parts and their relations."""
    drawn, over = [], []
    for relation in parts.RELATIONS:
        key: Key = (relation.source, relation.dest)
        mine = track(WHOLE, *key)
        class_ = f"edge {relation.kind}"
        data = {"data_source": key[0], "data_dest": key[1], "class_": class_}
        drawn.append(el("g", wire(mine, joined=False, thick=False), **data))
        lines = [(text, False) for text in relation.lines]
        over.append(
            el("g", block(lines, *mine.anchor, mine.align, upwards=mine.upwards), class_=class_)
        )
    for part in parts.PARTS:
        class_ = "part outside" if part.outside else f"part {part.kind}"
        inside = box(WHOLE.place(part.name), part.text, part.kind, lines=part.lines, sheets=False)
        drawn.append(el("g", inside, class_=class_, data_part=part.name))
    kinds = (k for k in KINDS if any(r.kind == k for r in parts.RELATIONS))
    thin = el("rect", x=1, y=-14, width=28, height=19, rx=6, class_="box")
    legend = [*_lines(kinds), (el("g", thin, class_="outside"), "not ours", 38.0)]
    below = _TOP + WHOLE.height
    return _page(parts.TITLE, parts.CAPTION, WHOLE, [*drawn, *over], "", below, 1, legend)
