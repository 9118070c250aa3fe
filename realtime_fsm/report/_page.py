"""The page: figures as HTML, everything else as data for its script."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Any

from .._version import __version__
from ..diagrams._svg_style import variables
from ._encode import CHUNK, call_json, event_chunks, script_json, summary
from ._findings import Finding, findings
from ._map import machine_map
from ._story import Call, Side

__all__ = [
    "DRAWING",
    "LEGEND",
    "Group",
    "about",
    "document",
    "duration",
    "foreign",
    "page",
    "plain_text",
    "tiles",
]

#: What draws a call, for each page that has one.
DRAWING = (
    "base.js", "paint.js", "lanes.js", "timeline.js", "table.js", "map.js", "detail.js",
)  # fmt: skip
_NEEDS = "The figures need no script; the timeline and the table of turns do."
_FIRST = 4  # findings that are not folded away
_SHOWN = 50  # breaches of one turn
_ISSUES = 20  # things that cannot be read, by line
LEGEND = """\
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
        body.html.append(LEGEND)
    for group in groups:
        _group(group, body, heading=len(groups) > 1)
    after = [
        '<aside id="detail" role="dialog" aria-labelledby="detail-title" hidden></aside>',
        f'<template id="machine">{machine_map("turn")}</template>',
        *body.data,
    ]
    return document(title, note, body.html, after, scripts=(*DRAWING, "page.js"), needs=_NEEDS)


def document(
    title: str,
    note: str,
    main: Sequence[str],
    after: Sequence[str] = (),
    *,
    scripts: Sequence[str],
    needs: str,
    more_script: str = "",
    more_style: str = "",
    connect: str = "",
) -> str:
    """A page that needs nothing else, and runs nothing but the scripts of ours.

    Args:
        title: of the page.
        note: a sentence below it.
        main: what is on it, as HTML.
        after: what follows the footer, as HTML.
        scripts: names of assets.
        needs: what needs them, in words.
        more_script, more_style: what stands behind the assets.
        connect: what the scripts may connect to; by default nothing.
    """
    assets = files(__package__) / "assets"
    style = f"{variables(':root')}\n{(assets / 'page.css').read_text('utf-8')}{more_style}"
    parts = "\n".join((assets / name).read_text("utf-8") for name in scripts)
    script = f'(() => {{\n"use strict";\n{parts}{more_script}}})();\n'
    return "\n".join(_document(title, note, main, after, needs, style, script, connect)) + "\n"


def _document(
    title: str,
    note: str,
    main: Sequence[str],
    after: Sequence[str],
    needs: str,
    style: str,
    script: str,
    connect: str,
) -> Iterator[str]:
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        f"{f'connect-src {connect}; ' if connect else ''}base-uri 'none'; form-action 'none'"
    )
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{plain_text(title)}</title>"
    yield f"<style>{style}</style>"
    yield "</head>"
    yield "<body>"
    yield '<a class="skip" href="#main">To the report</a>'
    yield '<main id="main">'
    yield f"<h1>{foreign(title)}</h1>"
    if note:
        yield f'<p class="about">{plain_text(note)}</p>'
    yield f"<noscript><p class='notice'>{needs}</p></noscript>"
    yield from main
    yield f"<footer>realtime-fsm {__version__}</footer>"
    yield "</main>"
    yield from after
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


def plain_text(text: str) -> str:
    """A text as HTML."""
    return escape(_clean(text))


def foreign(text: str) -> str:
    """A text whose direction does not reach beyond it."""
    return f'<bdi dir="auto">{plain_text(text)}</bdi>'


def _group(group: Group, body: _Body, *, heading: bool) -> None:
    body.html.append('<section class="group">')
    if heading:
        body.html.append(f"<h2>{foreign(group.title)}</h2>")
    if group.note:
        body.html.append(f'<p class="about">{plain_text(group.note)}</p>')
    beside = len(group.sides) > 1
    body.html.append(f'<div class="sides{" two" if beside else ""}">')
    for side in group.sides:
        body.html.append('<div class="side">')
        if beside:
            body.html.append(f"<h3>{foreign(side.label)}</h3>")
        if side.note:
            body.html.append(f'<p class="verdict">{plain_text(side.note)}</p>')
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
        f'data-seconds="{max(call.seconds, 0.001):.3f}" data-name="{plain_text(label)}"{_file(side, number)}>'
    )
    if len(side.calls) > 1:
        body.html.append(f"<h3>Call {number + 1}</h3>")
    body.html.append(f'<p class="about">{_about(call)}</p>')
    body.html.append(_answer(side, number, call))
    body.html.append(_tiles(summary(call)))
    body.html.append(_notices(side, number, call))
    body.html.append('<div class="timeline"></div>')
    if not beside:
        body.html.append(LEGEND)
    body.html.append('<div class="table"></div>')
    body.html.append("</article>")
    body.data.append(_data(name, call_json(call)))
    body.data += [_data(f"{name}-events-{n}", each) for n, each in enumerate(event_chunks(call))]


def _file(side: Side, number: int) -> str:
    """The file that `realtime-fsm case` is to read, as an attribute."""
    if not side.file:
        return ""
    call = f" --call {side.first + number}" if len(side.calls) > 1 or side.first > 1 else ""
    return f' data-file="{plain_text(shlex.quote(side.file) + call)}"'


def _data(name: str, value: Any) -> str:
    return f'<script type="application/json" id="{name}">{script_json(value)}</script>'


