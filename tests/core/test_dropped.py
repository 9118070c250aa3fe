"""A response that the server drops without a terminal (livekit/agents#6729): G1, G18."""

from __future__ import annotations

import realtime_fsm as rf

from .harness import Bench


def talked_over(b: Bench) -> rf.Turn:
    """Server VAD's resp_1 is talked over, and cancelled by its id; nothing answers that."""
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    b.got(rf.ResponseCreated(response_id="resp_1"))
    (first,) = b.c.turns
    b.wait(0.3).got(rf.SpeechStarted())
    b.interrupt(first)
    assert b.cancels == ["resp_1"]
    b.wait(0.5).got(rf.SpeechStopped(), rf.InputCommitted())
    return first


def test_g1_the_next_one_of_server_vad_proves_it_dead() -> None:
    b = Bench()
    first = talked_over(b)
    b.got(rf.ResponseCreated(response_id="r2"))
    assert first.outcome is rf.TurnOutcome.INTERRUPTED
    b.message("r2", "m2")
    b.done("r2")
    asked = b.wait(0.2).ask()
    assert b.creates == [(asked.id, 1)], "the lane is free at once"


def test_g1_until_then_it_holds_the_lane() -> None:
    b = Bench()
    talked_over(b)
    b.ask()
    assert b.creates == []


def test_g3_one_that_spoke_is_not_taken_for_dead() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.ResponseCreated(response_id="resp_1"))
    (first,) = b.c.turns
    b.message("resp_1", "m1")
    b.interrupt(first)
    b.got(rf.ResponseCreated(response_id="r2"))
    b.message("r2", "m2")
    b.done("r2")
    b.ask()
    assert b.creates == []
    b.done("resp_1", rf.ResponseStatus.CANCELLED)
    assert len(b.creates) == 1


def test_g4_what_still_comes_of_it_harms_nothing() -> None:
    b = Bench()
    talked_over(b)
    b.got(rf.ResponseCreated(response_id="r2"))
    b.message("resp_1", "m1")
    b.done("resp_1", rf.ResponseStatus.CANCELLED)
    b.message("r2", "m2")
    b.done("r2")
    assert b.delivered == ["m2"]
    assert b.cancels == ["resp_1"]


def test_g20_a_conflict_that_names_it_is_believed() -> None:
    """It was taken for dead without its terminal."""
    b = Bench()
    talked_over(b)
    b.got(rf.ResponseCreated(response_id="r2"))
    b.message("r2", "m2")
    b.done("r2")
    asked = b.wait(0.2).ask()
    active = "Conversation already has an active response in progress: resp_1"
    b.refused(b.sent(asked), "conversation_already_has_active_response", active)
    b.wait(0.5)
    assert b.creates == [(asked.id, 1)], "it holds the lane again"
    b.done("resp_1", rf.ResponseStatus.CANCELLED)
    b.wait(0.1)
    assert b.creates == [(asked.id, 1), (asked.id, 2)]


# --- one question, one answer


def retrying(b: Bench) -> tuple[rf.Turn, str]:
    """What server VAD's answer failed of was asked for again, and nobody knows what came of it."""
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.ResponseCreated(response_id="r1"))
    (turn,) = b.c.turns
    b.failed("r1")
    b.wait(1.0)
    assert b.creates == [(turn.id, 2)]
    return turn, b.sent(turn)


def test_g9_what_server_vad_answers_after_all_is_not_asked_for_once_more() -> None:
    """The caller coughs while the retry is on its way: server VAD answers the question with the cough,
    and the retry is refused by that."""
    b = Bench()
    turn, create = retrying(b)
    b.got(rf.SpeechStarted())
    b.got(rf.SpeechStopped(), rf.InputCommitted())
    b.got(rf.ResponseCreated(response_id="r2"))
    assert (turn.state, turn.outcome) == (rf.TurnState.DONE, rf.TurnOutcome.SUPERSEDED)
    b.refused(create, "conversation_already_has_active_response", "active: r2")
    b.message("r2", "m2")
    b.done("r2")
    b.wait(5.0)
    assert b.creates == [(turn.id, 2)]


def test_g4_what_still_comes_of_a_retry_that_was_overtaken_is_cancelled() -> None:
    b = Bench()
    _, create = retrying(b)
    b.got(rf.SpeechStarted())
    b.got(rf.SpeechStopped(), rf.InputCommitted())
    b.got(rf.ResponseCreated(response_id="r2"))
    b.message("r2", "m2")
    b.done("r2")
    b.got(rf.ResponseCreated(response_id="r3", client_event_id=create))
    assert b.cancels == ["r3"]


def test_g18_what_the_host_asked_for_is_asked_for_again_behind_server_vads_answer() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    turn = b.ask()
    b.created(turn, "r1")
    b.failed("r1")
    b.wait(1.0)
    b.got(rf.SpeechStarted())
    b.got(rf.SpeechStopped(), rf.InputCommitted())
    b.got(rf.ResponseCreated(response_id="r2"))
    b.refused(b.sent(turn), "conversation_already_has_active_response", "active: r2")
    b.message("r2", "m2")
    b.done("r2")
    b.wait(1.0)
    assert b.creates == [(turn.id, 1), (turn.id, 2), (turn.id, 3)]
