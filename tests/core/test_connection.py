"""Connections at their edges: what waits for one, how long, and what a new one changes."""

from __future__ import annotations

import pytest

import realtime_fsm as rf
from realtime_fsm import TurnState

from .harness import Bench
from .test_rows import PLACES

LOST = rf.ErrorInfo(kind=rf.ErrorKind.TRANSIENT, code="connection_lost")


def lost(b: Bench, *, for_good: bool = False) -> None:
    b.got(rf.ConnectionLost(error=LOST, for_good=for_good))


def test_g9_another_loss_does_not_give_a_waiting_turn_more_time() -> None:
    b = Bench()
    turn = PLACES["waiting"](b)
    b.wait(3.0)
    lost(b)
    assert turn.recover_by == 8.0


def test_g9_a_connection_ends_the_clock_of_a_turn_that_only_waited_for_it() -> None:
    b = Bench()
    turn = PLACES["waiting"](b)
    b.got(rf.ConnectionReady())
    assert turn.recover_by is None
    failing = Bench()
    turn = PLACES["retrying"](failing)
    lost(failing)
    failing.got(rf.ConnectionReady())
    assert turn.recover_by == 8.0


def test_g11_a_create_that_leaves_shows_a_connection_and_its_minute_begins() -> None:
    b = Bench(rf.RetryPolicy(max_reconnect=1, on_exhausted="escalate"))
    turn = b.ask()
    lost(b)
    b.wait(1.0)
    b.sent(turn)
    b.wait(60.0)
    lost(b)
    b.got(rf.ConnectionReady())
    assert b.c.dead is None
    lost(b)
    assert b.c.dead is not None


def test_g11_a_healthy_minute_counts_for_the_loss_that_ends_it_alone() -> None:
    """What replaces it and never comes up is no healthy connection, however long ago it was."""
    b = Bench(rf.RetryPolicy(max_retry=3, on_exhausted="escalate"))
    b.got(rf.ConnectionReady())
    b.wait(60.0)
    for _ in range(4):
        assert b.c.dead is None
        lost(b, for_good=True)
    assert b.c.dead is not None


def test_g19_an_interrupted_create_has_its_time_to_leave_on_a_new_connection() -> None:
    b = Bench()
    turn = b.ask()
    b.interrupt(turn)
    b.wait(1.0)
    lost(b)
    b.wait(2.0)
    b.got(rf.ConnectionReady())
    b.wait(4.9)
    assert b.c.connected
    b.wait(0.1)
    assert not b.c.connected, "nothing leaves, it seems"


def test_g19_what_a_conflict_named_while_nothing_left_goes_with_its_connection() -> None:
    """The lane took the connection for dead; it was not, and so a frame says."""
    b = Bench()
    turn = b.ask()
    b.interrupt(turn)
    b.wait(5.0)
    assert not b.c.connected
    b.refused(None, "conversation_already_has_active_response", "in progress: resp_9")
    b.c.frame_received(b.now)
    assert b.c.connected
    assert b.c.epoch == 0, "it is the same one"
    assert b.c.owner_of("resp_9") is not None
    b.got(rf.ConnectionReady())
    assert b.c.owner_of("resp_9") is None


def test_g24_what_waited_for_a_connection_taken_for_stuck_is_asked_once_the_frame_is_read() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted())
    b.wait(61.0)
    stopped = b.ask()
    b.interrupt(stopped)
    b.wait(5.0)
    b.got(rf.CreateNotSent(turn_id=stopped.id, attempt=1, error=rf.error_info("no", None, "")))
    asked = b.ask()
    b.c.frame_received(b.now)
    assert b.c.next_deadline() == b.now
    b.got(rf.SpeechStopped(), rf.InputCommitted())
    assert (asked.id, 1) not in b.creates, "server VAD may answer"


def test_g18_an_answer_that_is_owed_on_a_connection_taken_for_stuck_is_asked_for_on_the_next() -> (
    None
):
    b = Bench()
    b.interrupt(b.ask())
    b.wait(5.0)
    assert not b.c.connected
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    b.got(rf.ConnectionReady())
    (owed,) = (turn for turn in b.c.turns if turn.origin is rf.Origin.SERVER_VAD)
    assert owed.state is rf.TurnState.REQUESTED


