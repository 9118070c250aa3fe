"""Where boxes stand and how arrows run between them: plain arithmetic, pixels, y downwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from .._input import InputError

Point = tuple[float, float]
Side = Literal["left", "right", "top", "bottom"]
Key = tuple[str, str]


@dataclass(frozen=True)
class Place:
    """A box by its centre and size. ``loop``: where on its lower border a loop hangs, from the
    centre."""

    x: float
    y: float
    w: float = 150
    h: float = 60
    loop: float = 0

    def port(self, side: Side, offset: float) -> Point:
        """A point of the border, ``offset`` from the middle of that side."""
        if side in ("top", "bottom"):
            return self.x + offset, self.y + (self.h / 2 if side == "bottom" else -self.h / 2)
        return self.x + (self.w / 2 if side == "right" else -self.w / 2), self.y + offset


@dataclass(frozen=True)
class Route:
    """How one arrow runs: out of a side, along rails, into a side.

    Attributes:
        out: Side and offset where it leaves.
        into: Side and offset where it arrives.
        via: Coordinates of the rails in between, y and x in turns (x and y if it leaves sideways).
        label: On which side of its first stretch its words stand.
        centred: The words stand at the middle of the first stretch, not at its beginning.
        joins: Another arrow with the same end, and the point from where it is drawn as one with it.
        leg: The stretch where its words stand, from 0.
        wrap: Letters in a line of its words; 0: as many as there are.
        far: The words stand at the end of the stretch, not at its beginning.
    """

    out: tuple[Side, float]
    into: tuple[Side, float]
    via: tuple[float, ...] = ()
    label: Side = "right"
    centred: bool = False
    joins: tuple[Key, Point] | None = None
    leg: int = 0
    wrap: int = 0
    far: bool = False


@dataclass(frozen=True)
class Layout:
    """Where the states of one chart stand. Arrows without a route are curves.

    Attributes:
        start: The side of an initial state where life begins.
        starts: The same, for states where it is another one.
        crowded: There is no room for words at the arrows: they always have numbers.
    """

    name: str
    width: float
    height: float
    places: dict[str, Place]
    routes: dict[Key, Route]
    start: Side = "left"
    starts: dict[str, Side] = field(default_factory=dict)
    crowded: bool = False

    def place(self, state: str) -> Place:
        """Raises:
        InputError: The layout does not know the state.
        """
        if state not in self.places:
            known = ", ".join(self.places)
            raise InputError(
                "state",
                state,
                f"one with a position in layout {self.name!r} "
                f"(realtime_fsm/diagrams/_layouts.py): {known}",
            )
        return self.places[state]


@dataclass(frozen=True)
class Track:
    """An arrow laid out.

    Attributes:
        points: Its corners; four, if it is a curve.
        junction: Where it joins the arrow ``trunk``, if it does.
        anchor: Where its words stand, from where they run, and whether they grow upwards.
        badge: Where its number stands.
    """

    points: tuple[Point, ...]
    curved: bool
    anchor: Point
    align: Literal["start", "middle", "end"]
    upwards: bool
    badge: Point
    trunk: Key | None = None
    junction: Point | None = None
    wrap: int = 0

    def joined(self) -> tuple[Point, ...]:
        """The corners up to the junction."""
        assert self.junction is not None
        x, y = self.junction
        kept = [self.points[0]]
        for start, end in pairwise(self.points):
            if _between(start, end, (x, y)):
                break
            kept.append(end)
        return (*kept, (x, y))


def _between(a: Point, b: Point, p: Point) -> bool:
    flat = min(a[0], b[0]) <= p[0] <= max(a[0], b[0])
    return flat and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])


def track(layout: Layout, source: str, dest: str) -> Track:
    """Lay out the arrow between two different states."""
    a, b = layout.place(source), layout.place(dest)
    route = layout.routes.get((source, dest))
    if route is None:
        return _curve(a, b)
    start, end = a.port(*route.out), b.port(*route.into)
    points = [start]
    across = route.out[0] in ("left", "right")
    for rail in route.via:
        points.append((rail, points[-1][1]) if across else (points[-1][0], rail))
        across = not across
    if route.via:
        points.append((end[0], points[-1][1]) if across else (points[-1][0], end[1]))
    points.append(end)
    trunk, junction = route.joins or (None, None)
    corners = tuple(_tidy(points))
    first, second = corners[route.leg : route.leg + 2]
    anchor, align, upwards = _anchor(route, first, second)
    badge = _badge(route, first, second)
    return Track(corners, False, anchor, align, upwards, badge, trunk, junction, route.wrap)


def _tidy(points: list[Point]) -> list[Point]:
    """Without points that repeat or lie on the line between their neighbours."""
    out: list[Point] = []
    for p in points:
        if out and out[-1] == p:
            continue
        if len(out) > 1 and (out[-2][0] == out[-1][0] == p[0] or out[-2][1] == out[-1][1] == p[1]):
            out.pop()
        out.append(p)
    return out


def _anchor(
    route: Route, start: Point, end: Point
) -> tuple[Point, Literal["start", "middle", "end"], bool]:
    (x, y), (x2, y2) = (end, start) if route.far else (start, end)
    if route.label in ("left", "right"):
        gap, align = (-10, "end") if route.label == "left" else (10, "start")
        upwards = y2 < y
        at = (y + y2) / 2 if route.centred else y + (-10 if upwards else 18)
        return (x + gap, at), ("end" if align == "end" else "start"), upwards
    upwards = route.label == "top"
    dy = -9 if upwards else 19
    if route.centred:
        return ((x + x2) / 2, y + dy), "middle", upwards
    return (x + (10 if x2 > x else -10), y + dy), ("start" if x2 > x else "end"), upwards


def _badge(route: Route, start: Point, end: Point) -> Point:
    (x, y), (x2, y2) = start, end
    if route.centred:
        return (x + x2) / 2, (y + y2) / 2
    step = min(34.0, (abs(x2 - x) + abs(y2 - y)) / 2)
    if x == x2:
        return x, y + (step if y2 > y else -step)
    return x + (step if x2 > x else -step), y


def _curve(a: Place, b: Place) -> Track:
    """An arrow that the layout does not know: a curve between the sides that face each other."""
    dx, dy = b.x - a.x, b.y - a.y
    bend = 60.0
    if abs(dx) >= abs(dy):
        out, into = (
            a.port("right" if dx > 0 else "left", 12),
            b.port("left" if dx > 0 else "right", 12),
        )
        sign = 1 if dx > 0 else -1
        inner = ((out[0] + sign * bend, out[1] + bend), (into[0] - sign * bend, into[1] + bend))
    else:
        out, into = (
            a.port("bottom" if dy > 0 else "top", 12),
            b.port("top" if dy > 0 else "bottom", 12),
        )
        sign = 1 if dy > 0 else -1
        inner = ((out[0] + bend, out[1] + sign * bend), (into[0] + bend, into[1] - sign * bend))
    points = (out, *inner, into)
    x = sum(w * p[0] for w, p in zip((1, 3, 3, 1), points, strict=True)) / 8
    y = sum(w * p[1] for w, p in zip((1, 3, 3, 1), points, strict=True)) / 8
    return Track(points, True, (x, y - 10), "middle", True, (x, y))


def rounded(points: tuple[Point, ...], radius: float = 14) -> str:
    """The ``d`` of a path along these corners, with round ones."""
    out = [f"M{num(points[0][0])} {num(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        r = min(radius, _distance(before, corner) / 2, _distance(corner, after) / 2)
        enter, leave = _towards(corner, before, r), _towards(corner, after, r)
        out.append(f"L{num(enter[0])} {num(enter[1])}")
        out.append(f"Q{num(corner[0])} {num(corner[1])} {num(leave[0])} {num(leave[1])}")
    out.append(f"L{num(points[-1][0])} {num(points[-1][1])}")
    return "".join(out)


def curve(points: tuple[Point, ...]) -> str:
    """The ``d`` of a cubic curve."""
    (a, b, c, d) = points
    pairs = " ".join(f"{num(x)} {num(y)}" for x, y in (b, c, d))
    return f"M{num(a[0])} {num(a[1])}C{pairs}"


def _distance(a: Point, b: Point) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def _towards(a: Point, b: Point, step: float) -> Point:
    length = _distance(a, b) or 1.0
    return a[0] + (b[0] - a[0]) * step / length, a[1] + (b[1] - a[1]) * step / length


def head(points: tuple[Point, ...], size: float) -> str:
    """The corners of an arrow head at the end."""
    (x1, y1), tip = points[-2], points[-1]
    length = _distance((x1, y1), tip) or 1.0
    ux, uy = (tip[0] - x1) / length, (tip[1] - y1) / length
    base = (tip[0] - ux * size * 1.7, tip[1] - uy * size * 1.7)
    corners = (tip, (base[0] - uy * size * 0.8, base[1] + ux * size * 0.8))
    last = (base[0] + uy * size * 0.8, base[1] - ux * size * 0.8)
    return " ".join(f"{num(x)},{num(y)}" for x, y in (*corners, last))


def shortened(points: tuple[Point, ...], by: float) -> tuple[Point, ...]:
    """The same line, ending before its arrow head's tip, so that a thick one has a sharp tip."""
    return (*points[:-1], _towards(points[-1], points[-2], by))


def num(value: float) -> str:
    """A number for SVG: short, and the same everywhere."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def text_width(text: str, size: float) -> float:
    """About how wide a text is, on the safe side: fonts differ from host to host."""
    narrow = sum(c in "iljtfr.,:;|[]()/! '" for c in text)
    return (len(text) - narrow) * size * 0.58 + narrow * size * 0.36
