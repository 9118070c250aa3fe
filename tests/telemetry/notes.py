"""An observer that writes down what it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime_fsm.livekit.telemetry import TurnObserver

#: All there is to be told.
HOOKS = [name for name in vars(TurnObserver) if not name.startswith("_")]


class Notes(TurnObserver):
    """Every call, as (hook, arguments)."""

    def __init__(self) -> None:
        self.told: list[tuple[str, tuple[Any, ...]]] = []

    def hooks(self) -> list[str]:
        return [hook for hook, _ in self.told]

    def of(self, hook: str) -> list[tuple[Any, ...]]:
        return [arguments for name, arguments in self.told if name == hook]


def _noting(hook: str) -> Callable[..., None]:
    def note(self: Notes, *arguments: Any) -> None:
        self.told.append((hook, arguments))

    return note


for _hook in HOOKS:
    setattr(Notes, _hook, _noting(_hook))
