"""The controller, guarantee by guarantee. Names carry the ids of the guarantees."""

from __future__ import annotations

import pytest

import realtime_fsm as rf
from realtime_fsm import MessageOutcome, ResponseStatus, TurnOutcome, TurnState

from .harness import Bench

ACTIVE = "conversation_already_has_active_response"
NOT_ACTIVE = "response_cancel_not_active"


# --- a turn's ordinary life


def test_a_healthy_turn() -> None:
    b = Bench()
    turn = b.ask()
    assert b.creates == [(turn.id, 1)]
    b.created(turn, "r1")
    assert turn.state is TurnState.CREATED
    b.item("r1", "m1")
    assert turn.label == "streaming message 1"
    assert not b.those(rf.ExposeTurn), "nothing is handed out before the first delta"
    b.got(rf.OutputReceived(response_id="r1", item_id="m1", audio_ms=100))
    b.got(rf.OutputReceived(response_id="r1", item_id="m1", audio_ms=100))
    assert b.those(rf.ExposeTurn) == [rf.ExposeTurn(turn_id=turn.id, response_id="r1")]
    assert b.delivered == ["m1"]
    b.done("r1")
    assert turn.outcome is TurnOutcome.COMPLETED
    assert b.fresh[-1] == rf.TurnEnded(turn_id=turn.id, outcome=TurnOutcome.COMPLETED, error=None)
    assert b.c.next_deadline() is None
    assert b.c.turns == ()


def test_g13_two_messages_play_one_after_another_each_with_its_outcome() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.message("r1", "m2", audio_ms=500)
    assert turn.label == "streaming message 2"
    b.done("r1")
    assert turn.state is TurnState.STREAMING
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    b.got(rf.MessagePulled(item_id="m2"), rf.PlaybackStarted())
    b.got(rf.PlaybackFinished(position_ms=500, interrupted=False))
    assert turn.outcome is TurnOutcome.COMPLETED
    assert [(m.outcome, m.heard_ms) for m in turn.messages] == [
        (MessageOutcome.FULL, 1000),
        (MessageOutcome.FULL, 500),
    ]


# --- G1, G2: one response at a time


def test_g1_a_second_request_waits_for_the_terminal_of_the_first() -> None:
    b = Bench()
    first, second = b.ask(), b.ask()
    assert b.creates == [(first.id, 1)]
    b.created(first, "r1")
    b.message("r1", "m1")
    assert len(b.creates) == 1
    b.done("r1")
    assert b.creates == [(first.id, 1), (second.id, 1)]


def test_g1_a_response_the_application_starts_takes_the_lane_too() -> None:
    b = Bench()
    mine = b.ask(rf.Origin.APPLICATION)
    other = b.ask()
    assert b.creates == [(mine.id, 1)]
    b.created(mine, "r1")
    b.message("r1", "m1")
    b.done("r1")
    assert b.creates[-1] == (other.id, 1)


def test_g1_out_of_band_responses_do_not_take_the_lane() -> None:
    b = Bench()
    assert not b.got(rf.ResponseCreated(response_id="oob", out_of_band=True))
    turn = b.ask()
    assert b.creates == [(turn.id, 1)]
    assert not b.got(
        rf.ResponseDone(response_id="oob", status=ResponseStatus.COMPLETED, out_of_band=True)
    )


def test_g2_a_create_settles_once_although_the_server_says_it_twice() -> None:
    b = Bench()
    turn = b.ask()
    e1 = b.created(turn, "r1")
    assert not b.got(rf.ResponseCreated(response_id="r1", client_event_id=e1))
    assert not b.got(rf.ResponseCreated(response_id="r2", client_event_id=e1))
    assert not b.refused(e1, "server_error")
    assert turn.state is TurnState.CREATED
    assert len(b.creates) == 1


# --- G3: ids, not order


def test_g3_events_for_strangers_are_ignored_and_counted() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    strangers: list[rf.Event] = [
        rf.ItemStarted(response_id="x", item_id="i", kind=rf.ItemKind.MESSAGE),
        rf.OutputReceived(response_id="x", item_id="i", audio_ms=1),
        rf.CallReceived(response_id="x", item_id="i"),
        rf.ResponseActivity(response_id="x"),
        rf.ResponseDone(response_id="x", status=ResponseStatus.COMPLETED),
        rf.ErrorReceived(error=rf.error_info("server_error", None, ""), event_id="not-ours"),
        rf.CreateSent(turn_id="turn_99", attempt=1, event_id="e"),
        rf.MessagePulled(item_id="i"),
        rf.PlaybackStarted(),
        rf.PlaybackFinished(position_ms=10, interrupted=True),
        rf.MessageTruncated(item_id="i", audio_end_ms=5),
        rf.SpeechOver(turn_id="turn_99", interrupted=True),
    ]
    for event in strangers:
        assert not b.got(event), event
    assert sum(b.c.ignored.values()) == len(strangers)
    assert turn.state is TurnState.CREATED


def test_g3_a_stale_terminal_does_not_end_the_newer_response() -> None:
    """openai/codex PR#17306: the late done of A freed the lane while B was alive."""
    b = Bench()
    first = b.ask()
    b.created(first, "A")
    b.message("A", "m1")
    b.done("A")
    second = b.ask()
    b.created(second, "B")
    third = b.ask()
    assert not b.done("A", ResponseStatus.CANCELLED)
    assert second.state is TurnState.CREATED
    assert (third.id, 1) not in b.creates


