"""What changed between two tables: as Markdown for a review, and as one picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from .._input import InputError
from ._layouts import spare
from ._markdown import cell
from ._mermaid import mermaid
from ._model import MARKS, Chart, Rule, words
from ._revision import charts_at, charts_in, top_of
from ._svg import draw
from ._views import Picture

#: Fields that make a rule what it is, most telling first: rules are matched by ever fewer.
_KEYS: tuple[Callable[[Rule], tuple[object, ...]], ...] = (
    lambda r: (r.source, r.event, r.guard, r.dest),
    lambda r: (r.source, r.event, r.guard),
    lambda r: (r.source, r.event, r.dest),
    lambda r: (r.source, r.event),
)


@dataclass(frozen=True)
class Change:
    """A rule that was added, removed or changed. ``old`` and ``new``: None where there is none."""

    old: Rule | None
    new: Rule | None
    moved: bool = False

    @property
    def rule(self) -> Rule:
        """The rule to draw, with what became of it."""
        if self.new is None:
            assert self.old is not None
            return replace(self.old, mark="removed")
        if self.old is None:
            return replace(self.new, mark="added")
        return replace(self.new, mark="changed", before=self.was)

    @property
    def was(self) -> str:
        """What a changed rule said before, of that which changed."""
        old, new = self.old, self.new
        if old is None or new is None:
            return ""
        out = []
        if old.dest != new.dest:
            out.append("stays" if old.dest is None else f"\u2192 {old.dest.lower()}")
        if old.guard_text != new.guard_text:
            out.append(f"[{old.guard_text or 'no guard'}]")
        if old.effect != new.effect:
            out.append(f"/ {old.effect_text or 'no effect'}")
        if old.tells != new.tells:
            out.append(old.tells_text or "tells nobody")
        if old.timer != new.timer:
            out.append("a timer" if old.timer else "no timer")
        if old.reason != new.reason:
            out.append(f"because: {old.reason}")
        if self.moved:
            out.append("tried in another order")
        return ", ".join(out)


def compare(old: Chart, new: Chart) -> tuple[Change, ...]:
    """Every rule that differs, in the order of the new table; removed ones follow."""
    pairs: dict[Rule, Rule] = {}
    left, right = list(old.rules), list(new.rules)
    for key in _KEYS:
        for rule in tuple(right):
            match = next((o for o in left if key(o) == key(rule)), None)
            if match is not None:
                pairs[rule] = match
                left.remove(match)
                right.remove(rule)
    moved = _moved(old, new, pairs)
    out = []
    for rule in new.rules:
        change = Change(pairs.get(rule), rule, moved=rule in moved)
        if change.old is None or change.was:
            out.append(change)
    return (*out, *(Change(o, None) for o in left))


def _moved(old: Chart, new: Chart, pairs: dict[Rule, Rule]) -> set[Rule]:
    """Rules for one state and event that are tried in another order than before."""
    place = {r: i for i, r in enumerate(old.rules)}
    latest: dict[tuple[str, str], int] = {}
    out = set()
    for rule in new.rules:
        before = pairs.get(rule)
        if before is None:
            continue
        key = (rule.source, rule.event)
        if place[before] < latest.get(key, -1):
            out.add(rule)
        latest[key] = max(place[before], latest.get(key, -1))
    return out


@dataclass(frozen=True)
class Comparison:
    """One chart at a revision and now."""

    revision: str
    old: Chart
    new: Chart

    @property
    def changes(self) -> tuple[Change, ...]:
        return compare(self.old, self.new)

    @property
    def states(self) -> tuple[list[str], list[str]]:
        """Names of the states that came and of those that went."""
        old, new = ([s.name for s in c.states] for c in (self.old, self.new))
        return [n for n in new if n not in old], [n for n in old if n not in new]

    @property
    def events(self) -> tuple[list[str], list[str]]:
        """Names of the events that came and of those that went."""
        old, new = ([name for name, _ in c.events] for c in (self.old, self.new))
        return [n for n in new if n not in old], [n for n in old if n not in new]

    @property
    def differs(self) -> bool:
        return bool(self.changes or any(self.states) or any(self.events))

    def picture(self) -> Picture:
        """The new chart with what went, only the changes in focus."""
        gone = tuple(s for s in self.old.states if s.name in self.states[1])
        changes = tuple(c.rule for c in self.changes)
        removed = tuple(r for r in changes if r.mark == "removed")
        both = replace(
            self.new, states=(*self.new.states, *gone), rules=(*self.new.rules, *removed)
        )
        title = f"{self.new.title}: changes since {self.revision}"
        caption = "Left out: the words of every rule that did not change."
        return Picture(both, "diff", title, changes, caption=caption)

    def svg(self) -> str:
        """The picture; states without a place stand in a row below."""
        picture = self.picture()
        return draw(picture, spare(picture.chart))

    def mermaid(self) -> str:
        return mermaid(self.picture())

    def markdown(self) -> str:
        """The changes as a section of a review."""
        lines = [f"### {self.new.title}: changes since `{cell(self.revision)}`", ""]
        if not self.differs:
            return "\n".join([*lines, "No rule changed."]) + "\n"
        for what, (came, went) in (("State", self.states), ("Event", self.events)):
            lines += [f"- {what} added: {words(n.lower())}" for n in came]
            lines += [f"- {what} removed: {words(n.lower())}" for n in went]
        if lines[-1]:
            lines.append("")
        for mark in ("added", "removed", "changed"):
            mine = [c for c in self.changes if c.rule.mark == mark]
            if mine:
                lines += [f"**{MARKS[mark]} {len(mine)} {mark}**", "", *_table(mine, mark), ""]
        return "\n".join(lines)


def _table(changes: list[Change], mark: str) -> list[str]:
    was = mark == "changed"
    head = "| | state | event | guard | next state | effect | tells | why |"
    lines = [head + (" was |" if was else ""), "|" + "---|" * (9 if was else 8)]
    for change in changes:
        rule = change.rule
        event = rule.event_text + (" (timer)" if rule.timer else "")
        dest = "(stays)" if rule.dest is None else rule.dest.lower()
        does = (rule.effect_text, words(rule.tells))
        cells = [rule.source.lower(), event, rule.guard_text, dest, *does, rule.reason]
        if was:
            cells.append(change.was)
        lines.append(f"| {MARKS[change.rule.mark]} | {' | '.join(map(cell, cells))} |")
    return lines


def diff(revision: str, machine: str, folder: Path) -> Comparison:
    """Compare a machine's table at a git revision with the one in the working tree.

    Raises:
        InputError: Not a git checkout, an unknown revision, one without this table, or a package
            that cannot be imported.
    """
    top = top_of(folder)
    old = charts_at(top, revision)
    new = charts_in(top)
    if machine not in new:
        raise InputError("machine", machine, f"one of {', '.join(new)}")
    if machine not in old:
        expected = f"one whose package has the {machine} machine"
        raise InputError("revision", revision, expected)
    return Comparison(revision, old[machine], new[machine])
