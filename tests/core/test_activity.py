"""G22: what is shown is computed from the turns, so that it cannot stick."""

from __future__ import annotations

import pytest

import realtime_fsm as rf
from realtime_fsm import Activity

from .harness import Bench
from .test_rows import EVENTS, PLACES

ACTIVITIES = [
    ("waiting", Activity.REQUESTED),
    ("queued", Activity.REQUESTED),
    ("sent", Activity.REQUESTED),
    ("created", Activity.THINKING),
    ("item", Activity.THINKING),
    ("playing", Activity.SPEAKING),
    ("heard", Activity.THINKING),
    ("retrying", Activity.RECOVERING),
    ("stopping", Activity.IDLE),
    ("stopping_playing", Activity.IDLE),
]


@pytest.mark.parametrize(("place", "activity"), ACTIVITIES)
def test_g22_what_a_turn_makes_of_the_session(place: str, activity: Activity) -> None:
    b = Bench(playback=True)
    assert b.c.activity is Activity.IDLE
    turn = PLACES[place](b)
    assert b.c.activity is activity
    EVENTS["closed"](b, turn)
    assert b.c.activity is Activity.IDLE


def test_g22_a_retry_is_recovering_until_something_is_handed_out() -> None:
    b = Bench(playback=True)
    turn = PLACES["retrying"](b)
    b.wait(0.2)
    assert (turn.state, b.c.activity) == (rf.TurnState.REQUESTED, Activity.RECOVERING)
    b.created(turn, "r2")
    b.item("r2", "m2")
    assert b.c.activity is Activity.RECOVERING
    b.got(rf.OutputReceived(response_id="r2", item_id="m2", audio_ms=100))
    assert b.c.activity is Activity.THINKING
    b.got(rf.MessagePulled(item_id="m2"))
    assert b.c.activity is Activity.SPEAKING
    b.got(rf.PlaybackPaused())
    assert b.c.activity is Activity.THINKING


def test_g22_a_turn_that_waits_without_a_connection_is_requested() -> None:
    """Nothing of it failed, though its time is limited."""
    b = Bench()
    turn = PLACES["waiting"](b)
    assert turn.recover_by is not None
    assert b.c.activity is Activity.REQUESTED


def test_g22_of_several_turns_the_one_that_is_heard_is_told() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.ask()
    assert b.c.activity is Activity.SPEAKING
    b.interrupt(turn)
    assert b.c.activity is Activity.REQUESTED
