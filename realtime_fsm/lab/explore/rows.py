"""Which rows of the three tables are taken, and tables that are not ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Optional

from ..._core.machine import (
    PLAYBACK_DEFINITION,
    RESPONSE_DEFINITION,
    TURN_DEFINITION,
    Arrow,
    Definition,
    Machines,
    arrows,
    build,
)
from ..._core.playback_table import PlaybackRow
from ..._core.response_table import ResponseRow
from ..._core.turn_table import Row

__all__ = ["Rules", "Tables"]


@dataclass(frozen=True)
class Tables:
    """Tables to be explored; None: ours."""

    turn: Optional[tuple[Row, ...]] = None
    response: Optional[tuple[ResponseRow, ...]] = None
    playback: Optional[tuple[PlaybackRow, ...]] = None


class Rules:
    """Machines of the tables that are explored, which note what is taken.

    Attributes:
        machines: For `realtime_fsm._core.session.Session`.
        taken: Numbers of the arrows that were taken, over the three tables in their order.

    Raises:
        TableError: A table cannot work.
    """

    def __init__(self, tables: Tables = Tables()) -> None:
        self.taken: set[int] = set()
        self._arrows: list[Arrow] = []
        self.machines = Machines(
            self._watched(TURN_DEFINITION, tables.turn),
            self._watched(RESPONSE_DEFINITION, tables.response),
            self._watched(PLAYBACK_DEFINITION, tables.playback),
        )

    def _watched(self, of: Definition, table: Optional[tuple[Any, ...]]) -> Any:
        rows = arrows(of.table if table is None else table)
        first = len(self._arrows)
        self._arrows += rows
        watched = (
            row._replace(effect=self._note(first + number, row.effect))
            for number, row in enumerate(rows)
        )
        return build(replace(of, table=tuple(watched)))

    def _note(
        self, number: int, effect: Optional[Callable[[Any, Any], None]]
    ) -> Callable[[Any, Any], None]:
        add = self.taken.add

        def noted(model: Any, step: Any) -> None:
            add(number)
            if effect is not None:
                effect(model, step)

        return noted

    @property
    def total(self) -> int:
        """How many arrows the three tables have."""
        return len(self._arrows)

    def missing(self, taken: set[int]) -> list[str]:
        """The arrows that were not taken, in words."""
        return [_words(row) for n, row in enumerate(self._arrows) if n not in taken]


def _words(row: Arrow) -> str:
    guard = "" if row.guard is None else f" [{row.guard.__name__}]"
    dest = row.source if row.dest is None else row.dest
    return f"{row.source.value} --{row.event.name}{guard}--> {dest.value}"
