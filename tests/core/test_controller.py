"""The controller, guarantee by guarantee: one response at a time, ids, orphans. Names carry the ids of the
guarantees; those of how a turn ends, what happens midway, and of the user are in the files beside it."""

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


@pytest.mark.parametrize("interrupted", [False, True])
def test_g4_what_was_refused_for_good_and_made_all_the_same_is_a_turn(interrupted: bool) -> None:
    """Plain LiveKit speaks it, as what nobody asked for; unless the turn is not wanted any more."""
    b = Bench()
    turn = b.ask()
    event_id = b.sent(turn)
    if interrupted:
        b.interrupt(turn)
    b.refused(event_id, "unknown_parameter")
    assert not turn.live
    b.got(rf.ResponseCreated(response_id="r1", client_event_id=event_id))
    b.message("r1", "m1")
    assert b.cancels == ["r1"] * interrupted
    assert b.delivered == ["m1"] * (not interrupted)
    assert len(b.those(rf.AnnounceTurn)) == (not interrupted)


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
