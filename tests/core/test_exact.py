"""Whose, and exactly when: circumstances that meet in rare orders only."""

from __future__ import annotations

from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm._core.frames import text_delta

from .harness import Bench

ACTIVE = "conversation_already_has_active_response"
VAD = rf.SessionConfigured(server_creates=True, server_interrupts=True)
LOST = rf.ConnectionLost(error=rf.error_info("lost", "server_error", ""))
SPOKEN = (rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())


def due(b: Bench) -> float | None:
    at = b.c.next_deadline()
    return None if at is None else round(at - b.now, 6)


def at_next(b: Bench) -> float:
    """Seconds until something happens, let happen."""
    seconds = due(b)
    assert seconds is not None
    b.wait(seconds)
    return seconds


# --- words


@pytest.mark.parametrize(
    "kind",
    [
        "response.output_audio_transcript.delta",
        "response.audio_transcript.delta",
        "response.output_text.delta",
        "response.text.delta",
    ],
)
def test_a_delta_of_words_is_read(kind: str) -> None:
    frame: dict[str, Any] = {"type": kind, "item_id": "i1", "delta": "Hello"}
    assert text_delta(frame) == ("i1", "Hello")
    for key in frame:
        assert text_delta({**frame, key: None}) is None
        assert text_delta({k: v for k, v in frame.items() if k != key}) is None
    assert text_delta({**frame, "type": "response.output_audio.delta"}) is None
    assert text_delta({**frame, "delta": ""}) is None


def test_more_of_a_message_comes_while_its_response_is_alive() -> None:
    b = Bench(playback=True)
    b.speaking()
    assert b.c.generates("m1")
    assert not b.c.generates("m2")
    b.done("r1")
    assert not b.c.generates("m1")


# --- errors


def test_g20_a_harmless_error_that_names_a_response_does_not_close_the_lane() -> None:
    b = Bench()
    b.refused("somebody", "server_error", "active response in progress: resp_9")
    turn = b.ask()
    assert b.creates == [(turn.id, 1)]


def test_g20_an_error_for_somebody_else_does_not_answer_server_vad() -> None:
    b = Bench()
    b.got(VAD, *SPOKEN)
    assert not b.refused("somebody", "server_error")
    assert b.c.turns == ()


def test_g18_a_refused_answer_of_server_vad_is_retried_as_its_own_turn() -> None:
    b = Bench()
    b.got(VAD, *SPOKEN)
    assert b.refused(None, "server_error", "busy")
    (turn,) = b.c.turns
    assert turn.origin is rf.Origin.SERVER_VAD
    assert turn.error is not None
    assert turn.error.code == "server_error"


def test_g18_it_takes_the_place_of_a_turn_that_waits_for_its_retry() -> None:
    b = Bench()
    b.got(VAD)
    older = b.ask()
    b.refused(b.sent(older), "server_error")
    b.got(*SPOKEN)
    b.refused(None, "server_error")
    assert older.outcome is rf.TurnOutcome.SUPERSEDED
    assert [t.origin for t in b.c.turns] == [rf.Origin.SERVER_VAD]


def test_g9_a_refusal_waits_for_the_reset_of_an_exhausted_limit() -> None:
    b = Bench()
    b.got(rf.RateLimitsUpdated(reset_after=3.0))
    b.wait(1.0)
    turn = b.ask()
    b.refused(b.sent(turn), "rate_limit_exceeded")
    assert round(turn.retry_at - b.now, 6) == 2.0


def test_g9_a_reset_leaves_alone_what_does_not_wait_for_it() -> None:
    b = Bench()
    hinted = b.ask()
    b.refused(b.sent(hinted), "rate_limit_exceeded", "try again in 1s")
    b.got(rf.RateLimitsUpdated(reset_after=3.0))
    assert round(hinted.retry_at - b.now, 6) == 1.0
    b.wait(1.0)
    assert hinted.attempts == 2
    at = hinted.retry_at
    b.got(rf.RateLimitsUpdated(reset_after=2.0))
    assert hinted.retry_at == at


# --- whose response


def test_g3_a_terminal_of_a_strangers_response_makes_it_known_as_over() -> None:
    b = Bench()
    assert not b.done("r9")
    assert not b.got(rf.ResponseCreated(response_id="r9"))
    assert b.c.turns == ()