def test_g3_created_is_matched_by_id_when_server_vad_creates_at_the_same_time() -> None:
    """N.E.K.O #2604: the server's response was credited to the pending create."""
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    mine = b.ask()
    event_id = b.sent(mine)
    b.got(rf.ResponseCreated(response_id="vad"))
    assert mine.state is TurnState.REQUESTED
    b.got(rf.ResponseCreated(response_id="r1", client_event_id=event_id))
    assert mine.state is TurnState.CREATED
    vad = next(t for t in b.c.turns if t is not mine)
    assert vad.origin is rf.Origin.SERVER_VAD
    assert vad.attempt is not None
    assert vad.attempt.response_id == "vad"


def test_g3_a_repeated_created_of_a_response_that_ended_starts_no_turn() -> None:
    """openai/openai-agents-js#582: every event twice after a reconnect."""
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.ResponseCreated(response_id="vad"))
    b.message("vad", "m1")
    b.done("vad")
    assert not b.got(rf.ResponseCreated(response_id="vad"))
    assert b.c.turns == ()


def test_g3_the_late_done_of_a_response_given_up_does_not_answer_a_pending_create() -> None:
    """Found by random histories: it was taken for a done without created."""
    b = Bench()
    turn = b.speaking()
    b.interrupt(turn)
    after = b.ask()
    b.wait(5.0)
    b.sent(after)
    assert not b.failed("r1")
    assert not b.failed("r1")
    assert after.state is TurnState.REQUESTED


# --- G4: orphans


def test_g4_an_unanswered_create_is_probed_and_asked_again() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    turn = b.ask()
    b.sent(turn)
    b.wait(5.0)
    assert turn.state is TurnState.RETRY_WAIT
    (probe,) = b.those(rf.ProbeCancel)
    b.wait(0.2)
    assert len(b.creates) == 1, "the lane is closed until the probe is answered"
    b.refused(probe.event_id, NOT_ACTIVE)
    assert b.creates[-1] == (turn.id, 2)


def test_g4_a_late_created_is_cancelled_by_id_and_swallowed() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    turn = b.ask()
    event_id = b.sent(turn)
    b.wait(5.0)
    b.refused(b.those(rf.ProbeCancel)[0].event_id, NOT_ACTIVE)
    b.wait(0.1)
    b.created(turn, "newer")
    b.got(rf.ResponseCreated(response_id="late", client_event_id=event_id))
    assert b.cancels == ["late"]
    b.message("late", "m1")
    b.done("late", ResponseStatus.CANCELLED)
    assert b.delivered == []
    assert b.deleted == ["m1"], "nobody heard it (G16)"
    assert turn.state is TurnState.CREATED, "the newer one was acknowledged"


def test_g4_a_late_created_is_cancelled_once_a_newer_attempt_was_acknowledged() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    turn = b.ask()
    first = b.sent(turn)
    b.wait(5.0)
    (probe,) = b.those(rf.ProbeCancel)
    b.refused(probe.event_id, "response_cancel_not_active")
    b.wait(0.5)
    b.created(turn, "r2")
    b.failed("r2")
    assert turn.state is TurnState.RETRY_WAIT
    b.got(rf.ResponseCreated(response_id="r1", client_event_id=first))
    assert turn.state is TurnState.RETRY_WAIT
    assert b.cancels == ["r1"]


def test_g4_a_late_created_is_adopted() -> None:
    """E2: what plain LiveKit would speak is spoken."""
    b = Bench(rf.RetryPolicy(timeout=5.0))
    turn = b.ask()
    first = b.sent(turn)
    b.wait(5.0)
    assert turn.state is TurnState.RETRY_WAIT
    b.got(rf.ResponseCreated(response_id="late", client_event_id=first))
    assert turn.state is TurnState.CREATED
    b.message("late", "m1")
    b.done("late")
    assert b.delivered == ["m1"]
    assert (turn.outcome, b.cancels) == (TurnOutcome.COMPLETED, [])
    assert b.creates == [(turn.id, 1)]


def test_g4_a_late_created_takes_the_place_of_an_attempt_that_is_not_acknowledged() -> None:
    """livekit/agents#6223: the probe said that there is none."""
    b = Bench(rf.RetryPolicy(timeout=5.0))
    turn = b.ask()
    first = b.sent(turn)
    b.wait(5.0)
    b.refused(b.those(rf.ProbeCancel)[0].event_id, NOT_ACTIVE)
    b.wait(0.1)
    second = b.sent(turn)
    b.got(rf.ResponseCreated(response_id="resp_late", client_event_id=first))
    assert turn.state is TurnState.CREATED
    b.refused(second, ACTIVE, "active: resp_late")
    b.message("resp_late", "m1")
    b.done("resp_late")
    assert (b.delivered, b.cancels) == (["m1"], [])
    assert turn.outcome is TurnOutcome.COMPLETED
    after = b.ask()
    assert b.creates[-1] == (after.id, 1), "the lane is free"


def test_g4_a_late_created_of_both_attempts_is_heard_once() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    turn = b.ask()
    first = b.sent(turn)
    b.wait(5.0)
    b.refused(b.those(rf.ProbeCancel)[0].event_id, NOT_ACTIVE)
    b.wait(0.1)
    second = b.sent(turn)
    b.got(rf.ResponseCreated(response_id="late", client_event_id=first))
    b.got(rf.ResponseCreated(response_id="later", client_event_id=second))
    assert b.cancels == ["later"]


