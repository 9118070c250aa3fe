"""Which message a report is about: sinks send no ids, so pairing is serial (G14).

The host plays messages strictly one after another: it pulls a message only when the one before
is over. So a report belongs to the message that was pulled and is not finished yet, and a pull
closes whatever came before it.
"""

from __future__ import annotations

from .records import Message, Turn
from .states import MessageOutcome


class Stranded:
    """Messages whose connection was lost before it was known how much of them is heard.

    The replay of a new connection does not have them, or has words nobody will hear.
    """

    __slots__ = ("_messages",)

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def __bool__(self) -> bool:
        return bool(self._messages)

    def add(self, turn: Turn) -> None:
        """The connection is lost that this turn's messages came on, if it is live, or that a
        correction of them was sent on."""
        for message in turn.messages:
            concerned = message.delivered and (turn.live or message.difference is not None)
            if concerned and not message.released and message not in self._messages:
                message.remembered_ms = 0
                self._messages.append(message)

    def settled(self) -> list[Message]:
        """Take those that something was heard of. Those that nothing was heard of need nothing."""
        known = [m for m in self._messages if m.outcome is not None]
        self._messages = [m for m in self._messages if m.outcome is None]
        return [m for m in known if m.outcome is not MessageOutcome.SKIPPED]


class Playback:
    """The message being forwarded, and its turn, if there is one.

    Attributes:
        turn: Whose it is; None while nothing is forwarded.
        message: The one that a report is about.
    """

    __slots__ = ("message", "turn")

    def __init__(self) -> None:
        self.turn: Turn | None = None
        self.message: Message | None = None

    def pulled(self, turn: Turn, message: Message) -> tuple[Turn, Message] | None:
        """A message's turn to play has come. Returns the one before, if that is not over."""
        before, of = self.message, self.turn
        self.turn, self.message = turn, message
        if of is None or before is None or before is message or before.outcome is not None:
            return None
        return of, before

    def forget(self, turn: Turn) -> None:
        if self.turn is turn:
            self.turn = self.message = None
