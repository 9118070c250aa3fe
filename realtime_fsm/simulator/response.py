"""One response, and its object in ``response.created`` and ``response.done``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from . import rules
from .conversation import Item
from .rule import enforces
from .script import Reply

__all__ = ["OpenItem", "Response"]

Status = Literal["in_progress", "completed", "cancelled", "failed", "incomplete"]


@dataclass(slots=True)
class OpenItem:
    """The item that is being generated. *generated_text* is kept apart from the item, which may be
    truncated.
    """

    item: Item
    output_index: int
    generated_text: str = ""
    part_open: bool = False


@dataclass(slots=True, eq=False)
class Response:
    """A response from the acceptance of its create until its terminal event.

    Attributes:
        conversation_id: None for an out-of-band response.
        create_delay: seconds until ``response.created``.
        event_id: of the client's create, None for server VAD's.
        by_vad: whether server VAD asked for it.
        created: whether ``response.created`` was sent.
        reasoning_tokens: what the model spent on reasoning.
        over: it left the server's memory; nothing of it is sent any more.
    """

    id: str
    reply: Reply
    conversation_id: str | None
    modalities: list[str]
    create_delay: float
    event_id: str | None = None
    by_vad: bool = False
    metadata: dict[str, str] | None = None
    max_output_tokens: int | str = "inf"
    reasoning_tokens: int = 0
    input_items: int = 0
    status: Status = "in_progress"
    status_details: dict[str, Any] | str | None = None
    items: list[Item] = field(default_factory=list)
    open: OpenItem | None = None
    generated_ms: int = 0
    steps: Iterator[float] | None = None
    created: bool = False
    over: bool = False

    @property
    def in_conversation(self) -> bool:
        """Whether it takes the slot and its items are remembered."""
        return self.conversation_id is not None

    def payload(self) -> dict[str, Any]:
        """Return the response as it stands in an event."""
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": self.status,
            "status_details": self.status_details,
            "output": [item.payload() for item in self.items],
            "conversation_id": self.conversation_id,
            "output_modalities": self.modalities,
            "max_output_tokens": self.max_output_tokens,
            "metadata": self.metadata,
            "usage": None if self.status == "in_progress" else self.usage(),
        }

    @enforces(rules.UNBILLED)
    def usage(self) -> dict[str, Any]:
        """Return what the response is billed for."""
        # Invented but deterministic numbers: a token per word, one per 50 ms of audio, 20 per item
        # of context.
        text = sum(len(item.text.split()) + len(item.arguments.split()) for item in self.items)
        audio = sum(item.audio_ms // 50 for item in self.items)
        text += self.reasoning_tokens
        context = 20 * self.input_items if self.items or self.status == "completed" else 0
        return {
            "total_tokens": context + text + audio,
            "input_tokens": context,
            "output_tokens": text + audio,
            "input_token_details": {"text_tokens": context, "audio_tokens": 0, "cached_tokens": 0},
            "output_token_details": {"text_tokens": text, "audio_tokens": audio},
        }