def test_g17_a_call_whose_item_was_not_announced() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    assert b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    assert (turn.calls, turn.messages, b.delivered) == (("f1",), (), ["f1"])
    assert not b.got(rf.CallReceived(response_id="r8", item_id="f2"))
    assert turn.calls == ("f1",)


def test_g25_a_message_that_becomes_a_call_is_counted() -> None:
    b = Bench()
    turn = b.speaking()
    assert not b.got(rf.CallReceived(response_id="r1", item_id="m1"))
    assert b.c.ignored["a message became a call"] == 1
    assert turn.calls == ()


def test_g4_a_call_is_a_sign_of_life() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.wait(15.0)
    b.item("r1", "f1", rf.ItemKind.FUNCTION_CALL)
    b.wait(5.0)
    b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    assert due(b) == b.c.policy.stall_timeout


def test_g4_a_call_of_a_response_that_was_let_go_belongs_to_nobody() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.interrupt(turn)
    b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    assert (turn.calls, b.delivered) == ((), [])


# --- conflicts


def test_g20_a_conflict_that_names_a_response_that_is_over_holds_nothing_up() -> None:
    b = Bench()
    b.speaking(response_id="resp_1")
    b.done("resp_1")
    turn = b.ask()
    b.refused(b.sent(turn), ACTIVE, "active response in progress: resp_1")
    assert b.creates[1:] == [(turn.id, 1), (turn.id, 2)]


def test_g20_a_conflict_with_a_response_that_never_shows_itself_is_believed_for_a_moment() -> None:
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), ACTIVE, "active response in progress: resp_9")
    since = b.now
    while not b.cancels:
        at_next(b)
    assert b.cancels == ["resp_9"]
    assert round(b.now - since, 6) == 2.0
    assert len(b.creates) == 1


def test_g20_a_slot_that_is_taken_by_what_does_not_run_is_left_with_its_connection() -> None:
    """To cancels the server says "not active", to creates "active": the second time is once too often."""
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), ACTIVE, "active response in progress: resp_9")
    b.wait(2.0)
    b.refused(b.those(rf.CancelResponse)[0].event_id, "response_cancel_not_active")
    assert b.those(rf.ReplaceConnection) == [], "it may have ended in between"
    b.refused(b.sent(turn), ACTIVE, "active response in progress: resp_9")
    b.wait(0.0)
    b.refused(b.those(rf.CancelResponse)[1].event_id, "response_cancel_not_active")
    b.wait(0.0)
    (replaced,) = b.those(rf.ReplaceConnection)
    assert replaced.reason.code == "slot_stuck"
    b.got(rf.ConnectionReady())
    b.wait(0.1)
    assert b.creates[-1] == (turn.id, 3)


