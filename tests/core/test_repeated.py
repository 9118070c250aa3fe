"""What comes twice, late, under another's id, or of nobody: whose it is, and that it does nothing else."""

from __future__ import annotations

from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm._core.connection import Connection
from realtime_fsm._core.records import Message, Response, Turn
from realtime_fsm._core.states import Origin, ResponseState, TurnState

from .harness import Bench

VAD = rf.SessionConfigured(server_creates=True, server_interrupts=True)
ACTION = rf.ItemKind.ACTION
ACTIVE = "conversation_already_has_active_response"


def started(response_id: str, item_id: str, kind: Any = rf.ItemKind.MESSAGE) -> rf.ItemStarted:
    return rf.ItemStarted(response_id=response_id, item_id=item_id, kind=kind)


def output(response_id: str, item_id: str) -> rf.OutputReceived:
    return rf.OutputReceived(response_id=response_id, item_id=item_id, audio_ms=10)


def ignored(b: Bench, event: rf.Event) -> str:
    """The reason for which this event does nothing."""
    before, commands = b.c.ignored.copy(), len(b.all)
    assert not b.got(event)
    (reason,) = b.c.ignored - before
    assert len(b.all) == commands
    return reason


# --- items


def test_g3_an_item_that_begins_twice_is_counted() -> None:
    b = Bench()
    b.speaking()
    assert ignored(b, started("r1", "m1")) == "repeated item"


def test_g3_an_item_of_another_response_is_none_of_this_one() -> None:
    b = Bench()
    b.speaking()
    b.got(rf.ResponseCreated(response_id="r2"))
    assert ignored(b, started("r2", "m1")) == "repeated item"


def test_g3_an_item_that_begins_again_after_its_turn_is_counted() -> None:
    """Its turn is over, for nothing came for long, and its response is alive still."""
    b = Bench()
    turn = b.speaking()
    b.wait(b.c.policy.first_output_timeout)
    assert not turn.live
    assert turn.attempt is not None
    assert turn.attempt.state is ResponseState.CANCELLING
    assert ignored(b, started("r1", "m1")) == "repeated item"


def test_g28_an_action_that_begins_twice_is_counted() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    assert b.got(started("r1", "a1", ACTION))
    assert ignored(b, started("r1", "a1", ACTION)) == "repeated item"
    assert turn.actions == ("a1",)
    assert b.got(started("r1", "a2", ACTION))
    assert turn.attempt is not None
    assert turn.attempt.acting == ("a1", "a2")


def test_g8_activity_of_an_item_that_nobody_knows_is_no_sign_of_life() -> None:
    b = Bench()
    turn = b.speaking()
    assert turn.attempt is not None
    b.wait(1.0)
    assert ignored(b, rf.ItemActivity(item_id="m9")) == "stale item"
    assert turn.attempt.last_activity == 0.0
    assert b.got(rf.ItemActivity(item_id="m1"))
    assert turn.attempt.last_activity == 1.0


def test_g8_activity_of_what_nobody_was_given_is_a_sign_of_life() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.item("r1", "m1")
    b.interrupt(turn)
    b.item("r1", "m2")
    assert turn.attempt is not None
    b.wait(0.5)
    assert b.got(rf.ItemActivity(item_id="m2"))
    assert turn.attempt.last_activity == 0.5


# --- output


def test_g16_more_of_what_was_handed_out_is_known_under_whichever_response() -> None:
    """Some servers name another response in a delta, or none."""
    b = Bench()
    turn = b.speaking()
    b.interrupt(turn)
    assert b.got(output("another", "m1"))
    assert turn.messages[0].late_ms == 10.0


def test_g16_more_of_what_is_cancelled_is_noted_and_commands_nothing() -> None:
    b = Bench()
    turn = b.speaking()
    b.interrupt(turn)
    commands = len(b.all)
    assert b.got(output("r1", "m1"))
    assert b.got(output("r1", "m1"))
    assert turn.messages[0].late_ms == 20.0
    assert len(b.all) == commands


