"""Which message a report is about: sinks send no ids, so pairing is serial (G14).

The host plays messages strictly one after another: it pulls a message only when the one before
is over. So a report belongs to the message that was pulled and is not finished yet, and a pull
closes whatever came before it.
"""

from __future__ import annotations

from ._machine import PLAYBACK, Fired, fire_row
from ._playback_table import PlaybackEvent, Report
from ._states import MessageOutcome
from ._turn import Message, Turn

NOTHING = Report()


def apply(message: Message, event: PlaybackEvent, report: Report = NOTHING) -> bool:
    """Fire one event at one message. Returns whether a row was taken."""
    return fire_row(PLAYBACK, message, event, report) is Fired.TAKEN


def finish_playback(turn: Turn) -> None:
    """Nothing of the turn plays any more: every message gets its outcome.

    Where no sink reports, what was pulled stays open: nobody knows.
    """
    turn.speech_over = True
    for message in turn.messages:
        known = message.outcome is not None
        if not known and (not message.exposed or turn.playback_reported):
            report = Report(interrupted=turn.interrupted, audible=turn.audible)
            apply(message, PlaybackEvent.SPEECH_OVER, report)


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
            concerned = message.exposed and (turn.live or message.difference is not None)
            if concerned and message not in self._messages:
                message.remembered_ms = 0
                self._messages.append(message)

    def settled(self) -> list[Message]:
        """Take those that something was heard of. Those that nothing was heard of need nothing."""
        known = [m for m in self._messages if m.outcome is not None]
        self._messages = [m for m in self._messages if m.outcome is None]
        return [m for m in known if m.outcome is not MessageOutcome.SKIPPED]


class Playback:
    """The message being forwarded, if any."""

    __slots__ = ("_message", "_turn")

    def __init__(self) -> None:
        self._turn: Turn | None = None
        self._message: Message | None = None

    def pulled(self, turn: Turn, message: Message) -> Turn | None:
        """A message's turn to play has come. Returns the turn whose message this closed."""
        before, closed = self._message, self._turn
        self._turn, self._message = turn, message
        apply(message, PlaybackEvent.PULLED)
        if before is None or before is message or before.outcome is not None:
            return None
        audible = closed is not None and closed.audible
        apply(before, PlaybackEvent.NEXT_PULLED, Report(audible=audible))
        return closed

    def happened(self, event: PlaybackEvent, report: Report = NOTHING) -> Turn | None:
        """Something without an id. Returns the turn it concerns, or None for a surplus one."""
        if self._message is None or not apply(self._message, event, report):
            return None
        return self._turn

    def forget(self, turn: Turn) -> None:
        if self._turn is turn:
            self._turn = self._message = None
