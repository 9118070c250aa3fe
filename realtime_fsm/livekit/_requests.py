"""Requests made of a plugin that identifies none: which is answered by what comes."""

from __future__ import annotations

import asyncio

from livekit.agents import llm

from ._reply_request import ReplyRequest
from .providers import Family


class Request:
    """One attempt's.

    Attributes:
        future: The plugin's; None while it is not connected.
        withdrawn: Nobody wants the answer.
        answered: By the generation that its future has.
        late: The plugin gave up. What comes is still the answer.
    """

    __slots__ = (
        "answered",
        "ask",
        "attempt",
        "event_id",
        "future",
        "late",
        "turn_id",
        "withdrawn",
    )

    def __init__(self, turn_id: str, attempt: int, ask: ReplyRequest) -> None:
        self.turn_id = turn_id
        self.attempt = attempt
        self.ask = ask
        self.event_id = f"{turn_id}_{attempt}"
        self.future: asyncio.Future[llm.GenerationCreatedEvent] | None = None
        self.answered = False
        self.late = False
        self.withdrawn = False


class Requests:
    """Those that are not settled, oldest first."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._open: dict[str, Request] = {}

    def add(self, request: Request) -> None:
        self._open[request.event_id] = request

    def settle(self, request: Request) -> bool:
        """It is answered, or given up. Returns whether it was open."""
        if self._open.get(request.event_id) is not request:
            return False
        del self._open[request.event_id]
        return True

    def of_turn(self, turn_id: str) -> list[Request]:
        return [r for r in self._open.values() if r.turn_id == turn_id]

    def made(self) -> list[Request]:
        """Those that the plugin has."""
        return [r for r in self._open.values() if r.future is not None]

    def waiting(self) -> list[Request]:
        """Those that it has not."""
        return [r for r in self._open.values() if r.future is None]

    def answered_by(self, generation: llm.GenerationCreatedEvent) -> Request | None:
        """The one whose future this resolved already."""
        for request in self.made():
            future = request.future
            if future is None or not future.done() or future.cancelled() or future.exception():
                continue
            if future.result() is generation:
                request.answered = True
                return request
        return None

    def expected(self) -> Request | None:
        """The one that a reply answers which the plugin announces as nobody's."""
        may = [r for r in self.made() if r.late or self._family.announces]
        return may[-1] if may else None

    def newest(self) -> Request | None:
        made = self.made()
        return made[-1] if made else None
