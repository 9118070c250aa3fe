"""The rules below the map, in cards: one for each numbered arrow, in columns read downwards."""

from __future__ import annotations

from dataclasses import dataclass

from ._geometry import text_width
from ._model import MARKS, Edge, Rule, groups
from ._svg_parts import badge, clock, el, words
from ._views import Picture

_WIDTH = 312.0
_GAP = 14.0
_LINE = 17.0
_HEAD = 34.0
_EVENT = 38.0


@dataclass(frozen=True)
class Line:
    """Events that share what follows them."""

    rules: tuple[Rule, ...]
    then: tuple[str, ...]

    @property
    def rows(self) -> int:
        before = sum(bool(r.before) for r in self.rules)
        return max(len(self.rules) + before, len(self.then))


def cards(
    picture: Picture, numbers: dict[tuple[str, str | None], str], x: float, y: float, width: float
) -> tuple[str, float]:
    """Draw them from this corner on. Returns also where they end."""
    if picture.brief or not picture.rules:
        return "", y
    if picture.moves:
        return _steps(picture, x, y, width)
    columns = max(1, int((width + _GAP) / (_WIDTH + _GAP)))
    column = (width + _GAP) / columns - _GAP
    made = [(edge, _lines(edge, column)) for edge in picture.edges]
    heights = [
        _HEAD + sum(li.rows for li in lines) * _LINE + (len(lines) - 1) * 5 + 10
        for _, lines in made
    ]
    split = _split([h + _GAP for h in heights], columns)
    out, end = [], y
    for i, members in enumerate(split):
        left, top = x + i * (column + _GAP), y
        for m in members:
            edge, lines = made[m]
            number = numbers[edge.source, edge.dest]
            out.append(_card(picture, edge, lines, number, left, top, column, heights[m]))
            top += heights[m] + _GAP
        end = max(end, top)
    return el("g", *out, class_="cards"), end


def _split(heights: list[float], columns: int) -> list[list[int]]:
    """Fill columns one after another, as evenly as the order allows."""
    limit = max(max(heights), sum(heights) / columns)
    while True:
        out: list[list[int]] = [[]]
        used = 0.0
        for i, height in enumerate(heights):
            if out[-1] and used + height > limit:
                out.append([])
                used = 0.0
            out[-1].append(i)
            used += height
        if len(out) <= columns:
            return out
        limit += 10


def _lines(edge: Edge, width: float) -> list[Line]:
    out = []
    longest = _longest(edge.rules)
    for group in groups(edge.rules):
        first = group[0]
        guard = f"[{first.guard_text}]" if first.guard_text else ""
        effect = f"/ {first.effect_text}" if first.effect else ""
        both = f"{guard} {effect}".strip()
        room = width - 8 - (_EVENT + longest + 22)
        many = len(group) > 1 or text_width(both, 12) >= room
        told = _told(first.tells_text, room)
        then = (guard, effect, *told) if many else (both, *told)
        out.append(Line(tuple(group), tuple(t for t in then if t)))
    return out


def _told(text: str, room: float) -> tuple[str, ...]:
    """Who is told what, on two lines where one has no room for it."""
    who, colon, what = text.partition(": ")
    return (f"{who}:", what) if colon and text_width(text, 12) >= room + 30 else (text,)


def _longest(rules: tuple[Rule, ...]) -> float:
    return max(text_width(r.event_text, 12) for r in rules)


def _card(
    picture: Picture,
    edge: Edge,
    lines: list[Line],
    number: str,
    x: float,
    y: float,
    width: float,
    height: float,
) -> str:
    chart = picture.chart
    source = chart.state(edge.source).name.lower()
    dest = "stays" if edge.dest is None else chart.state(edge.dest).name.lower()
    title = f"{source}: {dest}" if edge.dest is None else f"{source} \u2192 {dest}"
    out = [
        el("rect", x=x, y=y, width=width, height=height, rx=8, class_="card"),
        el("rect", x=x, y=y + 8, width=4, height=height - 16, rx=2, class_="spine"),
        badge(number, x + 24, y + 18),
        words(title, x + 24 + max(18, text_width(number, 12) / 2 + 14), y + 22.5, "head"),
    ]
    at = y + _HEAD + 12
    for line in lines:
        out.append(_line(line, x, at, width, x + _EVENT + _longest(edge.rules) + 18))
        at += line.rows * _LINE + 5
    return el("g", *out, class_=f"edge {edge.kind} {edge.mark}".strip())


def _line(line: Line, x: float, y: float, width: float, left: float) -> str:
    out, row = [], 0
    for rule in line.rules:
        at = y + row * _LINE
        if rule.timer:
            out.append(clock(x + _EVENT - 10, at - 4.2, 4.8))
        if rule.mark:
            out.append(words(MARKS[rule.mark], x + 15, at + 1, f"sign {rule.mark}"))
        data = {
            "data_source": rule.source,
            "data_event": rule.event,
            "data_dest": rule.dest or "",
            "data_guard": rule.guard_text,
            "data_effect": rule.effect,
        }
        gone = " gone" if rule.mark == "removed" else ""
        out.append(words(rule.event_text, x + _EVENT, at, f"event{gone}", **data))
        row += 1
        if rule.before:
            was = _fit(f"was: {rule.before}", width - _EVENT - 8)
            out.append(words(was, x + _EVENT, at + _LINE, "then"))
            row += 1
    for i, text in enumerate(line.then):
        middle = (len(line.rules) - len(line.then)) / 2 if len(line.rules) > len(line.then) else 0
        out.append(words(text, left, y + (i + middle) * _LINE, "then"))
    if len(line.rules) > 1 and line.then:
        bar, top = left - 8, y - 11
        bottom = top + (len(line.rules) * _LINE) - 3
        out.append(
            el("path", d=f"M{bar - 4:g} {top:g}H{bar:g}V{bottom:g}H{bar - 4:g}", class_="brace")
        )
    return "".join(out)


def _fit(text: str, width: float) -> str:
    """What of a text fits; the Markdown has all of it."""
    if text_width(text, 12) <= width:
        return text
    while text and text_width(text, 12) > width - 12:
        text = text[:-1]
    return text.rstrip() + "\u2026"


def _steps(picture: Picture, x: float, y: float, width: float) -> tuple[str, float]:
    columns = max(1, int((width + _GAP) / (430 + _GAP)))
    column = (width + _GAP) / columns - _GAP
    rows = -(-len(picture.moves) // columns)
    kinds = {(e.source, e.dest): e.kind for e in picture.edges}
    out = []
    for i, move in enumerate(picture.moves):
        left, top = x + (i // rows) * (column + _GAP), y + 14 + (i % rows) * 27
        stays = move.source == move.dest
        kind = kinds[move.source, None if stays else move.dest]
        at = "" if move.at is None else f"{move.at:.3f} s"
        where = (
            f"{move.source.lower()}: stays"
            if stays
            else f"{move.source.lower()} \u2192 {move.dest.lower()}"
        )
        row = [
            badge(str(i + 1), left + 14, top - 4),
            words(at, left + 98, top, "then end"),
            words(move.event.lower().replace("_", " "), left + 112, top, "event"),
            words(where, left + 250, top, "then"),
        ]
        data = {"data_step": str(i + 1), "class_": f"edge {kind}"}
        out.append(el("g", *row, **data))
    return el("g", *out, class_="steps"), y + 14 + rows * 27
