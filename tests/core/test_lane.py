"""The lane at its edges: who holds it, until exactly when, and what the user's speech does to it."""

from __future__ import annotations

import pytest

import realtime_fsm as rf

from .harness import Bench
from .test_rows import PLACES

ACTIVE = "conversation_already_has_active_response"
NOT_ACTIVE = "response_cancel_not_active"


def vad() -> Bench:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    return b


def next_probe(b: Bench) -> float:
    """When the next probe leaves."""
    probes = len(b.those(rf.ProbeCancel))
    while len(b.those(rf.ProbeCancel)) == probes:
        at = b.c.next_deadline()
        assert at is not None, "nothing is due, and no probe left"
        b.wait(at - b.now)
    return b.now


def next_create(b: Bench) -> float:
    """When the next create leaves."""
    creates = len(b.creates)
    while len(b.creates) == creates:
        at = b.c.next_deadline()
        assert at is not None, "nothing is due, and no create left"
        b.wait(at - b.now)
    return b.now


# --- orphans (G4)


def test_g4_no_probe_while_a_cancelled_response_may_be_hit_by_it() -> None:
    """A bare cancel means the response that is alive, not the create it asks about."""
    b = Bench()
    turn = b.ask()
    b.sent(turn)
    b.got(rf.ResponseCreated(response_id="other"))
    other = b.c.turns[-1]
    b.wait(0.5)
    b.interrupt(turn).interrupt(other)
    b.wait(1.5)
    assert b.those(rf.ProbeCancel) == []
    b.done("other", rf.ResponseStatus.CANCELLED)
    assert next_probe(b) == 6.0


def test_g4_a_probe_that_speech_forbids_leaves_a_create_timeout_later() -> None:
    b = vad()
    b.sent(b.ask())
    b.wait(4.9)
    b.got(rf.SpeechStarted())
    b.wait(1.0)
    b.got(rf.SpeechStopped(), rf.InputCleared())
    assert next_probe(b) == 10.0


def test_g4_a_create_given_up_below_is_probed_at_once() -> None:
    b = Bench()
    turn = b.ask()
    b.sent(turn)
    b.wait(3.0)
    error = rf.ErrorInfo(kind=rf.ErrorKind.TRANSIENT, code="create_timeout")
    b.got(rf.CreateGivenUp(turn_id=turn.id, attempt=1, error=error))
    assert next_probe(b) == 3.0


def test_g4_the_create_that_is_given_up_is_found_among_those_before() -> None:
    b = Bench()
    first = b.ask()
    b.created(first, "r1")
    b.message("r1", "m1")
    b.done("r1")
    turn = b.ask()
    b.sent(turn)
    error = rf.ErrorInfo(kind=rf.ErrorKind.TRANSIENT, code="create_timeout")
    assert b.got(rf.CreateGivenUp(turn_id=turn.id, attempt=1, error=error))
    assert turn.error == error


def test_g6_a_create_given_up_below_while_it_is_cancelled_is_cancelled_there() -> None:
    b = Bench()
    turn = PLACES["stopping_sent"](b)
    error = rf.ErrorInfo(kind=rf.ErrorKind.TRANSIENT, code="create_timeout")
    assert b.got(rf.CreateGivenUp(turn_id=turn.id, attempt=1, error=error))
    assert turn.state is rf.TurnState.CANCELLING
    b.got(rf.ResponseCreated(response_id="r1", client_event_id="create_1"))
    assert b.cancels == []


def test_g4_a_create_that_leaves_after_its_interrupt_has_the_whole_create_timeout() -> None:
    b = Bench()
    turn = b.ask()
    b.interrupt(turn)
    b.wait(1.0)
    b.sent(turn)
    assert next_probe(b) == 6.0


def test_g4_an_interrupted_create_has_the_create_timeout_to_leave() -> None:
    b = Bench()
    turn = b.ask()
    b.wait(1.0)
    b.interrupt(turn)
    b.wait(4.9)
    assert b.c.connected
    b.wait(0.1)
    assert not b.c.connected, "nothing leaves, it seems"


