"""Creates that are out: whose they are, and that the inner session asks for none of them again by itself.

Since livekit-agents 2.0 the engine puts every create whose future is not done on the next connection, under
its old event id: after a loss, after a first handshake that failed, and in a planned rollover. What is still
queued leaves twice then. The controller asks again too, when the lane is free and the user silent, and two
at once collide (G1). A future that is done is not asked for again: so a request is taken back by its future
before the engine looks, and what answers it after all is recognised by its event id.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from livekit.agents import llm

from .._core.errors import ErrorInfo
from .._core.events import CreateGivenUp
from .._core.states import ErrorKind
from ._create_frames import client_event_id, with_event_id
from ._driver import Driver
from ._guard import Guard
from ._reply_request import ReplyRequest


class Creates:
    """One inner session's."""

    def __init__(self, inner: Any, driver: Driver, guard: Guard) -> None:
        self._inner = inner
        self._driver = driver
        self._guard = guard
        #: Turn and attempt of those that have not left, by the inner session's own frames or, by
        #: event id, the application's.
        self._leaving: deque[tuple[str, int]] = deque()
        self._framed: dict[str, tuple[str, int]] = {}
        #: What the inner session answers, with turn and attempt, until that is known.
        self._waiting: dict[asyncio.Future[llm.GenerationCreatedEvent], tuple[str, int]] = {}
        #: What puts frames on the present connection.
        self._sender: object = None

    def make(self, turn_id: str, attempt: int, ask: ReplyRequest) -> None:
        """Ask for a response: by the application's own frame, or of the inner session."""
        if ask.frame is not None:
            event_id = str(ask.frame["event_id"])
            if attempt > 1:
                event_id = f"{event_id}_{attempt}"
            frame = with_event_id(ask.frame, event_id)
            self._framed[event_id] = (turn_id, attempt)
            ask.left = True
            self._inner.send_event(frame)
            return
        self._leaving.append((turn_id, attempt))
        try:
            future = self._inner.generate_reply(**ask.arguments)
        except Exception as e:
            self._leaving.remove((turn_id, attempt))
            self._driver.not_sent(turn_id, attempt, e)
            return
        ask.request = future
        self._waiting[future] = (turn_id, attempt)
        future.add_done_callback(self._guard(self._settled))

    def whose(self, create: Mapping[str, Any]) -> tuple[str, int] | None:
        """The turn and attempt of a ``response.create`` that leaves; None: it is not ours."""
        event_id = create.get("event_id")
        if not isinstance(event_id, str):
            return None
        if event_id in self._framed:
            return self._framed.pop(event_id)
        if self._leaving and event_id and client_event_id(create) == event_id:
            return self._leaving.popleft()
        return None

    def take_back(self) -> None:
        """The engine is to forget what it was asked."""
        for future in self._waiting:
            if not future.done():
                future.set_exception(llm.RealtimeError("taken back"))

    def frame_left(self, frame: Mapping[str, Any]) -> None:
        """The engine begins each further connection with a ``session.update`` that it puts on it past
        the queue, so not from where the frames before came from. Then it asks again."""
        sender = asyncio.current_task()
        if sender is not self._sender:
            if self._sender is not None and frame.get("type") == "session.update":
                self.take_back()
            self._sender = sender

    def settle(self) -> None:
        """Those that are over are so now, before their futures call back."""
        for future in [f for f in self._waiting if f.done()]:
            self._settled(future)

    def _settled(self, future: asyncio.Future[llm.GenerationCreatedEvent]) -> None:
        """The inner future is over. What it says came over the wire before, but for the plugin's
        own time-out (10 s), after which it cancels the response itself should it still come."""
        asked = self._waiting.pop(future, None)
        error = None if future.cancelled() else future.exception()
        if asked is not None and error is not None and "timed out" in str(error):
            turn_id, attempt = asked
            info = ErrorInfo(kind=ErrorKind.TRANSIENT, code="create_timeout", message=str(error))
            self._driver.receive(CreateGivenUp(turn_id=turn_id, attempt=attempt, error=info))
