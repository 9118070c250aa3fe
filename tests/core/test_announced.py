"""The host is told of a generation that it did not ask for once the server has begun it (G27), and again
when it lost what it was told."""

from __future__ import annotations

import pytest

import realtime_fsm as rf

from .harness import Bench


def told(b: Bench) -> list[str]:
    return [c.response_id for c in b.those(rf.AnnounceTurn)]


def begun(b: Bench, client_event_id: str | None = None) -> rf.Turn:
    """A response that nobody here asked for."""
    b.got(rf.ResponseCreated(response_id="r1", client_event_id=client_event_id))
    (turn,) = b.c.turns
    return turn


def asked_again(b: Bench, turn: rf.Turn) -> None:
    """Its attempt failed; the next one is on the wire."""
    b.failed("r1")
    b.wait(0.1)
    b.sent(turn)


def test_g27_server_vads_response_is_announced_when_it_is_created() -> None:
    b = Bench()
    turn = begun(b)
    assert turn.announced
    b.message("r1", "m1")
    assert told(b) == ["r1"]


def test_g27_a_reply_that_the_host_asked_for_is_not_announced() -> None:
    b = Bench()
    b.speaking()
    assert told(b) == []


def test_g27_a_reply_that_the_host_asked_for_is_not_announced_when_it_is_adopted_either() -> None:
    """Its call waits still: what is said meanwhile does not take its place as that of a reply it was told of."""
    b = Bench()
    turn = b.ask()
    event_id = b.sent(turn)
    b.wait(10.0)
    b.got(rf.ResponseCreated(response_id="r1", client_event_id=event_id))
    assert turn.state is rf.TurnState.CREATED
    assert told(b) == []
    assert not turn.announced


def test_g27_what_somebody_below_awaits_is_announced_with_its_first_output() -> None:
    """Plain LiveKit has its own future for ``say()``."""
    b = Bench()
    turn = begun(b, client_event_id="asked_below")
    assert turn.state is rf.TurnState.CREATED
    assert turn.attempt is not None
    assert turn.attempt.response_id == "r1"
    assert told(b) == []
    assert not turn.announced
    b.message("r1", "m1")
    assert told(b) == ["r1"]


def test_g27_a_retry_is_not_announced_a_second_time() -> None:
    b = Bench()
    turn = begun(b)
    asked_again(b, turn)
    b.got(rf.ResponseCreated(response_id="r2", client_event_id="create_1"))
    assert turn.state is rf.TurnState.CREATED
    assert told(b) == ["r1"]


def waiting(b: Bench) -> rf.Turn:
    turn = begun(b)
    asked_again(b, turn)
    return turn


def streaming(b: Bench) -> rf.Turn:
    turn = begun(b)
    b.item("r1", "m1")
    return turn


def retrying(b: Bench) -> rf.Turn:
    turn = begun(b)
    b.failed("r1")
    return turn


def cancelling(b: Bench) -> rf.Turn:
    turn = begun(b)
    b.interrupt(turn)
    return turn


PLACES = {
    rf.TurnState.REQUESTED: waiting,
    rf.TurnState.CREATED: begun,
    rf.TurnState.STREAMING: streaming,
    rf.TurnState.RETRY_WAIT: retrying,
    rf.TurnState.CANCELLING: cancelling,
}


@pytest.mark.parametrize("state", PLACES)
def test_g27_an_announcement_that_the_host_lost_is_forgotten(state: rf.TurnState) -> None:
    b = Bench()
    turn = PLACES[state](b)
    assert turn.announced
    assert b.got(rf.AnnouncementLost(turn_id=turn.id))
    assert turn.state is state
    assert not turn.announced


@pytest.mark.parametrize("state", PLACES)
def test_g27_one_that_was_heard_of_is_not(state: rf.TurnState) -> None:
    """What was handed out is with the host."""
    b = Bench(rf.RetryPolicy(after_exposure="regenerate"))
    turn = begun(b)
    b.message("r1", "m1")
    if state in (rf.TurnState.RETRY_WAIT, rf.TurnState.REQUESTED, rf.TurnState.CREATED):
        b.failed("r1")
    if state in (rf.TurnState.REQUESTED, rf.TurnState.CREATED):
        b.wait(0.1)
        b.sent(turn)
    if state is rf.TurnState.CREATED:
        b.got(rf.ResponseCreated(response_id="r2", client_event_id="create_1"))
    if state is rf.TurnState.CANCELLING:
        b.interrupt(turn)
    assert turn.state is state
    b.got(rf.AnnouncementLost(turn_id=turn.id))
    assert turn.announced


def test_g27_the_next_attempt_of_one_that_was_lost_is_announced_anew() -> None:
    b = Bench()
    turn = retrying(b)
    b.got(rf.AnnouncementLost(turn_id=turn.id))
    b.wait(0.1)
    b.sent(turn)
    b.got(rf.ResponseCreated(response_id="r2", client_event_id="create_1"))
    assert told(b) == ["r1", "r2"]


def test_g3_a_lost_announcement_of_a_turn_that_ended_is_nobodys() -> None:
    b = Bench()
    turn = begun(b)
    b.done("r1", rf.ResponseStatus.CANCELLED)
    assert not turn.live
    assert not b.got(rf.AnnouncementLost(turn_id=turn.id))
