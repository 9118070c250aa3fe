"""What a session is doing, computed from its turns each time it is asked (G22)."""

from __future__ import annotations

from collections.abc import Iterable

from .records import Turn
from .states import Activity, PlaybackState, TurnState

#: What is told when several turns are alive: the first of these.
_ORDER = (Activity.SPEAKING, Activity.RECOVERING, Activity.THINKING, Activity.REQUESTED)


def activity_of(turns: Iterable[Turn]) -> Activity:
    """The activity of a session with these live turns."""
    found = {_activity(turn) for turn in turns}
    return next((a for a in _ORDER if a in found), Activity.IDLE)


def _activity(turn: Turn) -> Activity:
    if turn.state is TurnState.CANCELLING:
        return Activity.IDLE
    if any(m.state is PlaybackState.PLAYING and m.outcome is None for m in turn.messages):
        return Activity.SPEAKING
    if turn.recover_by is not None and turn.first_failure is not None:
        return Activity.RECOVERING
    if turn.state is TurnState.REQUESTED:
        return Activity.REQUESTED
    return Activity.THINKING