def test_g4_a_probe_that_hits_the_late_response_is_not_an_interrupt() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    turn = b.ask()
    first = b.sent(turn)
    b.wait(5.0)
    b.got(rf.ResponseCreated(response_id="late", client_event_id=first))
    b.done("late", ResponseStatus.CANCELLED, rf.error_info("client_cancelled", None, ""))
    assert turn.state is TurnState.RETRY_WAIT
    b.wait(2.0)
    assert turn.error is not None
    assert b.creates[-1] == (turn.id, 2)


def test_g4_doubt_asks_the_server_by_nothing_that_could_cancel() -> None:
    b = Bench()
    turn = b.ask()
    event_id = b.sent(turn)
    b.c.frame_received(0.5)
    b.wait(5.0)
    (check,) = b.those(rf.CheckConnection)
    (recovering,) = b.those(rf.Recovering)
    assert (recovering.reason.code, recovering.wait) == ("slow", 5.0)
    assert b.those(rf.ProbeCancel) == []
    assert b.refused(check.event_id, "invalid_value"), "ours: nobody is told"
    b.wait(4.0)
    assert turn.state is TurnState.REQUESTED
    b.got(rf.ResponseCreated(response_id="r1", client_event_id=event_id))
    assert turn.state is TurnState.CREATED
    assert turn.retries == 0


def test_g4_a_dead_connection_is_replaced_and_the_turn_asked_again_at_once() -> None:
    b = Bench()
    turn = b.ask()
    b.sent(turn)
    b.wait(8.0)
    lost = rf.error_info("connection_silent", "server_error", "")
    b.got(rf.ConnectionLost(error=lost, for_good=True))
    assert len(b.those(rf.ReplaceConnection)) == 1
    assert turn.state is TurnState.RETRY_WAIT
    b.got(rf.ConnectionReady())
    b.wait(0.1)
    assert b.creates[-1] == (turn.id, 2)


def test_g4_interrupted_before_created() -> None:
    """livekit/agents#6222: the agent talked over the user with the late response."""
    b = Bench()
    turn = b.ask()
    event_id = b.sent(turn)
    b.interrupt(turn)
    assert turn.state is TurnState.CANCELLING
    after = b.ask()
    assert b.cancels == []
    b.got(rf.ResponseCreated(response_id="late", client_event_id=event_id))
    assert b.cancels == ["late"]
    assert len(b.creates) == 1
    b.done("late", ResponseStatus.CANCELLED)
    assert turn.outcome is TurnOutcome.INTERRUPTED
    assert b.creates[-1] == (after.id, 1)


def test_g4_a_created_after_everything_was_given_up_still_closes_the_lane() -> None:
    b = Bench(rf.RetryPolicy(max_retry=0))
    turn = b.ask()
    event_id = b.sent(turn)
    b.wait(20.0)
    assert turn.state is TurnState.FAILED
    b.got(rf.ResponseCreated(response_id="late", client_event_id=event_id))
    assert b.cancels == ["late"]
    after = b.ask()
    assert (after.id, 1) not in b.creates
    b.done("late", ResponseStatus.CANCELLED)
    assert (after.id, 1) in b.creates


@pytest.mark.parametrize("timeout", [5.0, 30.0], ids=["ours first", "theirs first"])
def test_g6_what_is_cancelled_below_us_is_not_cancelled_twice(timeout: float) -> None:
    """The OpenAI plugin gives a create up after 10 s and cancels it by id when it comes."""
    b = Bench(rf.RetryPolicy(timeout=timeout))
    turn = b.ask()
    event_id = b.sent(turn)
    b.wait(9.9)
    error = rf.ErrorInfo(kind=rf.ErrorKind.TRANSIENT, code="create_timeout")
    assert b.got(rf.CreateGivenUp(turn_id=turn.id, attempt=1, error=error))
    assert turn.state is TurnState.RETRY_WAIT
    b.got(rf.ResponseCreated(response_id="late", client_event_id=event_id))
    assert b.cancels == []
    b.wait(1.0)
    assert len(b.creates) == 1, "the lane waits for its terminal"
    b.done("late", ResponseStatus.CANCELLED)
    assert b.creates[-1] == (turn.id, 2)
    assert not b.got(rf.CreateGivenUp(turn_id=turn.id, attempt=1, error=error))


def test_g4_no_probe_while_server_vad_may_answer() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    turn = b.ask()
    b.sent(turn)
    b.wait(4.9)
    b.got(rf.SpeechStarted())
    b.wait(1.0)
    assert b.those(rf.ProbeCancel) == [], "a bare cancel could hit the user's answer"


def test_g4_a_create_that_never_leaves_holds_the_lane_and_nothing_hangs() -> None:
    """Two creates queued below us would leave together and collide."""
    b = Bench()
    first = b.ask()
    b.wait(10.0)
    assert first.state is TurnState.FAILED
    second = b.ask()
    assert b.creates == [(first.id, 1)]
    b.wait(30.0)
    assert second.state is TurnState.FAILED
    third = b.ask()
    event_id = "late"
    b.got(rf.CreateSent(turn_id=first.id, attempt=1, event_id=event_id))
    b.got(rf.ResponseCreated(response_id="r1", client_event_id=event_id))
    assert b.cancels == ["r1"]
    b.done("r1", ResponseStatus.CANCELLED)
    assert b.creates[-1] == (third.id, 1)


def test_g4_a_request_that_could_not_be_sent_fails_at_once() -> None:
    b = Bench()
    turn, after = b.ask(), b.ask()
    bug = rf.ErrorInfo(kind=rf.ErrorKind.CLIENT_BUG, code="not_sent", message="KeyError")
    b.got(rf.CreateNotSent(turn_id=turn.id, attempt=1, error=bug))
    assert turn.state is TurnState.FAILED
    assert turn.error == bug
    assert b.creates[-1] == (after.id, 1)


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
    b.wait(0.4)
    assert len(b.creates) == 1, "it may still come"
    b.wait(0.1)
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


