"""Recovery beyond the single attempt: hints, budgets, silent connections, going on after exposure."""

from __future__ import annotations

import pytest

import realtime_fsm as rf

from .harness import Bench

REGENERATE = rf.RetryPolicy(after_exposure="regenerate")
LOST = rf.ErrorInfo(kind=rf.ErrorKind.TRANSIENT, code="connection_lost")


def lost(bench: Bench, *, for_good: bool = False) -> None:
    bench.got(rf.ConnectionLost(error=LOST, for_good=for_good))


# --- classification by the policy


def test_the_policy_says_what_an_error_means() -> None:
    """By code, then by type; a listed one wins over the library's own table."""
    policy = rf.RetryPolicy(
        kinds={"server_error": rf.ErrorKind.FATAL, "odd_error": rf.ErrorKind.TRANSIENT}
    )
    bench = Bench(policy)
    turn = bench.ask()
    bench.created(turn, "r1")
    bench.failed("r1", "server_error")
    assert turn.state is rf.TurnState.FAILED
    for info, kind in (
        (rf.ErrorInfo(kind=rf.ErrorKind.UNKNOWN, type="odd_error"), rf.ErrorKind.TRANSIENT),
        (rf.ErrorInfo(kind=rf.ErrorKind.UNKNOWN, code="other"), rf.ErrorKind.UNKNOWN),
        (
            rf.ErrorInfo(kind=rf.ErrorKind.UNKNOWN, code="server_error", type="odd_error"),
            rf.ErrorKind.FATAL,
        ),
    ):
        assert policy.reclassified(info).kind is kind


@pytest.mark.parametrize("kinds", [{"x": "fatal"}, {3: rf.ErrorKind.FATAL}, ["x"], None])
def test_kinds_of_the_wrong_type_name_themselves(kinds: object) -> None:
    with pytest.raises(ValueError, match="kinds") as e:
        rf.RetryPolicy(kinds=kinds)  # type: ignore[arg-type]
    assert "x" in str(e.value) or "3" in str(e.value) or "None" in str(e.value)


# --- rate_limits.updated

LIMITS = {
    "type": "rate_limits.updated",
    "rate_limits": [
        {"name": "requests", "limit": 10, "remaining": 3, "reset_seconds": 60.0},
        {"name": "tokens", "limit": 10, "remaining": 0, "reset_seconds": 1.5},
    ],
}


def test_the_reset_of_an_exhausted_limit_is_a_hint() -> None:
    event = rf.parse(LIMITS)
    assert event == rf.RateLimitsUpdated(reset_after=1.5)
    odd = [{"remaining": 0, "reset_seconds": x} for x in (None, "1", True, -1, float("nan"))]
    assert rf.parse({**LIMITS, "rate_limits": odd}) == rf.RateLimitsUpdated(reset_after=None)
    assert isinstance(rf.parse({**LIMITS, "rate_limits": 3}), rf.Unreadable)


@pytest.mark.parametrize("before", [True, False], ids=["before the failure", "after it"])
def test_g9_the_hint_of_rate_limits_wins_over_the_interval(before: bool) -> None:
    bench = Bench()
    turn = bench.ask()
    bench.created(turn, "r1")
    hint = rf.RateLimitsUpdated(reset_after=1.5)
    if before:
        bench.got(hint)
    bench.failed("r1", "rate_limit_exceeded")
    if not before:
        bench.got(hint)
    bench.wait(1.4)
    assert len(bench.creates) == 1
    bench.wait(0.2)
    assert len(bench.creates) == 2


def test_the_hint_of_rate_limits_is_about_rate_limits_and_capped() -> None:
    for code, after in (("server_error", 0.1), ("rate_limit_exceeded", 4.0)):
        bench = Bench()
        turn = bench.ask()
        bench.created(turn, "r1")
        bench.got(rf.RateLimitsUpdated(reset_after=900.0))
        bench.failed("r1", code)
        assert turn.retry_at == pytest.approx(after)


def test_a_limit_that_was_reset_before_the_failure_says_nothing() -> None:
    bench = Bench()
    bench.got(rf.RateLimitsUpdated(reset_after=1.0))
    bench.wait(2.0)
    turn = bench.ask()
    bench.created(turn, "r1")
    bench.failed("r1", "rate_limit_exceeded")
    assert turn.retry_at == pytest.approx(bench.now + 0.1)


# --- the budget of connections


