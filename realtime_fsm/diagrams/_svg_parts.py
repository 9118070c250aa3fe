"""Pieces of an SVG picture, as text: elements, boxes, arrows, words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ._geometry import Place, Track, curve, head, num, rounded, shortened, text_width
from ._model import Kind


def clean(text: str) -> str:
    """Text that XML allows."""
    return "".join(c if c >= " " and c not in "\ufffe\uffff" else " " for c in text)


def el(tag: str, *children: str, **attributes: object) -> str:
    """An element. ``class_`` is the class, ``data_x`` becomes ``data-x``; numbers become short."""
    parts = [tag]
    for key, value in attributes.items():
        if value is None:
            continue
        text = num(value) if isinstance(value, (int, float)) else clean(str(value))
        name = key.rstrip("_").replace("_", "-")
        parts.append(f'{name}="{escape(text)}"')
    opening = " ".join(parts)
    return f"<{opening}>{''.join(children)}</{tag}>" if children else f"<{opening}/>"


def words(text: str, x: float, y: float, class_: str, **attributes: object) -> str:
    return el("text", escape(clean(text)), x=x, y=y, class_=class_, **attributes)


def clock(x: float, y: float, r: float = 5.2) -> str:
    """The sign of a timer, drawn, so that no font has to have it."""
    hands = f"M{num(x)} {num(y - r * 0.62)}V{num(y)}L{num(x + r * 0.5)} {num(y + r * 0.3)}"
    return el(
        "g", el("circle", cx=x, cy=y, r=r, class_="clock"), el("path", d=hands, class_="hands")
    )


def block(
    lines: Sequence[tuple[str, bool]],
    x: float,
    y: float,
    align: str,
    *,
    upwards: bool,
    size: float = 13,
) -> str:
    """Words at an arrow, one line each with whether it is a timer's. ``y`` is the first base line,
    or the last one if they grow upwards. Lines in brackets are guards."""
    step = size * 1.25
    top = y - step * (len(lines) - 1) if upwards else y
    if align == "middle" and any(timer for _, timer in lines):
        # A clock stands in front of its words, so these have to begin at a known place.
        x -= max(text_width(text, size) + 15 * timer for text, timer in lines) * 0.46
        align = "start"
    out = []
    for i, (text, timer) in enumerate(lines):
        at = top + i * step
        shift = (-15.0 if align == "end" else 15.0) if timer else 0.0
        class_ = f"label {align}" + (" guard" if text.startswith("[") else "")
        out.append(words(text, x + shift, at, class_))
        if timer:
            out.append(clock(x + (-5.5 if align == "end" else 5.5), at - size * 0.34))
    return "".join(out)


def badge(text: str, x: float, y: float) -> str:
    """A number in a pill."""
    w = max(22.0, text_width(text, 12) + 14)
    pill = el("rect", x=x - w / 2, y=y - 11, width=w, height=22, rx=11, class_="badge")
    return pill + words(text, x, y + 4.3, "number")


def box(
    place: Place,
    title: str,
    kind: Kind,
    *,
    lines: Iterable[str] = (),
    final: bool = False,
    sheets: bool = False,
) -> str:
    """A state or a part. Failures are square and thick; final states have a second border;
    ``sheets``: there are several, one after another."""
    x, y, w, h = place.x - place.w / 2, place.y - place.h / 2, place.w, place.h
    round_ = 3.0 if kind == "failure" else 14.0
    out = []
    if sheets:
        out += [
            el("rect", x=x + d, y=y + d, width=w, height=h, rx=round_, class_="sheet")
            for d in (10, 5)
        ]
    out.append(el("rect", x=x, y=y, width=w, height=h, rx=round_, class_="box"))
    if final:
        inner = max(round_ - 5, 1)
        out.append(
            el("rect", x=x + 5, y=y + 5, width=w - 10, height=h - 10, rx=inner, class_="inner")
        )
    names = [title]
    if text_width(title, 17) > w:
        half = title.rfind(" ", 0, len(title) // 2 + 2)
        names = [title[:half], title[half + 1 :]] if half > 0 else names
    texts = list(lines)
    top = place.y + 6 - len(texts) * 8.5 - (len(names) - 1) * 11
    out += [words(text, place.x, top + i * 22, "name") for i, text in enumerate(names)]
    top += (len(names) - 1) * 22
    for i, text in enumerate(texts, 1):
        out.append(words(text, place.x, top + 3 + i * 17, "line"))
    return "".join(out)


def wire(track: Track, *, joined: bool, thick: bool) -> str:
    """An arrow. One that joins another ends in a dot there."""
    if track.curved:
        d, tip = curve(shortened(track.points, 8)), head(track.points, 7)
    elif joined:
        points = track.joined()
        d = rounded(points)
        x, y = points[-1]
        under = el("path", d=d, class_="under")
        dot = el("circle", cx=x, cy=y, r=5 if thick else 4, class_="joint")
        return under + el("path", d=d, class_="wire") + dot
    else:
        d, tip = rounded(shortened(track.points, 8)), head(track.points, 8.5 if thick else 7)
    return (
        el("path", d=d, class_="under")
        + el("path", d=d, class_="wire")
        + el("polygon", points=tip, class_="tip")
    )


def loop(place: Place) -> str:
    """An arrow that stays: it hangs at the lower border."""
    x, y = place.port("bottom", place.loop)
    bend = f"C{num(x - 30)} {num(y + 52)} {num(x + 30)} {num(y + 52)} {num(x + 16)} {num(y + 8)}"
    d = f"M{num(x - 14)} {num(y)}{bend}"
    tip = head(((x + 19, y + 18), (x + 13.5, y + 0.5)), 6)
    return (
        el("path", d=d, class_="under")
        + el("path", d=d, class_="wire")
        + el("polygon", points=tip, class_="tip")
    )