# --- G14, G15: playback


def test_g14_reports_are_paired_in_order_and_surplus_ones_ignored() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.message("r1", "m2", audio_ms=500)
    b.done("r1")
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert not b.got(rf.PlaybackFinished(position_ms=77, interrupted=True))
    assert turn.messages[1].outcome is None


def test_g14_a_missing_report_is_bounded() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.done("r1")
    b.wait(1.0 + 8.0)
    assert turn.outcome is TurnOutcome.COMPLETED
    assert turn.messages[0].outcome is MessageOutcome.FULL


def test_g14_a_pull_closes_the_message_before_it() -> None:
    """A message without audio is never reported by a sink."""
    b = Bench(playback=True)
    turn = b.speaking()
    b.message("r1", "m2", audio_ms=0)
    b.got(rf.MessagePulled(item_id="m2"))
    assert turn.messages[0].outcome is MessageOutcome.FULL


def test_g14_the_speech_is_over_before_a_message_was_pulled() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.message("r1", "m2")
    b.done("r1")
    b.got(rf.PlaybackFinished(position_ms=400, interrupted=True))
    b.got(rf.SpeechOver(turn_id=turn.id, interrupted=True))
    assert turn.outcome is TurnOutcome.INTERRUPTED
    assert [(m.outcome, m.heard_ms) for m in turn.messages] == [
        (MessageOutcome.PARTIAL, 400),
        (MessageOutcome.SKIPPED, 0),
    ]


@pytest.mark.parametrize(
    ("position", "heard", "outcome"),
    [
        (400.7, 400, MessageOutcome.PARTIAL),
        (0.0, 0, MessageOutcome.SKIPPED),
        (-5.0, 0, MessageOutcome.SKIPPED),
        (float("nan"), 0, MessageOutcome.SKIPPED),
        (float("inf"), 1000, MessageOutcome.PARTIAL),
        (float("-inf"), 0, MessageOutcome.SKIPPED),
        (9_999.0, 1000, MessageOutcome.PARTIAL),
    ],
)
def test_g15_positions_are_integers_within_what_was_received(
    position: float, heard: int, outcome: MessageOutcome
) -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.got(rf.PlaybackFinished(position_ms=position, interrupted=True))
    assert (turn.messages[0].heard_ms, turn.messages[0].outcome) == (heard, outcome)


def test_g14_the_watchdog_waits_for_a_tts_whose_audio_nobody_counts() -> None:
    b = Bench(playback=True)
    turn = b.ask()
    b.created(turn, "r1")
    b.message("r1", "m1", audio_ms=0)
    b.got(rf.MessagePulled(item_id="m1"), rf.PlaybackStarted())
    b.done("r1")
    b.wait(30.0)
    assert turn.state is TurnState.STREAMING
    b.got(rf.PlaybackFinished(position_ms=30_500, interrupted=False))
    assert turn.messages[0].heard_ms == 30_500


def test_g14_the_watchdog_stands_still_while_playback_is_paused() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.done("r1")
    b.got(rf.PlaybackPaused())
    assert turn.messages[0].state is rf.PlaybackState.PAUSED
    b.wait(30.0)
    assert turn.state is TurnState.STREAMING
    b.got(rf.PlaybackStarted(), rf.PlaybackResumed())
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.outcome is TurnOutcome.COMPLETED
    assert not b.got(rf.PlaybackPaused())
    assert not b.got(rf.PlaybackResumed())


def test_g14_the_watchdog_stands_still_while_the_user_speaks() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.done("r1")
    b.got(rf.SpeechStarted())
    b.wait(20.0)
    assert turn.state is TurnState.STREAMING


# --- G17: tools


def test_g17_a_call_is_handed_out_once_however_often_it_comes() -> None:
    """openai/codex PR#17267."""
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.item("r1", "f1", rf.ItemKind.FUNCTION_CALL)
    call = rf.CallReceived(response_id="r1", item_id="f1")
    b.got(call, call)
    b.done("r1")
    assert b.delivered == ["f1"]
    assert turn.outcome is TurnOutcome.COMPLETED


def test_g17_a_call_whose_announcement_was_lost_is_handed_out() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    assert b.delivered == ["f1"]


def test_g17_the_tool_reply_waits_for_the_calling_responses_terminal() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.item("r1", "f1", rf.ItemKind.FUNCTION_CALL)
    b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    reply = b.ask()
    assert (reply.id, 1) not in b.creates
    b.done("r1")
    assert (reply.id, 1) in b.creates


def test_g17_a_call_of_a_cancelled_response_is_not_handed_out() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.interrupt(turn)
    b.item("r1", "f1", rf.ItemKind.FUNCTION_CALL)
    b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    b.done("r1", ResponseStatus.CANCELLED)
    assert b.delivered == []


# --- G19: connections


def test_g19_lost_after_created_is_asked_again_on_the_new_connection() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.got(rf.ConnectionLost(error=rf.error_info(None, "server_error", "")))
    assert turn.state is TurnState.RETRY_WAIT
    b.wait(1.0)
    assert len(b.creates) == 1, "no connection, no create"
    b.got(rf.ConnectionReady())
    assert b.c.epoch == 1
    assert b.creates[-1] == (turn.id, 2)
    assert not b.done("r1"), "the old connection's response is over"