def test_g11_connections_without_progress_are_waited_for_and_end_no_session() -> None:
    """Plain LiveKit goes on as well (G26, G27): what was asked fails, and is not asked again."""
    bench = Bench(rf.RetryPolicy(max_retry=9, recovery_deadline=60.0))
    turn = bench.ask()
    for _ in range(3):
        bench.sent(turn)
        lost(bench)
        assert turn.state is rf.TurnState.RETRY_WAIT
        bench.wait(3.0)
        bench.got(rf.ConnectionReady())
    bench.sent(turn)
    lost(bench)
    assert [c.wait for c in bench.those(rf.ReplaceConnection)] == [2.0, 2.0]
    (report,) = bench.those(rf.ReportFailure)
    assert (turn.state, report.fatal) == (rf.TurnState.FAILED, False)
    assert report.error.message == "gave up after 4 connections in a row were lost"
    assert bench.those(rf.ReportSession) == []
    bench.got(rf.ConnectionReady())
    after = bench.ask()
    bench.created(after, "r")
    assert after.state is rf.TurnState.CREATED


def test_g11_where_failures_are_to_escalate_they_are_limited() -> None:
    bench = Bench(rf.RetryPolicy(max_retry=3, retry_interval=2.0, on_exhausted="escalate"))
    waits = []
    for _ in range(4):
        bench.got(rf.ConnectionReady())
        lost(bench)
        waits = [c.wait for c in bench.those(rf.ReplaceConnection)]
    assert waits == [2.0]
    assert bench.c.dead is not None
    assert len(bench.those(rf.ReportSession)) == 1


def test_g11_a_response_that_spoke_or_a_minute_resets_it() -> None:
    for progress in ("spoke", "minute", "empty"):
        bench = Bench(rf.RetryPolicy(max_retry=1, on_exhausted="escalate"))
        for n in range(4):
            bench.got(rf.ConnectionReady())
            if progress == "minute":
                bench.wait(60.0)
            else:
                turn = bench.ask()
                bench.created(turn, f"r{n}")
                if progress == "spoke":
                    bench.message(f"r{n}", f"m{n}")
                bench.done(f"r{n}")
            lost(bench)
        assert (bench.c.dead is not None) == (progress == "empty")


def test_g11_a_handshake_that_fails_is_not_another_connection() -> None:
    bench = Bench()
    bench.got(rf.ConnectionReady())
    for _ in range(9):
        lost(bench)
    assert bench.c.dead is None


def test_g11_a_connection_taken_for_dead_counts_when_its_loss_is_told() -> None:
    """Nothing leaves any more, so the lane takes it for lost before the session below says so."""
    bench = Bench(rf.RetryPolicy(max_reconnect=1, on_exhausted="escalate"))
    for _ in range(2):
        assert bench.c.dead is None
        bench.got(rf.ConnectionReady())
        bench.ask()
        bench.wait(30.0)
        assert not bench.c.connected
        lost(bench)
    assert bench.c.dead is not None


def test_g19_what_is_below_died_for_good_is_replaced_at_once() -> None:
    bench = Bench()
    turn = bench.ask()
    bench.created(turn, "r1")
    lost(bench, for_good=True)
    assert [c.wait for c in bench.those(rf.ReplaceConnection)] == [0.0]
    assert turn.state is rf.TurnState.RETRY_WAIT
    bench.wait(0.5)
    assert len(bench.creates) == 1, "there is no connection yet"
    bench.got(rf.ConnectionReady())
    assert len(bench.creates) == 2


# --- a connection that is silent when asked


def test_g4_a_probe_without_any_answer_shows_a_dead_connection() -> None:
    bench = Bench(rf.RetryPolicy(timeout=5.0, answer_timeout=3.0))
    bench.c.frame_received(0.0)
    turn = bench.ask()
    bench.sent(turn)
    bench.wait(5.0)
    assert len(bench.those(rf.ProbeCancel)) == 1
    bench.wait(2.9)
    assert not bench.those(rf.ReplaceConnection)
    bench.wait(0.2)
    assert len(bench.those(rf.ReplaceConnection)) == 1
    bench.got(rf.ConnectionReady())
    bench.wait(0.2)
    assert len(bench.creates) == 2


@pytest.mark.parametrize("frames", [True, False], ids=["it talks", "frames are not shown"])
def test_g4_a_connection_that_talks_or_cannot_be_heard_is_kept(frames: bool) -> None:
    bench = Bench(rf.RetryPolicy(timeout=5.0, answer_timeout=3.0, recovery_deadline=30.0))
    turn = bench.ask()
    bench.sent(turn)
    bench.wait(6.0)
    if frames:
        bench.c.frame_received(bench.now)
    bench.wait(5.0)
    assert not bench.those(rf.ReplaceConnection)
    assert len(bench.creates) == 2, "after the create timeout and the probe's"


