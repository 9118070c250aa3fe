"""The default conversation: what the model remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Conversation", "ConversationError", "Item", "ItemSnapshot"]


class ConversationError(Exception):
    """A change that the server refuses, with the code, message and param of its ``error``."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class ItemSnapshot:
    """One item as the model remembers it. *audio_ms* is the audio that the item holds."""

    id: str
    type: str
    role: str | None
    status: str
    text: str
    audio_ms: int
    call_id: str | None


@dataclass(slots=True, eq=False)
class Item:
    """An item. *raw* is the client's own object for an item that a client created.

    *part* is the content type of a message (``output_audio``, ``output_text``, ``input_audio``); an
    item without a part has no content yet.
    """

    id: str
    type: str
    role: str | None = None
    status: str = "completed"
    part: str | None = None
    text: str = ""
    audio_ms: int = 0
    call_id: str | None = None
    name: str = ""
    arguments: str = ""
    raw: Mapping[str, Any] | None = None
    cut: bool = field(default=False, init=False)

    def hold(self, text: str, ms: int) -> None:
        """Add generated output. A truncated item takes no more: what comes later is forgotten.

        Assumed: reports do not say what becomes of audio that is generated between a truncation and
        the cancellation.
        """
        if not self.cut:
            self.text += text
            self.audio_ms += ms

    def truncate(self, end_ms: int) -> None:
        """Keep *end_ms* of the audio, and the same share of the words.

        Documented: the server drops the transcript of unheard audio. That it keeps words in
        proportion is assumed, and lets a test read what the model still knows.
        """
        words = self.text.split()
        self.text = " ".join(words[: len(words) * end_ms // self.audio_ms])
        self.audio_ms = end_ms
        self.cut = True

    def payload(self) -> dict[str, Any]:
        """Return the item as it stands in an event."""
        head = {"id": self.id, "object": "realtime.item", "type": self.type, "status": self.status}
        if self.raw is not None:
            return {**self.raw, **head}
        if self.type == "function_call":
            return {**head, "name": self.name, "call_id": self.call_id, "arguments": self.arguments}
        return {**head, "role": self.role, "content": self._content()}

    def _content(self) -> list[dict[str, Any]]:
        if self.part is None:
            return []
        if self.part == "output_text":
            return [{"type": self.part, "text": self.text}]
        return [{"type": self.part, "transcript": self.text or None}]

    def snapshot(self) -> ItemSnapshot:
        """Return what a test wants to see of it."""
        return ItemSnapshot(
            id=self.id,
            type=self.type,
            role=self.role,
            status=self.status,
            text=self.text,
            audio_ms=self.audio_ms,
            call_id=self.call_id,
        )


def item_from_client(raw: Mapping[str, Any], item_id: str) -> Item:
    """Return the item that a ``conversation.item.create`` asks for."""
    parts = raw.get("content") or ()
    text = " ".join(part.get("text") or part.get("transcript") or "" for part in parts)
    return Item(
        id=item_id,
        type=raw["type"],
        role=raw.get("role"),
        # A client may say "incomplete" of what it replays; "in_progress" makes no sense for it.
        status="incomplete" if raw.get("status") == "incomplete" else "completed",
        text=text or raw.get("output") or "",
        call_id=raw.get("call_id"),
        arguments=raw.get("arguments") or "",
        name=raw.get("name") or "",
        raw=dict(raw),
    )


class Conversation:
    """Items in order. Every refusal is a :class:`ConversationError`."""

    __slots__ = ("_items", "id")

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self._items: list[Item] = []

    def __contains__(self, item_id: object) -> bool:
        return any(item.id == item_id for item in self._items)

    def get(self, item_id: str, operation: str = "retriev") -> Item:
        """Return the item; *operation* (``delet``, ``truncat``, ``retriev``) words the refusal."""
        for item in self._items:
            if item.id == item_id:
                return item
        # Observed in public clients' error lists for the three operations:
        # item_{delete,truncate,retrieve}_….
        raise ConversationError(
            f"item_{operation}e_invalid_item_id",
            f"Error {operation}ing item: the item with id '{item_id}' does not exist.",
            "item_id",
        )

    def add(self, item: Item, previous_item_id: str | None = None) -> str | None:
        """Insert *item* and return the id of the item before it.

        *previous_item_id* None means at the end, ``"root"`` at the start.
        """
        if item.id in self:
            # Observed: livekit treats this code as "already there" (livekit-agents 1.8.9).
            raise ConversationError(
                "item_create_duplicate_item_id",
                f"Error adding item: an item with id '{item.id}' already exists.",
            )
        index = len(self._items) if previous_item_id is None else 0
        if previous_item_id not in (None, "root"):
            ids = [known.id for known in self._items]
            if previous_item_id not in ids:
                # Documented: an error is returned and the item is not added. The code is assumed.
                raise ConversationError(
                    "item_create_invalid_previous_item_id",
                    "Error adding item: the previous item with id "
                    f"'{previous_item_id}' does not exist.",
                    "previous_item_id",
                )
            index = ids.index(previous_item_id) + 1
        before = self._items[index - 1].id if index else None
        self._items.insert(index, item)
        return before

    def previous_id(self, item: Item) -> str | None:
        """Return the id of the item before *item*; None for the first and for a deleted one."""
        index = self._items.index(item) if item in self._items else 0
        return self._items[index - 1].id if index else None

    @property
    def tail_id(self) -> str | None:
        """The last item's id."""
        return self._items[-1].id if self._items else None

    def delete(self, item_id: str) -> None:
        """Forget an item."""
        self._items.remove(self.get(item_id, "delet"))

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Cut an assistant message to its first *audio_end_ms* milliseconds."""
        item = self.get(item_id, "truncat")
        # Observed: livekit#6157, for a message whose first audio delta had not come yet as well as
        # for other items.
        if item.role != "assistant" or item.part != "output_audio" or item.audio_ms == 0:
            raise ConversationError(
                "unsupported_content_type",
                "Only model output audio messages can be truncated",
                None,
            )
        if content_index != 0:
            # Documented: content_index is 0. The wording of the refusal is assumed.
            raise ConversationError(
                "invalid_value",
                f"Invalid value: '{content_index}'. The item has one content part.",
                "content_index",
            )
        if audio_end_ms < 0:
            raise ConversationError(
                "invalid_value",
                f"Invalid value: '{audio_end_ms}'. Expected a non-negative integer.",
                "audio_end_ms",
            )
        if audio_end_ms > item.audio_ms:
            # Observed: pipecat#1963, pipecat#3677.
            raise ConversationError(
                "invalid_value",
                f"Audio content of {item.audio_ms}ms is already shorter than {audio_end_ms}ms",
                "audio_end_ms",
            )
        item.truncate(audio_end_ms)

    def snapshot(self) -> tuple[ItemSnapshot, ...]:
        """Return what the model remembers, in order."""
        return tuple(item.snapshot() for item in self._items)

    def __len__(self) -> int:
        return len(self._items)
