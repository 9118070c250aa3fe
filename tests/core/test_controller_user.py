"""The controller and those who talk to it: the user, server VAD, and the host with its mistakes."""

from __future__ import annotations

from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm import ResponseStatus, TurnOutcome, TurnState

from .harness import Bench

ACTIVE = "conversation_already_has_active_response"
NOT_ACTIVE = "response_cancel_not_active"


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


def race(*, of_user: bool) -> Bench:
    """Server VAD's create is refused for a request that went ahead of it."""
    b = vad_owes(True)
    asked = b.ask(of_user=of_user)
    b.wait(2.0)
    b.created(asked, "r1")
    b.wait(1.0)
    conflict = rf.error_info(ACTIVE, None, "… an active response in progress: r1.")
    b.got(rf.ErrorReceived(error=conflict, event_id=None))
    b.message("r1", "m1")
    b.done("r1")
    return b


def test_g18_an_answer_that_lost_to_what_is_for_nobodys_question_is_asked_for() -> None:
    b = race(of_user=False)
    turn = b.c.turns[-1]
    assert (turn.origin, b.creates[1:]) == (rf.Origin.SERVER_VAD, [(turn.id, 1)])


def test_g18_what_the_user_asked_with_it_answers_it_too() -> None:
    assert len(race(of_user=True).creates) == 1


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


@pytest.mark.parametrize("first", [True, False], ids=["a request waits", "nothing waits"])
def test_g18_server_vads_answer_of_which_only_the_end_is_seen_is_asked_for_at_once(
    first: bool,
) -> None:
    """Its ``response.created`` got lost, so nobody heard it. Who waits is not held up for it any more."""
    b = vad_owes(committed=True, first=first)
    assert b.creates == []
    b.got(rf.ResponseDone(response_id="v1", status=rf.ResponseStatus.COMPLETED))
    (turn,) = b.c.turns
    assert b.creates == [(turn.id, 1)]
    assert turn.origin is (rf.Origin.CLIENT if first else rf.Origin.SERVER_VAD)
    b.wait(20.0)
    assert len(b.creates) == 1, "and once"


def test_g18_the_end_of_a_response_that_may_be_another_is_no_answer() -> None:
    def end(b: Bench, **more: Any) -> None:
        turns, told = b.c.turns, {"status": ResponseStatus.COMPLETED, **more}
        b.got(rf.ResponseDone(response_id="v1", **told))
        assert (b.creates, b.c.turns) == ([], turns)

    end(vad_owes(committed=True), client_event_id="somebody's")
    end(vad_owes(committed=True), status=ResponseStatus.CANCELLED)
    goes_on = vad_owes(committed=True)
    goes_on.got(rf.SpeechStarted())
    end(goes_on)
    running = vad_owes(committed=True)
    running.got(rf.ResponseCreated(response_id="r1"))
    running.message("r1", "m1")
    running.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    end(running)


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
