"""The beta dialect from the client's side, against the simulator's from the server's."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm.conform.dialect import (
    dialect_of,
    flat_fields,
    from_server,
    is_beta_name,
    is_current_name,
    to_beta,
)
from realtime_fsm.conform.known import SESSION
from realtime_fsm.simulator import Script, Send, VirtualConnection
from realtime_fsm.simulator.dialect import from_beta
from realtime_fsm.simulator.dialect import to_beta as server_to_beta

CLIENT: list[dict[str, Any]] = [
    {"type": "session.update", "session": SESSION},
    {"type": "session.update", "session": {"type": "realtime", "tracing": None, "tools": []}},
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "audio": {"output": {"voice": "echo", "speed": 1.1}, "input": {"transcription": None}},
        },
    },
    {
        "type": "response.create",
        "response": {
            "output_modalities": ["audio"],
            "max_output_tokens": 60,
            "metadata": {"a": "b"},
            "conversation": "none",
        },
    },
    {
        "type": "conversation.item.create",
        "item": {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hi"}],
        },
    },
    {"type": "response.cancel", "response_id": "r"},
]


@pytest.mark.parametrize("event", CLIENT, ids=lambda event: event["type"])
def test_what_we_say_in_the_beta_means_what_we_mean(event: dict[str, Any]) -> None:
    assert from_beta(to_beta(event)) == event


def test_what_the_server_says_in_the_beta_is_read_in_the_current_names() -> None:
    connection = VirtualConnection(Script())
    connection.send("response.create")
    connection.run()
    for event in connection.events():
        old = server_to_beta(Send(event))
        if old is None:
            continue
        assert isinstance(old, Send)
        read = from_server(old.event)
        assert read["type"] == event["type"]
        if "session" in event:
            assert dialect_of(event["session"]) == "ga"
            assert dialect_of(old.event["session"]) == "beta"
            assert read["session"]["audio"]["output"]["voice"] == "marin"
        if "item" in event:
            assert read["item"] == event["item"]
        if "response" in event:
            assert read["response"]["output_modalities"] == ["audio"]


@pytest.mark.parametrize(
    "event",
    [
        {}, {"type": 7}, {"type": "response.done", "response": [], "item": "x", "session": None},
        {"type": "x", "item": {"role": "assistant", "content": [1, {"type": []}]}},
        {"type": "x", "session": {"modalities": 3}, "response": {"modalities": None}},
    ],
)  # fmt: skip
def test_what_has_no_shape_is_read_all_the_same(event: dict[str, Any]) -> None:
    assert from_server(event)["type"] == str(event.get("type"))


def test_names_and_mixed_sessions_are_told_apart() -> None:
    assert is_beta_name("response.audio.delta")
    assert not is_beta_name("response.output_audio.delta")
    assert is_current_name("conversation.item.done")
    assert not is_current_name("response.done")
    mixed = {"type": "realtime", "audio": {}, "modalities": ["text"], "voice": "x"}
    assert dialect_of(mixed) == "ga"
    assert flat_fields(mixed) == ["modalities", "voice"]
