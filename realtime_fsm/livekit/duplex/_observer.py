"""Who is told of delegations, besides listeners and the log."""

from __future__ import annotations

from dataclasses import dataclass

from ...duplex import Loss, Moved


@dataclass(frozen=True, slots=True)
class DuplexSessionInfo:
    """One session that is watched.

    Attributes:
        number: From 1, in the order in which a watcher followed them.
        provider: Whose service, as LiveKit names it.
        model: The voice model.
    """

    number: int
    provider: str
    model: str


class DuplexObserver:
    """Override what you want to hear of. What is raised is logged once, and harms nobody."""

    def moved(self, session: DuplexSessionInfo, move: Moved) -> None:
        """A delegation began (``move.source`` is ""), moved, or is over (``move.over``)."""

    def lost(self, session: DuplexSessionInfo, loss: Loss) -> None:
        """Something was lost, once."""

    def session_ended(self, session: DuplexSessionInfo) -> None:
        """The session was closed, or is not watched any more."""