def test_g19_a_create_not_yet_on_the_wire_is_not_lost() -> None:
    b = Bench()
    turn = b.ask()
    b.got(rf.ConnectionLost(error=rf.error_info(None, "server_error", "")))
    assert turn.state is TurnState.REQUESTED
    b.got(rf.ConnectionReady())
    b.created(turn, "r1")
    assert turn.state is TurnState.CREATED
    assert len(b.creates) == 1


def test_g19_a_planned_rollover_costs_no_budget() -> None:
    b = Bench(rf.RetryPolicy(max_retry=1))
    turn = b.ask()
    b.created(turn, "r1")
    b.got(rf.ConnectionReady())
    assert turn.retries == 0
    b.wait(0.1)
    assert b.creates[-1] == (turn.id, 2)


# --- G20: conflicts


def test_g20_a_conflict_keeps_the_request_until_the_others_terminal() -> None:
    """livekit/agents#6817: the server's VAD response won the race."""
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    turn = b.ask()
    text = "Conversation already has an active response in progress: resp_V. Wait …"
    b.refused(b.sent(turn), ACTIVE, text)
    assert turn.state is TurnState.REQUESTED
    b.got(rf.ResponseCreated(response_id="resp_V"))
    b.message("resp_V", "mv")
    assert len(b.creates) == 1
    b.done("resp_V")
    assert b.creates == [(turn.id, 1), (turn.id, 2)]
    assert turn.retries == 0
    assert b.those(rf.ReportFailure) == []


def test_g20_a_conflict_with_a_null_event_id_settles_nothing() -> None:
    b = Bench()
    turn = b.ask()
    event_id = b.sent(turn)
    b.refused(None, ACTIVE, "Conversation already has an active response")
    assert turn.state is TurnState.REQUESTED
    b.got(rf.ResponseCreated(response_id="r1", client_event_id=event_id))
    assert turn.state is TurnState.CREATED


def test_g20_endless_conflicts_end() -> None:
    b = Bench()
    turn = b.ask()
    for _ in range(10):
        if not turn.live:
            break
        b.refused(b.sent(turn), ACTIVE)
        b.wait(8.0)
    assert turn.state is TurnState.FAILED
    assert len(b.creates) <= 6


def test_g20_a_null_event_id_error_answers_the_only_pending_create() -> None:
    b = Bench()
    turn = b.ask()
    b.sent(turn)
    assert b.refused(None, "server_error")
    assert turn.state is TurnState.RETRY_WAIT


@pytest.mark.parametrize("told", ["", "active response in progress: chat-7f"])
def test_g20_a_conflict_without_a_usable_name_means_the_response_that_lives(told: str) -> None:
    """No blocker without a name is waited for behind it."""
    b = Bench()
    asked = b.ask()
    event_id = b.sent(asked)
    b.got(rf.ResponseCreated(response_id="other_1"))
    b.refused(event_id, ACTIVE, told)
    b.done("other_1", ResponseStatus.COMPLETED)
    assert b.creates[-1] == (asked.id, 2)


@pytest.mark.parametrize("other", ["event_7f", "resp_other"])
def test_g20_a_conflict_that_names_an_unknown_event_answers_the_only_create(other: str) -> None:
    b = Bench()
    asked = b.ask()
    b.sent(asked)
    b.refused(other, ACTIVE, "active response in progress: resp_7")
    b.got(rf.ResponseCreated(response_id="resp_7"))
    b.done("resp_7", ResponseStatus.COMPLETED)
    assert b.creates[-1] == (asked.id, 2)


def test_g20_somebody_elses_bad_frame_does_not_settle_a_create() -> None:
    b = Bench()
    turn = b.ask()
    b.sent(turn)
    assert not b.refused(None, "invalid_value", "Audio content of 5ms is already shorter")
    assert turn.state is TurnState.REQUESTED


def test_g20_a_conflict_with_a_response_we_gave_up_waits_for_it_again() -> None:
    """The server still holds what we stopped waiting for: no burst of creates."""
    b = Bench()
    turn = b.speaking(response_id="resp_1")
    b.interrupt(turn)
    after = b.ask()
    b.wait(5.0)
    b.refused(b.sent(after), ACTIVE, "active response in progress: resp_1")
    b.wait(7.9)
    assert len(b.creates) == 2
    b.done("resp_1", ResponseStatus.CANCELLED)
    assert b.creates[-1] == (after.id, 2)


def test_g20_a_null_id_conflict_names_who_holds_the_lane() -> None:
    """A bare probe would hit that response."""
    b = Bench()
    turn = b.ask()
    b.sent(turn)
    b.refused(None, ACTIVE, "Conversation already has an active response in progress: resp_X.")
    for _ in range(20):
        b.wait(1.0)
        b.got(rf.ResponseActivity(response_id="resp_X"))
    assert b.those(rf.ProbeCancel) == []
    assert len(b.creates) == 1


def test_g3_a_done_for_a_strange_id_does_not_end_a_live_response() -> None:
    b = Bench()
    turn = b.ask()
    event_id = b.created(turn, "r1")
    done = rf.ResponseDone(response_id="r9", status=ResponseStatus.FAILED, client_event_id=event_id)
    assert not b.got(done)
    assert turn.state is TurnState.CREATED


# --- G23: interrupts


