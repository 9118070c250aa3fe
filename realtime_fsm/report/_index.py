"""An index page of many calls: totals, filters, what could not be read, which rules were taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..trace import RULES
from ._encode import summary
from ._findings import Finding, findings
from ._page import document, duration, foreign, plain_text, tiles
from ._rows import Rule, rules, taken
from ._story import Side

__all__ = ["Entry", "entry_of", "index"]

_SCRIPTS = ("index.js",)
_NONE, _TIMES = "\u2013", "\u00d7"
_NEEDS = "The table needs no script; the filters do."
_HEADS = (
    "Call", "What went wrong", "Turns", "Failed, lost", "Recovered", "Breaches", "First audio", "Slowest", "Length", "Begun",
)  # fmt: skip


@dataclass(slots=True)
class Entry:
    """One file.

    Attributes:
        name: for people.
        link: to its page; empty: there is none.
        problem: why it could not be read, or judged; empty: it was.
        notes: what of it could not be read.
        calls, turns, failed, lost, recovered, interrupted: how many.
        broken: breaches by guarantee.
        median, slowest: time to the first audio, seconds.
        waited: seconds lost to recovery.
        seconds: of all calls.
        started: of the first.
        mode: likewise.
        finding: the worst thing in it.
        more: how many other findings there are.
        rules: rules of the turn table that were taken.
    """

    name: str
    link: str = ""
    problem: str = ""
    notes: list[str] = field(default_factory=list)
    calls: int = 0
    turns: int = 0
    failed: int = 0
    lost: int = 0
    recovered: int = 0
    interrupted: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    median: float | None = None
    slowest: float | None = None
    waited: float = 0.0
    seconds: float = 0.0
    started: str = ""
    mode: str = ""
    finding: Finding | None = None
    more: int = 0
    rules: Counter[Rule] = field(default_factory=Counter)

    @property
    def kinds(self) -> list[str]:
        """The filters that it passes."""
        found = []
        if self.problem or self.notes:
            found.append("unreadable")
        if self.failed or self.lost:
            found.append("failed")
        if self.recovered:
            found.append("recovered")
        if self.broken:
            found.append("broken")
        if found:
            found.append("trouble")
        return found


def entry_of(side: Side, link: str, problem: str = "") -> Entry:
    """What an index tells of a file."""
    made = Entry(side.label, link, problem, list(side.notes))
    found: list[Finding] = []
    for number, call in enumerate(side.calls):
        figures: dict[str, Any] = summary(call)
        made.calls += 1
        made.turns += figures["turns"]
        made.failed += figures["failed"]
        made.recovered += figures["recovered"]
        made.interrupted += figures["interrupted"]
        made.broken += Counter(figures["broken"])
        made.waited += figures["lost"]
        made.seconds += figures["seconds"]
        first = figures["first_audio"]
        if first["max"] is not None:
            made.slowest = max(made.slowest or 0.0, first["max"])
            made.median = max(made.median or 0.0, first["median"])
        made.started = made.started or call.header.started
        made.mode = made.mode or call.header.mode
        found += findings(side, number)
    made.lost = sum(each.verdict == "lost" for each in found)
    made.rules = taken(side.calls)
    if found:
        made.finding, made.more = found[0], len(found) - 1
    return made


def index(title: str, entries: Sequence[Entry]) -> str:
    """The page.

    Args:
        title: of the page.
        entries: in the order of their names.
    """
    main = [
        _totals(entries),
        _unreadable(entries),
        _guarantees(entries),
        _filters(entries),
        _table(entries),
        _coverage(entries),
    ]
    return document(title, "", [each for each in main if each], scripts=_SCRIPTS, needs=_NEEDS)


def _totals(entries: Sequence[Entry]) -> str:
    def total(name: str) -> int:
        return sum(getattr(each, name) for each in entries)

    broken = sum(bool(each.broken) for each in entries)
    slowest = max((each.slowest for each in entries if each.slowest is not None), default=None)
    problems = sum(bool(each.problem) for each in entries)
    calls, length = total("calls"), duration(sum(each.seconds for each in entries))
    told = [
        (str(calls), "call" if calls == 1 else "calls", length, ""),
        (str(total("turns")), "turns", "", ""),
        (str(total("lost")), "lost", "nobody was told", "bad" if total("lost") else ""),
        (str(total("failed")), "failed", "", "bad" if total("failed") else ""),
        (str(total("recovered")), "recovered", "", "warm" if total("recovered") else ""),
        (str(broken), "calls with breaches", "", "bad" if broken else ""),
        ("\u2013" if slowest is None else f"{slowest:.2f} s", "slowest first audio", "", ""),
    ]
    if problems:
        told.append((str(problems), "files not read", "", "bad"))
    return tiles(told)


def _unreadable(entries: Sequence[Entry]) -> str:
    bad = [each for each in entries if each.problem]
    if not bad:
        return ""
    items = "".join(f"<li>{foreign(e.name)}: {foreign(e.problem)}</li>" for e in bad)
    return f'<div class="notice" role="note"><b>Not read or not judged</b><ul>{items}</ul></div>'


def _guarantees(entries: Sequence[Entry]) -> str:
    counts, calls = Counter[str](), Counter[str]()
    for each in entries:
        counts += each.broken
        calls.update(each.broken.keys())
    if not counts:
        return ""
    names = {rule.id: rule.name for rule in RULES}
    rows = "".join(
        f'<tr><th scope="row"><button type="button" class="link" data-rule="{id_}">{id_}</button></th>'
        f"<td>{plain_text(names.get(id_, ''))}</td><td>{count}</td><td>{calls[id_]}</td></tr>"
        for id_, count in counts.most_common()
    )
    return (
        '<h2>Guarantees broken</h2><div class="wide"><table class="plain counts"><thead><tr><th>Id</th>'
        "<th>Guarantee</th><th>Breaches</th><th>Files</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _filters(entries: Sequence[Entry]) -> str:
    ids = sorted({id_ for each in entries for id_ in each.broken}, key=lambda each: int(each[1:]))
    which = [
        ("all", "all calls"), ("trouble", "with trouble"), ("failed", "failed or lost"), ("recovered", "recovered"),
        ("broken", "guarantee broken"), *((id_, f"{id_} broken") for id_ in ids), ("unreadable", "not all could be read"),
    ]  # fmt: skip
    orders = [
        ("worst", "worst first"), ("slowest", "slowest first"), ("name", "by name"), ("longest", "longest first"),
    ]  # fmt: skip

    def select(name: str, label: str, options: Sequence[tuple[str, str]]) -> str:
        listed = "".join(f'<option value="{value}">{text}</option>' for value, text in options)
        return f'<select id="{name}" aria-label="{label}">{listed}</select>'

    return (
        f'<h2>Calls</h2><div class="filters">{select("which", "Which calls", which)}'
        f"{select('order', 'Order', orders)}"
        '<input id="search" type="search" placeholder="name, error" aria-label="Search calls"></div>'
        '<p class="count" id="count" role="status"></p>'
    )


def _table(entries: Sequence[Entry]) -> str:
    heads = "".join(f'<th scope="col">{each}</th>' for each in _HEADS)
    rows = "".join(_row(number, each) for number, each in enumerate(entries))
    return (
        f'<div class="wide"><table class="plain index"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(number: int, entry: Entry) -> str:
    name = foreign(entry.name)
    if entry.link:
        name = f'<a href="{plain_text(entry.link)}">{name}</a>'
    worst = 1000 * entry.lost + 100 * entry.failed + 10 * sum(entry.broken.values())
    worst += entry.recovered + (5 if entry.problem else 0)
    broken = ", ".join(
        id_ if count == 1 else f"{id_} {_TIMES}{count}"
        for id_, count in sorted(entry.broken.items())
    )
    failed = f"{entry.failed}, {entry.lost}" if entry.failed or entry.lost else "\u2013"
    numbers = (
        str(entry.turns), failed, str(entry.recovered or "\u2013"),
        f"▲ {broken}" if broken else "\u2013", _seconds(entry.median), _seconds(entry.slowest),
        duration(entry.seconds).removeprefix("in "), entry.started[:19].replace("T", " "),
    )  # fmt: skip
    cells = "".join(f"<td>{plain_text(each)}</td>" for each in numbers)
    kinds = " ".join([*entry.kinds, *entry.broken])
    return (
        f'<tr data-kinds="{kinds}" data-worst="{worst}" data-slowest="{entry.slowest or 0}" '
        f'data-longest="{entry.seconds}" data-name="{number}">'
        f'<th scope="row">{name}</th><td>{_wrong(entry)}</td>{cells}</tr>'
    )


def _wrong(entry: Entry) -> str:
    if entry.problem:
        return f"<b>not read</b> {foreign(entry.problem)}"
    found = entry.finding
    if found is None:
        return '<span class="note">nothing</span>'
    link = ""
    if found.turn is not None and entry.link and entry.calls == 1:
        link = f'<a href="{plain_text(entry.link)}#{plain_text(found.name)}">{foreign(found.name)}</a> '
    elif found.name:
        link = f"{foreign(found.name)} "
    code = f" <code>{foreign(found.code)}</code>" if found.code else ""
    text = f": {foreign(found.breaches[0][2])}" if found.breaches else ""
    more = f' <span class="note">and {entry.more} more</span>' if entry.more else ""
    kind = "outcome recovered" if found.verdict == "recovered" else "outcome failed"
    return f'{link}<span class="{kind}">{found.verdict}</span>{code}{text}{more}'


def _seconds(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.2f} s"


def _coverage(entries: Sequence[Entry]) -> str:
    counts = Counter[Rule]()
    for each in entries:
        counts += each.rules
    if not counts:
        return (
            '<h2>Rules taken</h2><p class="about">No trace has turns of a controller: plain calls and raw '
            "logs have none.</p>"
        )
    known = rules()
    files = Counter(rule for each in entries for rule in each.rules)
    rows = []
    for rule, reason in known.items():
        source, event, dest = rule
        what = f"stays {dest}" if source == dest else f"{source} → {dest}"
        none = "" if counts[rule] else ' class="untaken"'
        rows.append(
            f"<tr{none}><th scope='row'>{plain_text(event.lower().replace('_', ' '))}</th>"
            f"<td>{plain_text(what)}</td><td>{counts[rule] or _NONE}</td><td>{files[rule] or _NONE}</td>"
            f"<td>{plain_text(reason)}</td></tr>"
        )
    strange = sum(count for rule, count in counts.items() if rule not in known)
    note = f" {strange} moves are of no rule of this version." if strange else ""
    took = sum(1 for rule in known if counts[rule])
    return (
        f"<h2>Rules taken</h2><details><summary>{took} of {len(known)} rules of the turn table were taken"
        f" in these calls.{note}</summary>"
        '<div class="wide"><table class="plain counts"><thead><tr><th>Event</th><th>Move</th><th>Times</th>'
        f"<th>Files</th><th>Why</th></tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )
