"""Creates that the inner session waits for, so that it asks for none of them again by itself.

Since livekit-agents 2.0 the engine puts every create whose future is not done on the next connection, under
its old event id: after a loss, after a first handshake that failed, and in a planned rollover. What was still
queued leaves twice then. The controller asks again too, when the lane is free and the user silent, and two
at once collide (G1). A future that is done is not asked for again: so a request is taken back by its future
before the engine looks, and what answers it after all is recognised by its event id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from livekit.agents import llm


class Creates:
    """One inner session's."""

    def __init__(self) -> None:
        #: With the turn that each is for, oldest first.
        self._waiting: dict[asyncio.Future[Any], str] = {}
        #: What puts frames on the present connection.
        self._sender: object = None

    def made(self, turn_id: str, future: asyncio.Future[Any]) -> None:
        """The inner session took one. What was asked for this turn before is given up."""
        self.take_back(turn_id)
        self._waiting = {f: t for f, t in self._waiting.items() if not f.done()}
        self._waiting[future] = turn_id

    def take_back(self, turn_id: str | None = None) -> None:
        """The engine is to forget what it was asked for this turn, or for all of them."""
        for future, wanted in self._waiting.items():
            if turn_id in (None, wanted) and not future.done():
                future.set_exception(llm.RealtimeError("taken back"))

    def frame_left(self, frame: Mapping[str, Any]) -> None:
        """The engine begins a new connection with a ``session.update`` that it puts on it past the
        queue, so not from where the frames before came from; then it asks again."""
        sender = asyncio.current_task()
        if sender is not self._sender:
            if self._sender is not None and frame.get("type") == "session.update":
                self.take_back()
            self._sender = sender
