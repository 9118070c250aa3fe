"""Finds the moment from which on a call can be judged of which something is missing before it.

What was under way in the part that is missing is not known: a response may be alive, a message may
play. It is over when the call has begun something new after it, which the server allows only when
nothing else is alive, and that has ended, and then nothing happened for a while.
"""

from __future__ import annotations

from .facts import Begun, Fact, Frame, Moved, SoundBegan, TurnOver
from .format import Header, Line
from .kept import Kept
from .story import Story

__all__ = ["Quiet"]

_STILL = 1.0  # seconds; what belongs together comes closer together than this
_PLAYS = 30.0  # seconds for which something may play that began before
_BEGINS = ("response.created", "session.created")


class Quiet:
    """Takes the facts after what is missing, one by one.

    Args:
        header: of the call.
    """

    def __init__(self, header: Header) -> None:
        self._story = Story(partial=True)
        self._story.apply(Begun(Line(0, 0.0, "", "begun", 0, {}), header))
        self._first: float | None = None
        #: What played before is over, if anything is played: something else began to.
        self._played = header.mode in ("raw", "server")
        self._begun = False  # a response, or a connection, since
        self._turns: Kept[str, None] = Kept()

    def feed(self, fact: Fact) -> bool:
        """Whether nothing was under way before this fact, which takes effect afterwards."""
        story = self._story
        quiet = self._begun and not self._busy()
        self._first = fact.t if self._first is None else self._first
        if quiet and story.timed:
            over = self._played or fact.t - self._first >= _PLAYS
            quiet = over and fact.t - max(story.active_at, story.sounds_until) >= _STILL
        story.advance(fact.t)
        story.apply(fact)
        self._played = self._played or isinstance(fact, SoundBegan)
        self._begun = self._begun or (isinstance(fact, Frame) and fact.type in _BEGINS)
        if isinstance(fact, Moved) and fact.dest not in ("done", "failed"):
            self._turns[fact.turn] = None
        elif isinstance(fact, (Moved, TurnOver)):
            self._turns.pop(fact.turn, None)
        return quiet

    def _busy(self) -> bool:
        story, connection = self._story, self._story.wire.connection
        agent = "" if story.agent is None else story.agent.new
        return bool(
            story.wire.alive(connection)
            or story.wire.asked(connection)
            or story.speeches
            or story.works
            or story.speaking
            or story.sound.playing
            or self._turns
            or agent in ("thinking", "speaking")
        )
