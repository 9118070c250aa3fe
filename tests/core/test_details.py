"""Numbers and names within the rules: how long, how often, from when."""

from __future__ import annotations

import re

import pytest

import realtime_fsm as rf

from .harness import Bench
from .test_rows import PLACES

ACTIVE = "conversation_already_has_active_response"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("retry_interval", -1.0, "retry_interval must be finite and 0 or more seconds, got -1.0"),
        ("retry_interval", "1", "retry_interval must be a number of seconds, got '1'"),
        ("timeout", 0, "timeout must be finite and more than 0 seconds, got 0"),
        ("answer_timeout", 0.0, "answer_timeout must be finite and more than 0 seconds, got 0.0"),
        ("max_retry", -1, "max_retry must be 0 or more, got -1"),
        (
            "on_exhausted",
            "x",
            "on_exhausted must be 'fail_turn', 'pipeline' or 'escalate', got 'x'",
        ),
        ("after_exposure", "x", "after_exposure must be 'stop' or 'regenerate', got 'x'"),
    ],
)
def test_a_bad_policy_names_field_and_value(field: str, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        rf.RetryPolicy(**{field: value})  # type: ignore[arg-type]


def test_the_least_values_of_a_policy_are_allowed() -> None:
    policy = rf.RetryPolicy(retry_interval=0, max_retry=0, on_exhausted="escalate")
    assert policy.interval(0) == policy.interval(1) == 0


@pytest.mark.parametrize("kind", ["response.new_thing", "vendor.progress", "conversation.item.new"])
@pytest.mark.parametrize(
    ("names", "alive"),
    [
        ({"response_id": "r1"}, True),
        ({"item_id": "i1"}, True),
        ({"response_id": "r9", "item_id": "i1"}, True),
        ({"response_id": "r9"}, False),
        ({"item_id": "i9"}, False),
        ({"response_id": 1, "item_id": ["i1"]}, False),
        ({}, False),
    ],
    ids=str,
)
def test_g25_an_unknown_event_is_counted_and_a_sign_of_life_of_what_it_names(
    kind: str, names: dict[str, object], alive: bool
) -> None:
    """And never more: it is no output, and moves nothing."""
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.item("r1", "i1")
    b.wait(b.c.policy.stall_timeout - 1.0)
    told = (turn.state, turn.messages, b.c.turns)
    event = rf.parse({"type": kind, **names})
    assert event is not None
    assert b.c.receive(event, b.now) is alive
    assert b.c.ignored == {"unknown event type": 1}
    assert (turn.state, turn.messages, b.c.turns) == told
    b.wait(2.0)
    stalled = turn.state is not rf.TurnState.STREAMING
    assert stalled is not alive


def test_g20_conflicts_are_asked_again_at_once_then_later_and_later() -> None:
    b = Bench()
    turn = b.ask()
    waits = []
    for n in range(5):
        creates = len(b.creates)
        message = f"Conversation already has an active response in progress: resp_{n}"
        b.refused(b.sent(turn), ACTIVE, message)
        assert (turn.state, turn.retries) == (rf.TurnState.REQUESTED, 0)
        b.done(f"resp_{n}")
        since = b.now
        while len(b.creates) == creates:
            at = b.c.next_deadline()
            assert at is not None
            b.wait(at - b.now)
        waits.append(round(b.now - since, 6))
        assert (turn.recover_by is None) == (n == 0)  # the second one starts the clock
    assert waits == [0.0, 0.1, 0.3, 0.7, 1.0]
    assert (turn.first_failure, turn.recover_by) == (0.0, 8.0)


def test_g9_each_retry_counts_once_and_takes_the_second_interval() -> None:
    b = Bench(rf.RetryPolicy(max_retry=3, retry_interval=1.0))
    turn = b.ask()
    starts = []
    for number in (1, 2, 3):
        b.created(turn, f"r{number}")
        b.item(f"r{number}", f"m{number}")
        assert turn.message_number == 1  # of its own response
        b.failed(f"r{number}")
        since, creates = b.now, len(b.creates)
        while len(b.creates) == creates:
            at = b.c.next_deadline()
            assert at is not None
            b.wait(at - b.now)
        starts.append(round(b.now - since, 6))
    assert turn.retries == 3
    assert starts == [0.1, 1.0, 1.0]
    told = b.those(rf.Recovering)
    assert [(c.turn_id, c.attempt, c.wait) for c in told] == [
        (turn.id, 1, 0.1),
        (turn.id, 2, 1.0),
        (turn.id, 3, 1.0),
    ]


def test_g11_connections_that_are_lost_again_and_again() -> None:
    """At once, then after the intervals; the last one is told, with a reason."""
    b = Bench(rf.RetryPolicy(max_retry=3, retry_interval=2.0, on_exhausted="escalate"))
    lost = rf.error_info("lost", "server_error", "")
    for _ in range(4):
        b.got(rf.ConnectionLost(error=lost, for_good=True))
        b.wait(5)
        b.got(rf.ConnectionReady())
    replaced = b.those(rf.ReplaceConnection)
    assert [c.wait for c in replaced] == [0.0, 0.0, 2.0]
    assert {c.reason for c in replaced} == {lost}
    (report,) = b.those(rf.ReportSession)
    assert report.error == b.c.dead
    assert report.error == rf.ErrorInfo(
        kind=rf.ErrorKind.FATAL,
        code="lost",
        message="gave up after 4 connections in a row were lost",
    )


def test_g11_a_connection_that_held_for_a_minute_is_progress() -> None:
    b = Bench(rf.RetryPolicy(max_reconnect=1, on_exhausted="escalate"))
    b.wait(1000)
    for held in (59.0, 60.0, 61.0, 59.0):
        b.got(rf.ConnectionReady())
        b.wait(held)
        dead = b.c.dead
        b.got(rf.ConnectionLost(error=rf.error_info("lost", None, ""), for_good=True))
    assert dead is None
    assert b.c.dead is not None


def test_g19_what_is_queued_when_a_connection_comes_gets_its_time_again() -> None:
    b = Bench()
    turn = b.ask()
    b.wait(7)
    b.got(rf.ConnectionLost(error=rf.error_info("lost", None, "")))
    b.wait(7)
    b.got(rf.ConnectionReady())
    b.wait(9.9)
    assert turn.live
    b.wait(0.2)
    assert turn.outcome is rf.TurnOutcome.FAILED


def test_g9_the_user_who_speaks_stops_the_clocks_of_recovery() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    turn = PLACES["created"](b)
    b.wait(1)
    b.failed("r1")
    assert (turn.retry_at, turn.recover_by) == (pytest.approx(1.1), 9.0)
    b.got(rf.SpeechStarted())
    b.wait(2)
    b.got(rf.SpeechStopped())
    b.wait(1)
    b.got(rf.InputCleared())  # a cough
    assert (turn.retry_at, turn.recover_by) == (pytest.approx(4.1), 12.0)


def test_g9_only_a_limited_turn_that_waits_learns_when_the_limit_ends() -> None:
    b = Bench()
    turn = PLACES["created"](b)
    b.failed("r1", "rate_limit_exceeded")
    b.wait(0.05)
    b.got(rf.RateLimitsUpdated(reset_after=2.0))
    assert turn.retry_at == pytest.approx(2.05)
    assert turn.error is not None
    assert turn.error.code == "rate_limit_exceeded"
    assert turn.error.retry_after == pytest.approx(2.0)
    b.wait(2)
    assert turn.state is rf.TurnState.REQUESTED
    # One that failed before, and is under way again, keeps its times.
    b.got(rf.RateLimitsUpdated(reset_after=3.0))
    assert turn.retry_at == pytest.approx(2.05)


def test_g14_playback_that_moves_gets_its_time_anew() -> None:
    """A second message that is pulled late has as long as it lasts, and the spare."""
    b = Bench(playback=True)
    turn = b.speaking()
    b.message("r1", "m2", audio_ms=2000)
    b.done("r1")
    assert b.ends_by(turn) == 3.0 + 8.0
    b.wait(5)
    b.got(rf.MessagePulled(item_id="m2"))
    assert b.ends_by(turn) == 5.0 + 2.0 + 8.0
    assert turn.messages[0].outcome is rf.MessageOutcome.FULL
    b.got(rf.PlaybackFinished(position_ms=2000, interrupted=False))
    assert turn.outcome is rf.TurnOutcome.COMPLETED


def test_g14_a_pull_closes_the_message_of_the_turn_before() -> None:
    """Its sink never reported; the next turn's message plays, so that one is over."""
    b = Bench(playback=True)
    first = b.speaking()
    b.done("r1")
    second = b.ask()
    b.created(second, "r2")
    b.message("r2", "m2")
    b.got(rf.MessagePulled(item_id="m2"))
    assert first.outcome is rf.TurnOutcome.COMPLETED
    assert second.live


def test_g15_a_millisecond_is_something_heard() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.got(rf.PlaybackFinished(position_ms=1.9, interrupted=True))
    message = turn.messages[0]
    assert (message.outcome, message.heard_ms) == (rf.MessageOutcome.PARTIAL, 1)


def test_g4_a_late_response_of_a_cancelled_turn_is_waited_for_like_any_cancel() -> None:
    b = Bench()
    turn = PLACES["stopping_sent"](b)
    b.wait(0.5)
    b.got(rf.ResponseCreated(response_id="r1", client_event_id="create_1"))
    assert b.cancels == ["r1"]
    assert b.ends_by(turn) == 0.5 + 5.0
    b.wait(4.9)
    assert turn.live
    b.wait(0.2)
    assert turn.outcome is rf.TurnOutcome.INTERRUPTED


def test_g17_a_call_whose_item_was_never_added_is_handed_out_with_its_ids() -> None:
    b = Bench()
    turn = PLACES["created"](b)
    b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    assert (turn.calls, b.delivered, turn.messages) == (("f1",), ["f1"], ())
    assert b.those(rf.ExposeTurn)[0].response_id == "r1"
    assert not b.c.withholds("f1")


def test_g17_a_call_that_was_handed_out_and_is_added_again_stays() -> None:
    """A call whose output the server has: to take it away breaks what a new connection is told."""
    b = Bench()
    turn = PLACES["created"](b)
    call = rf.ItemStarted(response_id="r1", item_id="f1", kind=rf.ItemKind.FUNCTION_CALL)
    b.got(call)
    b.got(rf.CallReceived(response_id="r1", item_id="f1"))
    assert not b.got(call)
    b.interrupt(turn)
    b.done("r1", rf.ResponseStatus.CANCELLED)
    assert (turn.calls, b.deleted) == (("f1",), [])


def test_g27_a_message_that_is_added_behind_its_first_delta_is_handed_out() -> None:
    b = Bench()
    turn = PLACES["created"](b)
    delta = rf.OutputReceived(response_id="r1", item_id="m1", audio_ms=20)
    b.got(delta)
    b.got(rf.ItemStarted(response_id="r1", item_id="m1", kind=rf.ItemKind.MESSAGE))
    assert b.got(delta)
    assert ([m.item_id for m in turn.messages], b.delivered) == (["m1"], ["m1"])


def test_g16_output_of_an_item_that_was_never_added_is_deleted_with_its_response() -> None:
    b = Bench()
    PLACES["created"](b)
    b.got(rf.OutputReceived(response_id="r1", item_id="m7", audio_ms=10))
    b.failed("r1")
    assert b.deleted == ["m7"]


def test_who_started_a_response_that_nobody_here_asked_for() -> None:
    for vad, origin in ((True, rf.Origin.SERVER_VAD), (False, rf.Origin.APPLICATION)):
        b = Bench()
        b.got(rf.SessionConfigured(server_creates=vad, server_interrupts=vad))
        b.got(rf.ResponseCreated(response_id="v1"))
        (turn,) = b.c.turns
        assert (turn.origin, turn.waiting, turn.attempts) == (origin, False, 1)
        assert turn.attempt is not None
        assert (turn.attempt.number, turn.attempt.response_id) == (1, "v1")
        b.wait(19.9)
        assert turn.state is rf.TurnState.CREATED
        b.wait(0.2)
        assert turn.state is rf.TurnState.RETRY_WAIT


def test_g18_the_answer_that_server_vad_owes_is_its_turn() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    b.wait(5)
    (turn,) = b.c.turns
    assert turn.origin is rf.Origin.SERVER_VAD
    assert b.creates == [(turn.id, 1)]


def test_g24_without_server_vad_speech_that_stopped_holds_nothing() -> None:
    b = Bench()
    b.got(rf.SpeechStarted())
    b.got(rf.SpeechStopped())
    assert b.c.next_deadline() is None
    b.ask()
    assert len(b.creates) == 1


def test_g24_speech_without_an_end_holds_the_lane_for_a_minute() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted())
    b.ask()
    b.wait(59.9)
    assert b.creates == []
    b.wait(0.2)
    assert len(b.creates) == 1


