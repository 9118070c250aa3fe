"""Which rows of the two tables are taken, and tables that are not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Optional

from .. import _playback
from .._machine import PLAYBACK_DEFINITION, TURN_DEFINITION, Arrow, Definition, arrows, build
from .._playback_table import PLAYBACK_TABLE, PlaybackRow
from .._table import TABLE, Row

__all__ = ["Rules"]


class Rules:
    """Machines of the tables that are explored, which note what is taken.

    Args:
        table: The turn table; None: ours.
        playback_table: The playback table; None: ours.

    Attributes:
        machine: The turn machine.
        taken: Numbers of the arrows that were taken; those of the playback table come after those
            of the turn table.

    Raises:
        TableError: A table cannot work.
    """

    def __init__(
        self,
        table: Optional[tuple[Row, ...]] = None,
        playback_table: Optional[tuple[PlaybackRow, ...]] = None,
    ) -> None:
        table = TABLE if table is None else table
        playback_table = PLAYBACK_TABLE if playback_table is None else playback_table
        self.taken: set[int] = set()
        turn, playback = arrows(table), arrows(playback_table)
        self._arrows: tuple[Arrow, ...] = turn + playback
        self.machine = build(self._watched(TURN_DEFINITION, turn, 0))
        self._playback_machine = build(self._watched(PLAYBACK_DEFINITION, playback, len(turn)))

    def _watched(self, of: Definition, rows: tuple[Arrow, ...], first: int) -> Definition:
        watched = (
            row._replace(effect=self._note(first + number, row.effect))
            for number, row in enumerate(rows)
        )
        return replace(of, table=tuple(watched))

    def _note(
        self, number: int, effect: Optional[Callable[[Any, Any], None]]
    ) -> Callable[[Any, Any], None]:
        add = self.taken.add

        def noted(model: Any, step: Any) -> None:
            add(number)
            if effect is not None:
                effect(model, step)

        return noted

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Within this the playback table is ours too: all messages of a process share one."""
        before = vars(_playback)["PLAYBACK"]
        vars(_playback)["PLAYBACK"] = self._playback_machine
        try:
            yield
        finally:
            vars(_playback)["PLAYBACK"] = before

    @property
    def total(self) -> int:
        """How many arrows the two tables have."""
        return len(self._arrows)

    def missing(self, taken: set[int]) -> list[str]:
        """The arrows that were not taken, in words."""
        return [_words(row) for n, row in enumerate(self._arrows) if n not in taken]


def _words(row: Arrow) -> str:
    guard = "" if row.guard is None else f" [{row.guard.__name__}]"
    dest = row.source if row.dest is None else row.dest
    return f"{row.source.value} --{row.event.name}{guard}--> {dest.value}"
