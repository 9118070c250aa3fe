"""What a driver needs of the session below, whichever way it is spoken to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import AbstractContextManager
from typing import Protocol

from livekit.agents import llm

from ._ask import Ask


class Link(Protocol):
    """Speaks to the inner session: commands down, events up."""

    def create(self, turn_id: str, attempt: int, ask: Ask) -> None:
        """Put a ``response.create`` on the wire; tell `CreateSent` when it left."""

    def cancel(self, response_id: str, event_id: str) -> None:
        """Cancel this response."""

    def probe(self, event_id: str) -> None:
        """Cancel whatever runs, to learn what became of an unanswered create."""

    def withdraw(self, turn_id: str) -> None:
        """Nobody waits any more for what was asked for this turn and not acknowledged."""

    def interrupting(self) -> AbstractContextManager[None]:
        """The host interrupts: what is cancelled within is what it meant."""

    def say(self, text: str | AsyncIterable[str]) -> asyncio.Future[llm.GenerationCreatedEvent]:
        """The inner session speaks this itself."""

    def delete(self, item_id: str, event_id: str) -> None:
        """Remove an item nobody heard from the server's conversation."""

    def restore(self, item_id: str) -> None:
        """Put what was heard of an item on the present conversation."""

    def withheld(self, item_id: str, *, forward: bool) -> None:
        """This item was handed out, or nobody heard it: pass its announcement on, or drop it."""

    def outside(self, item_id: str) -> bool:
        """Whether this message is of an out-of-band response: the server's conversation has
        nothing of it that could be cut."""

    def reading(self, turn_id: str) -> bool:
        """Whether items of this turn may still come from the inner session."""

    def stop_reading(self, turn_id: str) -> None:
        """Nothing of this turn's current response is wanted any more."""

    async def aclose(self) -> None:
        """Stop listening and end every task. Never raises."""