def test_g10_the_session_that_failed_is_told_with_its_error() -> None:
    b = Bench()
    gone = rf.error_info("gone", None, "")
    b.got(rf.SessionFailed(error=gone), rf.SessionFailed(error=rf.error_info("again", None, "")))
    assert [c.error for c in b.those(rf.ReportSession)] == [gone]
    assert b.ask().error is not None


def test_end_attempt_and_report_name_their_turn() -> None:
    b = Bench(rf.RetryPolicy(after_exposure="regenerate"), playback=True)
    turn = b.speaking()
    b.failed("r1")
    assert [c.turn_id for c in b.those(rf.EndAttempt)] == [turn.id]
    fatal = Bench(playback=True)
    turn = fatal.speaking()
    fatal.failed("r1", "insufficient_quota")
    assert [(c.turn_id, c.fatal) for c in fatal.those(rf.ReportFailure)] == [(turn.id, True)]


def test_a_move_is_told_whole_and_before_what_follows_from_it() -> None:
    b = Bench()
    turn = b.ask()
    b.all.clear()
    b.created(turn, "r1")
    b.all.clear()
    b.message("r1", "m1")
    state = rf.TurnState
    assert b.all == [
        rf.TurnMoved(
            turn_id="turn_1",
            source=state.CREATED,
            event="ITEM_STARTED",
            dest=state.STREAMING,
            attempt=1,
            label="streaming message 1",
        ),
        rf.TurnMoved(
            turn_id="turn_1",
            source=state.STREAMING,
            event="OUTPUT_RECEIVED",
            dest=state.STREAMING,
            attempt=1,
            label="streaming message 1",
        ),
        rf.ExposeTurn(turn_id="turn_1", response_id="r1"),
        rf.DeliverItem(turn_id="turn_1", item_id="m1"),
    ]
    assert [b.ask().id for _ in range(2)] == ["turn_2", "turn_3"]