@pytest.mark.parametrize(
    "when", ["waiting", "sent", "created", "item", "output", "retry", "played"]
)
def test_g23_interrupt_in_every_state_ends_the_turn_once_and_creates_nothing(when: str) -> None:
    b = Bench(playback=True)
    blocker = b.ask() if when == "waiting" else None
    turn = b.ask()
    if when not in ("waiting", "sent"):
        b.created(turn, "r1")
    elif when == "sent":
        b.sent(turn)
    if when == "item":
        b.item("r1", "m1")
    if when in ("output", "played"):
        b.message("r1", "m1")
        b.got(rf.MessagePulled(item_id="m1"), rf.PlaybackStarted())
    if when == "played":
        b.done("r1")
    if when == "retry":
        b.failed("r1")
    before = len(b.creates)
    b.interrupt(turn)
    if when in ("output", "played"):
        b.got(rf.PlaybackFinished(position_ms=300, interrupted=True))
    if when in ("created", "item", "output"):
        assert b.cancels == ["r1"]
        b.done("r1", ResponseStatus.CANCELLED)
    if when == "sent":
        b.got(rf.ResponseCreated(response_id="r1", client_event_id="create_1"))
        b.done("r1", ResponseStatus.CANCELLED)
    assert turn.outcome is TurnOutcome.INTERRUPTED
    assert [c for c in b.those(rf.TurnEnded) if c.turn_id == turn.id] == [
        rf.TurnEnded(turn_id=turn.id, outcome=TurnOutcome.INTERRUPTED, error=turn.error)
    ]
    b.interrupt(turn)
    b.wait(60)
    assert [c for c in b.creates[before:] if c[0] == turn.id] == []
    assert blocker is None or not blocker.live


# --- G24: user speech and server VAD


def test_g24_the_lane_is_closed_from_speech_started_until_the_vads_response() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted())
    turn = b.ask()
    b.wait(1.0)
    b.got(rf.SpeechStopped())
    b.wait(0.1)
    assert b.creates == []
    b.got(rf.ResponseCreated(response_id="vad"))
    b.message("vad", "m1")
    b.done("vad")
    assert b.creates == [(turn.id, 1)]


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("asked", ["while the user speaks", "later"])
def test_g24_g27_a_request_waits_less_for_server_vads_answer(committed: bool, asked: str) -> None:
    b = vad_owes(committed, first=asked == "while the user speaks")
    turn = b.c.turns[0] if b.c.turns else b.ask()
    b.wait(1.9)
    assert b.creates == []
    b.wait(0.1)
    assert b.creates == [(turn.id, 1)]
    assert b.c.turns == (turn,), "it is the answer: no other is owed"


def test_g18_while_nobody_waits_a_slow_server_vad_has_its_time() -> None:
    b = vad_owes(True)
    b.wait(9.0)
    assert b.c.turns == ()
    b.got(rf.ResponseCreated(response_id="vad"))
    (turn,) = b.c.turns
    assert turn.origin is rf.Origin.SERVER_VAD


def test_g24_a_short_timeout_is_not_made_longer() -> None:
    b = vad_owes(True, policy=rf.RetryPolicy(timeout=0.5))
    turn = b.ask()
    b.wait(0.5)
    assert b.creates == [(turn.id, 1)]


def vad_owes(
    committed: bool, *, first: bool = False, policy: rf.RetryPolicy | None = None
) -> Bench:
    """The user has spoken, and server VAD is to answer; a request waits, or not."""
    b = Bench(policy or rf.RetryPolicy())
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted())
    if first:
        b.ask()
    b.got(rf.SpeechStopped())
    if committed:
        b.got(rf.InputCommitted())
    return b


def test_g18_server_vads_answer_that_failed_without_created_is_asked_again() -> None:
    """G18: the committed turn is answered."""
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    assert b.failed("v1", "rate_limit_exceeded")
    (turn,) = b.c.turns
    assert turn.origin is rf.Origin.SERVER_VAD
    b.wait(0.1)
    assert b.creates == [(turn.id, 2)]


def test_g18_server_vads_create_that_was_refused_is_asked_again_at_once() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    assert b.refused(None, "server_error")
    assert b.creates == []
    b.wait(0.1)
    (turn,) = b.c.turns
    assert b.creates == [(turn.id, 1)]


def test_g18_g19_an_answer_owed_when_the_connection_breaks_is_issued_on_the_next() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    b.got(rf.ConnectionLost(error=rf.error_info(None, "server_error", "")))
    assert b.creates == []
    b.got(rf.ConnectionReady())
    (turn,) = b.c.turns
    assert b.creates == [(turn.id, 1)]


def test_g24_a_cleared_input_gets_no_answer_and_opens_the_lane() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted())
    turn = b.ask()
    b.got(rf.InputCleared())
    assert b.creates == [(turn.id, 1)]
    b.got(rf.SpeechStopped())
    after = b.ask()
    b.created(turn, "r1")
    b.message("r1", "m1")
    b.done("r1")
    assert b.creates[-1] == (after.id, 1)


def test_g20_a_response_that_a_conflict_named_and_never_shows_is_cancelled_by_id() -> None:
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), ACTIVE, "active response in progress: resp_X.")
    b.wait(8.0)
    assert b.cancels == ["resp_X"]
    b.done("resp_X", ResponseStatus.CANCELLED)
    assert b.creates[-1] == (turn.id, 2)


def test_g18_the_answer_that_server_vad_owes_is_issued_by_us() -> None:
    """It lost the race against another response, or was never created."""
    b = Bench(rf.RetryPolicy(timeout=5.0))
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    b.wait(4.9)
    assert b.creates == []
    b.wait(0.1)
    (turn,) = b.c.turns
    assert b.creates == [(turn.id, 1)]
    b.created(turn, "r1")
    b.message("r1", "m1")
    b.done("r1")
    b.wait(60)
    assert len(b.creates) == 1


