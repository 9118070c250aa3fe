"""The controller: how a turn ends. Cancels, terminals, outcomes, retries."""

from __future__ import annotations

import pytest

import realtime_fsm as rf
from realtime_fsm import ResponseStatus, TurnOutcome, TurnState

from .harness import Bench

ACTIVE = "conversation_already_has_active_response"
NOT_ACTIVE = "response_cancel_not_active"


# --- G5, G6: cancelling


def test_g5_no_create_between_cancel_and_terminal() -> None:
    """livekit/agents#2064, openai-agents-python#2760."""
    b = Bench()
    turn = b.speaking()
    b.interrupt(turn)
    after = b.ask()
    b.wait(0.8)
    assert len(b.creates) == 1
    b.done("r1", ResponseStatus.CANCELLED)
    assert b.creates[-1] == (after.id, 1)


def test_g6_cancel_names_its_response_once_and_nothing_to_cancel_is_harmless() -> None:
    b = Bench()
    turn = b.speaking()
    b.interrupt(turn).interrupt(turn).interrupt(turn)
    (cancel,) = b.those(rf.CancelResponse)
    assert cancel.response_id == "r1"
    assert b.refused(cancel.event_id, NOT_ACTIVE), "ours: the adapter does not report it"
    assert turn.state is TurnState.CANCELLING
    b.done("r1", ResponseStatus.COMPLETED)
    assert turn.outcome is TurnOutcome.INTERRUPTED


def test_g6_a_lost_terminal_is_bounded() -> None:
    b = Bench()
    turn = b.speaking()
    b.interrupt(turn)
    after = b.ask()
    b.wait(5.0)
    assert turn.outcome is TurnOutcome.INTERRUPTED
    assert b.creates[-1] == (after.id, 1)


def test_g6_g20_nothing_to_cancel_means_that_the_terminal_is_due_or_lost() -> None:
    b = Bench()
    turn = b.speaking()
    b.interrupt(turn)
    after = b.ask()
    (cancel,) = b.those(rf.CancelResponse)
    b.refused(cancel.event_id, NOT_ACTIVE)
    b.wait(0.05)
    assert len(b.creates) == 1, "it may still come"
    b.wait(0.05)
    assert turn.outcome is TurnOutcome.INTERRUPTED
    assert b.creates[-1] == (after.id, 1)


# --- G7: one terminal, nothing left


@pytest.mark.parametrize("state", ["waiting", "sent", "created", "streaming", "retry", "cancel"])
def test_g7_close_ends_a_turn_in_every_state_once(state: str) -> None:
    b = Bench(playback=True)
    if state == "waiting":
        b.ask()
    turn = b.ask()
    if state in ("sent", "created", "retry"):
        b.sent(turn)
    if state in ("created", "retry"):
        b.got(rf.ResponseCreated(response_id="r1", client_event_id="create_1"))
    if state == "retry":
        b.failed("r1")
        assert turn.state is TurnState.RETRY_WAIT
    if state in ("streaming", "cancel"):
        b.speaking(turn)
    if state == "cancel":
        b.interrupt(turn)
    b.c.close(b.now)
    ended = [c.turn_id for c in b.c.commands() if isinstance(c, rf.TurnEnded)]
    assert ended.count(turn.id) == 1
    assert not turn.live
    assert b.c.next_deadline() is None
    b.c.close(b.now)
    assert b.c.commands() == []
    assert not b.c.receive(rf.PlaybackStarted(), b.now)
    assert b.c.ignored["closed"] == 1


# --- G8: four outcomes


def test_g8_incomplete_is_no_retry_and_visible() -> None:
    b = Bench()
    turn = b.speaking()
    why = rf.ErrorInfo(kind=rf.ErrorKind.NORMAL, code="max_output_tokens")
    b.done("r1", ResponseStatus.INCOMPLETE, why)
    assert turn.outcome is TurnOutcome.INCOMPLETE
    assert turn.error == why
    assert [r.error for r in b.those(rf.ReportFailure)] == [why]
    assert len(b.creates) == 1