def test_g16_what_is_deleted_has_an_event_of_its_own() -> None:
    b = Bench(playback=True)
    turn = PLACES["item"](b)
    b.failed("r1")
    b.wait(0.2)
    b.created(turn, "r2")
    b.message("r2", "m2")
    b.got(rf.SpeechOver(turn_id=turn.id, interrupted=False))
    b.done("r2")
    deletes = b.those(rf.DeleteItem)
    assert [(c.item_id, c.event_id) for c in deletes] == [
        ("m1", "rfsm_delete_1"),
        ("m2", "rfsm_delete_2"),
    ]
    assert turn.messages[-1].removed is True


def test_a_call_out_of_order_names_what_is_wrong() -> None:
    c = rf.TurnController()
    assert (c.playback_reported, c.audible, c.closed) == (False, False, False)
    assert None not in (c.playback_reported, c.audible, c.closed)
    assert c.request(3.0).origin is rf.Origin.CLIENT
    words = "now is 1.0, expected a time not before 3.0"
    for name, call in (
        ("request", lambda: c.request(1.0)),
        ("receive", lambda: c.receive(rf.SpeechStarted(), 1.0)),
        ("advance", lambda: c.advance(1.0)),
    ):
        with pytest.raises(rf.LocalProtocolError) as e:
            call()
        assert str(e.value) == f"{name}: {words}"
    with pytest.raises(rf.LocalProtocolError) as e:
        c.receive("x", 3.0)  # type: ignore[arg-type]
    assert str(e.value) == "receive: event is 'x', expected one of realtime_fsm's events"
    c.close(3.0)
    with pytest.raises(rf.LocalProtocolError) as e:
        c.request(4.0)
    assert str(e.value) == "request: state is 'closed', expected open"