def test_g6_a_cancel_without_any_answer_shows_a_dead_connection() -> None:
    bench = Bench(playback=True)
    turn = bench.speaking()
    bench.c.frame_received(bench.now)
    bench.wait(1.0)
    bench.interrupt(turn)
    bench.wait(12.9)
    assert not bench.those(rf.ReplaceConnection)  # nobody waits: it may only be held up
    bench.wait(3.1)
    assert len(bench.those(rf.ReplaceConnection)) == 1


def test_g27_not_for_who_waits_for_what_would_be_lost_with_it() -> None:
    bench = Bench(playback=True)
    turn = bench.speaking()
    bench.c.frame_received(bench.now)
    bench.wait(1.0)
    bench.interrupt(turn)
    bench.ask()
    bench.c.at_stake = True
    bench.wait(12.9)
    assert not bench.those(rf.ReplaceConnection)
    bench.wait(3.1)
    assert len(bench.those(rf.ReplaceConnection)) == 1


@pytest.mark.parametrize("asked", [0.0, 2.0, 4.0])
def test_g27_a_connection_is_given_up_at_once_for_who_waits(asked: float) -> None:
    bench = Bench(playback=True)
    turn = bench.speaking()
    bench.c.frame_received(bench.now)
    bench.wait(1.0)
    bench.interrupt(turn)
    bench.wait(asked)
    bench.ask()
    bench.wait(3.1)
    assert len(bench.those(rf.ReplaceConnection)) == 1


def test_g4_an_interrupted_create_is_probed_once_it_should_have_been_acknowledged() -> None:
    """BASELINE h2: the next request does not wait out the create timeout."""
    for asked, probed in ((0.2, 1.0), (2.0, 2.0)):
        bench = Bench()
        turn = bench.ask()
        bench.sent(turn)
        bench.wait(asked)
        bench.interrupt(turn)
        bench.wait(probed - asked)
        assert len(bench.those(rf.ProbeCancel)) == 1
        assert bench.now == pytest.approx(probed)


# --- after exposure


def exposed_then(bench: Bench, *, heard: bool = False) -> rf.Turn:
    turn = bench.speaking()
    if heard:
        bench.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    bench.failed("r1")
    return turn


def test_g9_regenerate_waits_for_what_was_received_to_play() -> None:
    bench = Bench(REGENERATE, playback=True)
    turn = exposed_then(bench)
    assert turn.state is rf.TurnState.STREAMING
    assert turn.replacing
    assert len(bench.those(rf.EndAttempt)) == 1
    assert not bench.those(rf.EndStreams)
    bench.wait(1.0)
    assert len(bench.creates) == 1
    bench.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.state is rf.TurnState.RETRY_WAIT
    bench.wait(0.1)
    bench.created(turn, "r2")
    bench.message("r2", "m2")
    bench.done("r2")
    bench.got(rf.MessagePulled(item_id="m2"))
    bench.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.outcome is rf.TurnOutcome.COMPLETED
    assert bench.delivered == ["m1", "m2"]
    assert not bench.those(rf.ReportFailure)


def test_g9_regenerate_asks_at_once_when_it_has_played() -> None:
    bench = Bench(REGENERATE, playback=True)
    turn = exposed_then(bench, heard=True)
    assert turn.state is rf.TurnState.RETRY_WAIT
    assert not bench.those(rf.EndAttempt)


def test_g16_regenerate_removes_what_nobody_heard() -> None:
    """…before the next create, on the same ordered socket; and once."""
    bench = Bench(REGENERATE, playback=True)
    bench.c.audible = True
    turn = bench.ask()
    bench.created(turn, "r1")
    bench.message("r1", "m1")
    bench.got(rf.MessagePulled(item_id="m1"))
    bench.failed("r1")
    bench.got(rf.PlaybackFinished(position_ms=0, interrupted=True))
    assert turn.state is rf.TurnState.RETRY_WAIT
    bench.wait(0.1)
    kinds = [type(c) for c in bench.all]
    assert bench.deleted == ["m1"]
    last = len(kinds) - 1 - kinds[::-1].index(rf.CreateResponse)
    assert kinds.index(rf.DeleteItem) < last
    bench.c.close(bench.now)
    assert bench.deleted == ["m1"]


def test_g9_regenerate_heeds_a_rate_limit_that_is_told_while_it_plays() -> None:
    """What was told before the failure counts, and so does what is told after it."""
    bench = Bench(REGENERATE, playback=True)
    turn = bench.speaking()
    bench.failed("r1", "rate_limit_exceeded")
    bench.got(rf.RateLimitsUpdated(reset_after=3.0))
    bench.wait(1.0)
    bench.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.retry_at == pytest.approx(3.0)


