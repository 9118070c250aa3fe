"""What is nobody's, or says nothing new: counted by its reason, and nothing else happens (G3)."""

from __future__ import annotations

from collections import Counter

import pytest

import realtime_fsm as rf

from .harness import Bench

IDLE = rf.InputIdle()
STALE: dict[str, tuple[rf.Event, str]] = {
    "an action of no response": (
        rf.ActionEnded(response_id="r9", item_id="a9"),
        "stale response",
    ),
    "activity of no item": (rf.ItemActivity(item_id="m9"), "stale item"),
    "activity of an item of a response that ended": (rf.ItemActivity(item_id="m1"), "stale item"),
    "output of a response that ended": (
        rf.OutputReceived(response_id="r1", item_id="m1", audio_ms=1),
        "stale response",
    ),
    "a silence, and nobody answers it": (IDLE, "nobody answers the silence"),
    "an announcement of no turn": (rf.AnnouncementLost(turn_id="t9"), "stale turn"),
    "a cut of no message": (rf.MessageTruncated(item_id="m9", audio_end_ms=1), "stale message"),
}


@pytest.mark.parametrize("name", STALE)
def test_g3_what_is_nobodys_is_counted_by_its_reason(name: str) -> None:
    b = Bench()
    b.speaking()
    b.done("r1")
    event, reason = STALE[name]
    before, commands = Counter(b.c.ignored), len(b.all)
    assert not b.got(event)
    assert Counter(b.c.ignored) - before == {reason: 1}
    assert len(b.all) == commands


def test_g28_an_action_that_ends_twice_is_counted() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.item("r1", "a1", rf.ItemKind.ACTION)
    ended = rf.ActionEnded(response_id="r1", item_id="a1")
    assert b.got(ended)
    assert not b.got(ended)
    assert b.c.ignored["repeated item"] == 1
    b.item("r1", "a2", rf.ItemKind.ACTION)
    assert turn.actions == ("a1", "a2")


def test_g17_each_call_is_handed_out_and_kept() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    for item_id in ("f1", "f2"):
        b.item("r1", item_id, rf.ItemKind.FUNCTION_CALL)
        b.got(rf.CallReceived(response_id="r1", item_id=item_id))
    assert turn.calls == ("f1", "f2")


def test_g8_what_is_heard_of_an_item_is_a_sign_of_life() -> None:
    """Progress of a message names no response: its response has until `stall_timeout` from then."""
    b = Bench(rf.RetryPolicy(stall_timeout=8.0))
    turn = b.speaking()
    b.wait(5.0)
    assert b.got(rf.ItemActivity(item_id="m1"))
    b.wait(7.0)
    assert not b.those(rf.Recovering)
    b.wait(1.1)
    (told,) = b.those(rf.Recovering)
    assert (told.turn_id, told.attempt, told.reason.code) == (turn.id, 1, "stalling")
    policy = b.c.policy
    assert told.wait == policy.first_output_timeout - policy.stall_timeout


def test_g4_who_is_doubted_is_named() -> None:
    b = Bench(rf.RetryPolicy(timeout=10.0, doubt_after=5.0))
    turn = b.ask()
    b.sent(turn)
    b.wait(5.1)
    (told,) = b.those(rf.Recovering)
    assert (told.turn_id, told.attempt, told.wait) == (turn.id, 1, 5.0)