def _about(call: Call) -> str:
    return " · ".join(foreign(each) for each in about(call))


def about(call: Call) -> list[str]:
    """What a call was recorded with, in words."""
    header = call.header
    mode = {
        "control": "controlled", "observe": "observed only", "off": "switched off",
        "plain": "plain LiveKit", "server": "as the simulated server saw it", "raw": "log of raw events",
    }.get(header.mode, header.mode)  # fmt: skip
    versions = [f"{name} {version}" for name, version in list(header.versions.items())[:8]]
    told = [mode, header.started, header.model.rpartition(".")[2], *versions]
    told += ["with words" if header.transcripts else "without words"]
    return [str(each)[:120] for each in told if each]


def _tiles(figures: dict[str, Any]) -> str:
    first = figures["first_audio"]
    broken = figures["broken"]
    count = sum(broken.values())
    ids = ", ".join(sorted(broken, key=lambda each: int(each[1:])))
    label = {0: "guarantees broken", 1: "breach"}.get(count, "breaches")
    told = [
        (str(figures["turns"]), "turns", duration(figures["seconds"]), ""),
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
        told.append((str(figures["open"]), "never ended", "", "bad"))
    elif figures["open"]:
        told.append((str(figures["open"]), "cut off", "", ""))
    return tiles(told)


def tiles(told: Sequence[tuple[str, str, str, str]]) -> str:
    """Figures: each is a number, its name, a few words more, and a kind: ``bad``, ``warm`` or nothing."""
    return f'<ul class="tiles" aria-label="Summary">{"".join(_tile(*each) for each in told)}</ul>'


def _tile(value: str, name: str, more: str, kind: str) -> str:
    small = f"<small>{plain_text(more)}</small>" if more else ""
    class_ = f' class="{kind}"' if kind else ""
    return f"<li{class_}><b>{plain_text(value)}</b><span>{plain_text(name)}</span>{small}</li>"


def _seconds(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.2f} s"


def duration(seconds: float) -> str:
    """How long something took, for people."""
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
    items = [plain_text(each) for each in told]
    if side is not None:
        items += [f"line {issue.number}: {foreign(issue.text)}" for issue in side.issues[:_ISSUES]]
        if side.unreadable > _ISSUES:
            items.append(f"and {side.unreadable - _ISSUES} more lines that cannot be read")
    listed = "".join(f"<li>{each}</li>" for each in items)
    return f'<div class="notice" role="note"><b>{plain_text(title)}</b><ul>{listed}</ul></div>'


_VERDICTS = {
    "lost": "was lost",
    "failed": "failed",
    "never ended": "never ended",
    "broken": "broke a guarantee",
    "recovered": "recovered",
}


def _answer(side: Side, number: int, call: Call) -> str:
    """What went wrong, before anything else."""
    found = findings(side, number)
    if not found:
        turns = len(call.turns) + call.more_turns
        words = "1 turn" if turns == 1 else f"{turns} turns"
        judged = f", {len(side.judged)} guarantees judged and kept" if side.judged else ""
        return f'<section class="answer good"><h2>Nothing went wrong</h2><p>{words}{judged}.</p></section>'
    items = [f"<li>{_finding(each, call)}</li>" for each in found]
    more = len(items) - _FIRST
    rest = (
        f"<details><summary>and {more} more</summary><ol>{''.join(items[_FIRST:])}</ol></details>"
        if more > 0
        else ""
    )
    harmless = all(each.verdict == "recovered" for each in found)
    title = "What failed, and recovered" if harmless else "What went wrong"
    return (
        f'<section class="answer{" warm" if harmless else ""}"><h2>{title}</h2>'
        f"<ol>{''.join(items[:_FIRST])}</ol>{rest}</section>"
    )


def _finding(found: Finding, call: Call) -> str:
    parts = []
    if found.turn is None:
        parts.append("<b>Of no turn</b>")
    else:
        parts.append(
            f'<button type="button" class="link" data-turn="{found.turn}">{foreign(found.name)}</button>'
        )
        parts.append(f"<b>{_VERDICTS[found.verdict]}</b>")
    if found.t is not None and call.header.timed:
        parts.append(f"<small>at {_clock(found.t - call.begin)}</small>")
    if found.code:
        parts.append(f"<code>{foreign(found.code)}</code>")
    told = [f"<p>{foreign(found.cause)}</p>"] if found.cause else []
    if found.breaches:
        alike: dict[tuple[str, str, str], list[int]] = {}
        for name, title, text, line in found.breaches:
            alike.setdefault((name, title, text), []).append(line)
        broken = [
            f"<li>▲ {plain_text(name)} {plain_text(title)}: {foreign(text)} ({_lines(lines)})</li>"
            for (name, title, text), lines in list(alike.items())[:_SHOWN]
        ]
        if len(alike) > _SHOWN:
            broken.append(f"<li>and {len(alike) - _SHOWN} more</li>")
        told.append(f"<ul>{''.join(broken)}</ul>")
    return " ".join(parts) + "".join(told)


def _lines(numbers: Sequence[int]) -> str:
    told = ", ".join(str(each) for each in numbers[:4]) + (", …" if len(numbers) > 4 else "")
    return f"line{'s' if len(numbers) > 1 else ''} {told}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, seconds), 60)
    return f"{int(minutes)}:{rest:04.1f}"