def test_g20_what_does_not_run_is_not_waited_for_as_server_vads_answer() -> None:
    """Once the server said that it does not run, it answers nobody: no second wait of 20 s."""
    b = Bench()
    b.got(VAD, rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    turn = b.ask()
    b.wait(2.0)
    b.refused(b.sent(turn), ACTIVE, "active response in progress: resp_9")
    b.wait(20.0)
    b.refused(b.those(rf.CancelResponse)[0].event_id, "response_cancel_not_active")
    b.refused(b.sent(turn), ACTIVE, "active response in progress: resp_9")
    b.wait(0.0)
    b.refused(b.those(rf.CancelResponse)[1].event_id, "response_cancel_not_active")
    b.wait(0.0)
    assert [r.reason.code for r in b.those(rf.ReplaceConnection)] == ["slot_stuck"]
    b.got(rf.ConnectionReady())
    b.wait(0.1)
    assert b.creates[-1] == (turn.id, 3)


def refused_again(b: Bench, turn: rf.Turn, blocker: str) -> None:
    """What waits for the slot is asked for once more, and refused for the same response."""
    before = len(b.creates)
    while len(b.creates) == before:
        assert turn.live
        b.c.frame_received(b.now)
        b.wait(1.0)
    b.refused(b.sent(turn), ACTIVE, f"active response in progress: {blocker}")


def test_g20_what_outlives_its_cancel_is_left_with_its_connection() -> None:
    """The cancel was lost, and the response never ends: no second cancel leaves (G6)."""
    b = Bench()
    b.speaking(turn := b.ask(), "resp_1")
    b.interrupt(turn)
    later = b.ask()
    for _ in range(2):
        assert b.those(rf.ReplaceConnection) == []
        refused_again(b, later, "resp_1")
    b.wait(0.0)
    assert b.cancels == ["resp_1"]
    assert [c.reason.code for c in b.those(rf.ReplaceConnection)] == ["slot_stuck"]
    b.got(rf.ConnectionReady())
    b.wait(1.0)
    assert b.creates[-1] == (later.id, 3)


def test_g20_what_never_shows_itself_and_outlives_its_cancel_costs_nobody_their_turn() -> None:
    """Server VAD's answer hangs, and its cancel got lost: who waits is asked for on the next connection."""
    b = Bench()
    b.got(VAD, rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    turn = b.ask()
    for _ in range(3):
        refused_again(b, turn, "resp_9")
    b.wait(0.0)
    assert b.cancels == ["resp_9"]
    assert [c.reason.code for c in b.those(rf.ReplaceConnection)] == ["slot_stuck"]
    b.got(rf.ConnectionReady())
    b.wait(1.0)
    assert b.creates[-1] == (turn.id, 4)


def stuck(b: Bench) -> rf.Turn:
    """A slot that is taken by what outlives its cancel, when the answer to a question is asked for of
    which there are no words."""
    b.speaking(turn := b.ask(), "resp_1")
    b.interrupt(turn)
    b.c.at_stake = True
    later = b.ask()
    for _ in range(2):
        refused_again(b, later, "resp_1")
    return later


def test_g27_a_stuck_slot_is_left_once_the_words_of_the_question_are_known() -> None:
    later = stuck(b := Bench())
    b.wait(1.0)
    assert b.those(rf.ReplaceConnection) == []
    b.c.at_stake = False
    b.wait(0.5)
    assert [c.reason.code for c in b.those(rf.ReplaceConnection)] == ["slot_stuck"]
    b.got(rf.ConnectionReady())
    b.wait(0.1)
    assert b.creates[-1] == (later.id, 3)


def test_g20_a_stuck_slot_is_left_without_the_words_in_the_end() -> None:
    stuck(b := Bench())
    for wait, replaced in ((12.9, 0), (0.6, 1)):
        until = b.now + wait
        while b.now < until:
            b.wait(min(0.1, until - b.now))
        assert len(b.those(rf.ReplaceConnection)) == replaced


def test_g27_a_slot_that_another_has_is_not_stuck() -> None:
    """Or the answer that has begun would be lost with the connection."""
    stuck(b := Bench())
    b.got(rf.ResponseCreated(response_id="resp_2"))
    b.c.at_stake = False
    b.wait(5.0)
    assert b.those(rf.ReplaceConnection) == []
    assert [r.response_id for r in b.c.lane.holders] == ["resp_2"]


def test_g20_its_terminal_ends_the_wait_at_once() -> None:
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), ACTIVE, "active response in progress: resp_9")
    b.wait(1.0)
    b.done("resp_9")
    assert b.creates == [(turn.id, 1), (turn.id, 2)]


# --- connections


def test_g11_a_silent_connection_is_replaced_and_says_why() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.c.frame_received(b.now)
    b.wait(1.0)
    b.interrupt(turn)
    while not b.those(rf.ReplaceConnection):
        at_next(b)
    (replace,) = b.those(rf.ReplaceConnection)
    assert (replace.reason.code, replace.wait) == ("connection_silent", 0.0)


def test_g11_the_third_loss_in_a_row_waits() -> None:
    b = Bench()
    for _ in range(3):
        b.got(LOST)
        b.got(rf.ConnectionReady())
    b.got(LOST)
    waits = [x.wait for x in b.those(rf.ReplaceConnection)]
    assert waits == [b.c.policy.interval(1), b.c.policy.interval(2)]


@pytest.mark.parametrize(("lasted", "waits"), [(0.5, [1.5]), (1.99, [0.01]), (2.0, []), (5.0, [])])
def test_g11_g27_one_that_lasted_is_replaced_as_early_as_on_plain_livekit(
    lasted: float, waits: list[float]
) -> None:
    """The third in a row, without a response: then they are made no faster than at a walk."""
    b = Bench()
    for last in (0.0, 0.0, lasted):
        b.wait(last)
        b.got(rf.ConnectionLost(error=rf.ErrorInfo(kind=rf.ErrorKind.TRANSIENT)))
        b.got(rf.ConnectionReady())
    assert [c.wait for c in b.those(rf.ReplaceConnection)] == pytest.approx(waits)


