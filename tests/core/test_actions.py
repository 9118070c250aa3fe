"""What the server does by itself (G28): as good as handed out, and alive while it says so."""

from __future__ import annotations

import pytest

import realtime_fsm as rf
from realtime_fsm import TurnOutcome, TurnState

from .harness import Bench


def acting(b: Bench) -> rf.Turn:
    turn = b.ask()
    b.created(turn, "r1")
    b.item("r1", "a1", rf.ItemKind.ACTION)
    return turn


def item(kind: str, **more: object) -> dict[str, object]:
    frame = {"type": "response.output_item.added", "response_id": "r1", "item": {"id": "i1"}}
    frame["item"] = {"id": "i1", "type": kind, **more}
    return frame


@pytest.mark.parametrize(
    "kind",
    [
        *("mcp_call", "mcp_approval_request", "mcp_list_tools", "web_search_call"),
        *("file_search_call", "code_interpreter_call", "something_of_next_year"),
    ],
)
def test_g28_every_kind_that_may_act_is_an_action(kind: str) -> None:
    event = rf.parse(item(kind))
    assert event == rf.ItemStarted(response_id="r1", item_id="i1", kind=rf.ItemKind.ACTION)
    done = rf.parse({**item(kind), "type": "response.output_item.done"})
    assert done == rf.ActionEnded(response_id="r1", item_id="i1")


@pytest.mark.parametrize("kind", ["message", "function_call", "reasoning", 7, None])
def test_g28_what_cannot_act_is_none(kind: str) -> None:
    event = rf.parse(item(kind))
    assert isinstance(event, rf.ItemStarted)
    assert event.kind is not rf.ItemKind.ACTION


def test_g28_progress_that_names_no_response_is_an_items() -> None:
    frame = {"type": "response.mcp_call.in_progress", "item_id": "a1", "output_index": 0}
    assert rf.parse(frame) == rf.ItemActivity(item_id="a1")


def test_g28_a_response_of_actions_only_is_complete_and_nothing_is_sent() -> None:
    b = Bench(playback=True)
    turn = acting(b)
    assert len(b.those(rf.ExposeTurn)) == 1, "the host waits no longer"
    b.got(rf.ActionEnded(response_id="r1", item_id="a1"))
    b.done("r1")
    assert turn.outcome is TurnOutcome.COMPLETED
    b.wait(60.0)
    assert b.creates == [(turn.id, 1)]


@pytest.mark.parametrize("how", ["fails", "is lost", "stalls", "fails once it acted"])
def test_g28_an_action_is_never_repeated(how: str) -> None:
    b = Bench(rf.RetryPolicy(after_exposure="regenerate"))
    turn = acting(b)
    if how == "fails":
        b.failed("r1")
    elif how == "is lost":
        b.got(rf.ConnectionLost(error=rf.error_info("lost", None, "")), rf.ConnectionReady())
    elif how == "stalls":
        b.wait(120.0)
    else:
        b.got(rf.ActionEnded(response_id="r1", item_id="a1"))
        b.message("r1", "m1")
        b.failed("r1")
    assert turn.outcome is TurnOutcome.FAILED
    b.wait(60.0)
    assert b.creates == [(turn.id, 1)]


def test_g28_progress_by_item_alone_is_activity() -> None:
    b = Bench(rf.RetryPolicy(action_timeout=10.0))
    turn = acting(b)
    for _ in range(6):
        b.wait(9.0)
        assert b.got(rf.ItemActivity(item_id="a1"))
    assert turn.state is TurnState.STREAMING
    b.wait(10.0)
    assert turn.state is TurnState.FAILED


def test_g28_what_follows_an_action_has_the_time_of_a_first_output() -> None:
    b = Bench()
    turn = acting(b)
    b.got(rf.ActionEnded(response_id="r1", item_id="a1"))
    b.wait(19.0)
    assert turn.state is TurnState.STREAMING
    b.message("r1", "m1")
    assert b.delivered == ["m1"]
    b.wait(8.0)
    assert turn.state is TurnState.STREAMING  # it may go on
    b.wait(12.0)
    assert turn.state is TurnState.FAILED


def test_g28_an_action_whose_beginning_was_lost_counts() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    done = rf.ActionEnded(response_id="r1", item_id="a1")
    assert b.got(done)
    assert not b.got(done)
    assert (turn.actions, turn.has_output) == (("a1",), True)


def test_g28_a_stranger_s_action_is_counted_and_changes_nothing() -> None:
    b = Bench()
    assert not b.got(rf.ActionEnded(response_id="r9", item_id="a9"))
    assert not b.got(rf.ItemActivity(item_id="a9"))
    assert not b.got(rf.ItemStarted(response_id="r9", item_id="a9", kind=rf.ItemKind.ACTION))
    assert not b.all
