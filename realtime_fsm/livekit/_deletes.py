"""Deletes of ours that the server has not confirmed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

#: Deletes that are remembered.
_REMEMBERED = 64


class Deletes:
    """Those of one inner session: a new connection's replay has these items again.

    Args:
        unwanted: Items that were to be deleted in the session it takes the place of.
    """

    def __init__(self, inner: Any, unwanted: Mapping[str, str]) -> None:
        self._inner = inner
        #: The event ids, by item.
        self._open: OrderedDict[str, str] = OrderedDict(unwanted)

    @property
    def open(self) -> Mapping[str, str]:
        """The items, with the event ids of their deletes."""
        return self._open

    def ask(self, item_id: str, event_id: str) -> None:
        """Have an item deleted."""
        self._open[item_id] = event_id
        while len(self._open) > _REMEMBERED:
            self._open.popitem(last=False)
        self._inner.send_event(
            {"type": "conversation.item.delete", "item_id": item_id, "event_id": event_id}
        )

    def confirmed(self, item_id: str) -> None:
        """The server has this item no more."""
        self._open.pop(item_id, None)

    def refused(self, event_id: object) -> None:
        """An ``error`` names this event: what it was to delete is gone already."""
        for item_id in [i for i, e in self._open.items() if e == event_id]:
            del self._open[item_id]

    def refused_without_a_name(self, error: Mapping[str, Any]) -> bool:
        """Whether an ``error`` refuses one, and does not say so by its event id."""
        if error.get("event_id") or error.get("code") != "item_delete_invalid_item_id":
            return False
        message = str(error.get("message"))
        gone = [item_id for item_id in self._open if item_id in message]
        for item_id in gone:
            del self._open[item_id]
        return bool(gone)