def test_g4_the_answer_to_a_probe_ends_the_cancelled_turn_at_once() -> None:
    b = Bench()
    turn = PLACES["stopping_sent"](b)
    b.wait(1.0)
    (probe,) = b.those(rf.ProbeCancel)
    b.refused(probe.event_id, NOT_ACTIVE)
    assert turn.outcome is rf.TurnOutcome.INTERRUPTED


def test_g4_an_orphan_whose_terminal_is_lost_holds_the_lane_for_the_cancel_timeout() -> None:
    b = Bench()
    turn = b.ask()
    event_id = b.sent(turn)
    b.interrupt(turn)
    b.wait(0.25)
    b.got(rf.ResponseCreated(response_id="late", client_event_id=event_id))
    b.ask()
    assert next_create(b) == 5.25


def test_g4_an_orphan_cancelled_below_holds_the_lane_for_the_cancel_timeout_too() -> None:
    b = Bench()
    turn = b.ask()
    event_id = b.sent(turn)
    b.wait(4.0)
    error = rf.ErrorInfo(kind=rf.ErrorKind.TRANSIENT, code="create_timeout")
    b.got(rf.CreateGivenUp(turn_id=turn.id, attempt=1, error=error))
    b.got(rf.ResponseCreated(response_id="late", client_event_id=event_id))
    assert next_create(b) == 9.0


def test_g6_nothing_to_cancel_is_said_of_one_cancel() -> None:
    """The answer to another one does not shorten the wait for this one's terminal."""
    b = Bench()
    turn = PLACES["item"](b)
    b.interrupt(turn)
    b.refused("rfsm_cancel_99", NOT_ACTIVE)
    b.ask()
    assert next_create(b) == 5.0


def test_g5_the_end_of_an_older_attempt_does_not_end_a_later_cancel() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    turn = b.ask()
    first = b.sent(turn)
    b.wait(5.0)
    (probe,) = b.those(rf.ProbeCancel)
    b.refused(probe.event_id, NOT_ACTIVE)
    b.wait(0.1)
    b.sent(turn)
    b.interrupt(turn)
    assert turn.attempts == 2
    b.got(rf.ResponseCreated(response_id="late", client_event_id=first))
    b.done("late", rf.ResponseStatus.CANCELLED)
    assert turn.state is rf.TurnState.CANCELLING


# --- conflicts (G20)


def test_g20_who_a_conflict_names_is_cancelled_after_a_moment_and_given_its_time() -> None:
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), ACTIVE, "response in progress: resp_9")
    assert b.c.next_deadline() == 2.0
    b.wait(1.9)
    assert b.cancels == []
    b.wait(0.1)
    assert b.cancels == ["resp_9"]
    assert next_create(b) == 10.0


def test_g4_a_slow_response_that_its_turn_would_have_is_not_cancelled_as_a_strangers() -> None:
    b = Bench(rf.RetryPolicy(timeout=2.0))
    turn = b.ask()
    first = b.sent(turn)
    b.wait(2.0)
    b.refused(b.those(rf.ProbeCancel)[0].event_id, "response_cancel_not_active")
    b.wait(0.1)
    b.refused(b.sent(turn), ACTIVE, "response in progress: resp_1")
    b.wait(4.0)
    b.got(rf.ResponseCreated(response_id="resp_1", client_event_id=first))
    assert (b.cancels, turn.state) == ([], rf.TurnState.CREATED)


def test_g27_once_server_vad_has_answered_all_a_strangers_response_gets_two_seconds() -> None:
    """The server tells of the user's speech, and nothing is due: the slot is stuck."""
    b = vad()
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    b.got(rf.ResponseCreated(response_id="v1"))
    b.message("v1", "m1")
    b.done("v1")
    b.refused(b.sent(b.ask()), ACTIVE, "response in progress: resp_9")
    b.wait(2.0)
    assert b.cancels == ["resp_9"]