def test_g9_regenerate_does_not_wait_for_a_limit_that_was_reset_while_it_played() -> None:
    bench = Bench(REGENERATE, playback=True)
    turn = bench.speaking()
    bench.failed("r1", "rate_limit_exceeded")
    bench.got(rf.RateLimitsUpdated(reset_after=1.0))
    bench.wait(2.0)
    bench.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.retry_at == pytest.approx(2.1)


def test_g14_regenerate_gives_no_time_to_audio_of_an_attempt_that_was_given_up() -> None:
    """It is never handed out, so it does not play."""
    bench = Bench(REGENERATE, playback=True)
    turn = bench.speaking()
    bench.item("r1", "m2")
    bench.wait(8.0)
    assert turn.replacing
    bench.got(rf.OutputReceived(response_id="r1", item_id="m2", audio_ms=9000))
    assert bench.delivered == ["m1"]
    bench.got(rf.PlaybackPaused(), rf.PlaybackResumed())
    assert bench.ends_by(turn) == 8.0 + 1.0 + 8.0


def test_g14_regenerate_ends_when_the_sink_never_reports() -> None:
    bench = Bench(REGENERATE, playback=True)
    turn = exposed_then(bench)
    bench.wait(60.0)
    assert turn.state is rf.TurnState.FAILED
    assert turn.error is not None
    assert turn.error.code == "server_error"
    assert len(bench.creates) == 1


def test_g7_regenerate_ends_when_the_speech_is_over_before() -> None:
    bench = Bench(REGENERATE, playback=True)
    turn = exposed_then(bench)
    bench.got(rf.SpeechOver(turn_id=turn.id, interrupted=False))
    assert turn.state is rf.TurnState.FAILED
    assert len(bench.those(rf.ReportFailure)) == 1


def test_g17_regenerate_leaves_a_turn_alone_that_called_a_tool() -> None:
    bench = Bench(REGENERATE, playback=True)
    turn = bench.speaking()
    bench.item("r1", "f1", rf.ItemKind.FUNCTION_CALL)
    bench.got(rf.CallReceived(response_id="r1", item_id="f1"))
    bench.failed("r1")
    assert turn.ending is rf.TurnOutcome.FAILED
    bench.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    bench.wait(5.0)
    assert len(bench.creates) == 1


def test_g9_regenerate_has_the_whole_deadline_after_each_silence() -> None:
    """Time in which the user hears something is not recovery time."""
    policy = rf.RetryPolicy(after_exposure="regenerate", recovery_deadline=1.0, max_retry=5)
    bench = Bench(policy, playback=True)
    turn = exposed_then(bench, heard=True)
    for n in (2, 3):
        bench.wait(0.1 if n == 2 else 2.0)
        bench.created(turn, f"r{n}")
        bench.message(f"r{n}", f"m{n}")
        bench.got(rf.MessagePulled(item_id=f"m{n}"))
        bench.wait(3.0)
        bench.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
        if n == 2:
            bench.failed(f"r{n}", message="try again in 0.5s")
            assert turn.state is rf.TurnState.RETRY_WAIT


# --- the end of the session


def test_g10_what_was_received_plays_out_when_the_session_dies() -> None:
    bench = Bench(playback=True)
    turn = bench.speaking()
    fatal = rf.ErrorInfo(kind=rf.ErrorKind.FATAL, code="insufficient_quota")
    bench.got(rf.SessionFailed(error=fatal))
    bench.got(rf.SessionFailed(error=fatal))
    assert turn.state is rf.TurnState.STREAMING
    assert len(bench.those(rf.ReportFailure)) == 1
    assert len(bench.those(rf.ReportSession)) == 1
    bench.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.outcome is rf.TurnOutcome.FAILED


def test_g10_a_response_that_is_complete_plays_out_and_is_no_failure() -> None:
    bench = Bench(playback=True)
    turn = bench.speaking()
    bench.done("r1")
    fatal = rf.ErrorInfo(kind=rf.ErrorKind.FATAL, code="insufficient_quota")
    bench.got(rf.SessionFailed(error=fatal))
    bench.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.outcome is rf.TurnOutcome.COMPLETED
    assert not bench.those(rf.ReportFailure)


def test_g6_a_response_that_a_conflict_names_later_is_not_cancelled_again() -> None:
    """Its terminal was lost: it was given up, and the next create meets it."""
    bench = Bench(playback=True)
    turn = bench.speaking(response_id="resp_1")
    bench.interrupt(turn)
    bench.wait(20.0)
    again = bench.ask()
    bench.refused(
        bench.sent(again),
        "conversation_already_has_active_response",
        "Conversation already has an active response in progress: resp_1.",
    )
    bench.wait(30.0)
    assert bench.cancels == ["resp_1"]


