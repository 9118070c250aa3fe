"""Nothing in a picture lies over words, and nothing is cut off."""

from __future__ import annotations

import re
from itertools import combinations
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from realtime_fsm import diagrams
from realtime_fsm.diagrams import _svg
from realtime_fsm.diagrams._geometry import text_width
from realtime_fsm.diagrams._model import CHARTS
from realtime_fsm.diagrams._views import view

SVG = "{http://www.w3.org/2000/svg}"
#: The estimate of a text's width is on the safe side by so much (fonts differ).
SAFE = 0.93


class Area(NamedTuple):
    what: str
    left: float
    top: float
    right: float
    bottom: float

    def __str__(self) -> str:
        return (
            f"{self.what!r} at {self.left:.0f}-{self.right:.0f}, {self.top:.0f}-{self.bottom:.0f}"
        )

    def over(self, other: Area) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def number(element: ElementTree.Element, name: str) -> float:
    return float(element.get(name, "0"))


def areas(text: str) -> tuple[list[Area], list[Area], Area]:
    """The words at arrows, the boxes of states, and the map's part of the page."""
    root = ElementTree.fromstring(text)
    size = float(re.findall(r"\.label\{font-size:([\d.]+)px", text)[0])
    map_ = next(g for g in root.iter(f"{SVG}g") if "translate" in g.get("transform", ""))
    labels, boxes = [], []
    for each in map_.iter(f"{SVG}text"):
        kinds = (each.get("class") or "").split()
        if "label" not in kinds:
            continue
        words, x, y = each.text or "", number(each, "x"), number(each, "y")
        width = text_width(words, size) * SAFE
        left = x - (width if "end" in kinds else width / 2 if "middle" in kinds else 0)
        labels.append(Area(words, left, y - size * 0.75, left + width, y + size * 0.2))
    for each in map_.iter(f"{SVG}rect"):
        if each.get("class") in ("box", "sheet"):
            x, y = number(each, "x"), number(each, "y")
            area = Area("a box", x, y, x + number(each, "width"), y + number(each, "height"))
            boxes.append(area)
    width, height = (float(root.get(name, "0")) for name in ("width", "height"))
    foot = next(g for g in root.iter(f"{SVG}g") if g.get("class") == "foot")
    first = min(
        float(g.get("transform", "").strip(")").split(" ")[1])
        for g in foot.iter(f"{SVG}g")
        if "translate" in g.get("transform", "")
    )
    return labels, boxes, Area("the page", 0, -70, width, min(height, first - 14) - 70)


def pictures() -> dict[str, str]:
    out = {f"{name} overview": diagrams.svg(name, "overview") for name in CHARTS}
    out["turn overview, narrow"] = _svg.svg(view(CHARTS["turn"], "overview"), narrow=True)
    out["whole"] = diagrams.svg("whole")
    return out


@pytest.mark.parametrize("name", pictures())
def test_no_words_lie_over_others_or_over_a_box_and_none_is_cut_off(name: str) -> None:
    labels, boxes, page = areas(pictures()[name])
    assert labels or name in ("response overview", "delegation overview")  # numbers
    wrong = [f"{a} and {b}" for a, b in combinations(labels, 2) if a.over(b)]
    wrong += [f"{a} in {b}" for a in labels for b in boxes if a.over(b)]
    wrong += [
        f"{a} is cut off"
        for a in labels
        if a.left < page.left or a.right > page.right or a.bottom > page.bottom
    ]
    assert not wrong, "\n".join(wrong)


#: What the text of a page of the documentation is wide, in pixels; GitHub's is wider.
COLUMN = 736


@pytest.mark.parametrize("machine", ["turn", "playback"])
def test_the_words_of_an_overview_can_be_read_in_a_column(machine: str) -> None:
    text = diagrams.svg(machine, "overview")
    width = float(re.findall(r'width="([\d.]+)"', text)[0])
    sizes = map(float, re.findall(r"\.(?:label|name|caption)\{font-size:([\d.]+)px", text))
    assert min(sizes) * min(1, COLUMN / width) >= 11