def test_g19_a_create_queued_in_a_session_that_is_replaced_is_asked_again() -> None:
    """It never leaves, so it must not hold the lane either."""
    b = Bench()
    turn = b.ask()
    lost(b, for_good=True)
    b.got(rf.ConnectionReady())
    b.wait(0.1)
    assert b.creates == [(turn.id, 1), (turn.id, 2)]
    assert not b.got(rf.CreateSent(turn_id=turn.id, attempt=1, event_id="late"))
    b.created(turn, "r1")
    assert turn.state is rf.TurnState.CREATED


def test_g4_an_interrupted_create_goes_with_the_session_it_was_queued_in() -> None:
    b = Bench()
    turn = b.ask()
    b.interrupt(turn)
    lost(b, for_good=True)
    assert turn.outcome is rf.TurnOutcome.INTERRUPTED
    b.got(rf.ConnectionReady())
    after = b.ask()
    assert b.creates[-1] == (after.id, 1)


def test_g19_a_create_that_is_queued_stays_queued_where_nothing_is_replaced() -> None:
    b = Bench()
    turn = b.ask()
    lost(b)
    b.got(rf.ConnectionReady())
    b.wait(1.0)
    assert b.creates == [(turn.id, 1)]
    b.created(turn, "r1")
    assert turn.state is rf.TurnState.CREATED


# --- limits


def test_g9_a_limit_is_a_hint_for_every_way_a_create_is_refused() -> None:
    for refuse in (
        lambda b, turn, error: b.got(rf.CreateNotSent(turn_id=turn.id, attempt=1, error=error)),
        lambda b, turn, error: b.got(rf.ErrorReceived(error=error, event_id=b.sent(turn))),
    ):
        b = Bench()
        turn = b.ask()
        b.got(rf.RateLimitsUpdated(reset_after=2.0))
        refuse(b, turn, rf.error_info("rate_limit_exceeded", None, ""))
        assert turn.error is not None
        assert turn.error.retry_after == 2.0


def test_g9_a_limit_that_is_reset_at_this_instant_is_no_hint() -> None:
    b = Bench()
    turn = PLACES["created"](b)
    b.got(rf.RateLimitsUpdated(reset_after=2.0))
    b.wait(2.0)
    b.failed("r1", "rate_limit_exceeded")
    assert turn.retry_at == 2.1


def test_g9_a_limit_changes_neither_a_retry_on_its_way_nor_a_hint() -> None:
    b = Bench()
    turn = PLACES["created"](b)
    b.failed("r1", "rate_limit_exceeded")
    b.wait(0.5)
    assert turn.state is rf.TurnState.REQUESTED
    b.got(rf.RateLimitsUpdated(reset_after=3.0))
    assert turn.retry_at == 0.1
    b = Bench()
    turn = PLACES["created"](b)
    b.failed("r1", "rate_limit_exceeded", "Please try again in 1s.")
    b.wait(0.5)
    b.got(rf.RateLimitsUpdated(reset_after=3.0))
    assert turn.retry_at == 1.0


def test_g9_a_hint_without_end_is_none() -> None:
    assert rf.error_info(None, None, f"try again in {'9' * 400}s").retry_after is None


@pytest.mark.parametrize(
    ("policy", "at"),
    [
        (rf.RetryPolicy(recovery_deadline=0.1), 0.0),
        (rf.RetryPolicy(recovery_deadline=8.0, retry_interval=4.0), 4.0),
    ],
    ids=["the first", "the second"],
)
def test_g9_a_retry_that_is_due_at_the_deadline_is_still_tried(
    policy: rf.RetryPolicy, at: float
) -> None:
    b = Bench(policy)
    turn = PLACES["retrying"](b)
    if at:
        b.wait(0.5)
        b.created(turn, "r2")
        b.wait(at - b.now)
        b.failed("r2")
    assert turn.state is rf.TurnState.RETRY_WAIT