def test_g8_cancelled_by_the_server() -> None:
    b = Bench()
    turn = b.speaking()
    b.done("r1", ResponseStatus.CANCELLED)
    assert turn.outcome is TurnOutcome.INTERRUPTED
    assert b.those(rf.ReportFailure) == []


def test_g8_failure_after_exposure_plays_out_and_is_reported_once() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.failed("r1")
    assert turn.state is TurnState.STREAMING
    assert len(b.those(rf.ReportFailure)) == 1
    assert b.those(rf.EndStreams)
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.state is TurnState.FAILED
    assert len(b.those(rf.ReportFailure)) == 1
    assert len(b.creates) == 1


def test_g8_failure_after_a_tool_is_not_the_handles() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.item("r1", "f1", rf.ItemKind.FUNCTION_CALL)
    b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    b.failed("r1")
    assert turn.state is TurnState.FAILED
    (report,) = b.those(rf.ReportFailure)
    assert not report.on_handle


def test_g8_done_without_created_settles_the_only_pending_create() -> None:
    """twilio-samples/speech-assistant-openai-realtime-api-node#37."""
    b = Bench()
    turn = b.ask()
    b.sent(turn)
    assert b.failed("r0")
    assert turn.state is TurnState.RETRY_WAIT
    b.wait(0.1)
    assert b.creates[-1] == (turn.id, 2)


# --- G9, G10: retries


@pytest.mark.parametrize("code", ["server_error", "inference_rate_limit_exceeded", "who_knows"])
def test_g9_failed_before_output_is_asked_again(code: str) -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.failed("r1", code)
    assert b.those(rf.EndStreams) == []
    (recovering,) = b.those(rf.Recovering)
    assert (recovering.attempt, recovering.wait) == (1, 0.1)
    b.wait(0.1)
    assert b.creates[-1] == (turn.id, 2)
    b.created(turn, "r2")
    b.message("r2", "m2")
    b.done("r2")
    assert turn.outcome is TurnOutcome.COMPLETED
    assert turn.error is None
    assert b.those(rf.ReportFailure) == []


def test_g9_backs_off_as_livekit_does_and_is_bounded_in_number() -> None:
    b = Bench()
    turn = b.ask()
    times = []
    for n in range(4):
        times.append(round(b.now, 3))
        b.created(turn, f"r{n}")
        b.failed(f"r{n}")
        b.wait(2.0 if n else 0.1)
    assert times == [0.0, 0.1, 2.1, 4.1]
    assert turn.state is TurnState.FAILED
    assert len(b.creates) == 4
    (report,) = b.those(rf.ReportFailure)
    assert report.error.code == "server_error"


def test_g9_is_bounded_in_total_time() -> None:
    b = Bench(rf.RetryPolicy(max_retry=99, recovery_deadline=5.0))
    turn = b.ask()
    for n in range(5):
        b.created(turn, f"r{n}")
        b.failed(f"r{n}")
        if not turn.live:
            break
        b.wait(2.0 if n else 0.1)
    assert turn.state is TurnState.FAILED
    assert len(b.creates) == 4, "the fifth at 6.1 s would be too late"
    assert b.now == pytest.approx(4.1)


def test_g9_the_recovery_deadline_ends_a_retry_that_gets_no_lane() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.got(rf.ConnectionLost(error=rf.error_info(None, "server_error", "")))
    b.wait(8.0)
    assert turn.state is TurnState.FAILED
    assert b.c.turns == ()


def test_g9_a_server_hint_wins_and_is_capped() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.failed("r1", "rate_limit_exceeded", "Rate limit reached. Please try again in 1.5s.")
    b.wait(1.4)
    assert len(b.creates) == 1
    b.wait(0.1)
    assert len(b.creates) == 2
    b.created(turn, "r2")
    b.failed("r2", "rate_limit_exceeded", "Please try again in 20s")
    assert b.those(rf.Recovering)[-1].wait == 4.0


def test_g9_nothing_is_repeated_after_exposure() -> None:
    b = Bench()
    turn = b.speaking()
    b.failed("r1")
    b.wait(10)
    assert turn.state is TurnState.FAILED
    assert len(b.creates) == 1


