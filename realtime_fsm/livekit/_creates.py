"""Creates that the inner session waits for, so that it asks for none of them again by itself.

Since livekit-agents 2.0 the engine puts every create whose future is not done on the next connection, under
its old event id: after a loss, and in a planned rollover. So does the controller, when the lane is free and
the user silent, and two at once collide (G1). A future that is done is not asked for again, so a request is
taken back from the engine, by its future, before the engine looks. What answers it after all is recognised
by its event id. Older engines leave such a future to its time-out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from livekit.agents import llm


@dataclass(slots=True)
class _Create:
    turn_id: str
    attempt: int
    future: asyncio.Future[Any]
    left: bool = False


class Creates:
    """One inner session's, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[_Create] = []

    def made(self, turn_id: str, attempt: int, future: asyncio.Future[Any]) -> None:
        """The inner session took one. What was asked for this turn before is given up."""
        self.take_back(turn_id)
        self._waiting.append(_Create(turn_id, attempt, future))

    def left(self, turn_id: str, attempt: int) -> None:
        """It is on the wire."""
        for create in self._waiting:
            if (create.turn_id, create.attempt) == (turn_id, attempt):
                create.left = True

    def take_back(self, turn_id: str) -> None:
        """Nobody waits for what was asked for this turn."""
        self._end([c for c in self._waiting if c.turn_id == turn_id])

    def lost(self) -> None:
        """The connection is gone. One that has not left is in the queue, and leaves once."""
        self._end(self._waiting)

    def configured(self) -> None:
        """A ``session.update`` leaves: with it the engine begins each new connection, before it asks
        again. One on a connection that stays does no harm."""
        self._end([c for c in self._waiting if c.left])

    def _end(self, creates: list[_Create]) -> None:
        for create in creates:
            if not create.future.done():
                create.future.set_exception(llm.RealtimeError("taken back"))
        self._waiting = [c for c in self._waiting if not c.future.done()]
