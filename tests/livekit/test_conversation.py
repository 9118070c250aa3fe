"""What the server's conversation holds: the same however long the call is, and at the same cost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from livekit.agents import llm

from realtime_fsm.livekit import _conversation
from realtime_fsm.livekit._conversation import Confirmed, Conversation


def message(item_id: str) -> llm.ChatMessage:
    return llm.ChatMessage(id=item_id, role="user", content=[item_id])


def tell(conversation: Conversation, *item_ids: str) -> None:
    for item_id in item_ids:
        item = {"id": item_id, "type": "message", "content": []}
        conversation.sent({"type": "conversation.item.create", "item": item})


def lost(length: int) -> tuple[Conversation, list[dict[str, Any]]]:
    """A conversation whose connection is lost, and of which a replay had nothing."""
    sent: list[dict[str, Any]] = []
    conversation = Conversation(sent.append)
    ids = [f"i{n}" for n in range(length)]
    tell(conversation, *ids)
    for before, item_id in zip([None, *ids], ids, strict=False):
        conversation.added(item_id, before)
    conversation.connection_lost(map(message, ids))
    return conversation, sent


def test_what_was_told_is_made_again_where_it_was() -> None:
    conversation, sent = lost(3)
    conversation.expect([message("i1")])
    conversation.replayed([])
    assert [(f["item"]["id"], f["previous_item_id"]) for f in sent] == [
        ("i0", "root"),
        ("i2", "i1"),
    ]
    assert all(map(conversation.holds, ("i0", "i1", "i2")))


@pytest.mark.parametrize(
    ("before", "place"),
    [("i1", "i0"), ("i2", "i2"), ("root", "root"), ("unknown", "unknown"), (None, None)],
)
def test_g16_what_leaves_behind_an_item_that_is_not_there_goes_behind_what_precedes_it(
    before: str | None, place: str | None
) -> None:
    """Refused, it would be made behind the create that is to answer it. Where nobody knows better, the server does."""
    conversation, _ = lost(3)
    conversation.expect([message("i0"), message("i2")])
    frame = {"type": "conversation.item.create", "item": {"id": "output"}}
    frame |= {} if before is None else {"previous_item_id": before}
    conversation.place(frame)
    assert frame.get("previous_item_id") == place


def test_g16_what_is_made_again_is_there_once_its_frame_has_left() -> None:
    conversation, _ = lost(3)
    conversation.expect([message("i0")])
    conversation.put("i1", "heard")
    frames = []
    for _ in range(2):
        frames.append({"type": "conversation.item.create", "previous_item_id": "i1"})
        conversation.place(frames[-1])
        conversation.left("i1")
    assert [frame["previous_item_id"] for frame in frames] == ["i0", "i1"]
    conversation.put("i2", "heard")
    conversation.connection_lost(map(message, ["i0", "i1", "i2"]))
    conversation.expect([message("i2")])
    frame = {"type": "conversation.item.create", "previous_item_id": "i2"}
    conversation.place(frame)
    assert frame["previous_item_id"] == "i2", "what waited went with its connection"


def test_g16_what_was_put_in_the_middle_keeps_its_place_on_the_second_connection_after() -> None:
    conversation, _ = lost(3)
    conversation.connection_lost(map(message, ["i0", "pushed since", "i1", "i2"]))
    assert list(conversation.lost) == ["i0", "pushed since", "i1", "i2"]


def test_what_was_told_in_another_order_goes_behind_what_is_there() -> None:
    """An item that was told late, and belongs early, is made before what stands behind it."""
    sent: list[dict[str, Any]] = []
    conversation = Conversation(sent.append)
    tell(conversation, "a", "c", "b")
    conversation.connection_lost(map(message, "abc"))
    tell(conversation, "of a later push")
    conversation.replayed(["c"])
    assert [(f["item"]["id"], f["previous_item_id"]) for f in sent] == [("a", "root"), ("b", "a")]


def test_g16_the_host_arranges_and_what_it_did_not_name_stays_behind_what_it_followed() -> None:
    conversation = Conversation(lambda frame: None)
    conversation.keep(map(message, ["w", "v", "a", "x", "b", "y", "z"]))
    conversation.arrange(map(message, ["b", "new", "a"]))
    assert [*conversation.lost] == ["w", "v", "b", "y", "z", "new", "a", "x"]


def test_g25_a_place_that_is_no_id_is_the_end() -> None:
    there = Confirmed()
    places: list[Any] = [None, {"a": 1}, [], 5, "unknown"]
    for behind in places:
        there.add(f"{behind}", behind)
    there.add("first", "None")
    assert [*there] == ["None", "first", "{'a': 1}", "[]", "5", "unknown"]
    assert there.before("first") == "None"
    assert there.before("None") is None
    there.add("first", "unknown")
    there.remove("gone")
    assert [*there][-1] == "first"
    assert len(there) == 6


def test_an_item_that_was_taken_back_is_not_passed_by_the_next_create() -> None:
    conversation = Conversation(lambda frame: None)
    tell(conversation, "a")
    conversation.sent({"type": "conversation.item.delete", "item_id": "a"})
    conversation.sent({"type": "response.create"})
    tell(conversation, "a")
    conversation.created()
    assert conversation._passed == set()


def pushed(conversation: Conversation, *items: tuple[str, str]) -> None:
    for item_id, before in items:
        create = {"type": "conversation.item.create", "event_id": f"create {item_id}"}
        item = {"id": item_id, "type": "message", "content": []}
        conversation.sent({**create, "item": item, "previous_item_id": before})


def test_g16_what_was_put_behind_an_item_that_is_refused_goes_where_that_was_to_go() -> None:
    """An output without its call, in the middle of a push; the next call, which goes behind it; its output."""
    sent: list[dict[str, Any]] = []
    conversation = Conversation(sent.append)
    pushed(conversation, ("a", "root"), ("last", "a"))
    pushed(conversation, ("output", "a"), ("call", "output"), ("its output", "call"))
    conversation.added("a")
    conversation.added("last", "a")
    assert not conversation.refused("create output", "invalid_tool_call_id")
    assert conversation.refused("create call", "item_create_invalid_previous_item_id")
    assert conversation.refused("create its output", "invalid_tool_call_id")
    assert [(f["item"]["id"], f["previous_item_id"]) for f in sent] == [
        ("call", "a"),
        ("its output", "call"),
    ]
    again = str(sent[1]["event_id"])
    assert not conversation.refused(again, "invalid_tool_call_id"), "asked once more, not for ever"


def test_g25_items_that_were_to_go_behind_each_other_and_are_refused() -> None:
    sent: list[dict[str, Any]] = []
    conversation = Conversation(sent.append)
    pushed(conversation, ("a", "b"), ("b", "a"), ("c", "b"))
    assert not conversation.refused("create b", "no")
    assert not conversation.refused("create a", "no")
    assert conversation.refused("create c", "item_create_invalid_previous_item_id")
    assert [(f["item"]["id"], f.get("previous_item_id")) for f in sent] == [("c", None)]


def test_g16_a_server_that_does_not_tell_the_place_has_the_item_where_it_was_to_go() -> None:
    conversation, _ = lost(0)
    pushed(conversation, ("b", "root"), ("c", "b"), ("a", "root"))
    for item_id in "bca":
        conversation.added(item_id)
    conversation.added("the model's own")
    assert conversation.order == ["a", "b", "c", "the model's own"]


def _lines(work: Callable[[], object]) -> int:
    """Lines of the conversation that run."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line" and frame.f_code.co_filename == _conversation.__file__
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("unwanted", [[], ["i7"]])
def test_a_replay_is_linear(unwanted: list[str]) -> None:
    def lines(length: int) -> int:
        conversation, _ = lost(length)
        return _lines(lambda: conversation.replayed(unwanted))

    assert lines(400) < lines(100) * 4.1


def test_a_frame_costs_the_same_in_a_long_call() -> None:
    def lines(length: int) -> int:
        sent: list[Any] = []
        conversation = Conversation(sent.append)
        ids = [f"i{n}" for n in range(length)]
        tell(conversation, *ids)
        for item_id in ids:
            conversation.added(item_id, ids[-2])
        conversation.sent({"type": "response.create"})
        conversation.created()

        def turn() -> None:
            tell(conversation, "next")
            conversation.added("next", ids[-1])
            conversation.sent({"type": "response.create"})
            conversation.created()

        return _lines(turn)

    assert lines(600) == lines(20)
