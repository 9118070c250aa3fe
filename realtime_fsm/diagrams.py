"""The tables as text that people look at: Mermaid and Markdown. Pure; nothing is drawn here.

Arrows between the same two states are collapsed into one, with one label line per rule. The picture
leaves out internal rules (which stay in a state) and the two events that end every live turn, a
closing host and a dead session; the Markdown table has all.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from ._machine import PLAYBACK_DEFINITION, TURN_DEFINITION, Arrow, Definition, arrows
from ._states import PlaybackState, TurnState
from ._table import TurnEvent

#: What a state's colour means; borders differ too, so the picture works without colour.
_KINDS: dict[str, tuple[Enum, ...]] = {
    "normal": (
        TurnState.REQUESTED,
        TurnState.CREATED,
        TurnState.STREAMING,
        TurnState.DONE,
        PlaybackState.WAITING,
        PlaybackState.PLAYING,
        PlaybackState.FINISHED,
    ),
    "recovery": (TurnState.RETRY_WAIT, PlaybackState.PAUSED),
    "cancel": (TurnState.CANCELLING,),
    "failure": (TurnState.FAILED,),
}
_STYLES = {
    "normal": "fill:#e8f1fb,stroke:#2b6cb0,color:#1a202c",
    "recovery": "fill:#fef3d6,stroke:#b7791f,color:#1a202c,stroke-dasharray:4 3",
    "cancel": "fill:#f1eafa,stroke:#6b46c1,color:#1a202c",
    "failure": "fill:#fde8e8,stroke:#c53030,color:#1a202c,stroke-width:3px",
}
_EVERYWHERE = (TurnEvent.CLOSED, TurnEvent.SESSION_FAILED)
_NAMES: dict[Enum, str] = {TurnState.STREAMING: "streaming message N"}


def mermaid(definition: Definition = TURN_DEFINITION) -> str:
    """A Mermaid state diagram: states, external rules with guards, timers marked."""
    states = list(definition.states)
    lines = ["stateDiagram-v2", f"    [*] --> {definition.initial.name}"]
    lines += [f"    {s.name}: {_NAMES.get(s, s.value)}" for s in states]
    labels: dict[tuple[Enum, Enum], list[str]] = {}
    seen: set[tuple[Enum, Enum]] = set()
    for row in arrows(definition.table):
        otherwise = (row.source, row.event) in seen
        seen.add((row.source, row.event))
        if row.dest is None or row.event in _EVERYWHERE:
            continue
        label = _label(row, definition, otherwise=otherwise)
        found = labels.setdefault((row.source, row.dest), [])
        if label not in found:
            found.append(label)
    for source, dest in sorted(labels, key=lambda a: (states.index(a[0]), states.index(a[1]))):
        text = "<br/>".join(labels[source, dest])
        lines.append(f"    {source.name} --> {dest.name}: {text}")
    lines += [f"    {s.name} --> [*]" for s in states if s in definition.final]
    for kind, members in _KINDS.items():
        mine = [s.name for s in states if s in members]
        if mine:
            lines.append(f"    classDef {kind} {_STYLES[kind]}")
            lines.append(f"    class {','.join(mine)} {kind}")
    return "\n".join(lines) + "\n"


def markdown(definition: Definition = TURN_DEFINITION) -> str:
    """The rules as a Markdown table, in the order in which they are tried."""
    lines = [
        "| state | event | guard | next state | effect | why |",
        "|---|---|---|---|---|---|",
    ]
    for row in definition.table:
        states = ", ".join(s.value for s in _tuple(row.source))
        events = ", ".join(_event(e, definition) for e in _tuple(row.event))
        guard = "" if row.guard is None else _words(row.guard.__name__)
        dest = "(stays)" if row.dest is None else row.dest.value
        effect = "" if row.effect is None else _words(row.effect.__name__)
        lines.append(f"| {states} | {events} | {guard} | {dest} | {effect} | {row.reason} |")
    lines += ["", "| event | what it is |", "|---|---|"]
    lines += [f"| {_event(e, definition)} | {e.value} |" for e in definition.events]
    return "\n".join(lines) + "\n"


def files() -> dict[str, str]:
    """Every generated file, by name, as it must stand in ``diagrams/``."""
    return {
        "turn.mmd": mermaid(),
        "turn.md": markdown(),
        "playback.mmd": mermaid(PLAYBACK_DEFINITION),
        "playback.md": markdown(PLAYBACK_DEFINITION),
    }


def stale(folder: Path) -> list[str]:
    """Names of the files in ``folder`` that are missing or differ from the table."""
    return [
        name
        for name, text in files().items()
        if not (folder / name).is_file() or (folder / name).read_text("utf-8") != text
    ]


def write(folder: Path) -> None:
    """Write every generated file into ``folder``, which is made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, "utf-8", newline="\n")


def _label(row: Arrow, definition: Definition, *, otherwise: bool) -> str:
    guard = "else" if otherwise else ""
    guard = _words(row.guard.__name__) if row.guard is not None else guard
    event = _event(row.event, definition)
    return f"{event} [{guard}]" if guard else event


def _event(event: Enum, definition: Definition) -> str:
    return _words(event.name.lower()) + (" (timer)" if event in definition.timers else "")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
