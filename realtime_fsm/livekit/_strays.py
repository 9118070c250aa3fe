"""Items of responses whose ``response.created`` never came (G16).

Nobody below or above hands anything of them out, so nobody hears it; the server remembers it all the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from .._core.session import remember

#: What is said, or what is to be done. All else the server deals with itself.
_KINDS = frozenset({"message", "function_call"})


class Strays:
    """One session's, over its connections."""

    __slots__ = ("_begun", "_open")

    def __init__(self) -> None:
        #: The responses that were acknowledged last.
        self._begun: OrderedDict[str, None] = OrderedDict()
        #: Items that began, and their responses.
        self._open: OrderedDict[str, str] = OrderedDict()

    def has_begun(self, response_id: str) -> bool:
        """Whether this response was acknowledged."""
        return response_id in self._begun

    def came(self, frame: Mapping[str, Any]) -> list[str]:
        """A frame. Returns the items of which nothing more comes, and nobody was given anything."""
        kind, item = frame.get("type"), frame.get("item")
        if kind == "response.created":
            return self._created(frame.get("response"))
        if not isinstance(item, Mapping) or not isinstance(item_id := item.get("id"), str):
            return []
        if kind == "response.output_item.done":
            of = self._open.pop(item_id, None)
            return [item_id] if of is not None and of not in self._begun else []
        response_id = frame.get("response_id")
        named = isinstance(response_id, str) and response_id not in self._begun
        if kind == "response.output_item.added" and named and item.get("type") in _KINDS:
            remember(self._open, item_id, str(response_id))
        return []

    def lost(self) -> list[str]:
        """The connection is gone, and nothing more comes of any."""
        gone = [item_id for item_id, of in self._open.items() if of not in self._begun]
        self._open.clear()
        return gone

    def _created(self, response: object) -> list[str]:
        """One begins, after which those before it are over: the server has one slot. Out of band it has more."""
        if not isinstance(response, Mapping) or not isinstance(name := response.get("id"), str):
            return []
        remember(self._begun, name, None)
        if "conversation_id" in response and response["conversation_id"] is None:
            return []
        return self.lost()