def test_g4_an_answer_that_server_vad_missed_may_be_what_has_the_slot() -> None:
    b = vad()
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    turn = b.ask()
    b.wait(2.0)
    b.refused(b.sent(turn), ACTIVE, "response in progress: v1")
    b.wait(7.9)
    assert b.cancels == []
    b.got(rf.ResponseCreated(response_id="v1"))
    b.message("v1", "m1")
    b.done("v1")
    assert b.creates[-1] == (turn.id, 2)


def test_g24_what_server_vad_may_have_begun_is_not_cancelled_as_a_strangers() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.refused(b.sent(b.ask()), ACTIVE, "response in progress: resp_9")
    b.wait(7.9)
    assert b.cancels == []


def named_and_cancelled() -> tuple[Bench, str]:
    """A create was given up, its response holds the slot unannounced, the next create met it."""
    b = Bench(rf.RetryPolicy(max_retry=0, timeout=5.0))
    event_id = b.sent(b.ask())
    b.wait(5.0)
    b.refused(b.those(rf.ProbeCancel)[0].event_id, "response_cancel_not_active")
    b.refused(b.sent(b.ask()), ACTIVE, "response in progress: resp_1")
    b.wait(2.0)
    assert b.cancels == ["resp_1"]
    return b, event_id


def test_g4_a_response_whose_cancel_came_too_early_is_cancelled_when_it_shows_itself() -> None:
    b, event_id = named_and_cancelled()
    b.refused(b.those(rf.CancelResponse)[0].event_id, "response_cancel_not_active")
    b.wait(1.0)
    b.got(rf.ResponseCreated(response_id="resp_1", client_event_id=event_id))
    assert b.cancels == ["resp_1", "resp_1"]
    b.interrupt(b.c.turns[0])
    asked = len(b.creates)
    b.ask()
    assert len(b.creates) == asked
    b.done("resp_1", rf.ResponseStatus.CANCELLED)
    assert b.c.owner_of("resp_1") is None


def test_g6_a_response_that_shows_itself_is_not_cancelled_while_its_cancel_is_on_the_way() -> None:
    b, event_id = named_and_cancelled()
    b.wait(1.0)
    b.got(rf.ResponseCreated(response_id="resp_1", client_event_id=event_id))
    assert b.cancels == ["resp_1"]
    asked = len(b.creates)
    b.wait(3.9)
    assert len(b.creates) == asked
    b.done("resp_1", rf.ResponseStatus.CANCELLED)
    assert len(b.creates) == asked + 1


def test_g20_a_terminal_without_created_frees_the_lane_of_the_one_a_conflict_named() -> None:
    b = Bench()
    turn = b.ask()
    event_id = b.sent(turn)
    b.refused(None, ACTIVE, "response in progress: resp_1")
    incomplete = rf.ResponseStatus.INCOMPLETE
    b.got(rf.ResponseDone(response_id="resp_1", status=incomplete, client_event_id=event_id))
    assert b.c.owner_of("resp_1") is None
    b.ask()
    assert len(b.creates) == 2


def test_g20_a_conflict_without_a_name_is_over_when_a_response_shows_itself() -> None:
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), ACTIVE)
    b.got(rf.ResponseCreated(response_id="other"))
    b.done("other", rf.ResponseStatus.CANCELLED)
    assert len(b.creates) == 2


def test_g3_what_a_response_nobody_here_asked_for_brings_is_nobodys() -> None:
    """A conflict named it; it does not show itself, but its items do."""
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), ACTIVE, "response in progress: resp_9")
    for event in (
        rf.ItemStarted(response_id="resp_9", item_id="m9", kind=rf.ItemKind.MESSAGE),
        rf.ItemStarted(response_id="resp_9", item_id="x9", kind=rf.ItemKind.OTHER),
        rf.CallReceived(response_id="resp_9", item_id="f9"),
    ):
        assert b.got(event)
    assert (turn.messages, turn.calls, b.delivered) == ((), (), [])


# --- the user's speech (G24)


def test_g9_speech_stops_no_clock_of_a_retry_that_is_on_its_way() -> None:
    b = Bench()
    turn = PLACES["retrying"](b)
    b.wait(0.5)
    assert turn.state is rf.TurnState.REQUESTED
    b.got(rf.SpeechStarted())
    b.wait(2.0)
    assert b.got(rf.SpeechStopped())
    assert turn.recover_by == 8.0