def test_g11_a_connection_that_was_only_taken_for_dead_has_not_begun_anew() -> None:
    b = Bench()
    turn = b.ask()
    b.got(LOST, rf.ConnectionReady())
    b.wait(30.0)  # nothing leaves for longer than a queue should take
    assert turn.outcome is rf.TurnOutcome.FAILED
    b.got(rf.CreateSent(turn_id=turn.id, attempt=1, event_id="e1"))
    b.wait(30.0)
    b.got(
        LOST
    )  # a minute after the first: it has proven itself, and this is no second one in a row
    assert not b.those(rf.ReplaceConnection)


def test_g18_an_answer_owed_when_the_connection_broke_is_server_vads() -> None:
    b = Bench()
    b.got(VAD)
    older = b.ask()
    b.refused(b.sent(older), "server_error")
    b.got(*SPOKEN, LOST)
    assert older.outcome is rf.TurnOutcome.SUPERSEDED
    (turn,) = b.c.turns
    assert turn.origin is rf.Origin.SERVER_VAD


def test_g18_a_turn_asked_for_without_a_connection_waits_as_long_as_any_other() -> None:
    b = Bench()
    b.got(LOST)
    turn = b.ask()
    assert due(b) == b.c.policy.recovery_deadline
    b.wait(b.c.policy.recovery_deadline)
    assert turn.outcome is rf.TurnOutcome.FAILED


def test_g10_a_create_that_leaves_after_the_end_hangs_nothing() -> None:
    b = Bench()
    turn = b.ask()
    b.got(rf.SessionFailed(error=rf.error_info("gone", None, "")))
    assert turn.outcome is rf.TurnOutcome.FAILED
    assert b.got(rf.CreateSent(turn_id=turn.id, attempt=1, event_id="e1"))
    assert due(b) is None, "nothing is asked of a session that is dead"
    b.got(rf.ResponseCreated(response_id="r1", client_event_id="e1"))
    assert b.cancels == ["r1"]
    b.done("r1", rf.ResponseStatus.CANCELLED)
    assert due(b) is None


# --- when


def test_g4_an_interrupted_create_is_asked_after_once_it_could_have_been_acknowledged() -> None:
    b = Bench()
    turn = b.ask()
    b.sent(turn)
    b.wait(0.25)
    b.interrupt(turn)
    assert due(b) == 0.75
    b.wait(0.75)
    assert len(b.those(rf.ProbeCancel)) == 1


def test_g4_one_that_is_still_queued_has_its_time_out() -> None:
    b = Bench()
    turn = b.ask()
    b.wait(0.25)
    b.interrupt(turn)
    assert due(b) == b.c.policy.first_doubt


def test_g24_speech_that_is_not_answered_by_the_server_leaves_the_lane_open() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=False, server_interrupts=True))
    b.got(rf.SpeechStarted())
    assert b.got(rf.SpeechStopped())
    turn = b.ask()
    assert b.creates == [(turn.id, 1)]


def test_g9_a_cleared_buffer_without_speech_delays_no_retry() -> None:
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), "server_error", "try again in 2s")
    at, until = turn.retry_at, turn.recover_by
    b.got(rf.InputCleared())
    assert (turn.retry_at, turn.recover_by) == (at, until)


def test_g4_a_response_whose_deltas_are_not_shown_does_not_stall() -> None:
    b = Bench(playback=True)
    turn = b.ask()
    event_id = b.sent(turn)
    b.got(
        rf.ResponseCreated(response_id="r1", client_event_id=event_id, deltas_shown=False),
    )
    b.message("r1", "m1")
    b.wait(60.0)
    assert turn.state is rf.TurnState.STREAMING


def test_g9_a_hint_as_long_as_the_recovery_deadline_is_followed() -> None:
    policy = rf.RetryPolicy(recovery_deadline=2.0)
    assert policy.longest_hint <= policy.recovery_deadline
    b = Bench(policy)
    turn = b.ask()
    b.refused(b.sent(turn), "server_error", f"try again in {policy.longest_hint:g}s")
    b.wait(policy.longest_hint)
    assert turn.attempts == 2