def test_g18_any_response_created_after_the_commit_is_the_answer() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    turn = b.ask()
    b.wait(5.0)
    b.created(turn, "r1")
    b.message("r1", "m1")
    b.done("r1")
    b.wait(60)
    assert b.creates == [(turn.id, 1)], "it waited for server VAD, and answers both"


def test_g24_a_cough_opens_the_lane_again() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped())
    turn = b.ask()
    b.wait(5.0)
    assert b.creates == [(turn.id, 1)]


def test_g24_where_the_client_owns_turns_speech_closes_nothing() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=False, server_interrupts=True))
    b.got(rf.SpeechStarted())
    turn = b.ask()
    assert b.creates == [(turn.id, 1)]


def test_user_speech_suspends_a_retry_and_a_cough_does_not_lose_it() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.ResponseCreated(response_id="vad"))
    (turn,) = b.c.turns
    b.failed("vad")
    assert turn.state is TurnState.RETRY_WAIT
    b.got(rf.SpeechStarted())
    b.wait(10)
    assert turn.state is TurnState.RETRY_WAIT, "its clocks stand still"
    assert b.creates == []
    b.got(rf.SpeechStopped())
    b.wait(5.2)
    assert b.creates == [(turn.id, 2)]


def test_user_speech_suspends_a_retry_where_the_client_owns_turns_too() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=False, server_interrupts=False))
    turn = b.ask()
    b.created(turn, "r1")
    b.failed("r1")
    b.got(rf.SpeechStarted())
    b.wait(3.0)
    assert len(b.creates) == 1, "no talking over the user"
    b.got(rf.SpeechStopped())
    b.wait(0.1)
    assert len(b.creates) == 2


def test_a_newer_turn_supersedes_one_that_waits_for_its_retry() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.ResponseCreated(response_id="v1"))
    (old,) = b.c.turns
    b.failed("v1")
    b.got(rf.SpeechStarted(), rf.SpeechStopped())
    b.got(rf.ResponseCreated(response_id="v2"))
    assert old.outcome is TurnOutcome.SUPERSEDED
    assert b.creates == []


def test_g10_g12_a_session_that_dies_while_idle_is_reported_once() -> None:
    """G10, G12."""
    b = Bench()
    b.refused(None, "invalid_api_key")
    b.refused(None, "invalid_api_key")
    b.got(rf.SessionFailed(error=rf.error_info("invalid_api_key", None, "")))
    assert len(b.those(rf.ReportSession)) == 1


# --- stalls


def test_a_silent_server_is_bounded_before_and_during_output() -> None:
    b = Bench(rf.RetryPolicy(max_retry=0))
    thinking = b.ask()
    b.created(thinking, "r1")
    b.wait(19.9)
    assert thinking.state is TurnState.CREATED, "models think"
    b.wait(0.1)
    assert thinking.state is TurnState.FAILED
    assert b.cancels == ["r1"]
    b.done("r1", ResponseStatus.CANCELLED)
    speaking = b.ask()
    b.speaking(speaking, "r2")
    b.wait(7.0)
    b.got(rf.ResponseActivity(response_id="r2"))
    b.wait(8.0)
    assert [c.reason.code for c in b.those(rf.Recovering)] == ["stalling"]
    b.wait(11.9)
    assert speaking.state is TurnState.STREAMING, "it cannot be asked again, and may go on"
    b.wait(0.1)
    assert speaking.error is not None
    assert speaking.error.code == "stalled"
    assert b.cancels == ["r1", "r2"]


# --- the host's mistakes


def test_impossible_calls_raise_with_fields_and_change_nothing() -> None:
    b = Bench()
    b.now = 5.0
    turn = b.ask()
    with pytest.raises(rf.LocalProtocolError) as backwards:
        b.c.advance(4.0)
    assert (backwards.value.call, backwards.value.field) == ("advance", "now")
    with pytest.raises(rf.LocalProtocolError):
        b.c.request(float("nan"))
    with pytest.raises(rf.LocalProtocolError) as stranger:
        Bench().c.interrupt(turn, 6.0)
    assert stranger.value.field == "turn"
    with pytest.raises(rf.LocalProtocolError) as nonsense:
        b.c.receive("response.created", 6.0)  # type: ignore[arg-type]
    assert nonsense.value.field == "event"
    assert b.c.turns == (turn,)
    b.c.close(6.0)
    for call in (lambda: b.c.request(7.0), lambda: b.c.interrupt(turn, 7.0)):
        with pytest.raises(rf.LocalProtocolError) as closed:
            call()
        assert str(closed.value).endswith("state is 'closed', expected open")
    b.c.advance(7.0)


def test_memory_is_bounded() -> None:
    b = Bench()
    for n in range(300):
        turn = b.ask()
        b.created(turn, f"r{n}")
        b.message(f"r{n}", f"m{n}")
        b.done(f"r{n}")
        b.all.clear()
    session = b.c._session
    assert len(b.c.finished) == 32
    for index in (session.live, session.by_event, session.by_id, session.unsent, session.messages):
        assert len(index) <= 64  # type: ignore[arg-type]
    assert len(session.past) == 64
    assert session.lane.holders == []