def test_g9_no_clock_of_recovery_ends_while_the_user_speaks_whenever_it_is_looked_at() -> None:
    b = Bench()
    turn = PLACES["retrying"](b)
    b.got(rf.SpeechStarted())
    b.c.advance(20.0)
    assert turn.state is rf.TurnState.RETRY_WAIT


@pytest.mark.parametrize("how", ["no answer", "refused", "connection lost"])
def test_g18_the_answer_that_is_owed_takes_the_place_of_an_older_retry(how: str) -> None:
    b = vad()
    older = PLACES["retrying"](b)
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    if how == "no answer":
        b.wait(10.0)
    elif how == "refused":
        b.refused(None, "server_error")
    else:
        b.got(rf.ConnectionLost(error=rf.error_info("lost", None, "")))
    assert older.outcome is rf.TurnOutcome.SUPERSEDED
    (turn,) = b.c.turns
    assert turn.origin is rf.Origin.SERVER_VAD
    refused = rf.error_info("server_error", None, "")
    assert turn.error == (refused if how == "refused" else None)


@pytest.mark.parametrize("committed", [True, False])
def test_g3_an_error_about_somebodys_frame_is_not_the_answer_that_is_owed(committed: bool) -> None:
    b = vad()
    b.got(rf.SpeechStarted(), rf.SpeechStopped())
    if committed:
        b.got(rf.InputCommitted())
    assert not b.refused("event_of_the_application", "server_error")
    assert b.c.turns == ()


def test_what_is_due_is_granted_by_an_interrupt_too() -> None:
    """`advance` may be late; whatever is called first lets time pass."""
    b = Bench(playback=True)
    first = b.speaking()
    b.done("r1")
    second = b.ask()
    b.created(second, "r2")
    b.failed("r2")
    b.now = 1.0
    b.interrupt(first)
    assert b.creates[-1] == (second.id, 2)


def test_g4_speech_that_nobody_else_answers_forbids_no_probe() -> None:
    b = Bench(rf.RetryPolicy(timeout=5.0))
    b.sent(b.ask())
    b.wait(4.0)
    b.got(rf.SpeechStarted(), rf.SpeechStopped())
    assert next_probe(b) == 5.0


def test_g6_a_response_that_is_announced_again_after_it_was_given_up_holds_the_lane() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.interrupt(turn)
    b.wait(30.0)
    assert turn.outcome is rf.TurnOutcome.INTERRUPTED
    again = rf.ResponseCreated(response_id="r1", client_event_id="create_1")
    assert not b.got(again)
    assert b.c.ignored["repeated response.created"] == 1
    creates = len(b.creates)
    b.ask()
    b.wait(1.0)
    assert len(b.creates) == creates
    b.done("r1", rf.ResponseStatus.CANCELLED)
    assert len(b.creates) == creates + 1
    assert b.cancels == ["r1"]


def test_g4_a_late_response_is_known() -> None:
    b = Bench()
    event_id = b.sent(b.ask())
    b.interrupt(b.c.turns[0])
    b.wait(30.0)
    assert b.got(rf.ResponseCreated(response_id="r1", client_event_id=event_id))
    assert b.cancels == ["r1"]


def test_g18_g24_a_silence_that_server_vad_answers_takes_the_lane_and_is_owed() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.InputIdle(), rf.InputCommitted())
    waiting = b.ask()
    assert b.creates == []
    b.got(rf.ResponseCreated(response_id="r1"))
    b.message("r1", "m1")
    b.done("r1")
    assert b.creates == [(waiting.id, 1)]
    lost = Bench()
    lost.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    lost.got(rf.InputIdle(), rf.InputCommitted())
    lost.wait(10.0)
    assert len(lost.creates) == 1, "the answer that never came is asked for"
    manual = Bench()
    assert not manual.got(rf.InputIdle())
    manual.ask()
    assert len(manual.creates) == 1
