"""The beginning of a response whose ``response.created`` got lost.

Of a response that never began nobody is given anything. An item of it tells as much, once it is in the
conversation: then the response has the slot, so it answers what was asked for, or what the user said, if
nothing else can have. Nothing of it may have been missed, and a later ``response.created`` is a repetition.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Optional

from .._core.frames import output_of
from .._core.session import remember

_ADDED = ("conversation.item.added", "conversation.item.created")
#: Who is given a part of these has to be given all.
_HANDED_OUT = ("message", "function_call")
_ITEM_DONE = "response.output_item.done"


class Unbegun:
    """One connection's.

    Args:
        answers: Which create such a response answers, its event id; ``""``: what the user said; None:
            it cannot be told.
    """

    __slots__ = ("_answers", "_item", "_known")

    def __init__(self, answers: Callable[[], Optional[str]]) -> None:
        self._answers = answers
        #: Responses that began, are over, or of which something was missed.
        self._known: OrderedDict[str, None] = OrderedDict()
        #: The frame that tells of an item, if it was the last one.
        self._item: dict[str, Any] | None = None

    def before(self, frame: object) -> tuple[dict[str, Any], ...]:
        """The frames that this one proves to be lost, or to have been for somebody."""
        if not isinstance(frame, dict) or not isinstance(kind := frame.get("type"), str):
            return ()
        told, self._item = self._item, None
        item, response_id = _map(frame, "item"), frame.get("response_id")
        if kind in _ADDED and told is not None and item.get("id") == told["item"].get("id"):
            return self._begins(told)
        if kind in ("response.created", "response.done"):
            self._know(_map(frame, "response").get("id"))
        elif kind == "response.output_item.added":
            if item and isinstance(response_id, str) and response_id not in self._known:
                self._item = frame.copy()
        elif output_of(frame) or (kind == _ITEM_DONE and item.get("type") in _HANDED_OUT):
            self._know(response_id)
        return ()

    def _begins(self, told: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        self._know(told["response_id"])
        if (answers := self._answers()) is None:
            return ()
        response = {
            "object": "realtime.response",
            "id": told["response_id"],
            "status": "in_progress",
            "metadata": {"client_event_id": answers} if answers else None,
            "output": [],
        }
        return {"type": "response.created", "response": response}, told

    def _know(self, response_id: object) -> None:
        if isinstance(response_id, str):
            remember(self._known, response_id, None)


def _map(frame: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = frame.get(key)
    return found if isinstance(found, dict) else {}