def test_g16_differences_are_told_until_the_server_confirms() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.message("r1", "m2", audio_ms=500)
    b.done("r1")
    b.got(rf.PlaybackFinished(position_ms=400, interrupted=True))
    b.got(rf.SpeechOver(turn_id=turn.id, interrupted=True))
    assert b.deleted == ["m2"]
    assert {i: str(d) for i, d in b.c.differences().items()} == {
        "m1": "400 ms heard, 1000 ms remembered",
        "m2": "nothing heard, but remembered",
    }
    b.got(rf.ItemTruncated(item_id="m1", audio_end_ms=400), rf.ItemDeleted(item_id="m2"))
    assert b.c.differences() == {}
    b.got(rf.MessageShown(item_id="m2", text="never said"))
    assert {i: str(d) for i, d in b.c.differences().items()} == {"m2": "nothing heard, but shown"}
    b.got(rf.MessageShown(item_id="m2", text=""), rf.MessageShown(item_id="m1", text=""))
    assert b.c.differences() == {}, "too short for a word"
    assert not b.got(rf.ItemDeleted(item_id="stranger"))


def test_g16_a_driver_tells_of_words_and_order() -> None:
    b = Bench(playback=True)
    b.speaking()
    b.done("r1")
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    other = rf.Difference(rf.DifferenceKind.ORDER, 1000, 1000)
    b.c.look = lambda messages: {m.item_id: other for m in messages if m.outcome is not None}
    assert b.c.differences() == {"m1": other}
    assert str(other) == "shown or remembered in another order than heard"
    b.got(rf.ItemTruncated(item_id="m1", audio_end_ms=400))
    kinds = {i: d.kind for i, d in b.c.differences().items()}
    assert kinds == {"m1": rf.DifferenceKind.POSITION}, "what is known here goes first"


# --- found by `realtime-fsm explore`


def test_g3_a_delta_after_the_terminal_changes_nothing() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.done("r1")
    due = b.c.next_deadline()
    assert not b.got(rf.OutputReceived(response_id="r1", item_id="m1", audio_ms=1000))
    assert turn.messages[0].received_ms == 1000
    assert b.c.next_deadline() == due


def test_g3_a_delta_after_the_terminal_does_not_hand_out_a_message() -> None:
    b = Bench(playback=True)
    b.speaking()
    b.item("r1", "m2")
    b.done("r1")
    b.got(rf.OutputReceived(response_id="r1", item_id="m2", audio_ms=1000))
    assert b.delivered == ["m1"]


def test_g1_a_conflict_that_names_a_cancelled_response_shows_that_it_is_alive() -> None:
    """G20: its cancel is waited for anew, instead of a create against that evidence."""
    b = Bench(rf.RetryPolicy(recovery_deadline=20))
    turn = b.ask()
    b.created(turn, "resp_1")
    b.wait(20)  # silence: cancelled, to be asked again
    b.wait(4.9)
    b.refused(None, "conversation_already_has_active_response", "active response: resp_1")
    b.wait(4)
    assert len(b.creates) == 1
    b.wait(1.5)
    assert len(b.creates) == 2


def test_g20_a_conflict_that_answers_a_create_given_up_still_names_who_holds_the_lane() -> None:
    b = Bench(rf.RetryPolicy(max_retry=0))
    event_id = b.sent(b.ask())
    b.wait(11)  # no answer to it, nor to its probe: given up
    b.refused(event_id, "conversation_already_has_active_response", "active response: resp_9")
    b.ask()
    assert len(b.creates) == 1
    b.done("resp_9")
    assert len(b.creates) == 2


def test_g24_an_answer_is_expected_after_speech_longer_than_its_time_out() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True), rf.SpeechStarted())
    b.wait(61)
    b.got(rf.SpeechStopped(), rf.InputCommitted())
    b.ask()
    assert not b.creates
    b.got(rf.ResponseCreated(response_id="v1"))
    assert [t.origin for t in b.c.turns][-1] is rf.Origin.SERVER_VAD


def test_g2_a_terminal_without_created_settles_its_create_though_a_conflict_named_it() -> None:
    b = Bench()
    turn = b.ask()
    event_id = b.sent(turn)
    b.refused(None, "conversation_already_has_active_response", "active response: resp_1")
    done = rf.ResponseDone(
        response_id="resp_1", status=rf.ResponseStatus.INCOMPLETE, client_event_id=event_id
    )
    b.got(done)
    assert turn.outcome is rf.TurnOutcome.INCOMPLETE


@pytest.mark.parametrize("while_down", [False, True], ids=["after", "before the reconnect"])
@pytest.mark.parametrize("position", [400.0, 0.0], ids=["heard", "unheard"])
def test_g16_what_was_heard_of_a_lost_connections_message_is_restored(
    position: float, while_down: bool
) -> None:
    b = Bench(playback=True)
    b.c.audible = True
    turn = b.speaking()
    b.got(rf.ConnectionLost(error=rf.error_info("connection_lost", None, "")))
    if not while_down:
        b.got(rf.ConnectionReady())
    assert b.those(rf.RestoreItem) == []
    b.interrupt(turn)
    b.got(rf.PlaybackFinished(position_ms=position, interrupted=True))
    if while_down:
        assert b.those(rf.RestoreItem) == []
        b.got(rf.ConnectionReady())
    b.got(rf.SpeechOver(turn_id=turn.id, interrupted=True))
    restored = [x.item_id for x in b.those(rf.RestoreItem)]
    assert restored == (["m1"] if position else [])
    if position:
        assert {i: str(d) for i, d in b.c.differences().items()} == {
            "m1": "400 ms heard, 0 ms remembered"
        }
        b.got(rf.ItemTruncated(item_id="m1", audio_end_ms=400))
    assert b.c.differences() == {}
