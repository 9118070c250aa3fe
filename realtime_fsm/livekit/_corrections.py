"""Corrections that the server refused, and what is done instead (G16).

The plugin sends its ``conversation.item.truncate`` without an event id, so a refusal of it names none
either. The protocol is ordered: it is the oldest that is not answered.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .._core.session import OWN_IDS
from ._deadline_timer import DeadlineTimer
from ._guard import Guard

#: Seconds without an answer, while the server says other things, after which a truncation got lost.
_PATIENCE = 2.0
#: pipecat-ai/pipecat#1963, #2106: the server may hold less of an item than it sent.
_SHORTER = re.compile(r"(\d+) ?ms is already shorter than (\d+) ?ms")
#: Codes and parameters that only a truncation is refused with.
_CODES = frozenset({"item_truncate_invalid_item_id"})
_PARAMS = frozenset({"audio_end_ms", "content_index"})


class _Cut(NamedTuple):
    at_ms: int
    event_id: str | None
    left: float


class Corrections:
    """The truncations of one connection after another.

    Args:
        send: Puts a frame on the wire.
        replace: Lets the server have the heard words of a message, instead of what it has.
        generates: Whether more of an item may come: until then it cannot be replaced.
        last_frame: When the server last said something.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any]], None],
        replace: Callable[[str], None],
        generates: Callable[[str], bool],
        last_frame: Callable[[], float],
        guard: Guard,
    ) -> None:
        self._send = send
        self._replace = replace
        self._generates = generates
        self._last_frame = last_frame
        self._timer = DeadlineTimer(self._due, guard)
        self._unanswered: dict[str, _Cut] = {}
        #: Asked for again since nothing answered.
        self._repeated: set[str] = set()
        #: What was asked for first, of those asked for again at less.
        self._asked: dict[str, int] = {}
        self._replacing: list[str] = []
        self._count = 0

    def lost(self) -> None:
        """The connection is gone, with the conversation."""
        self._timer.set(None)
        self._unanswered.clear()
        self._repeated.clear()
        self._asked.clear()
        self._replacing.clear()

    def sent(self, frame: Mapping[str, Any]) -> None:
        """A ``conversation.item.truncate`` leaves."""
        item_id, at, event_id = (frame.get(k) for k in ("item_id", "audio_end_ms", "event_id"))
        if isinstance(item_id, str) and isinstance(at, int):
            self._unanswered.pop(item_id, None)
            self._unanswered[item_id] = _Cut(at, event_id, asyncio.get_running_loop().time())
            self._wait()

    def confirmed(self, item_id: str, at_ms: int) -> int:
        """The server cut an item. Returns at how much of what was heard: it may hold less of it."""
        self._unanswered.pop(item_id, None)
        return self._asked.pop(item_id, at_ms)

    def gone(self, item_id: str) -> None:
        """The server has this item no more."""
        self._unanswered.pop(item_id, None)
        self._asked.pop(item_id, None)

    def refused(self, error: Mapping[str, Any]) -> bool:
        """An ``error``. Returns whether it refuses a truncation; then something else is done."""
        message = str(error.get("message"))
        shorter = _SHORTER.search(message)
        item_id = self._whose(error, message, None if shorter is None else int(shorter[2]))
        if item_id is None:
            return False
        at = self._unanswered.pop(item_id).at_ms
        there = 0 if shorter is None else int(shorter[1])
        if 0 < there < at and item_id not in self._asked:
            self._asked[item_id] = at
            self._truncate(item_id, there)
        else:
            self._asked.pop(item_id, None)
            self.replace(item_id)
        return True

    def replace(self, item_id: str) -> None:
        """It cannot be cut: let the server have the heard words, once no more of it comes."""
        self._replacing.append(item_id)
        self.go_on()

    def go_on(self) -> None:
        """Replace what can be replaced now."""
        due = [item_id for item_id in self._replacing if not self._generates(item_id)]
        self._replacing = [item_id for item_id in self._replacing if item_id not in due]
        for item_id in due:
            self._replace(item_id)

    def _wait(self) -> None:
        """Until the oldest one that was asked for once got lost."""
        once = [cut.left for item, cut in self._unanswered.items() if item not in self._repeated]
        self._timer.set(min(once) + _PATIENCE if once else None)

    def _due(self) -> None:
        now = asyncio.get_running_loop().time()
        if not any(self._last_frame() > cut.left for cut in self._unanswered.values()):
            if self._unanswered:
                self._timer.set(now + _PATIENCE)  # it says nothing at all
            return
        for item_id, cut in tuple(self._unanswered.items()):
            lost = now - cut.left >= _PATIENCE and self._last_frame() > cut.left
            if lost and item_id not in self._repeated:
                self._repeated.add(item_id)
                self._truncate(item_id, cut.at_ms)
        self._wait()

    def _whose(self, error: Mapping[str, Any], message: str, at_ms: int | None) -> str | None:
        event_id = error.get("event_id")
        if event_id:
            own = (i for i, cut in self._unanswered.items() if cut.event_id == event_id)
            return next(own, None)
        told = error.get("code") in _CODES or error.get("param") in _PARAMS
        if at_ms is None and not told and "truncat" not in message:
            return None
        same = (i for i, cut in self._unanswered.items() if cut.at_ms == at_ms)
        return next(same, next(iter(self._unanswered), None))

    def _truncate(self, item_id: str, at_ms: int) -> None:
        self._count += 1
        self._send(
            {
                "type": "conversation.item.truncate",
                "item_id": item_id,
                "content_index": 0,
                "audio_end_ms": at_ms,
                "event_id": f"{OWN_IDS}again_{self._count}",
            }
        )
