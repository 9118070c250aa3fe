"""Markdown tables: every rule with its reason."""

from __future__ import annotations

from collections.abc import Iterable

from ._model import Rule, words
from ._views import Picture
from ._whole import CAPTION, PARTS, RELATIONS

_HEAD = [
    "| state | event | guard | next state | effect | tells | why |",
    "|---|---|---|---|---|---|---|",
]


def cell(text: str) -> str:
    """Text for one cell of a table."""
    text = " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("`", "\\`").replace("<", "&lt;").replace("*", "\\*")


def markdown(picture: Picture) -> str:
    """The rules in focus, in the order in which they are tried, and the events. For the path of a
    turn: its moves."""
    chart = picture.chart
    texts = {s.name: s.name.lower() for s in chart.states}
    if picture.moves:
        return _moves(picture)
    lines = [*_HEAD]
    for group in _groups(picture.rules):
        first = group[0]
        sources = ", ".join(dict.fromkeys(texts[r.source] for r in group))
        events = ", ".join(dict.fromkeys(_event(r.event, r.timer) for r in group))
        dest = "(stays)" if first.dest is None else texts[first.dest]
        does = (first.effect_text, words(first.tells))
        cells = (sources, events, first.guard_text, dest, *does, first.reason)
        lines.append(f"| {' | '.join(map(cell, cells))} |")
    lines += ["", "| event | what it is |", "|---|---|"]
    timers = {r.event for r in chart.rules if r.timer}
    mine = {r.event for r in picture.rules}
    for name, meaning in chart.events:
        if name in mine:
            lines.append(f"| {cell(_event(name, name in timers))} | {cell(meaning)} |")
    return "\n".join([*lines, "", cell(picture.caption)]) + "\n"


def _event(name: str, timer: bool) -> str:
    return words(name.lower()) + (" (timer)" if timer else "")


def _groups(rules: Iterable[Rule]) -> list[list[Rule]]:
    """Neighbours that say the same of several states or several events (not of both at once)."""
    out: list[list[Rule]] = []
    for rule in rules:
        if out and _joins(out[-1], rule):
            out[-1].append(rule)
        else:
            out.append([rule])
    return out


def _joins(group: list[Rule], rule: Rule) -> bool:
    first = group[0]
    if _says(first) != _says(rule):
        return False
    events = {r.event for r in group} == {rule.event}
    sources = {r.source for r in group} == {rule.source}
    return events or sources


def _says(rule: Rule) -> tuple[str | None, ...]:
    return (rule.dest, rule.guard_text, rule.effect, rule.tells, rule.reason)


def _moves(picture: Picture) -> str:
    lines = ["| step | at, s | state | event | next state | attempt |", "|---|---|---|---|---|---|"]
    for number, move in enumerate(picture.moves, 1):
        at = "" if move.at is None else f"{move.at:.3f}"
        dest = "(stays)" if move.dest == move.source else move.dest.lower()
        attempt = "" if move.attempt is None else str(move.attempt)
        cells = (str(number), at, move.source.lower(), words(move.event.lower()), dest, attempt)
        lines.append(f"| {' | '.join(map(cell, cells))} |")
    return "\n".join([*lines, "", cell(picture.caption)]) + "\n"


def whole() -> str:
    """The parts, with the code they speak of, and all that they tell each other."""
    names = {p.name: p.text for p in PARTS}
    lines = ["| part | what it is | code |", "|---|---|---|"]
    for part in PARTS:
        what = " ".join(part.lines) + (" (not ours)" if part.outside else "")
        lines.append(f"| {cell(part.text)} | {cell(what)} | `{part.code}` |")
    lines += ["", "| who tells | whom | what |", "|---|---|---|"]
    for r in RELATIONS:
        what = ", ".join(words(name.lower()) for name in r.events)
        lines.append(f"| {names[r.source]} | {names[r.dest]} | {cell(what)} |")
    return "\n".join([*lines, "", CAPTION]) + "\n"
