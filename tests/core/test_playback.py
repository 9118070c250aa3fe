"""Playback at its edges: which message a report is about, and which turn's clock it moves (G14)."""

from __future__ import annotations

import realtime_fsm as rf

from .harness import Bench


def test_g14_a_report_after_the_turn_is_surplus_where_no_sink_was_known() -> None:
    b = Bench()
    turn = b.speaking()
    b.done("r1")
    assert turn.outcome is rf.TurnOutcome.COMPLETED
    assert not b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.messages[0].outcome is None
    assert b.c.ignored["surplus playback report"] == 1


def test_g14_the_end_of_another_turn_does_not_unpair_what_plays() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    other = b.ask()
    b.interrupt(other)
    assert other.outcome is rf.TurnOutcome.INTERRUPTED
    assert b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.messages[0].outcome is rf.MessageOutcome.FULL


def test_g14_text_that_is_read_needs_no_first_frame() -> None:
    """The sink does not tell when it begins, so that nothing was told means nothing."""
    b = Bench(playback=True)
    turn = b.ask()
    b.created(turn, "r1")
    for item_id in ("m1", "m2"):
        b.message("r1", item_id, audio_ms=0)
        b.got(rf.MessagePulled(item_id=item_id))
    assert turn.messages[0].outcome is rf.MessageOutcome.FULL


def test_g14_playback_that_moves_gives_a_cancelled_turn_no_more_time() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.message("r1", "m2")
    b.interrupt(turn)
    b.wait(1.0)
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=True))
    assert (turn.state, b.ends_by(turn)) == (rf.TurnState.CANCELLING, 5.0)


def test_a_turn_knows_whether_its_sink_tells_when_it_begins() -> None:
    b = Bench(playback=True)
    assert b.ask().audible is False
    b.c.audible = True
    assert b.ask().audible is True


def test_the_words_that_were_heard_are_kept() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.got(
        rf.PlaybackFinished(position_ms=500, interrupted=True, synchronized_transcript="All right")
    )
    assert turn.messages[0].transcript == "All right"
