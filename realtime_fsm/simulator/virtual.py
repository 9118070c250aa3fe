"""One connection in virtual time: the core, a clock that jumps, and all that was sent."""

from __future__ import annotations

from typing import Any

from .config import ServerConfig
from .core import ServerCore
from .faulty import FaultyCore
from .questions import Replies
from .script import Accept, Script
from .wire import Close, Drop, Frame, Ids, Send

__all__ = ["VirtualConnection"]


class VirtualConnection:
    """A client's end of a :class:`ServerCore`, for tests of rules and orders. The faults of the
    *config* happen on the way, those of handshakes apart::

        connection = VirtualConnection(Script([Reply([Message("Hello.")])]))
        connection.send("response.create", event_id="c1")
        connection.run()
        assert connection.done["status"] == "completed"

    Attributes:
        now: virtual time, seconds since the connection was opened.
        log: (time, frame) of everything that the server sent.
    """

    def __init__(
        self,
        script: Script | Replies,
        config: ServerConfig | None = None,
        *,
        ids: Ids | None = None,
        opening: Accept | None = None,
    ) -> None:
        config = config or ServerConfig()
        core = ServerCore(script, config, ids=ids, opening=opening)
        self.core: ServerCore | FaultyCore = (
            core if config.faults is None else FaultyCore(core, config.faults)
        )
        self.now = 0.0
        self.log: list[tuple[float, Frame]] = []
        self.core.connect(self.now)
        self._collect()

    # --- the client ---

    def send(self, type: str, **fields: Any) -> None:
        """Send a client event now."""
        self.core.receive({"type": type, **fields}, self.now)
        self._collect()

    def send_text(self, text: str) -> None:
        """Send any text frame now."""
        self.core.receive(text, self.now)
        self._collect()

    def speak(
        self, transcript: str, *, seconds: float = 1.0, item_id: str | None = None
    ) -> str | None:
        """Let the user start to speak now, see :meth:`ServerCore.user_speaks`."""
        item = self.core.user_speaks(self.now, seconds, transcript, item_id)
        self._collect()
        return item

    # --- time ---

    def run(self, seconds: float | None = None) -> None:
        """Let *seconds* pass, or as many as it takes until nothing is due any more."""
        end = None if seconds is None else self.now + seconds
        while (deadline := self.core.next_deadline()) is not None and (
            end is None or deadline <= end
        ):
            self._jump(deadline)
        if end is not None:
            self.now = end

    def run_until(self, type: str, count: int = 1) -> dict[str, Any]:
        """Let time pass until *count* events of that type were sent; return the last of them.

        Raises ``LookupError`` when nothing is due any more before that.
        """
        while len(found := self.events(type)) < count:
            deadline = self.core.next_deadline()
            if deadline is None:
                raise LookupError(
                    f"{len(found)} of {count} {type} were sent, and no more is coming"
                )
            self._jump(deadline)
        return found[count - 1]

    def _jump(self, deadline: float) -> None:
        self.now = max(self.now, deadline)
        self.core.advance(self.now)
        self._collect()

    def _collect(self) -> None:
        self.log += [(self.now, frame) for frame in self.core.take()]

    # --- what was sent ---

    def events(self, type: str | None = None) -> list[dict[str, Any]]:
        """Return the server's events, of one type or all."""
        found = [frame.event for _, frame in self.log if isinstance(frame, Send)]
        return [event for event in found if type in (None, event["type"])]

    def types(self) -> list[str]:
        """Return the types of the server's events."""
        return [event["type"] for event in self.events()]

    def time_of(self, type: str) -> float:
        """Return when the first event of that type was sent. Raises ``LookupError`` if none was."""
        for t, frame in self.log:
            if isinstance(frame, Send) and frame.event["type"] == type:
                return t
        raise LookupError(f"no {type} was sent")

    @property
    def ending(self) -> Close | Drop | None:
        """The frame that ended the connection."""
        last = self.log[-1][1] if self.log else None
        return last if isinstance(last, (Close, Drop)) else None

    @property
    def done(self) -> dict[str, Any]:
        """The response in the last ``response.done``. Raises ``IndexError`` if there is none."""
        response: dict[str, Any] = self.events("response.done")[-1]["response"]
        return response

    @property
    def error(self) -> dict[str, Any]:
        """The body of the last ``error``. Raises ``IndexError`` if there is none."""
        body: dict[str, Any] = self.events("error")[-1]["error"]
        return body
