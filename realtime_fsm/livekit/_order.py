"""Which speech is heard first: what is ready does not wait behind what only waits (G29).

LiveKit plays speeches in the order in which they came, and waits for the first until it has been played.
An answer of server VAD comes after a reply that was asked for while the user spoke, and is ready before it:
the reply waits for the lane, which the answer has.
"""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents.voice import SpeechHandle

from ._guard import Guard
from ._log import get_logger
from ._private import asks_for_itself, bring_forward, is_reached, put_back
from ._speech import SpeechTracker

#: Seconds after which LiveKit has come to the next speech; and after which to look whether a speech
#: that plays is over. Nothing tells to which one it has come.
_SOON, _LATER = 0.02, 0.1


class Order:
    """One session's. Where LiveKit cannot be asked, its order stays."""

    def __init__(self, speeches: SpeechTracker, guard: Guard) -> None:
        self._speeches = speeches
        self._loop = asyncio.get_running_loop()
        self._reorder_again = guard(self.reorder)
        #: Speeches that wait for a reply, with its future.
        self._asking: dict[SpeechHandle, asyncio.Future[Any]] = {}
        #: SpeechTracker with something to hear, which LiveKit may not have come to.
        self._ready: set[SpeechHandle] = set()
        self._timer: asyncio.TimerHandle | None = None

    def asked(self, future: asyncio.Future[Any]) -> None:
        """A reply is asked for; by the speech that waits for it, perhaps."""
        handle = self._speeches.owner()
        if handle is None or future.done() or not asks_for_itself(handle):
            return

        def over(future: asyncio.Future[Any]) -> None:
            if self._asking.get(handle) is future:
                del self._asking[handle]

        self._asking[handle] = future
        future.add_done_callback(over)
        self.reorder()

    def ready(self, turn_id: str) -> None:
        """There is something to hear of this turn."""
        handle = self._speeches.speech(turn_id)
        if handle is not None:
            self._ready.add(handle)
            if self._speeches.session is not None:
                bring_forward(self._speeches.session, handle, self._asking)
            self.reorder()

    @property
    def waits(self) -> bool:
        """Whether something is ready that LiveKit has not come to."""
        gone = {h for h in self._ready if h.done() or h.interrupted or is_reached(h)}
        self._ready -= gone
        return bool(self._ready)

    def reorder(self) -> None:
        """Let the next speech go first, as long as the first one only waits."""
        if self._timer is not None:
            self._timer.cancel()
        head, session = self._speeches.owner(), self._speeches.session
        if session is None or not self.waits:
            return
        only_waits = head in self._asking
        if head is not None and only_waits and is_reached(head):
            if not (head.done() or head.interrupted or put_back(session, head)):
                return
            get_logger().debug("put back, for something is ready", speech=head.id)
        self._timer = self._loop.call_later(_SOON if only_waits else _LATER, self._reorder_again)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._asking.clear()
        self._ready.clear()
