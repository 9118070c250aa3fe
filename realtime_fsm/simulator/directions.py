"""Stage directions: what a client may ask of a server under test, and of no real service.

A ``response.create`` whose ``metadata`` has the key ``conform`` gets the reply of that name in
place of the script's next one. ``realtime-fsm conform --directed`` sends them, for a model cannot
be asked to fail, or to speak for exactly so long. A real service takes them for metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .script import (
    CREATED,
    Failed,
    FunctionCall,
    Message,
    Reasoning,
    Reply,
    ServerCall,
    audio_ms,
)

__all__ = ["DIRECTIONS", "KEY", "directed"]

KEY = "conform"
"""The key of the metadata."""

_WORDS = " ".join(
    f"{tens} {one}" for tens in ("twenty", "thirty") for one in ("one", "two", "three")
)
_LONG = Message(f"{_WORDS} {_WORDS} {_WORDS}", seconds=3.0)

DIRECTIONS: Mapping[str, Reply] = {
    "short": Reply([Message("Yes.", seconds=0.3)]),
    "long": Reply([_LONG], pace=0.1),
    "ten": Reply(
        [Message("one two three four five six seven eight nine ten", seconds=1.0)], pace=0.005
    ),
    "two messages": Reply([Message("One moment.", seconds=0.3), Message("Yes.", seconds=0.3)]),
    "call": Reply([FunctionCall("lookup", {"text": "yes"})]),
    "long call": Reply([FunctionCall("lookup", {"text": _WORDS})], pace=1.0),
    "reason": Reply([Reasoning(0.1), Message("Yes.", seconds=0.3)]),
    "server tool": Reply([ServerCall("lookup", seconds=0.2, outlives=True)]),
    "fail": Reply(end=Failed("server_error", at=CREATED)),
    "fail in an item": Reply([_LONG], end=Failed("server_error", at=audio_ms(500))),
}
"""What can be asked for, to the reply that it gets."""


def directed(params: Mapping[str, Any]) -> Reply | None:
    """Return the reply that the parameters of a ``response.create`` ask for, if they do."""
    metadata = params.get("metadata") or {}
    return DIRECTIONS.get(str(metadata.get(KEY)))