def test_g16_more_of_a_stray_item_of_what_was_given_up_is_known() -> None:
    """Its ``response.output_item.added`` was lost: from its second delta on it is one that the server keeps."""
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.interrupt(turn)
    assert not b.got(output("r1", "m1"))
    counted = b.c.ignored.copy()
    assert b.got(output("r1", "m1"))
    assert b.c.ignored == counted


def test_g27_a_message_that_is_added_after_its_first_sound_is_one() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.got(output("r1", "m1"))
    assert b.got(started("r1", "m1"))
    assert b.got(output("r1", "m1"))
    assert [(m.item_id, m.delivered) for m in turn.messages] == [("m1", True)]
    assert not b.got(started("r1", "m1")), "once"
    b.done("r1")
    assert b.deleted == []


def test_g3_output_of_what_was_not_added_is_counted() -> None:
    b = Bench()
    b.created(b.ask(), "r1")
    assert not b.got(output("r1", "m1"))
    assert b.c.ignored["output of an item that was not added"] == 1
    assert not b.got(output("r1", "m1"))
    assert b.c.ignored["output of an item that was not added"] == 2


# --- responses


@pytest.mark.parametrize("status", list(rf.ResponseStatus))
def test_g3_the_end_of_what_nobody_knows_is_counted(status: rf.ResponseStatus) -> None:
    b = Bench()
    assert ignored(b, rf.ResponseDone(response_id="r9", status=status)) == "stale response"
    assert ignored(b, started("r9", "m9")) == "stale response"


def test_g18_what_the_application_begins_drops_no_question_of_the_user() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.failed("r1")
    assert turn.state is TurnState.RETRY_WAIT
    b.got(rf.ResponseCreated(response_id="r2"))
    assert turn.state is TurnState.RETRY_WAIT
    b.done("r2")
    b.wait(5.0)
    assert b.creates[-1] == (turn.id, 2)


def test_g4_what_is_adopted_is_announced_under_its_own_id() -> None:
    """Asked for below LiveKit: its first create is answered late, and while the next one waits."""
    b = Bench(rf.RetryPolicy(timeout=5.0, retry_interval=2.0))
    turn = b.ask(rf.Origin.APPLICATION)
    first = b.sent(turn)
    b.wait(5.0)
    assert not b.those(rf.AnnounceTurn)
    b.got(rf.ResponseCreated(response_id="r1", client_event_id=first))
    assert [(c.turn_id, c.response_id) for c in b.those(rf.AnnounceTurn)] == [(turn.id, "r1")]
    assert (turn.state, turn.acknowledged) == (TurnState.CREATED, 1)


def test_g20_an_error_without_an_id_refuses_no_answer_that_nobody_committed() -> None:
    """Server VAD's answer is due, and owed only once the user's words were committed."""
    b = Bench()
    b.got(VAD, rf.SpeechStarted(), rf.SpeechStopped())
    assert not b.refused(None, "server_error")
    assert b.c.ignored["error for somebody else"] == 1
    assert not b.c.turns
    b.got(rf.InputCommitted())
    assert b.refused(None, "server_error")
    (turn,) = b.c.turns
    assert turn.origin is Origin.SERVER_VAD


def test_g20_whoever_a_conflict_tells_of_is_no_attempt_of_anybody() -> None:
    b = Bench()
    turn = b.ask()
    message = "Conversation already has an active response in progress: resp_9."
    b.refused(b.sent(turn), "conversation_already_has_active_response", message)
    told = [r for r in b.c._session.lane.holders if r.state is ResponseState.RUMOURED]
    assert [(r.turn, r.number, r.response_id) for r in told] == [(None, 0, "resp_9")]


