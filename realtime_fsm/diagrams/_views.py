"""What of a chart is looked at: everything, an overview, one state, recovery, the path of a turn."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .._input import InputError
from ._model import EVERYWHERE, FAMILIES, Chart, Edge, Rule, edges

VIEWS = ("all", "overview", "recovery", "state:NAME", "path:FILE#TURN")


@dataclass(frozen=True)
class Move:
    """One transition that a turn made. ``at`` is in seconds from its first one."""

    source: str
    event: str
    dest: str
    at: float | None = None
    attempt: int | None = None


@dataclass(frozen=True)
class Picture:
    """A chart and what of it is looked at.

    Attributes:
        view: What was asked for.
        rules: In focus. Everything else is faded or left out.
        brief: One line for each family of events instead of one for each rule.
        moves: The path of a turn; then ``rules`` are those it took.
        caption: What is left out, in words.
    """

    chart: Chart
    view: str
    title: str
    rules: tuple[Rule, ...]
    brief: bool = False
    moves: tuple[Move, ...] = ()
    caption: str = ""

    @property
    def edges(self) -> tuple[Edge, ...]:
        return edges(self.chart, self.rules)

    @property
    def name(self) -> str:
        """For a file: ``turn``, ``turn-overview``."""
        if self.view == "all":
            return self.chart.name
        plain = "".join(c if c.isalnum() else "-" for c in self.view.split("#")[-1])
        return f"{self.chart.name}-{plain.strip('-').lower()}"


def view(chart: Chart, name: str = "all") -> Picture:
    """A view by its name, one of `VIEWS`.

    Raises:
        InputError: There is no such view, state, file or turn.
    """
    what, _, rest = name.partition(":")
    if name == "all":
        return Picture(chart, name, chart.title, chart.rules, caption=_CAPTION_ALL)
    if name == "overview":
        rules = tuple(r for r in chart.rules if r.dest is not None and r.event not in EVERYWHERE)
        caption = _CAPTION_OVERVIEW if chart.name == "turn" else _CAPTION_BRIEF
        return Picture(chart, name, chart.title, rules, brief=True, caption=caption)
    if name == "recovery":
        return _recovery(chart)
    if what == "state" and rest:
        return _neighbourhood(chart, rest)
    if what == "path" and rest:
        return path(chart, rest)
    raise InputError("view", name, f"one of {', '.join(VIEWS)}")


_CAPTION_ALL = "Nothing is left out. Rules are tried from the top; [else]: no rule above it for the same event held."
_CAPTION_BRIEF = "Left out: rules that stay in a state, guards where they differ, effects."
_CAPTION_OVERVIEW = (
    "Left out: rules that stay in a state, guards where they differ, effects, and the two events "
    "that every live state knows: closed (the host) and session failed (what is below)."
)


def _recovery(chart: Chart) -> Picture:
    kinds = {s.name: s.kind for s in chart.states}
    rules = tuple(
        r for r in chart.rules if "recovery" in (kinds[r.source], kinds.get(r.dest or ""))
    )
    if not rules:
        raise InputError("view", "recovery", f"not for {chart.name}: it has no recovery")
    caption = "Left out: every rule that neither enters nor leaves recovery."
    return Picture(chart, "recovery", f"{chart.title}: recovery", rules, caption=caption)


def _neighbourhood(chart: Chart, state: str) -> Picture:
    name = state.upper()
    known = [s.name for s in chart.states]
    if name not in known:
        raise InputError("state", state, f"one of {', '.join(known)}")
    rules = tuple(r for r in chart.rules if name in (r.source, r.dest))
    caption = f"Left out: every rule that neither enters nor leaves {chart.state(name).text}."
    title = f"{chart.title}: {chart.state(name).text}"
    return Picture(chart, f"state:{name}", title, rules, caption=caption)


# --- the path of a turn


def path(chart: Chart, where: str) -> Picture:
    """The path of one turn of a trace, ``FILE#turn_id``.

    Raises:
        InputError: The file cannot be read, has no such turn, or a move that the table has not.
    """
    file, _, turn = where.rpartition("#")
    if not file or not turn:
        raise InputError("view", f"path:{where}", "path:FILE#TURN")
    return walk(chart, turn, read_moves(Path(file), turn))


def walk(chart: Chart, turn: str, moves: tuple[Move, ...]) -> Picture:
    """The picture of a sequence of moves.

    Raises:
        InputError: A move is not in the table.
    """
    by_move: dict[tuple[str, str, str], list[Rule]] = {}
    for rule in chart.rules:
        by_move.setdefault((rule.source, rule.event, rule.dest or rule.source), []).append(rule)
    taken: set[Rule] = set()
    for move in moves:
        key = (move.source, move.event, move.dest)
        if key not in by_move:
            text = f"{move.source} --{move.event}--> {move.dest}"
            raise InputError("move", text, f"a rule of the {chart.name} table")
        taken.update(by_move[key])
    return Picture(
        chart,
        f"path:{turn}",
        f"{chart.title}: the path of {turn}",
        tuple(r for r in chart.rules if r in taken),
        moves=moves,
        caption="Left out: every rule that this turn did not take. Seconds from its first move.",
    )


def read_moves(file: Path, turn: str) -> tuple[Move, ...]:
    """The moves of one turn from a trace in JSON lines; other lines are passed over.

    Raises:
        InputError: The file cannot be read, or has no such turn.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("trace", str(file), f"readable: {error}") from None
    lines = [line for line in map(_json, text.splitlines()) if _is_move(line)]
    mine = [line for line in lines if line["turn"] == turn]
    if not mine:
        known = ", ".join(dict.fromkeys(line["turn"] for line in lines)) or "no turn in it"
        raise InputError("turn", turn, f"one of {file}: {known}")
    moves = [
        Move(
            m["source"].upper(), m["event"], m["dest"].upper(), _time(m.get("t")), m.get("attempt")
        )
        for m in mine
    ]
    start = moves[0].at
    if start is None:
        return tuple(moves)
    return tuple(m if m.at is None else replace(m, at=m.at - start) for m in moves)


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _is_move(line: Any) -> bool:
    if not isinstance(line, dict) or (line.get("by"), line.get("type")) != ("turn", "moved"):
        return False
    return all(isinstance(line.get(key), str) for key in ("turn", "source", "event", "dest"))


def _time(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


# --- short words


#: At most so many lines stand at an arrow of an overview.
_MOST_LINES = 5


def brief(edge: Edge, rules: tuple[Rule, ...]) -> list[tuple[str, bool]]:
    """An edge in a few lines, each with whether a timer fires it: families of events, then the
    guards where every rule has one, they are few, and the event can lead elsewhere.

    Args:
        edge: What is described.
        rules: All that are in the picture.
    """
    lines: dict[str, bool] = {}
    for rule in edge.rules:
        lines[FAMILIES.get(rule.event, rule.event_text)] = rule.timer
    out = list(lines.items())
    if len(out) > _MOST_LINES:
        out = [*out[: _MOST_LINES - 1], (f"and {len(out) - _MOST_LINES + 1} more", False)]
    guards = list(dict.fromkeys(r.guard_text for r in edge.rules))
    ways = {(r.event, r.dest) for r in rules if r.source == edge.source}
    if "else" in guards and len(guards) <= 2:
        # Whatever stands before it: all the same, unless it leads elsewhere.
        events = {r.event for r in edge.rules}
        elsewhere = any(event in events and dest != edge.dest for event, dest in ways)
        guards = ["else"] if elsewhere and "" not in guards else [""]
    if "" not in guards and len(guards) <= 2:
        out.append((f"[{' | '.join(guards)}]", False))
    return out
