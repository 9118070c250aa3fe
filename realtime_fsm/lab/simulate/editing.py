"""What applications make of their agent's history before they push it."""

from __future__ import annotations

from livekit.agents import llm

from .scenario import Edit

__all__ = ["edited"]

_KEPT = 8  # items


def edited(context: llm.ChatContext, edit: Edit) -> llm.ChatContext:
    """Return what a copy of the history is made into. The copy is left as it is."""
    if edit.kind == "rebuild":
        told = context.to_dict(exclude_image=False, exclude_audio=False, exclude_timestamp=False)
        return llm.ChatContext.from_dict(told)
    items = list(context.items)
    if edit.kind == "note":
        items.append(llm.ChatMessage(role="system", content=[f"A note about turn {edit.turn}."]))
    elif edit.kind == "trim":
        return llm.ChatContext(items).truncate(max_items=_KEPT)
    elif edit.kind == "forget":
        named = f"{edit.turn - 1}."
        items = [item for item in items if not _says(item, named)]
    return llm.ChatContext(items)


def _says(item: llm.ChatItem, first: str) -> bool:
    """Whether it is the assistant's, and begins so."""
    if not isinstance(item, llm.ChatMessage) or item.role != "assistant":
        return False
    return (item.text_content or "").startswith(first)
