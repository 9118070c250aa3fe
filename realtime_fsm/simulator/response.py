"""One response, and its object in ``response.created`` and ``response.done``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from .conversation import Item
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
        created: whether ``response.created`` was sent.
        over: it left the server's memory; nothing of it is sent any more.
    """

    id: str
    reply: Reply
    conversation_id: str | None
    modalities: list[str]
    create_delay: float
    metadata: dict[str, str] | None = None
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
            "max_output_tokens": "inf",
            "metadata": self.metadata,
            "usage": None if self.status == "in_progress" else self._usage(),
        }

    def _usage(self) -> dict[str, Any]:
        # Invented but deterministic numbers: a token per word, one per 50 ms of audio, 20 per item
        # of context.
        text = sum(len(item.text.split()) + len(item.arguments.split()) for item in self.items)
        audio = sum(item.audio_ms // 50 for item in self.items)
        # Observed: twilio-node#37. A response that fails without output is not billed.
        context = 20 * self.input_items if self.items or self.status == "completed" else 0
        return {
            "total_tokens": context + text + audio,
            "input_tokens": context,
            "output_tokens": text + audio,
            "input_token_details": {"text_tokens": context, "audio_tokens": 0, "cached_tokens": 0},
            "output_token_details": {"text_tokens": text, "audio_tokens": audio},
        }