def test_g6_a_response_announced_again_after_it_was_given_up_is_not_cancelled_again() -> None:
    """G1: it lives, so it holds the lane; nobody answers with it."""
    bench = Bench()
    bench.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    bench.got(rf.ResponseCreated(response_id="v1"))
    bench.interrupt(bench.c.turns[0])
    bench.wait(20.0)
    bench.got(rf.ResponseCreated(response_id="v1"))
    assert not bench.c.turns
    bench.ask()
    assert not bench.creates
    bench.wait(60.0)
    assert bench.cancels == ["v1"]
    assert len(bench.creates) == 1


def test_g10_what_the_server_still_starts_in_a_dead_session_is_not_tried_again() -> None:
    """Server VAD does not know of the quota. Nobody waits eight seconds for what cannot come."""
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.refused(None, "insufficient_quota")
    b.got(rf.ResponseCreated(response_id="v1"))
    (turn,) = b.c.turns
    b.failed("v1")
    assert turn.outcome is rf.TurnOutcome.FAILED
    assert b.those(rf.Recovering) == []


@pytest.mark.parametrize("how", ["the connection is lost", "its answer is refused"])
def test_g7_an_answer_that_is_owed_in_a_dead_session_does_not_wait_for_ever(how: str) -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SessionFailed(error=rf.error_info("insufficient_quota", None, "")))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    if how == "the connection is lost":
        b.got(rf.ConnectionLost(error=rf.error_info("lost", None, "")), rf.ConnectionReady())
    else:
        b.refused(None, "server_error")
    b.wait(60)
    assert b.c.turns == ()


def test_g17_g25_an_item_that_was_a_message_is_no_call_later() -> None:
    bench = Bench()
    turn = bench.ask()
    bench.created(turn, "r1")
    bench.message("r1", "m1")
    assert not bench.got(rf.CallReceived(response_id="r1", item_id="m1"))
    assert bench.delivered == ["m1"]
    assert turn.calls == ()


# --- a speech that the host is done with


@pytest.mark.parametrize("cut", [True, False])
def test_g14_a_turn_knows_that_its_speech_is_over(cut: bool) -> None:
    bench = Bench(playback=True)
    turn = bench.speaking()
    assert not turn.speech_over
    bench.got(rf.SpeechOver(turn_id=turn.id, interrupted=cut))
    assert turn.speech_over
    assert turn.interrupted is cut


def test_g9_a_speech_that_is_over_is_not_asked_for_again() -> None:
    """Whatever its turn waits for: the lane, its response, the backoff, the terminal."""
    for wait in ("the lane", "created", "its first item", "the backoff"):
        bench = Bench(playback=True)
        if wait == "the lane":
            bench.ask()
        turn = bench.ask()
        if wait != "the lane":
            bench.created(turn, "r1")
        if wait == "its first item":
            bench.item("r1", "m1")
        elif wait == "the backoff":
            bench.failed("r1")
        asked = len(bench.creates)
        bench.got(rf.SpeechOver(turn_id=turn.id, interrupted=False))
        bench.failed("r1")
        bench.wait(30.0)
        assert not turn.live
        assert bench.creates[asked:] == []
        assert not [c for c in bench.those(rf.Recovering) if wait != "the backoff"]


def test_g18_an_answer_that_server_vad_could_not_start_is_recovered_within_the_budget() -> None:
    """The same failure as a `response.done` that failed: a budget, `Recovering`, the activity."""
    vad = rf.SessionConfigured(server_creates=True, server_interrupts=True)
    spoken = (rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    for retries in (0, 3):
        bench = Bench(rf.RetryPolicy(max_retry=retries))
        bench.got(vad, *spoken)
        bench.refused(None, "server_error")
        (turn,) = (*bench.c.turns, *bench.c.finished)
        assert turn.origin is rf.Origin.SERVER_VAD
        if not retries:
            assert turn.state is rf.TurnState.FAILED
            assert [r.error.code for r in bench.those(rf.ReportFailure)] == ["server_error"]
            continue
        assert turn.state is rf.TurnState.RETRY_WAIT
        assert (turn.retries, turn.recover_by, bench.c.activity) == (
            *(1, 8.0),
            rf.Activity.RECOVERING,
        )
        (plan,) = bench.those(rf.Recovering)
        assert (plan.attempt, plan.wait, plan.reason.code) == (0, 0.1, "server_error")
        bench.wait(0.1)
        assert bench.creates == [(turn.id, 1)]
