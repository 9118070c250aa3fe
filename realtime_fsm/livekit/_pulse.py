"""Is the peer still there? A silent connection is asked, and given up when nothing at all comes (G31).

Asked by a ``session.update`` that changes nothing ("only the fields that are present in the session.update are
updated"): the plugin sends one on each connection, and every server that answered that one answers this.
One that did not is not asked. It touches no response, item or audio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from livekit.agents import utils

from .._core.policy import RetryPolicy
from ._deadline_timer import LATE, TO_READ
from ._guard import Guard
from ._log import get_logger


class Pulse:
    """One inner session's.

    Args:
        send: Sends a client's frame.
        dead: Called when the peer is gone.
        loses: Whether something would be lost with this connection that no other could be told of.
            Perhaps it is only held up.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        send: Callable[[dict[str, Any]], object],
        dead: Callable[[], object],
        loses: Callable[[], bool],
        guard: Guard,
    ) -> None:
        self._interval = policy.alive_interval
        self._patience = policy.answer_timeout
        self._send = send
        self._dead = dead
        self._loses = loses
        self._check_peer = guard(self._due)
        self._loop = asyncio.get_running_loop()
        #: What to ask with, once the server is known to answer.
        self._session: dict[str, Any] | None = None
        #: When the server last said something, on the loop's clock; and when it was asked and
        #: nothing came since.
        self.seen = self._loop.time()
        self._asked: float | None = None
        #: When a create was given to the inner session and nothing came since.
        self._created: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        #: What came in the instant in which an answer was overdue is read before that counts.
        self._overdue = False

    def came(self, frame: object, now: float) -> None:
        """Something came from the server."""
        self.seen = now
        self._asked = self._created = None
        self._overdue = False
        if self._session is None:
            self._look(frame)

    def _look(self, frame: object) -> None:
        if isinstance(frame, dict) and frame.get("type") == "session.updated":
            self._answers(frame.get("session"))

    def _answers(self, session: object) -> None:
        typed = isinstance(session, Mapping) and isinstance(session.get("type"), str)
        self._session = {"type": session["type"]} if typed else {}  # type: ignore[index]
        if self._interval is not None:
            self._wait(self.seen + self._interval)

    def ask(self, event_id: str) -> None:
        """Ask now, unless that was done; whoever was never seen to answer is not asked."""
        if self._session is not None and self._asked is None:
            self._ask(event_id)

    def _ask(self, event_id: str) -> None:
        frame = {"type": "session.update", "event_id": event_id, "session": self._session}
        self._asked = self._loop.time()
        self._send(frame)
        self._wait(self._asked + self._patience)

    def created(self) -> None:
        """A create was given to the inner session; whether it leaves is another question."""
        if self._timer is not None and self._created is None:
            self._created = self._loop.time()
            if self._asked is None:
                self._wait(min(self._timer.when(), self._created + self._patience))

    def stop(self) -> None:
        """The connection is gone, or nobody listens any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._session = self._asked = self._created = None

    def _wait(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(until, self._check_peer)

    def _due(self) -> None:
        if self._timer is None:
            return
        now = self._loop.time()
        late = now - self._timer.when() > LATE
        latest = self.seen + (self._interval or 0.0) + self._patience
        if self._asked is not None and not late:
            if now < latest and self._loses():
                self._wait(latest)
            elif not self._overdue:
                self._overdue = True
                self._wait(now + TO_READ)
            else:
                get_logger().warning("the connection is dead", silent=round(now - self.seen, 1))
                self.stop()
                self._dead()
            return
        due = self._silent_at
        if self._asked is not None or (due is not None and now >= due):
            # Also where it is late: what came while the loop stood still is not read yet.
            self._ask(utils.shortuuid("rfsm_alive_"))
        elif due is not None:
            self._wait(due)
        else:
            self._timer = None  # it was asked once, and lives

    @property
    def _silent_at(self) -> float | None:
        """When it is silent for long enough to be asked; None: never."""
        if self._interval is None:
            return None
        due = self.seen + self._interval
        return due if self._created is None else min(due, self._created + self._patience)
