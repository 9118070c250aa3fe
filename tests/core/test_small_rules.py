"""Small rules, each alone: what an error says, who is told by a row, what the record keeps."""

from __future__ import annotations

import pytest

import realtime_fsm as rf
from realtime_fsm._core.error_kinds import is_nothing_to_cancel, is_of_a_request
from realtime_fsm._core.machine import Fired, arrows, fire, told
from realtime_fsm._core.machine_events import PlaybackEvent, ResponseEvent, TurnEvent
from realtime_fsm._core.playback_table import PLAYBACK_TABLE
from realtime_fsm._core.response_table import RESPONSE_TABLE
from realtime_fsm._core.words import heard_count, share_of

from .harness import Bench


@pytest.mark.parametrize(
    ("code", "message", "nothing", "of_a_request"),
    [
        ("response_cancel_not_active", "", True, False),
        (None, "Cancellation failed: no active response found", True, False),
        (None, "It failed: Cancellation failed", False, False),
        ("rate_limit_exceeded", "", False, True),
        (None, "The server had an error while processing your request. Sorry", False, True),
        ("server_error", "something else", False, False),
    ],
)
def test_what_an_error_says_of_itself(
    code: str | None, message: str, nothing: bool, of_a_request: bool
) -> None:
    error = rf.error_info(code, None, message)
    assert (is_nothing_to_cancel(error), is_of_a_request(error)) == (nothing, of_a_request)


def test_g20_a_slot_that_is_taken_may_be_told_in_words_alone() -> None:
    """Some servers send a null code (openai/openai-realtime-agents#3)."""
    b = Bench()
    turn = b.ask()
    b.refused(b.sent(turn), "", "Conversation already has an active response")
    assert turn.state is rf.TurnState.REQUESTED
    assert turn.retries == 0


@pytest.mark.parametrize(
    ("words", "heard", "received", "count"),
    [(10, 2000, 1000, 10), (10, 999, 1000, 9), (10, -1, 1000, 0), (10, 1, 0, 10)],
)
def test_g16_no_more_words_than_there_are(
    words: int, heard: float, received: float, count: int
) -> None:
    assert heard_count(words, heard, received) == count


@pytest.mark.parametrize(
    ("kept", "text", "share"),
    [("one two", "one two three four", 0.5), ("", "one", 0.0), ("one", "one", 1.0), ("", "", 0.0)],
)
def test_how_much_of_a_text_was_kept(kept: str, text: str, share: float) -> None:
    assert share_of(kept, text) == share


def test_a_row_says_in_words_whom_it_tells() -> None:
    """For pictures: the machine, and the event unless it means the same there."""
    rows = (*arrows(RESPONSE_TABLE), *arrows(PLAYBACK_TABLE))
    words = {(row.event, row.tells): told(row) for row in rows}
    assert words[ResponseEvent.CREATED, TurnEvent.RESPONSE_CREATED] == "turn"
    assert words[ResponseEvent.CREATED, None] == ""
    assert words[PlaybackEvent.REPORTED, TurnEvent.PLAYBACK_OVER] == "turn: playback_over"


# --- what was handed out


def test_g16_what_was_handed_out_is_known_while_its_turn_lives_and_after() -> None:
    b = Bench()
    turn = b.speaking()
    b.item("r1", "m2")
    assert not b.c.handed_out("m1"), "more of it is handed out"
    assert not b.c.handed_out("nobody's")
    b.interrupt(turn)
    assert b.c.handed_out("m1")
    assert not b.c.handed_out("m2"), "none of it ever was"
    b.done("r1", rf.ResponseStatus.CANCELLED)
    b.got(rf.SpeechOver(turn_id=turn.id, interrupted=True))
    assert turn.state is rf.TurnState.DONE
    assert b.c.handed_out("m1")
    assert not b.c.handed_out("m2")


# --- what was done about the server's memory


def cut(turn: rf.Turn) -> list[str]:
    return [message.correction.value for message in turn.messages]


def test_g16_a_message_that_the_host_cuts_is_cut() -> None:
    b = Bench()
    turn = b.speaking()
    assert b.got(rf.MessageTruncated(item_id="m1", audio_end_ms=400))
    assert cut(turn) == ["cut"]


def test_g16_a_message_heard_whole_needs_no_cut() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.done("r1")
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.messages[0].outcome is rf.MessageOutcome.FULL
    b.got(rf.MessageTruncated(item_id="m1", audio_end_ms=1000))
    assert cut(turn) == ["none"]