def test_g20_whoever_shows_itself_has_the_slot_whatever_a_conflict_named() -> None:
    b = Bench()
    b.got(VAD, rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    b.refused(None, ACTIVE, "response in progress: resp_0")
    b.got(rf.ResponseCreated(response_id="r1"))
    b.got(started("r1", "c1", rf.ItemKind.FUNCTION_CALL))
    b.got(rf.CallReceived(response_id="r1", item_id="c1"))
    b.done("r1")
    b.wait(0)
    turn = b.ask()
    assert b.creates == [(turn.id, 1)], "nobody else has the lane"


# --- records


@pytest.mark.parametrize(
    ("asked", "state", "attempt", "plays"),
    [
        (True, TurnState.STREAMING, 2, True),
        (True, TurnState.STREAMING, 1, False),
        (False, TurnState.RETRY_WAIT, 2, False),
        (False, TurnState.RETRY_WAIT, 1, False),
        (True, TurnState.DONE, 2, False),
        (True, TurnState.DONE, 1, False),
    ],
)
def test_g14_a_turn_is_told_of_its_present_attempts_messages(
    asked: bool, state: TurnState, attempt: int, plays: bool
) -> None:
    turn = Turn(id="t", origin=Origin.CLIENT, playback_reported=True, state=state, attempts=2)
    if asked:
        turn.attempt = Response(turn=turn, number=2, state=ResponseState.ACTIVE, last_activity=0.0)
    assert turn.plays(Message(item_id="m1", number=1, attempt=attempt)) is plays


@pytest.mark.parametrize(
    ("state", "number", "acknowledged", "misses"),
    [
        (TurnState.REQUESTED, 1, 0, True),
        (TurnState.RETRY_WAIT, 2, 1, True),
        (TurnState.RETRY_WAIT, 1, 1, False),
        (TurnState.RETRY_WAIT, 1, 2, False),
        (TurnState.CREATED, 2, 1, False),
    ],
)
def test_g4_a_turn_misses_what_is_newer_than_what_was_acknowledged(
    state: TurnState, number: int, acknowledged: int, misses: bool
) -> None:
    turn = Turn(id="t", origin=Origin.CLIENT, playback_reported=True, state=state, attempts=2)
    turn.acknowledged = acknowledged
    other = Response(turn=turn, number=number, state=ResponseState.UNANSWERED, last_activity=0.0)
    assert turn.misses(other) is misses


def test_g11_an_end_that_was_announced_costs_nothing() -> None:
    connection = Connection()
    connection.ready(1.0)
    connection.announce_end()
    assert connection.lost(2.0, for_good=False) is False
    assert (connection.losses, connection.up_since) == (0, None)
    connection.ready(3.0)
    assert connection.lost(4.0, for_good=False) is True
    assert connection.losses == 1


def test_g20_a_slot_that_is_taken_may_be_told_in_words_and_under_another_id() -> None:
    b = Bench()
    turn = b.ask()
    b.sent(turn)
    assert b.refused("evt_theirs", "", "Conversation already has an active response")
    assert (turn.conflicts, turn.retries, turn.attempt) == (1, 0, None)


@pytest.mark.parametrize(("heard", "cut"), [(1000.0, False), (400.0, True)])
def test_g16_a_message_of_a_response_that_is_over_is_cut_unless_all_of_it_was_heard(
    heard: float, cut: bool
) -> None:
    b = Bench(playback=True)
    turn = b.speaking()
    b.message("r1", "m2")
    b.done("r1")
    b.got(rf.PlaybackFinished(position_ms=heard, interrupted=cut), rf.MessagePulled(item_id="m2"))
    assert turn.live
    assert b.got(rf.MessageTruncated(item_id="m1", audio_end_ms=int(heard)))
    assert turn.messages[0].cut is cut


def test_g11_how_long_a_connection_has_lasted() -> None:
    connection = Connection()
    assert connection.age(5.0) == 0.0, "nobody told when it was made"
    connection.ready(2.0)
    assert connection.age(5.0) == 3.0
    connection.lost(6.0, for_good=False)
    assert connection.age(7.0) == 0.0


def test_g11_losses_in_a_row_are_counted_from_none_after_progress() -> None:
    connection = Connection()
    for _ in range(2):
        connection.ready(1.0)
        connection.lost(2.0, for_good=False)
    assert connection.losses == 2
    connection.progressed()
    assert connection.losses == 0
