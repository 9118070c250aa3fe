"""What is drawn, as plain data: a chart is a table read into words.

The only place that reads the tables. The renderers know names, not enums, so a table of another
revision (see `_revision`) is drawn by the same code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

from .._core.machine import (
    PLAYBACK_DEFINITION,
    RESPONSE_DEFINITION,
    TURN_DEFINITION,
    Definition,
    arrows,
    told,
)
from ..duplex.machines import CLIENT_DEFINITION, DELEGATION_DEFINITION

Kind = Literal["normal", "recovery", "cancel", "failure"]
Mark = Literal["", "added", "removed", "changed"]

KINDS: tuple[Kind, ...] = ("normal", "recovery", "cancel", "failure")
#: In a comparison: the signs that say the same without colour.
MARKS: dict[Mark, str] = {"": "", "added": "+", "removed": "\u2212", "changed": "~"}

#: The states that are not normal.
_KINDS: dict[str, Kind] = {
    "RETRY_WAIT": "recovery",
    "RUMOURED": "recovery",
    "WITHDRAWN": "cancel",
    "UNANSWERED": "cancel",
    "PROBED": "cancel",
    "CANCELLING": "cancel",
    "FORGOTTEN": "failure",
    "FAILED": "failure",
    "REFUSED": "recovery",
    "OVERDUE": "recovery",
    "INCOMPLETE": "failure",
    "LOST": "failure",
}
_TEXTS = {"STREAMING": "streaming message N"}
#: Drawn as a loop within its state: the event that moves N on, and the words for it.
LOOPS = {"STREAMING": ("ITEM_STARTED", "message N + 1")}

#: Events that every live state of a turn has a rule for. An overview leaves them out and says so.
EVERYWHERE = frozenset({"CLOSED", "SESSION_FAILED"})
#: Events that the provider sends under one name, or that say nearly the same. An overview writes them once.
FAMILIES = {
    "RESPONSE_COMPLETED": "response.done",
    "RESPONSE_INCOMPLETE": "response.done",
    "RESPONSE_CANCELLED": "response.done",
    "RESPONSE_FAILED": "response.done",
    "COMPLETED": "response.done",
    "INCOMPLETE": "response.done",
    "CANCELLED": "response.done",
    "FAILED": "response.done",
    "CONFLICT": "create error",
    "REFUSED": "create error",
    "CREATE_CONFLICT": "create error",
    "CREATE_REFUSED": "create error",
    "RESPONSE_CREATED": "response.created",
    "RESPONSE_ADOPTED": "response.created",
    "CREATE_STUCK": "create timeout",
    "CREATE_TIMEOUT": "create timeout",
    "ITEM_STARTED": "output item",
    "CALL_RECEIVED": "output item",
    "ACTION_STARTED": "output item",
}


@dataclass(frozen=True)
class State:
    """A state of a chart. ``name`` is the enum's, ``text`` is for people."""

    name: str
    text: str
    kind: Kind
    initial: bool = False
    final: bool = False


@dataclass(frozen=True)
class Rule:
    """One arrow of a table: a single source, a single event.

    Attributes:
        dest: None where the state stays.
        guard: Name of the guard, or "".
        otherwise: A guarded rule for the same event stands before this one.
        effect: Name of the effect, or "".
        tells: Which other machine is told, and what, in words; or "".
        sends: The same for a program: ``turn.RESPONSE_CREATED``, or "".
        timer: A timer fires the event.
        mark: In a comparison: what became of it.
        before: In a comparison: the words that changed, as they were.
    """

    source: str
    event: str
    dest: str | None
    guard: str = ""
    otherwise: bool = False
    effect: str = ""
    tells: str = ""
    sends: str = ""
    reason: str = ""
    timer: bool = False
    mark: Mark = ""
    before: str = ""

    @property
    def event_text(self) -> str:
        return words(self.event.lower())

    @property
    def guard_text(self) -> str:
        return words(self.guard) if self.guard else ("else" if self.otherwise else "")

    @property
    def effect_text(self) -> str:
        return words(self.effect)

    @property
    def tells_text(self) -> str:
        return f"tells {words(self.tells)}" if self.tells else ""

    @property
    def label(self) -> str:
        """``event (timer) [guard] / effect, tells machine: event``, nearly the notation of UML."""
        timer = " (timer)" if self.timer else ""
        guard = f" [{self.guard_text}]" if self.guard_text else ""
        does = ", ".join(text for text in (self.effect_text, self.tells_text) if text)
        effect = f" / {does}" if does else ""
        return f"{self.event_text}{timer}{guard}{effect}"


