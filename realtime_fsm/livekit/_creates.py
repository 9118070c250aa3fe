"""Creates that the inner session waits for, so that it asks for none of them again by itself.

Since livekit-agents 2.0 the engine puts every create whose future is not done on the next connection, under
its old event id: after a loss, after a first handshake that failed, and in a planned rollover. What is still
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
        self._waiting: list[asyncio.Future[Any]] = []
        #: What puts frames on the present connection.
        self._sender: object = None

    def made(self, future: asyncio.Future[Any]) -> None:
        """The inner session took one."""
        self._waiting = [f for f in self._waiting if not f.done()]
        self._waiting.append(future)

    def take_back(self) -> None:
        """The engine is to forget what it was asked."""
        for future in self._waiting:
            if not future.done():
                future.set_exception(llm.RealtimeError("taken back"))
        self._waiting.clear()

    def frame_left(self, frame: Mapping[str, Any]) -> None:
        """The engine begins each further connection with a ``session.update`` that it puts on it past
        the queue, so not from where the frames before came from. Then it asks again."""
        sender = asyncio.current_task()
        if sender is not self._sender:
            if self._sender is not None and frame.get("type") == "session.update":
                self.take_back()
            self._sender = sender
