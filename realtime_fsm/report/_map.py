"""The turn machine as a map on which the page's script shows the path of a turn."""

from __future__ import annotations

from dataclasses import replace

from .._core.turn_table import INITIAL
from ..diagrams._geometry import track
from ..diagrams._layouts import TURN_NARROW as LAYOUT
from ..diagrams._model import CHARTS, LOOPS, edges
from ..diagrams._svg_parts import box, el, loop, wire

__all__ = ["turn_map"]


def turn_map() -> str:
    """Every state and arrow of the table, without words: an arrow has its ends, and where its
    number may stand, as data attributes."""
    chart = CHARTS["turn"]
    drawn = []
    for edge in edges(chart, chart.rules):
        if edge.dest in (None, edge.source):
            place = LAYOUT.place(edge.source)
            if edge.source not in LOOPS:  # beside the arrow that leaves downwards
                place = replace(place, loop=round(place.w * 0.32))
            x, y = place.port("bottom", place.loop)
            # Its number may be long, and so may that of the arrow beside it.
            inside, (x, y) = loop(place), (x + 24, y + 39)
        else:
            assert edge.dest is not None
            mine = track(LAYOUT, edge.source, edge.dest)
            inside, (x, y) = wire(mine, joined=False, thick=edge.kind == "failure"), mine.badge
        name = {"data_source": edge.source, "data_dest": edge.dest or edge.source}
        drawn.append(el("g", inside, class_=f"edge {edge.kind}", data_x=x, data_y=y, **name))
    for state in chart.states:
        inside = box(
            LAYOUT.place(state.name),
            state.text,
            state.kind,
            final=state.final,
            sheets=state.name in LOOPS,
        )
        begins = " initial" if state.name == INITIAL.name else ""
        drawn.append(el("g", inside, class_=f"state {state.kind}{begins}", data_state=state.name))
    size = f"0 0 {LAYOUT.width:g} {LAYOUT.height:g}"
    inner = "\n".join(drawn)
    return f'<svg class="map" viewBox="{size}" role="img">\n{inner}\n<g class="steps"></g>\n</svg>'
