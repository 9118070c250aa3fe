"""A machine as a map on which the page's script shows the path of what obeys it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from ..diagrams._geometry import track
from ..diagrams._layouts import PLAYBACK, RESPONSE, TURN_NARROW
from ..diagrams._model import CHARTS, LOOPS, edges
from ..diagrams._svg_parts import box, el, loop, wire

__all__ = ["machine_map"]

_LAYOUTS = {"turn": TURN_NARROW, "response": RESPONSE, "playback": PLAYBACK}


@cache
def machine_map(name: str) -> str:
    """Every state and arrow of a table, without words: an arrow has its ends, and where its
    number may stand, as data attributes.

    Args:
        name: ``turn``, ``response`` or ``playback``.
    """
    chart, layout = CHARTS[name], _LAYOUTS[name]
    drawn = []
    for edge in edges(chart, chart.rules):
        if edge.dest in (None, edge.source):
            place = layout.place(edge.source)
            if edge.source not in LOOPS:  # beside the arrow that leaves downwards
                place = replace(place, loop=round(place.w * 0.32))
            x, y = place.port("bottom", place.loop)
            # Its number may be long, and so may that of the arrow beside it.
            inside, (x, y) = loop(place), (x + 24, y + 39)
        else:
            assert edge.dest is not None
            mine = track(layout, edge.source, edge.dest)
            inside, (x, y) = wire(mine, joined=False, thick=edge.kind == "failure"), mine.badge
        ends = {"data_source": edge.source, "data_dest": edge.dest or edge.source}
        drawn.append(el("g", inside, class_=f"edge {edge.kind}", data_x=x, data_y=y, **ends))
    for state in chart.states:
        inside = box(
            layout.place(state.name),
            state.text,
            state.kind,
            final=state.final,
            sheets=state.name in LOOPS,
        )
        begins = " initial" if state.initial else ""
        drawn.append(el("g", inside, class_=f"state {state.kind}{begins}", data_state=state.name))
    size = f"0 0 {layout.width:g} {layout.height:g}"
    inner = "\n".join(drawn)
    return f'<svg class="map" viewBox="{size}" role="img">\n{inner}\n<g class="steps"></g>\n</svg>'