@dataclass(frozen=True)
class Chart:
    """A table: its states, its rules in the order in which they are tried, its events."""

    name: str
    title: str
    states: tuple[State, ...]
    rules: tuple[Rule, ...]
    events: tuple[tuple[str, str], ...]

    def state(self, name: str) -> State:
        return next(s for s in self.states if s.name == name)

    @property
    def initial(self) -> tuple[State, ...]:
        """Where life begins: in one of these."""
        return tuple(s for s in self.states if s.initial)


@dataclass(frozen=True)
class Edge:
    """All rules from one state to another one, or within a state (``dest`` is None)."""

    source: str
    dest: str | None
    kind: Kind
    rules: tuple[Rule, ...]

    @property
    def mark(self) -> Mark:
        """What a comparison says of all its rules; where they differ, that it changed."""
        marks = {r.mark for r in self.rules}
        return marks.pop() if len(marks) == 1 else "changed"


def words(name: str) -> str:
    return name.replace("_", " ")


def text_of(state: str, value: str) -> str:
    """What a state is called in a picture."""
    return _TEXTS.get(state, value)


def kind_of(state: str) -> Kind:
    return _KINDS.get(state, "normal")


def chart(name: str, title: str, definition: Definition) -> Chart:
    """Read a table."""
    states = tuple(
        State(
            name=s.name,
            text=text_of(s.name, str(s.value)),
            kind=kind_of(s.name),
            initial=s in definition.initial,
            final=s in definition.final,
        )
        for s in definition.states
    )
    rules = tuple(
        Rule(
            source=a.source.name,
            event=a.event.name,
            dest=None if a.dest is None else a.dest.name,
            guard="" if a.guard is None else a.guard.__name__,
            effect="" if a.effect is None else a.effect.__name__,
            tells=told(a, definition.listeners),
            sends=""
            if a.tells is None
            else f"{definition.listeners[type(a.tells)]}.{a.tells.name}",
            reason=a.reason,
            timer=a.event in definition.timers,
        )
        for a in arrows(definition.table)
    )
    return Chart(name, title, states, with_else(rules), _events(definition.events))


def _events(events: type[Enum]) -> tuple[tuple[str, str], ...]:
    return tuple((e.name, str(e.value)) for e in events)


def with_else(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Mark the rules that are tried only after another one for the same event said no."""
    seen: set[tuple[str, str]] = set()
    out = []
    for rule in rules:
        key = (rule.source, rule.event)
        out.append(replace(rule, otherwise=key in seen))
        seen.add(key)
    return tuple(out)


def edges(of: Chart, rules: Iterable[Rule]) -> tuple[Edge, ...]:
    """Rules by where they lead, in the order of the states; those that stay come last."""
    order = {s.name: i for i, s in enumerate(of.states)}
    found: dict[tuple[str, str | None], list[Rule]] = {}
    for rule in rules:
        found.setdefault((rule.source, rule.dest), []).append(rule)
    keys = sorted(found, key=lambda k: (order[k[0]], len(order) if k[1] is None else order[k[1]]))
    return tuple(Edge(s, d, _edge_kind(of, s, d), tuple(found[s, d])) for s, d in keys)


def _edge_kind(of: Chart, source: str, dest: str | None) -> Kind:
    """Where it leads decides; out of recovery or a cancel back to normal, where it comes from."""
    kind = "normal" if dest is None else of.state(dest).kind
    return kind if kind != "normal" else of.state(source).kind


def groups(rules: Iterable[Rule]) -> list[list[Rule]]:
    """Neighbours that differ only in their event."""
    out: list[list[Rule]] = []
    for rule in rules:
        last = out[-1][-1] if out else None
        if last is not None and _same(last, rule):
            out[-1].append(rule)
        else:
            out.append([rule])
    return out


def _same(a: Rule, b: Rule) -> bool:
    return replace(a, event=b.event, timer=b.timer, before=b.before, sends=b.sends) == b


TURN = chart("turn", "One response turn", TURN_DEFINITION)
RESPONSE = chart("response", "One response of the server", RESPONSE_DEFINITION)
PLAYBACK = chart("playback", "The playback of one message", PLAYBACK_DEFINITION)
DELEGATION = chart("delegation", "Work that GPT-Live hands to its backend", DELEGATION_DEFINITION)
CLIENT = chart("client", "Work that GPT-Live hands to the application", CLIENT_DEFINITION)
#: The charts that come from a table.
CHARTS = {c.name: c for c in (TURN, RESPONSE, PLAYBACK, DELEGATION, CLIENT)}
#: Those that the controller runs, which hang together.
CORE = (TURN, RESPONSE, PLAYBACK)