def test_g10_a_session_that_died_holds_nobody_up() -> None:
    b = Bench()
    PLACES["sent"](b)
    b.got(rf.SessionFailed(error=rf.error_info("gone", None, "")))
    assert b.c.next_deadline() is None


# --- what a lost connection takes with it (G16)


def test_g16_what_was_heard_and_remembered_before_is_not_restored() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    b.done("r1")
    assert turn.outcome is rf.TurnOutcome.COMPLETED
    lost(b)
    b.got(rf.ConnectionReady())
    assert b.those(rf.RestoreItem) == []
    assert turn.messages[0].remembered_ms is None


def test_g16_a_cut_that_was_not_confirmed_is_restored() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.interrupt(turn)
    b.got(rf.PlaybackFinished(position_ms=400, interrupted=True))
    b.done("r1", rf.ResponseStatus.CANCELLED)
    assert turn.outcome is rf.TurnOutcome.INTERRUPTED
    lost(b)
    b.got(rf.ConnectionReady())
    assert [x.item_id for x in b.those(rf.RestoreItem)] == ["m1"]


def test_g16_two_losses_while_it_plays_restore_a_message_once() -> None:
    b = Bench(playback=True)
    b.speaking()
    for _ in range(2):
        lost(b)
        b.got(rf.ConnectionReady())
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert [x.item_id for x in b.those(rf.RestoreItem)] == ["m1"]


# --- what plain LiveKit survives (kind H)


def test_g10_g26_no_retries_end_no_session_at_a_drop() -> None:
    b = Bench(rf.RetryPolicy(max_retry=0))
    b.got(rf.ConnectionLost(error=LOST))
    b.got(rf.ConnectionReady())
    assert b.those(rf.ReportSession) == []
    turn = b.ask()
    b.created(turn, "r1")
    assert turn.state is TurnState.CREATED


@pytest.mark.parametrize("told", [True, False], ids=["error first", "with the loss"])
def test_g11_a_planned_end_costs_nothing(told: bool) -> None:
    b = Bench(rf.RetryPolicy(max_retry=0, max_reconnect=0))
    turn = b.ask()
    b.created(turn, "r1")
    expired = rf.error_info("session_expired", None, "")
    for number in range(2, 5):
        if told:
            b.got(rf.ErrorReceived(error=expired))
        b.got(rf.ConnectionLost(error=LOST if told else expired))
        assert b.those(rf.ReportSession) == []
        b.got(rf.ConnectionReady())
        b.wait(0.1)
        assert b.creates[-1] == (turn.id, number), "asked again, without a retry to spend"
        b.created(turn, f"r{number}")


def test_g11_an_announced_end_that_did_not_come_forgives_no_later_loss() -> None:
    b = Bench(rf.RetryPolicy(max_reconnect=0, on_exhausted="escalate"))
    b.got(rf.ErrorReceived(error=rf.error_info("session_expired", None, "")))
    b.got(rf.ConnectionReady())
    b.got(rf.ConnectionLost(error=LOST))
    assert len(b.those(rf.ReportSession)) == 1


def test_g19_a_planned_end_for_good_is_replaced() -> None:
    b = Bench()
    b.got(rf.ErrorReceived(error=rf.error_info("session_expired", None, "")))
    b.got(rf.ConnectionLost(error=LOST, for_good=True))
    (replaced,) = b.those(rf.ReplaceConnection)
    assert replaced.wait == 0.0


@pytest.mark.parametrize("code", ["permission_error", "authentication_error"])
def test_g10_what_plain_survives_fails_its_turn_alone(code: str) -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.failed("r1", code)
    (report,) = b.those(rf.ReportFailure)
    assert (turn.outcome, report.fatal) == (rf.TurnOutcome.FAILED, False)
    assert b.refused(b.sent(b.ask()), code)
    assert b.those(rf.ReportSession) == []
    after = b.ask()
    b.created(after, "r3")
    assert after.state is TurnState.CREATED


def test_g10_what_ends_plain_ends_the_session() -> None:
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), "insufficient_quota")
    assert len(b.those(rf.ReportSession)) == 1
