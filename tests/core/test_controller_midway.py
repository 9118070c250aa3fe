"""The controller, with something going on: playback, tools, connections, conflicts, interrupts."""

from __future__ import annotations

import pytest

import realtime_fsm as rf
from realtime_fsm import MessageOutcome, ResponseStatus, TurnOutcome, TurnState

from .harness import Bench

ACTIVE = "conversation_already_has_active_response"
NOT_ACTIVE = "response_cancel_not_active"


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
    b.wait(4.9)
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
