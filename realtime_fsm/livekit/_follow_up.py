"""The reply that nobody else asks for: after a response that only acted, or only announced something.

A server that ran a tool of its own (an MCP call, a search) may end the response with that, and so may a
model that said no more than a commentary ("let me look", ``phase: commentary``). LiveKit listens then,
and so do we, unless `RetryPolicy.follow_ups` says otherwise: then the reply is asked for as an
application would, by the attached AgentSession.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from livekit.agents.voice import SpeechHandle

from .._core.records import Turn
from .._core.session import remember
from .._core.states import TurnOutcome
from ._guard import Guard
from ._log import get_logger

_COMMENTARY = "commentary"
#: The application answers it: nothing goes on before.
_ASKS_APPLICATION = "mcp_approval_request"
_BEGINS = ("response.output_item.added", "response.output_item.done")
_ENDS = ("completed", "failed", "incomplete")


class FollowUps:
    """One session's.

    Args:
        most: How many may follow one after another.
        reply: Asks for a reply, where that is possible now.
    """

    def __init__(self, most: int, reply: Callable[[], SpeechHandle | None], guard: Guard) -> None:
        self._most = most
        self._reply = reply
        self._ask = guard(self._ask_now)
        self._loop = asyncio.get_running_loop()
        self._commentaries: OrderedDict[str, None] = OrderedDict()
        self._approvals: OrderedDict[str, None] = OrderedDict()
        #: Actions that run, perhaps beyond the end of their response.
        self._running: OrderedDict[str, None] = OrderedDict()
        #: What is waited for until it is asked, and the speech that it goes on with.
        self._waiting: tuple[str, ...] = ()
        self._speech: SpeechHandle | None = None
        #: How many were asked in a row, and the speech of the last.
        self._count = 0
        self._last: SpeechHandle | None = None
        self._log = get_logger()

    def came(self, frame: object) -> None:
        """A server's frame came."""
        if not isinstance(frame, dict) or not isinstance(kind := frame.get("type"), str):
            return
        response = frame.get("response")
        if kind in _BEGINS:
            self._note(frame.get("item"))
        elif kind == "response.created":
            self._waiting = ()  # somebody else asked
        elif kind == "response.done" and isinstance(response, Mapping):
            for item in response.get("output") or ():
                self._note(item)
        elif isinstance(item_id := frame.get("item_id"), str):
            what, _, stage = kind.rpartition(".")
            if what.endswith("_call") and stage == "in_progress":
                remember(self._running, item_id, None)
            elif what.endswith("_call") and stage in _ENDS:
                self._ended(item_id)

    def _note(self, item: Any) -> None:
        if not isinstance(item, Mapping) or not isinstance(item_id := item.get("id"), str):
            return
        if item.get("phase") == _COMMENTARY:
            remember(self._commentaries, item_id, None)
        elif item.get("type") == _ASKS_APPLICATION:
            remember(self._approvals, item_id, None)

    def _ended(self, item_id: str) -> None:
        self._running.pop(item_id, None)
        if item_id in self._waiting:
            self._waiting = tuple(each for each in self._waiting if each != item_id)
            if not self._waiting:
                self._ask_behind(self._speech)

    def over(self, turn: Turn, speech: SpeechHandle | None) -> None:
        """A turn ended."""
        self._waiting = ()
        if speech is None or speech is not self._last:
            self._count = 0
        if not self._is_half(turn) or self._count >= self._most:
            return
        self._speech = speech
        self._waiting = tuple(each for each in turn.actions if each in self._running)
        if not self._waiting:
            self._ask_behind(speech)

    def _ask_behind(self, speech: SpeechHandle | None) -> None:
        """LiveKit's speech of the turn ends a little later than the turn."""
        if speech is None or speech.done():
            self._ask_soon(speech)
        else:
            speech.add_done_callback(self._ask_soon)

    def _ask_soon(self, speech: SpeechHandle | None) -> None:
        self._loop.call_soon(self._ask, speech)

    def _is_half(self, turn: Turn) -> bool:
        """Whether it did something, and said nothing but commentaries."""
        if turn.outcome is not TurnOutcome.COMPLETED or turn.calls:
            return False
        if any(each in self._approvals for each in turn.actions):
            return False
        said = [m.item_id for m in turn.messages if m.delivered and m.attempt == turn.attempts]
        return bool(said or turn.actions) and all(each in self._commentaries for each in said)

    def _ask_now(self, before: SpeechHandle | None) -> None:
        if before is not None and before.interrupted:
            return
        speech = self._reply()
        if speech is not None:
            self._count, self._last = self._count + 1, speech
            self._log.info("follow-up asked for", number=self._count)
