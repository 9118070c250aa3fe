"""What a driver needs of the session below, whichever way it is spoken to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional, Protocol

from livekit.agents import llm

from ._foreign import Foreign
from ._reply_request import ReplyRequest
from ._turn_output import Item


class Source(Protocol):
    """Where the items of a turn's response come from.

    Attributes:
        response_id: The response's.
        generation: The inner session's, if it is that.
        over: Nothing more comes of it.
        bypass: Takes its items once the session has stepped aside, and ``bypass_over`` that there
            are no more.
    """

    response_id: str | None
    generation: llm.GenerationCreatedEvent | None
    over: bool
    bypass: Optional[Callable[[Item], None]]
    bypass_over: Optional[Callable[[], None]]


class Link(Protocol):
    """Speaks to the inner session: commands down, events up.

    Attributes:
        readers: Where the items of each turn's newest response come from.
        beginning: A generation of which the host is being told, and that nobody reads yet.
    """

    readers: dict[str, Source]
    beginning: object

    @property
    def held(self) -> Mapping[str, llm.RemoteItemAddedEvent]:
        """Announcements that wait to be passed on, by item."""

    @property
    def may_be_replaced(self) -> bool:
        """Whether another inner session can be told all that is to be answered."""

    @property
    def holds_a_question(self) -> bool:
        """Whether what was said, of which there are no words yet, still waits for its answer."""

    @property
    def spoken(self) -> Sequence[Foreign]:
        """Responses that the inner session is not shown and the host speaks, until their end."""

    def veil(self, frame: dict[str, Any]) -> None:
        """The session stepped aside: keep on hiding what is hidden already, and say of a response
        which of the creates that are out it answers."""

    def create(self, turn_id: str, attempt: int, ask: ReplyRequest) -> None:
        """Put a ``response.create`` on the wire; tell `CreateSent` when it left."""

    def cancel(self, response_id: str, event_id: str) -> None:
        """Cancel this response."""

    def check(self, event_id: str) -> None:
        """Ask whether the server lives, by what changes nothing."""

    def probe(self, event_id: str) -> None:
        """Cancel whatever runs, to learn what became of an unanswered create."""

    def withdraw(self, turn_id: str) -> None:
        """Nobody waits any more for what was asked for this turn and not acknowledged."""

    def delete(self, item_id: str, event_id: str) -> None:
        """Remove an item nobody heard from the server's conversation."""

    def truncate(self, item_id: str, audio_end_ms: int, event_id: str) -> None:
        """Cut a message on the server: the host does not, for it was given no more."""

    def restore(self, item_id: str) -> None:
        """Put what was heard of an item on the present conversation."""

    def replace(self, item_id: str) -> bool:
        """Let the server have the words that were heard of an item, once no more of it comes. Returns
        whether that will be."""

    def withheld(self, item_id: str, *, forward: bool) -> None:
        """This item was handed out, or nobody heard it: pass its announcement on, or drop it."""

    def say_nothing_more(self) -> None:
        """Out-of-band responses that wait until nothing else is spoken are not spoken."""

    def outside(self, item_id: str) -> bool:
        """Whether this message is of an out-of-band response: the server's conversation has
        nothing of it that could be cut."""

    def reading(self, turn_id: str) -> bool:
        """Whether items of this turn may still come from the inner session."""

    def stop_reading(self, turn_id: str) -> None:
        """Nothing of this turn's current response is wanted any more."""

    async def aclose(self) -> None:
        """Close the inner session, stop listening and end every task. Never raises."""
