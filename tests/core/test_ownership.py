"""Whose an event is (G3), and what an ended or abandoned one may still do: nothing."""

from __future__ import annotations

import pytest

import realtime_fsm as rf
from realtime_fsm._core.policy import RetryPolicy
from realtime_fsm._core.timers import timer_of

from .harness import Bench
from .test_rows import PLACES

NOT_ACTIVE = "response_cancel_not_active"


def test_g3_a_late_failure_of_a_create_given_up_is_not_the_pending_ones() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    turn = b.ask()
    first = b.sent(turn)
    b.wait(5.0)
    (probe,) = b.those(rf.ProbeCancel)
    b.refused(probe.event_id, NOT_ACTIVE)
    b.wait(0.1)
    b.sent(turn)
    failed = rf.ResponseStatus.FAILED
    b.got(rf.ResponseDone(response_id="late", status=failed, client_event_id=first))
    assert (turn.state, turn.attempts, turn.retries) == (rf.TurnState.REQUESTED, 2, 1)


def test_g3_what_is_ignored_is_counted_by_its_reason() -> None:
    b = Bench()
    turn = PLACES["playing"](b)
    b.got(rf.ResponseCreated(response_id="r1", client_event_id="create_1"))
    b.got(rf.CallReceived(response_id="r1", item_id="m1"))
    assert b.c.ignored == {"repeated response.created": 1, "a message became a call": 1}
    assert turn.calls == ()


def test_g8_what_comes_after_a_stall_is_not_handed_out() -> None:
    """The turn plays out what it has, and stays the owner of its response until its terminal."""
    b = Bench(playback=True)
    turn = b.speaking()
    b.wait(8.0)
    b.wait(12.0)
    assert turn.ending is rf.TurnOutcome.FAILED
    b.message("r1", "m2")
    assert ([m.item_id for m in turn.messages], b.delivered) == (["m1"], ["m1"])
    b.done("r1", rf.ResponseStatus.CANCELLED)
    assert b.deleted == ["m2"]


def test_g17_a_call_is_activity_and_leaves_nothing_to_delete() -> None:
    b = Bench()
    turn = PLACES["created"](b)
    b.wait(3.0)
    assert b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    assert b.c.next_deadline() == 3.0 + 8.0
    b.interrupt(turn)
    b.done("r1", rf.ResponseStatus.CANCELLED)
    assert b.deleted == []


def test_g17_a_call_of_a_cancelled_response_is_known() -> None:
    b = Bench()
    turn = PLACES["created"](b)
    b.interrupt(turn)
    assert b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    assert b.delivered == []


def test_g12_a_fatal_error_that_answers_nothing_concerns_all() -> None:
    b = Bench()
    assert b.refused(None, "insufficient_quota")
    assert b.c.dead is not None


@pytest.mark.parametrize("called", [False, True])
def test_g8_a_failure_is_the_handles_unless_a_tool_was_called(called: bool) -> None:
    b = Bench()
    turn = PLACES["created"](b)
    if called:
        b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    b.failed("r1", "invalid_value")
    (report,) = b.those(rf.ReportFailure)
    assert (report.turn_id, report.on_handle) == (turn.id, not called)


def test_a_message_knows_its_attempt() -> None:
    b = Bench()
    turn = PLACES["retrying"](b)
    b.wait(0.5)
    b.created(turn, "r2")
    assert b.got(rf.ItemStarted(response_id="r2", item_id="m2", kind=rf.ItemKind.MESSAGE))
    assert [(m.item_id, m.attempt, m.number) for m in turn.messages] == [("m2", 2, 1)]


def test_how_a_turn_will_end_is_known_before() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    assert turn.ending is None
    b.interrupt(turn)
    assert turn.ending is rf.TurnOutcome.INTERRUPTED
    b = Bench()
    turn = PLACES["created"](b)
    b.failed("r1", "insufficient_quota")
    assert turn.ending is rf.TurnOutcome.FAILED


@pytest.mark.parametrize("place", ["sent", "retrying", "playing"])
def test_g7_an_ended_turn_runs_no_clock(place: str) -> None:
    b = Bench()
    turn = PLACES[place](b)
    b.c.close(b.now)
    assert timer_of(turn, RetryPolicy(), user_speaking=False, waited_for=False) is None


# --- what is remembered


def test_g25_a_server_that_uses_an_item_id_again_harms_nothing() -> None:
    """Only the last turns are remembered; each forgets its own messages."""
    b = Bench()
    b.c = rf.TurnController(keep=1)
    for n, item_id in enumerate(("same", "same", "other")):
        turn = b.ask()
        b.created(turn, f"r{n}")
        b.message(f"r{n}", item_id)
        b.done(f"r{n}")
        assert turn.outcome is rf.TurnOutcome.COMPLETED


def test_responses_that_were_not_asked_for_are_forgotten_too() -> None:
    b = Bench()
    b.c = rf.TurnController(keep=1)
    for n in range(3):
        b.got(rf.ResponseCreated(response_id=f"v{n}"))
        b.done(f"v{n}", rf.ResponseStatus.CANCELLED)
    assert len(b.c.finished) == 1


def test_g16_what_still_comes_of_a_session_that_failed_is_nobodys() -> None:
    b = Bench(playback=True)
    turn = b.ask()
    b.created(turn, "r1")
    b.item("r1", "m1")
    b.got(rf.SessionFailed(error=rf.error_info("gone", None, "")))
    deletes = b.those(rf.DeleteItem)
    late = rf.OutputReceived(response_id="r1", item_id="m1", audio_ms=100)
    assert not b.got(late, rf.ResponseDone(response_id="r1", status=rf.ResponseStatus.COMPLETED))
    assert b.those(rf.DeleteItem) == deletes
    assert len(deletes) == 1