def test_g9_an_item_without_output_is_not_exposure_and_is_removed_first() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.item("r1", "m1")
    b.failed("r1")
    assert turn.state is TurnState.RETRY_WAIT
    b.wait(0.1)
    order = [type(c) for c in b.all if isinstance(c, (rf.DeleteItem, rf.CreateResponse))]
    assert order == [rf.CreateResponse, rf.DeleteItem, rf.CreateResponse]


def test_g9_completed_but_empty_is_retried_once_then_visible() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.done("r1")
    b.wait(0.1)
    assert len(b.creates) == 2
    b.created(turn, "r2")
    b.done("r2")
    assert turn.state is TurnState.FAILED
    assert turn.error is not None
    assert turn.error.code == "empty_response"


@pytest.mark.parametrize("code", ["insufficient_quota", "invalid_api_key"])
def test_g10_fatal_is_never_retried(code: str) -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.failed("r1", code)
    assert turn.state is TurnState.FAILED
    (report,) = b.those(rf.ReportFailure)
    assert report.fatal
    b.wait(30)
    assert len(b.creates) == 1


@pytest.mark.parametrize("by", ["response.done", "error"])
def test_g10_g27_what_is_told_to_a_retry_fails_its_turn_alone(by: str) -> None:
    """Plain LiveKit never made that request, so its session goes on. The next turn is told in its place."""
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), "server_error")
    b.wait(0.2)
    if by == "error":
        b.refused(b.sent(turn), "insufficient_quota")
    else:
        b.created(turn, "r2")
        b.failed("r2", "insufficient_quota")
    assert turn.state is TurnState.FAILED
    (report,) = b.those(rf.ReportFailure)
    assert not report.fatal
    assert b.c.dead is None
    b.refused(b.sent(b.ask()), "insufficient_quota")
    assert b.c.dead is not None


@pytest.mark.parametrize("asked", ["by server VAD", "in its place"])
def test_g10_g27_what_is_asked_in_place_of_server_vad_fails_its_turn_alone(asked: str) -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    if asked == "by server VAD":
        b.got(rf.ResponseCreated(response_id="r1"))
    else:
        b.got(rf.ErrorReceived(error=rf.error_info("server_error", None, ""), event_id=None))
        b.wait(0.2)
        b.created(b.c.turns[0], "r1")
    b.failed("r1", "insufficient_quota")
    (report,) = b.those(rf.ReportFailure)
    assert report.fatal is (asked == "by server VAD")


def test_g10_g27_a_terminal_without_created_fails_its_turn_alone() -> None:
    """The plugin knows of no response then, so plain LiveKit's session goes on."""
    b = Bench()
    turn = b.ask()
    b.sent(turn)
    b.failed("r1", "insufficient_quota")
    assert turn.state is TurnState.FAILED
    assert [report.fatal for report in b.those(rf.ReportFailure)] == [False]


def test_g10_g12_a_fatal_error_ends_every_turn_and_the_next_at_once() -> None:
    """G10, G12."""
    b = Bench()
    first, second = b.ask(), b.ask()
    event_id = b.sent(first)
    b.refused(event_id, "insufficient_quota")
    assert {first.state, second.state} == {TurnState.FAILED}
    later = b.ask()
    assert later.state is TurnState.FAILED
    assert len(b.creates) == 1


@pytest.mark.parametrize("hint", ["", "try again in 2s"])
def test_g29_one_that_asks_again_in_a_moment_is_not_overtaken(hint: str) -> None:
    """What is asked for second would be remembered first, and heard second. Nobody waits longer than a moment."""
    b = Bench()
    first, second = b.ask(), b.ask()
    b.refused(b.sent(first), "server_error", hint)
    overtakes = bool(hint)
    assert b.creates[1:] == [(second.id, 1)][:overtakes]
    assert b.c.next_deadline() > b.now
    if not overtakes:
        b.wait(0.1)
        assert b.creates[1:] == [(first.id, 2)]
        b.created(first, "r2")
        b.done("r2")
    assert (second.id, 1) in b.creates


def test_a_client_bug_is_not_repeated() -> None:
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), "unknown_parameter")
    assert turn.state is TurnState.FAILED
