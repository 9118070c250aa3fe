"""The table as text that people look at: Mermaid and Markdown. Pure; nothing is drawn here.

Arrows between the same two states are collapsed into one, with one label line per rule. The picture
leaves out internal rules (which stay in a state) and the two events that end every live state, a
closing host and a dead session; the Markdown table has all.
"""

from __future__ import annotations

from pathlib import Path

from ._states import FINAL, TurnState
from ._table import INITIAL, TABLE, TIMERS, Row, TurnEvent

#: What a state's colour means; the names are words, so the picture works without colour.
_KINDS: dict[str, tuple[TurnState, ...]] = {
    "normal": (TurnState.REQUESTED, TurnState.CREATED, TurnState.STREAMING, TurnState.DONE),
    "recovery": (TurnState.RETRY_WAIT,),
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
_NOTES = {TurnState.STREAMING: "STREAMING: streaming message N"}


def mermaid(table: tuple[Row, ...] = TABLE) -> str:
    """A Mermaid state diagram of the turn: states, external rules with guards, timers marked."""
    lines = ["stateDiagram-v2", f"    [*] --> {INITIAL.name}"]
    lines += [f"    {_NOTES.get(s, f'{s.name}: {s.value}')}" for s in TurnState]
    arrows: dict[tuple[TurnState, TurnState], list[str]] = {}
    seen: set[tuple[TurnState, TurnEvent]] = set()
    for row in table:
        for source in _tuple(row.source):
            for event in _tuple(row.event):
                guarded = (source, event) in seen
                seen.add((source, event))
                if row.dest is None or event in _EVERYWHERE:
                    continue
                label = _label(event, row, otherwise=guarded)
                found = arrows.setdefault((source, row.dest), [])
                if label not in found:
                    found.append(label)
    order = list(TurnState)
    for (source, dest), labels in sorted(
        arrows.items(), key=lambda a: (order.index(a[0][0]), order.index(a[0][1]))
    ):
        lines.append(f"    {source.name} --> {dest.name}: {'<br/>'.join(labels)}")
    lines += [f"    {s.name} --> [*]" for s in TurnState if s in FINAL]
    for kind, states in _KINDS.items():
        lines.append(f"    classDef {kind} {_STYLES[kind]}")
        lines.append(f"    class {','.join(s.name for s in states)} {kind}")
    return "\n".join(lines) + "\n"


def markdown(table: tuple[Row, ...] = TABLE) -> str:
    """The rules as a Markdown table, in the order in which they are tried."""
    lines = [
        "| state | event | guard | next state | effect | why |",
        "|---|---|---|---|---|---|",
    ]
    for row in table:
        states = ", ".join(s.value for s in _tuple(row.source))
        events = ", ".join(_event(e) for e in _tuple(row.event))
        guard = "" if row.guard is None else _words(row.guard.__name__)
        dest = "(stays)" if row.dest is None else row.dest.value
        effect = "" if row.effect is None else _words(row.effect.__name__)
        lines.append(f"| {states} | {events} | {guard} | {dest} | {effect} | {row.reason} |")
    lines += ["", "| event | what it is |", "|---|---|"]
    lines += [f"| {_event(e)} | {e.value} |" for e in TurnEvent]
    return "\n".join(lines) + "\n"


def files() -> dict[str, str]:
    """Every generated file, by name, as it must stand in ``diagrams/``."""
    return {"turn.mmd": mermaid(), "turn.md": markdown()}


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


def _label(event: TurnEvent, row: Row, *, otherwise: bool) -> str:
    guard = "else" if otherwise else ""
    guard = _words(row.guard.__name__) if row.guard is not None else guard
    return f"{_event(event)} [{guard}]" if guard else _event(event)


def _event(event: TurnEvent) -> str:
    return _words(event.name.lower()) + (" (timer)" if event in TIMERS else "")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _tuple(value: object) -> tuple:  # type: ignore[type-arg]
    return value if isinstance(value, tuple) else (value,)