def test_before_a_session_is_configured_nobody_but_the_client_starts_responses() -> None:
    b = Bench()
    b.got(rf.ResponseCreated(response_id="x"))
    (turn,) = b.c.turns
    assert turn.origin is rf.Origin.APPLICATION


def test_g3_the_last_64_responses_are_remembered() -> None:
    b = Bench()
    for n in range(64):
        b.got(rf.ResponseCreated(response_id=f"x{n}"))
        b.done(f"x{n}")
    assert not b.got(rf.ResponseCreated(response_id="x0"))
    b.got(rf.ResponseCreated(response_id="x64"))
    b.done("x64")
    assert not b.got(rf.ResponseCreated(response_id="x1"))
    assert b.got(rf.ResponseCreated(response_id="x0"))


@pytest.mark.parametrize("refused", [True, False], ids=["a conflict names it", "it was quicker"])
def test_g18_a_late_answer_of_server_vad_takes_the_place_of_what_was_asked_for_it(
    refused: bool,
) -> None:
    """One question, one answer, however late."""
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    b.wait(b.c.policy.timeout + 0.1)
    (turn,) = b.c.turns
    assert (turn.origin, len(b.creates)) == (rf.Origin.SERVER_VAD, 1)
    event_id = b.sent(turn)
    if refused:
        b.refused(event_id, ACTIVE, "Conversation already has an active response: resp_1.")
    b.got(rf.ResponseCreated(response_id="resp_1"))
    (answer,) = b.c.turns
    assert turn.outcome is rf.TurnOutcome.SUPERSEDED
    assert not b.those(rf.ReportFailure)
    assert answer.attempt is not None
    assert answer.attempt.response_id == "resp_1"
    b.message("resp_1", "i1")
    b.done("resp_1")
    b.wait(60.0)
    assert len(b.creates) == 1
