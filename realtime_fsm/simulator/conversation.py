"""The default conversation: what the model remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.words import heard_words
from . import rules
from .config import ServerConfig
from .errors import Refusal
from .rule import enforces

__all__ = ["Conversation", "Item", "ItemSnapshot", "item_from_client"]


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
    item without a part has no content yet. *phase* marks a message of the assistant.
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
    phase: str | None = None
    cut: bool = field(default=False, init=False)

    @enforces(rules.AFTER_TRUNCATE)
    def hold(self, text: str, ms: int) -> None:
        """Add generated output. A truncated item takes no more: what comes later is forgotten."""
        if not self.cut:
            self.text += text
            self.audio_ms += ms

    @enforces(rules.TRUNCATE_TEXT)
    def truncate(self, end_ms: int, *, keep_words: bool) -> None:
        """Keep *end_ms* of the audio, and the same share of the words or none."""
        self.text = heard_words(self.text, end_ms, self.audio_ms) if keep_words else ""
        self.audio_ms = end_ms
        self.cut = True

    def payload(self) -> dict[str, Any]:
        """Return the item as it stands in an event."""
        head = {"id": self.id, "object": "realtime.item", "type": self.type, "status": self.status}
        if self.raw is not None:
            return {**self.raw, **head}
        if self.type == "reasoning":
            return head
        if self.type not in ("message", "function_call", "function_call_output"):
            return {**head, **self._of_server()}
        if self.type == "function_call":
            return {**head, "name": self.name, "call_id": self.call_id, "arguments": self.arguments}
        marked = {} if self.phase is None else {"phase": self.phase}
        return {**head, "role": self.role, **marked, "content": self._content()}

    def _of_server(self) -> dict[str, Any]:
        """What an item has that the server runs, or asks for, itself."""
        if self.type == "mcp_list_tools":
            return {"server_label": self.name, "tools": []}
        made = {"name": self.name, "server_label": "server", "arguments": self.arguments or "{}"}
        if self.type != "mcp_call":
            return made
        error = {"type": "tool_execution_error", "message": "It failed."}
        failed = self.status == "failed"
        output = "{}" if self.status == "completed" else None
        return {**made, "output": output, "error": error if failed else None}

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


@enforces(rules.ASSISTANT_AUDIO)
def item_from_client(raw: Mapping[str, Any], item_id: str) -> Item:
    """Return the item that a ``conversation.item.create`` asks for. Raises :class:`Refusal`."""
    parts = raw.get("content") or ()
    for number, part in enumerate(parts if raw.get("role") == "assistant" else ()):
        if part.get("type") == "output_audio" or part.get("text") is None:
            param = f"item.content[{number}].text"
            raise Refusal(
                "missing_required_parameter", f"Missing required parameter: '{param}'.", param
            )
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
    """Items in order. Every refusal is a :class:`Refusal`."""

    __slots__ = ("_config", "_items", "id")

    def __init__(self, conversation_id: str, config: ServerConfig) -> None:
        self.id = conversation_id
        self._config = config
        self._items: list[Item] = []

    def __contains__(self, item_id: object) -> bool:
        return any(item.id == item_id for item in self._items)

    @enforces(rules.UNKNOWN_ITEM)
    def get(self, item_id: str, operation: str = "retriev") -> Item:
        """Return the item; *operation* (``delet``, ``truncat``, ``retriev``) words the refusal."""
        for item in self._items:
            if item.id == item_id:
                return item
        # Observed in public clients' error lists for the three operations:
        # item_{delete,truncate,retrieve}_….
        raise Refusal(
            f"item_{operation}e_invalid_item_id",
            f"Error {operation}ing item: the item with id '{item_id}' does not exist.",
            "item_id",
        )

    @enforces(rules.DUPLICATE_ITEM, rules.PREVIOUS_ITEM, rules.PREVIOUS_ITEM_CODE, rules.KNOWN_CALL)
    def add(self, item: Item, previous_item_id: str | None = None) -> str | None:
        """Insert *item* and return the id of the item before it.

        *previous_item_id* None means at the end, ``"root"`` at the start.
        """
        if item.id in self:
            raise Refusal(
                "item_create_duplicate_item_id",
                f"Error adding item: an item with id '{item.id}' already exists.",
            )
        if item.type == "function_call_output" and self._config.unknown_call_id == "refuse":
            calls = {known.call_id for known in self._items if known.type == "function_call"}
            if item.call_id not in calls:
                # The code and the wording are assumed.
                raise Refusal(
                    "invalid_tool_call_id",
                    f"Tool call ID '{item.call_id}' not found in conversation.",
                    "item.call_id",
                )
        index = len(self._items) if previous_item_id is None else 0
        if previous_item_id not in (None, "root"):
            ids = [known.id for known in self._items]
            if previous_item_id not in ids:
                raise Refusal(
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

    @enforces(rules.DELETED_OPEN)
    def delete(self, item_id: str) -> None:
        """Forget an item."""
        self._items.remove(self.get(item_id, "delet"))

    def discard(self, item: Item) -> None:
        """Forget an item that may be gone already."""
        if item in self._items:
            self._items.remove(item)

    @enforces(rules.TRUNCATE_TYPE, rules.TRUNCATE_BOUND)
    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> int:
        """Cut an assistant message to its first *audio_end_ms* milliseconds; return how many are
        left.
        """
        item = self.get(item_id, "truncat")
        # Observed for a message whose first audio delta had not come yet as well as for others.
        if item.role != "assistant" or item.part != "output_audio" or item.audio_ms == 0:
            raise Refusal(
                "unsupported_content_type",
                "Only model output audio messages can be truncated",
                None,
            )
        if content_index != 0:
            # Documented: content_index is 0. The wording of the refusal is assumed.
            raise Refusal(
                "invalid_value",
                f"Invalid value: '{content_index}'. The item has one content part.",
                "content_index",
            )
        if audio_end_ms < 0:
            raise Refusal(
                "invalid_value",
                f"Invalid value: '{audio_end_ms}'. Expected a non-negative integer.",
                "audio_end_ms",
            )
        held = item.audio_ms if item.cut else max(0, item.audio_ms - self._config.withheld_ms)
        if audio_end_ms > held and self._config.truncate_beyond == "clamp":
            audio_end_ms = held
        if audio_end_ms > held:
            raise Refusal(
                "invalid_value",
                f"Audio content of {held}ms is already shorter than {audio_end_ms}ms",
                "audio_end_ms",
            )
        item.truncate(audio_end_ms, keep_words=self._config.truncated_text == "share")
        return audio_end_ms

    def snapshot(self) -> tuple[ItemSnapshot, ...]:
        """Return what the model remembers, in order."""
        return tuple(item.snapshot() for item in self._items)

    def __len__(self) -> int:
        return len(self._items)
