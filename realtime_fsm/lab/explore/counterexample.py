"""A sequence of actions, played again with everybody's words written down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from . import acts
from .acts import late
from .bound import Bound
from .lines import Line
from .rows import Rules, Tables
from .world import Action, World

__all__ = ["Played", "mermaid", "replay"]

_WHO = ("User", "Host", "Controller", "Server")


class Played(NamedTuple):
    """A sequence that was played.

    Attributes:
        lines: What passed between whom, in order.
        violation: What did not hold at its end, or None.
    """

    lines: tuple[Line, ...]
    violation: Optional[str]


def replay(
    sequence: Sequence[Sequence[Any]],
    bound: Optional[Bound] = None,
    *,
    tables: Tables = Tables(),  # noqa: B008 - frozen
) -> Played:
    """Play a sequence of a counterexample again, then let time pass until nothing is due.

    Args:
        sequence: As in `Found.sequence`, or from the JSON.
        bound: That of the search that found it.

    Raises:
        ValueError: An action is not possible where it stands.
    """
    lines: list[Line] = []
    world = World(bound or Bound(), Rules(tables), lines)
    for number, listed in enumerate(sequence):
        action: Action = tuple(listed)
        if action != ("late",) and action not in acts.actions(world):
            raise ValueError(f"sequence[{number}] is {action!r}, which cannot happen there")
        try:
            late.check_stale(world) if action == ("late",) else acts.apply(world, action)
        except Exception as e:  # the finding
            return Played(tuple(lines), str(e) or repr(e))
    return Played(tuple(lines), _wait(world))


def _wait(world: World) -> Optional[str]:
    for _ in range(200):
        actions = acts.actions(world)
        quiet = next((a for a in (("tick",), ("resume",)) if a in actions), None)
        if quiet is None:
            return world.end()
        try:
            acts.apply(world, quiet)
        except Exception as e:  # the finding
            return str(e) or repr(e)
    return "liveness: timers fire for ever"


def mermaid(played: Played) -> str:
    """A Mermaid sequence diagram."""
    out = ["sequenceDiagram", *(f"    participant {who}" for who in _WHO)]
    now = 0.0
    for line in played.lines:
        if line.at > now:
            now = line.at
            out.append(f"    Note over User,Server: {now:.1f} s")
        arrow = "-->>" if line.source == "Controller" else "->>"
        out.append(f"    {line.source}{arrow}{line.target}: {_safe(line.text)}")
    if played.violation is not None:
        out.append(f"    Note over Controller: {_safe(played.violation)}")
    return "\n".join(out) + "\n"


def _safe(text: str) -> str:
    """Without what ends a line or starts a comment in Mermaid."""
    return text.replace(";", ",").replace("#", "no. ").replace("\n", " ").replace("%%", "%")