def test_g16_a_message_that_may_still_grow_is_cut_though_all_of_it_so_far_was_heard() -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    assert turn.messages[0].outcome is rf.MessageOutcome.FULL
    b.got(rf.MessageTruncated(item_id="m1", audio_end_ms=1000))
    assert cut(turn) == ["cut"]


def test_g16_what_the_host_deleted_stays_deleted() -> None:
    b = Bench()
    turn = b.speaking()
    assert b.got(rf.ItemDeleted(item_id="m1"))
    assert cut(turn) == ["released"]
    assert turn.messages[0].remembered_ms == 0
    b.got(rf.MessageTruncated(item_id="m1", audio_end_ms=400))
    assert cut(turn) == ["released"]


# --- who is whose


def test_g18_a_response_that_nobody_asked_for_is_the_users_where_server_vad_answers() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.ResponseCreated(response_id="r1"))
    (vad,) = b.c.turns
    assert (vad.origin, vad.attempts) == (rf.Origin.SERVER_VAD, 1)
    b.got(rf.SessionConfigured(server_creates=False, server_interrupts=False))
    b.done("r1")
    b.got(rf.ResponseCreated(response_id="r2"))
    application = b.c.turns[-1]
    assert application.origin is rf.Origin.APPLICATION


@pytest.mark.parametrize("shown", [True, False])
def test_g8_silence_proves_nothing_where_deltas_are_not_shown(shown: bool) -> None:
    b = Bench()
    b.got(rf.ResponseCreated(response_id="r1", deltas_shown=shown))
    b.message("r1", "m1")
    b.wait(9.0)
    assert bool(b.those(rf.Recovering)) == shown


def test_g24_a_silence_that_server_vad_answers_is_answered() -> None:
    b = Bench()
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    assert b.got(rf.InputIdle())
    turn = b.ask()
    assert not b.creates, "the server's answer comes first"
    b.got(rf.ResponseCreated(response_id="r1"))
    b.done("r1")
    assert b.creates == [(turn.id, 1)]


def test_g25_who_commits_the_users_words_itself_drops_older_retries() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.failed("r1")
    assert turn.state is rf.TurnState.RETRY_WAIT
    assert not b.got(rf.InputCommitted()), "nobody owes an answer"
    assert turn.outcome is rf.TurnOutcome.SUPERSEDED


# --- what is asked, and what is kept


def test_g18_what_is_no_question_of_the_user_drops_none() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.failed("r1")
    b.c.request(b.now, origin=rf.Origin.CLIENT, of_user=False)
    assert turn.state is rf.TurnState.RETRY_WAIT
    b.ask()
    assert turn.outcome is rf.TurnOutcome.SUPERSEDED


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_of_a_turn_that_is_forgotten_nothing_is_kept(failures: int) -> None:
    b = Bench()
    turn = b.ask()
    for n in range(failures):
        b.created(turn, f"r{n}")
        b.failed(f"r{n}")
        b.wait(2.5)
    b.created(turn, "last")
    b.message("last", "m1")
    b.done("last")
    kept = b.c.finished.maxlen
    assert kept is not None
    for n in range(kept):
        b.created(b.ask(), f"next{n}")
        b.message(f"next{n}", f"n{n}")
        b.done(f"next{n}")
    session = b.c._session
    responses = (*session.past.values(), *session.by_event.values())
    assert turn not in b.c.finished
    assert all(response.turn is not turn for response in responses)


def test_g4_whether_the_server_lives_is_asked_under_an_id_of_ours() -> None:
    b = Bench()
    b.sent(b.ask())
    b.wait(5.1)
    (asked,) = b.those(rf.CheckConnection)
    assert asked.event_id.startswith("rfsm_check_")


def test_g4_a_create_that_is_given_up_waits_no_longer_than_it_would_have() -> None:
    b = Bench(rf.RetryPolicy(timeout=10.0, doubt_after=5.0))
    turn = b.ask()
    b.sent(turn)
    attempt = turn.attempt
    assert attempt is not None
    b.wait(0.01)
    b.interrupt(turn)
    assert attempt.deadline is not None
    soon = attempt.deadline
    assert b.now < soon < 5.0
    late = Bench(rf.RetryPolicy(timeout=10.0, doubt_after=5.0))
    turn = late.ask()
    late.sent(turn)
    late.wait(4.999)
    late.interrupt(turn)
    assert turn.attempt is not None
    assert turn.attempt.deadline is not None
    assert turn.attempt.deadline <= 5.0


def test_an_event_that_no_table_has_is_no_row() -> None:
    b = Bench()
    machine, turn = b.c._session.machines.turn, b.ask()
    assert fire(machine, turn, PlaybackEvent.PAUSED, None) is Fired.NO_ROW
