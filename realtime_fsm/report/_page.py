"""The page: figures as HTML, everything else as data for its script."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any

from .._version import __version__
from ..diagrams._svg_style import variables
from ._encode import CHUNK, call_json, event_chunks, script_json, summary
from ._map import turn_map
from ._story import Call, Side

__all__ = ["Group", "page"]

_SCRIPTS = ("base.js", "paint.js", "lanes.js", "timeline.js", "table.js", "detail.js", "page.js")
_ISSUES = 20  # things that cannot be read, by line
_LEGEND = """\
<ul class="legend" aria-label="Legend">
<li><span class="swatch"></span>requested</li>
<li><span class="swatch created"></span>created</li>
<li><span class="swatch streaming"></span>streaming</li>
<li><span class="swatch retry"></span>retry wait, backoff</li>
<li><span class="swatch cancelling"></span>cancelling</li>
<li><b>✓</b> completed</li><li><b>↻</b> recovered</li><li><b>✕</b> failed, error</li>
<li><b>■</b> interrupted, cancel</li><li><b>»</b> superseded</li><li><b>&#9585;</b> cut</li>
<li><b>⊘</b> deleted</li><li><b>▲</b> guarantee broken</li><li><b>○</b> stale picture, harmless</li><li><b>≠</b> not what was heard</li>
</ul>"""


@dataclass(slots=True)
class Group:
    """Files that stand side by side, on one scale of time."""

    title: str
    sides: Sequence[Side]
    note: str = ""


@dataclass(slots=True)
class _Body:
    html: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    calls: int = 0


def page(title: str, groups: Sequence[Group], *, note: str = "") -> str:
    """One HTML page that needs nothing else.

    Args:
        title: of the page.
        groups: one below the other.
        note: a sentence below the title.
    """
    body = _Body()
    if any(len(group.sides) > 1 for group in groups):
        body.html.append(_LEGEND)
    for group in groups:
        _group(group, body, heading=len(groups) > 1)
    return "\n".join(_document(title, note, body)) + "\n"


def _document(title: str, note: str, body: _Body) -> Iterator[str]:
    assets = files(__package__) / "assets"
    style = f"{variables(':root')}\n{(assets / 'page.css').read_text('utf-8')}"
    parts = "\n".join((assets / name).read_text("utf-8") for name in _SCRIPTS)
    script = f'(() => {{\n"use strict";\n{parts}}})();\n'
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{_text(title)}</title>"
    yield f"<style>{style}</style>"
    yield "</head>"
    yield "<body>"
    yield '<a class="skip" href="#main">To the report</a>'
    yield '<main id="main">'
    yield f"<h1>{_foreign(title)}</h1>"
    if note:
        yield f'<p class="about">{_text(note)}</p>'
    yield "<noscript><p class='notice'>The figures need no script; the timeline and the table of turns do.</p></noscript>"
    yield from body.html
    yield f"<footer>realtime-fsm {__version__}</footer>"
    yield "</main>"
    yield '<aside id="detail" role="dialog" aria-labelledby="detail-title" hidden></aside>'
    yield f'<template id="machine">{turn_map()}</template>'
    yield from body.data
    yield f"<script>{script}</script>"
    yield "</body>"
    yield "</html>"


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


#: They join letters and pictures, and no more.
_JOINERS = "\u200c\u200d"


def _clean(text: str) -> str:
    """Without what a page cannot hold, or what acts on the text around it: control characters, those
    that turn the direction of writing, halves of characters."""
    return "".join(c if c.isprintable() or c in _JOINERS else " " for c in text)


def _text(text: str) -> str:
    return escape(_clean(text))


def _foreign(text: str) -> str:
    """A text whose direction does not reach beyond it."""
    return f'<bdi dir="auto">{_text(text)}</bdi>'


def _group(group: Group, body: _Body, *, heading: bool) -> None:
    body.html.append('<section class="group">')
    if heading:
        body.html.append(f"<h2>{_foreign(group.title)}</h2>")
    if group.note:
        body.html.append(f'<p class="about">{_text(group.note)}</p>')
    beside = len(group.sides) > 1
    body.html.append(f'<div class="sides{" two" if beside else ""}">')
    for side in group.sides:
        body.html.append('<div class="side">')
        if beside:
            body.html.append(f"<h3>{_foreign(side.label)}</h3>")
        if side.note:
            body.html.append(f'<p class="verdict">{_text(side.note)}</p>')
        if not side.calls:
            body.html.append(_notice("Nothing could be read.", side))
        for number, call in enumerate(side.calls):
            _call(side, number, call, body, beside=beside)
        body.html.append("</div>")
    body.html.append("</div>")
    body.html.append("</section>")


def _call(side: Side, number: int, call: Call, body: _Body, *, beside: bool) -> None:
    name, body.calls = f"call-{body.calls}", body.calls + 1
    label = side.label if len(side.calls) == 1 else f"{side.label}, call {number + 1}"
    body.html.append(
        f'<article class="call" data-call="{name}" data-chunk="{CHUNK}" '
        f'data-seconds="{max(call.seconds, 0.001):.3f}" data-name="{_text(label)}">'
    )
    if len(side.calls) > 1:
        body.html.append(f"<h3>Call {number + 1}</h3>")
    body.html.append(f'<p class="about">{_about(call)}</p>')
    body.html.append(_tiles(summary(call)))
    body.html.append(_notices(side, number, call))
    body.html.append(_breaches(side, number))
    body.html.append('<div class="timeline"></div>')
    if not beside:
        body.html.append(_LEGEND)
    body.html.append('<div class="table"></div>')
    body.html.append("</article>")
    body.data.append(_data(name, call_json(call)))
    body.data += [_data(f"{name}-events-{n}", each) for n, each in enumerate(event_chunks(call))]


def _data(name: str, value: Any) -> str:
    return f'<script type="application/json" id="{name}">{script_json(value)}</script>'


def _about(call: Call) -> str:
    header = call.header
    mode = {
        "control": "controlled", "observe": "observed only", "off": "switched off",
        "plain": "without us", "server": "as the simulated server saw it", "raw": "log of raw events",
    }.get(header.mode, header.mode)  # fmt: skip
    versions = [f"{name} {version}" for name, version in list(header.versions.items())[:8]]
    told = [mode, header.started, header.model.rpartition(".")[2], *versions]
    told += ["with words" if header.transcripts else "without words"]
    return " · ".join(_foreign(str(each)[:120]) for each in told if each)


def _tiles(figures: dict[str, Any]) -> str:
    first = figures["first_audio"]
    broken = figures["broken"]
    count = sum(broken.values())
    ids = ", ".join(sorted(broken, key=lambda each: int(each[1:])))
    label = {0: "guarantees broken", 1: "breach"}.get(count, "breaches")
    tiles = [
        (str(figures["turns"]), "turns", _duration(figures["seconds"]), ""),
        (str(figures["recovered"]), "recovered", "", "warm" if figures["recovered"] else ""),
        (str(figures["failed"]), "failed", "", "bad" if figures["failed"] else ""),
        (str(figures["interrupted"]), "interrupted", "", ""),
        (
            _seconds(first["median"]),
            "to first audio",
            f"median; 95 %: {_seconds(first['p95'])}, most: {_seconds(first['max'])}",
            "",
        ),
        (
            _seconds(figures["lost"]),
            "lost to recovery",
            "",
            "warm" if figures["lost"] else "",
        ),
        (str(count), label, ids, "bad" if count else ""),
        (
            str(figures["wrong_memory"]),
            "remembered \u2260 heard",
            "",
            "bad" if figures["wrong_memory"] else "",
        ),
    ]
    if figures["open"] and figures["complete"]:
        tiles.append((str(figures["open"]), "never ended", "", "bad"))
    elif figures["open"]:
        tiles.append((str(figures["open"]), "cut off", "", ""))
    return f'<ul class="tiles" aria-label="Summary">{"".join(_tile(*each) for each in tiles)}</ul>'


def _tile(value: str, name: str, more: str, kind: str) -> str:
    small = f"<small>{_text(more)}</small>" if more else ""
    class_ = f' class="{kind}"' if kind else ""
    return f"<li{class_}><b>{_text(value)}</b><span>{_text(name)}</span>{small}</li>"


def _seconds(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.2f} s"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"in {seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"in {minutes} min {rest} s"


def _notices(side: Side, number: int, call: Call) -> str:
    told = []
    if not call.header.timed:
        told.append("There are no times in it: the order of the lines stands for them.")
    if not call.header.fields and call.header.mode != "raw":
        told.append(f"The beginning is missing; it goes from line {call.first_line} on.")
    if call.header.fields and not call.complete:
        told.append(f"The recording was cut off: the last line is {call.last_line}.")
    if call.more_turns:
        told.append(f"{call.more_turns} more turns are left out.")
    if call.more_marks:
        told.append(f"{call.more_marks} more cancels and errors are left out.")
    last = number == len(side.calls) - 1
    if not told and not (last and side.unreadable):
        return ""
    return _notice("This is not all of the call.", side if last else None, told)


def _notice(title: str, side: Side | None, told: Sequence[str] = ()) -> str:
    items = [_text(each) for each in told]
    if side is not None:
        items += [f"line {issue.number}: {_foreign(issue.text)}" for issue in side.issues[:_ISSUES]]
        if side.unreadable > _ISSUES:
            items.append(f"and {side.unreadable - _ISSUES} more lines that cannot be read")
    listed = "".join(f"<li>{each}</li>" for each in items)
    return f'<div class="notice" role="note"><b>{_text(title)}</b><ul>{listed}</ul></div>'


def _breaches(side: Side, number: int) -> str:
    mine = [each for each in side.broken if each[4] == number]
    if not mine:
        return ""
    items = []
    for name, title, text, line, _, turn in mine:
        head = f"{_text(name)} {_text(title)}"
        if turn is not None:
            head = f'<button type="button" class="link" data-turn="{turn}">{head}</button>'
        else:
            head = f"<b>{head}</b>"
        items.append(f"<li>{head}: {_foreign(text)} (line {line})</li>")
    opened = " open" if len(mine) <= 6 else ""
    word = "breach" if len(mine) == 1 else "breaches"
    return (
        f'<details class="breaches"{opened}><summary>▲ {len(mine)} {word} of guarantees</summary>'
        f"<ul>{''.join(items)}</ul></details>"
    )
