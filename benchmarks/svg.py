"""The plots, as SVG that reads on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .report import number

_WIDTH = 720
_LEFT = 240
_ROW = 26
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; }
.quiet { fill: #656d76; }
.axis { stroke: #8c959f; stroke-width: 1; }
.target { stroke: #8c959f; stroke-width: 1.5; stroke-dasharray: 4 3; }
.met { fill: #2da44e; } .missed { fill: #d4703a; } .bar { fill: #4c8fd6; }
.spread { stroke: #24292f; stroke-width: 1.5; }
.line { stroke: #4c8fd6; stroke-width: 2; fill: none; } .band { fill: #4c8fd6; opacity: .25; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .quiet { fill: #9198a1; } .spread { stroke: #e6edf3; }
}
"""


def _svg(title: str, height: int, body: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="{title}">\n<style>{_STYLE}</style>\n'
        f'<text class="title" x="8" y="20">{title}</text>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _text(x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{words}</text>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _bar(kind: str, x: float, y: float, width: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="14"/>'


def targets(data: dict[str, Any]) -> str:
    """Each figure as a share of its target; what is left of the line meets it."""
    shares = {key: max(data[key], 0) / target for key, target in data["targets"].items()}
    highest = max(data["spread"][key][1] / target for key, target in data["targets"].items())
    scale = (_WIDTH - _LEFT - 90) / max(1.1, highest, *shares.values())
    edge = _LEFT + scale
    height = 60 + _ROW * len(shares)
    body = [_line("target", edge, 34, edge, height - 18)]
    for n, (key, share) in enumerate(shares.items()):
        y = 40 + n * _ROW
        low, high = (max(v, 0) / data["targets"][key] * scale for v in data["spread"][key])
        body += [
            _text(_LEFT - 8, y + 12, key, anchor="end"),
            _bar("met" if share <= 1 else "missed", _LEFT, y, share * scale),
            _text(_LEFT + max(share * scale, high) + 6, y + 12, number(data[key])),
        ]
        if high > low:
            body.append(_line("spread", _LEFT + low, y + 7, _LEFT + high, y + 7))
    body.append(_text(edge, height - 4, "target", anchor="middle", kind="quiet"))
    return _svg("Figures as a share of their targets, with quartiles", height, body)


def turn(data: dict[str, Any]) -> str:
    """A turn of two messages: without us, what we add, and what the core alone takes."""
    rows = {
        "LiveKit and the plugin": data["details"]["turn_framework_us"],
        "added by us": data["details"]["turn_added_us"],
        "the core alone": data["details"]["core_turn_us"],
    }
    return _bars("CPU time of a turn of two messages, 3.5 s of audio, µs", rows)


def _bars(title: str, rows: dict[str, Sequence[float]]) -> str:
    scale = (_WIDTH - _LEFT - 90) / max(high for _, _, high in rows.values())
    body = []
    for n, (name, (value, low, high)) in enumerate(rows.items()):
        y = 40 + n * _ROW
        body += [
            _text(_LEFT - 8, y + 12, name, anchor="end"),
            _bar("bar", _LEFT, y, value * scale),
            _line("spread", _LEFT + low * scale, y + 7, _LEFT + high * scale, y + 7),
            _text(_LEFT + max(value, high) * scale + 6, y + 12, number(value)),
        ]
    return _svg(title, 48 + _ROW * len(rows), body)


def growth(data: dict[str, Any]) -> str:
    """What a turn costs an old controller, relative to a fresh one, over its turns."""
    run, left, top, bottom, right = data["growth"], 60, 40, 240, _WIDTH - 20
    last: int = run["turns"][-1]

    def x(turns: float) -> float:
        return left + (right - left) * turns / last

    def y(ratio: float) -> float:
        return bottom - (bottom - top) * (min(max(ratio, 0.8), 1.2) - 0.8) / 0.4

    def points(which: int) -> list[str]:
        pairs = zip(run["turns"], run["ratio"], strict=True)
        return [f"{x(turns):.1f},{y(ratio[which]):.1f}" for turns, ratio in pairs]

    body = [
        _line("axis", left, bottom, right, bottom),
        _line("target", left, y(1.05), right, y(1.05)),
    ]
    body += [
        *(
            _text(left - 8, y(ratio) + 4, f"{ratio:.1f}", anchor="end", kind="quiet")
            for ratio in (0.8, 0.9, 1.0, 1.1, 1.2)
        ),
        f'<polygon class="band" points="{" ".join(points(1) + points(2)[::-1])}"/>',
        f'<polyline class="line" points="{" ".join(points(0))}"/>',
        _text(right, bottom + 20, f"{number(last)} turns", anchor="end", kind="quiet"),
        _text(right, y(1.05) - 5, "target", anchor="end", kind="quiet"),
        _text(
            left, bottom + 20, f"the process grew by {number(run['rss_mb'][-1])} MB", kind="quiet"
        ),
    ]
    return _svg("A turn of an old controller ÷ a turn of a fresh one", bottom + 32, body)
