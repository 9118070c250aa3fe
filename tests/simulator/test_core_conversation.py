"""The rules of items, of the session and of the user's audio, in virtual time."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from realtime_fsm.simulator import (
    Accept,
    Close,
    Closed,
    Message,
    Reply,
    Script,
    ServerConfig,
    VirtualConnection,
    server_event_problems,
)

TEN_WORDS = Message("one two three four five six seven eight nine ten", seconds=1.0)


@pytest.fixture
def connection() -> VirtualConnection:
    return VirtualConnection(Script([Reply([TEN_WORDS])] * 3))


def add(connection: VirtualConnection, item_id: str | None, **fields: Any) -> None:
    item: dict[str, Any] = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hi"}],
    }
    if item_id is not None:
        item["id"] = item_id
    connection.send("conversation.item.create", event_id=f"add_{item_id}", item=item, **fields)


def order(connection: VirtualConnection) -> list[str]:
    return [item.id for item in connection.core.conversation]


def checked(connection: VirtualConnection) -> None:
    """Every event so far has the published type."""
    assert {e["type"]: p for e in connection.events() if (p := server_event_problems(e))} == {}


# --- items ---


def test_items_are_added_where_asked(connection: VirtualConnection) -> None:
    add(connection, "a")
    add(connection, "b")
    add(connection, "c", previous_item_id="a")
    add(connection, "d", previous_item_id="root")
    add(connection, None)
    assert order(connection) == ["d", "a", "c", "b", "item_001"]
    assert [e["previous_item_id"] for e in connection.events("conversation.item.added")] == [
        None,
        "a",
        "a",
        None,
        "b",
    ]
    assert len(connection.events("conversation.item.done")) == 5
    checked(connection)


@pytest.mark.parametrize(
    ("item_id", "fields", "code"),
    [
        ("a", {}, "item_create_duplicate_item_id"),
        ("b", {"previous_item_id": "zzz"}, "item_create_invalid_previous_item_id"),
    ],
)
def test_refused_items(
    connection: VirtualConnection, item_id: str, fields: dict[str, str], code: str
) -> None:
    add(connection, "a")
    add(connection, item_id, **fields)
    assert (connection.error["code"], connection.error["event_id"]) == (code, f"add_{item_id}")
    assert order(connection) == ["a"]


def test_an_item_can_be_deleted_once(connection: VirtualConnection) -> None:
    add(connection, "a")
    connection.send("conversation.item.delete", item_id="a")
    assert connection.events("conversation.item.deleted")[0]["item_id"] == "a"
    connection.send("conversation.item.delete", event_id="d2", item_id="a")
    assert (connection.error["code"], connection.error["event_id"]) == (
        "item_delete_invalid_item_id",
        "d2",
    )
    checked(connection)


def test_an_item_can_be_retrieved(connection: VirtualConnection) -> None:
    add(connection, "a")
    connection.send("conversation.item.retrieve", item_id="a")
    assert connection.events("conversation.item.retrieved")[0]["item"]["content"][0]["text"] == "Hi"
    connection.send("conversation.item.retrieve", item_id="b")
    assert connection.error["code"] == "item_retrieve_invalid_item_id"
    checked(connection)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "sunny"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "x"}]},
    ],
)
def test_every_kind_of_item_comes_back(connection: VirtualConnection, item: dict[str, Any]) -> None:
    if item["type"] == "function_call_output":
        call = {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"}
        connection.send("conversation.item.create", item=call)
    connection.send("conversation.item.create", item=item)
    added = connection.events("conversation.item.added")[-1]["item"]
    assert {key: added[key] for key in item} == item
    checked(connection)


# --- truncation ---


def test_a_truncation_cuts_what_the_model_remembers(connection: VirtualConnection) -> None:
    connection.send("response.create")
    connection.run()
    connection.send(
        "conversation.item.truncate", item_id="item_001", content_index=0, audio_end_ms=450
    )
    assert connection.events("conversation.item.truncated")[0]["audio_end_ms"] == 450
    (item,) = connection.core.conversation
    assert (item.audio_ms, item.text) == (450, "one two three four")
    checked(connection)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"item_id": "zzz"}, "item_truncate_invalid_item_id"),
        ({"item_id": "user"}, "unsupported_content_type"),
        ({"audio_end_ms": 1001}, "invalid_value"),
        ({"audio_end_ms": -1}, "invalid_value"),
        ({"audio_end_ms": 10.5}, "invalid_type"),
        ({"audio_end_ms": None}, "invalid_type"),
        ({"audio_end_ms": "10"}, "invalid_type"),
        ({"content_index": 1}, "invalid_value"),
    ],
)
def test_refused_truncations(
    connection: VirtualConnection, fields: dict[str, Any], code: str
) -> None:
    add(connection, "user")
    connection.send("response.create")
    connection.run()
    spoken = connection.core.conversation[-1].id
    event = {"item_id": spoken, "content_index": 0, "audio_end_ms": 100, **fields}
    connection.send("conversation.item.truncate", event_id="t1", **event)
    assert (connection.error["code"], connection.error["event_id"]) == (code, "t1")
    assert connection.core.conversation[-1].audio_ms == 1000
    checked(connection)


def test_the_error_of_a_too_long_truncation_tells_what_is_held(
    connection: VirtualConnection,
) -> None:
    connection.send("response.create")
    connection.run()
    connection.send(
        "conversation.item.truncate", item_id="item_001", content_index=0, audio_end_ms=9100
    )
    assert connection.error["message"] == "Audio content of 1000ms is already shorter than 9100ms"


def test_a_server_may_hold_less_than_it_sent() -> None:
    config = ServerConfig(withheld_ms=85)
    connection = VirtualConnection(Script([Reply([TEN_WORDS])]), config=config)
    connection.send("response.create")
    connection.run()
    cut = {"item_id": "item_001", "content_index": 0}
    connection.send("conversation.item.truncate", audio_end_ms=950, **cut)
    assert connection.error["message"] == "Audio content of 915ms is already shorter than 950ms"
    connection.send("conversation.item.truncate", audio_end_ms=915, **cut)
    assert connection.core.conversation[-1].audio_ms == 915


def test_a_message_without_audio_yet_cannot_be_truncated(connection: VirtualConnection) -> None:
    connection.send("response.create")
    connection.run_until("response.content_part.added")
    connection.send(
        "conversation.item.truncate", item_id="item_001", content_index=0, audio_end_ms=0
    )
    assert connection.error["message"] == "Only model output audio messages can be truncated"


def test_what_is_generated_after_a_truncation_is_not_remembered(
    connection: VirtualConnection,
) -> None:
    connection.send("response.create")
    connection.run_until("response.output_audio.delta", count=5)
    connection.send("response.cancel")
    connection.send(
        "conversation.item.truncate", item_id="item_001", content_index=0, audio_end_ms=200
    )
    connection.run()
    assert len(connection.events("response.output_audio.delta")) > 5
    (item,) = connection.core.conversation
    assert (item.audio_ms, item.text, item.status) == (200, "one two", "incomplete")


def test_an_item_deleted_while_it_is_generated_stays_away(connection: VirtualConnection) -> None:
    connection.send("response.create")
    connection.run_until("response.output_audio.delta")
    connection.send("conversation.item.delete", item_id="item_001")
    connection.run()
    assert connection.done["status"] == "completed"
    assert connection.core.conversation == ()
    checked(connection)


# --- the session ---


def test_an_update_changes_only_what_it_names(connection: VirtualConnection) -> None:
    before = connection.core.session
    connection.send(
        "session.update",
        session={
            "type": "realtime",
            "instructions": "Be brief.",
            "audio": {"input": {"turn_detection": None}, "output": {"voice": "cedar"}},
        },
    )
    after = connection.events("session.updated")[0]["session"]
    assert after == connection.core.session
    assert after["instructions"] == "Be brief."
    assert after["audio"]["input"]["turn_detection"] is None
    assert after["audio"]["output"] == {**before["audio"]["output"], "voice": "cedar"}
    assert after["audio"]["input"]["format"] == before["audio"]["input"]["format"]
    checked(connection)


@pytest.mark.parametrize(
    ("text", "code", "param", "event_id"),
    [
        ("{", "invalid_json", None, None),
        ("[]", "invalid_event", None, None),
        ("null", "invalid_event", None, None),
        ('{"event_id": "e"}', "invalid_event", None, "e"),
        ('{"type": "response.nonsense", "event_id": "e"}', "invalid_value", "type", "e"),
        ('{"type": ["x"], "event_id": "e"}', "invalid_value", "type", "e"),
        ('{"type": "conversation.item.delete", "event_id": "e"}', "missing_required_parameter", "item_id", "e"),
        ('{"type": "conversation.item.delete", "event_id": 7, "item_id": "a"}', "invalid_type", "event_id", None),
        ('{"type": "conversation.item.create", "event_id": "e", "item": {"type": "message", "role": "user"}}',
         "missing_required_parameter", "item.content", "e"),
        ('{"type": "response.create", "event_id": "e", "surprise": 1}', "unknown_parameter", "surprise", "e"),
        ('{"type": "response.create", "event_id": "e", "response": {"x": 1}}', "unknown_parameter", "response.x", "e"),
        ('{"type": "response.create", "event_id": "e", "response": {"conversation": "other"}}',
         "invalid_value", "response.conversation", "e"),
        ('{"type": "session.update", "event_id": "e", "session": {}}',
         "missing_required_parameter", "session.type", "e"),
        ('{"type": "input_audio_buffer.append", "event_id": "e", "audio": "!"}', "invalid_value", "audio", "e"),
    ],
)  # fmt: skip
def test_invalid_client_events(
    connection: VirtualConnection, text: str, code: str, param: str | None, event_id: str | None
) -> None:
    connection.send_text(text)
    error = connection.error
    assert (error["type"], error["code"], error["param"], error["event_id"]) == (
        "invalid_request_error",
        code,
        param,
        event_id,
    )
    checked(connection)
    connection.send("response.create")
    connection.run()
    assert connection.done["status"] == "completed", "the connection goes on"


# --- the user's audio ---


def pcm(ms: int) -> str:
    return base64.b64encode(bytes(ms * 48)).decode()


def vad(connection: VirtualConnection, **flags: bool) -> None:
    turn_detection = {"type": "server_vad", **flags}
    transcription = {"model": "whisper-1"}
    audio = {"input": {"turn_detection": turn_detection, "transcription": transcription}}
    connection.send("session.update", session={"type": "realtime", "audio": audio})


def test_the_client_commits_what_it_appended(connection: VirtualConnection) -> None:
    connection.send("input_audio_buffer.append", audio=pcm(150))
    connection.send("input_audio_buffer.commit")
    assert connection.core.conversation[0].audio_ms == 150
    connection.run()
    assert not connection.events("response.created"), "a commit of the client asks for no response"
    connection.send("input_audio_buffer.commit", event_id="k2")
    assert (connection.error["code"], connection.error["event_id"]) == (
        "input_audio_buffer_commit_empty",
        "k2",
    )
    checked(connection)


def test_a_cleared_buffer_is_empty(connection: VirtualConnection) -> None:
    connection.send("input_audio_buffer.append", audio=pcm(150))
    connection.send("input_audio_buffer.clear")
    connection.send("input_audio_buffer.commit")
    assert connection.error["message"].endswith("buffer only has 0.00ms of audio.")
    checked(connection)


def test_server_vad_answers_the_user(connection: VirtualConnection) -> None:
    vad(connection)
    item = connection.speak("What time is it?", seconds=2.0, item_id="u1")
    connection.run()
    assert item == "u1"
    assert connection.types()[2:9] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    assert connection.time_of("input_audio_buffer.committed") == 2.0
    assert connection.time_of("response.created") == pytest.approx(2.02)
    user, answer = connection.core.conversation
    assert (user.id, user.text, user.audio_ms, answer.role) == (
        "u1",
        "What time is it?",
        2000,
        "assistant",
    )
    checked(connection)


def test_the_slot_is_taken_from_the_commit_on(connection: VirtualConnection) -> None:
    vad(connection)
    connection.speak("Hello?")
    connection.run_until("input_audio_buffer.committed")
    connection.send("response.create", event_id="c1")
    assert connection.error["event_id"] == "c1"
    connection.run()
    assert connection.core.collisions == 1
    assert connection.done["status"] == "completed"


def test_server_vad_loses_the_slot_to_a_client_that_was_first(
    connection: VirtualConnection,
) -> None:
    vad(connection)
    connection.speak("Hello?", seconds=1.0)
    connection.run(0.9)
    connection.send("response.create", event_id="c1")
    connection.run()
    assert (connection.error["code"], connection.error["event_id"]) == (
        "conversation_already_has_active_response",
        None,
    )
    assert (connection.core.collisions, connection.core.vad_collisions) == (0, 1)
    assert len(connection.events("response.created")) == 1


def test_the_user_interrupts_the_response(connection: VirtualConnection) -> None:
    vad(connection)
    connection.send("response.create")
    connection.run_until("response.output_audio.delta")
    connection.speak("Wait!")
    assert connection.done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert connection.types().index("input_audio_buffer.speech_started") < connection.types().index(
        "response.done"
    )
    connection.run()
    assert [e["response"]["status"] for e in connection.events("response.done")] == [
        "cancelled",
        "completed",
    ]
    checked(connection)


def test_an_interrupt_before_created_gives_a_done_without_created() -> None:
    connection = VirtualConnection(Script([Reply([TEN_WORDS])]), ServerConfig(create_delay=1.0))
    vad(connection, create_response=False)
    connection.send("response.create")
    connection.speak("Wait!")
    connection.run()
    assert not connection.events("response.created")
    assert connection.done["status"] == "cancelled"


def test_half_disabled_server_vad(connection: VirtualConnection) -> None:
    vad(connection, create_response=False, interrupt_response=False)
    connection.send("response.create")
    connection.run_until("response.created")
    connection.speak("Hm.", seconds=0.05)
    connection.run()
    assert connection.done["status"] == "completed"
    assert len(connection.events("response.created")) == 1
    assert (
        connection.events("conversation.item.input_audio_transcription.completed")[0]["transcript"]
        == "Hm."
    )


def test_without_server_vad_speech_only_fills_the_buffer(connection: VirtualConnection) -> None:
    audio = {"input": {"turn_detection": None}}
    connection.send("session.update", session={"type": "realtime", "audio": audio})
    before = len(connection.events())
    assert connection.speak("Hello", seconds=0.5) is None
    connection.speak("there", seconds=0.5)
    connection.run(5)
    assert len(connection.events()) == before
    connection.send("input_audio_buffer.commit")
    connection.run()
    (item,) = connection.core.conversation
    assert (item.text, item.audio_ms) == ("Hello there", 1000)
    assert not connection.events("response.created")


def test_a_user_item_needs_a_new_id(connection: VirtualConnection) -> None:
    add(connection, "a")
    with pytest.raises(ValueError, match="'a'"):
        connection.speak("Hello", item_id="a")


# --- the connection ---


@pytest.mark.parametrize("on", ["connect", "session.update"])
def test_the_server_may_hang_up_early(on: str) -> None:
    connection = VirtualConnection(Script(), opening=Accept(Closed(1008), on=on))
    connection.send("session.update", session={"type": "realtime"})
    assert connection.ending == Close(1008, "")
    assert len(connection.events("session.updated")) == (on == "session.update")
    assert connection.speak("Hello?") is None


def test_a_gone_peer_leaves_no_timer(connection: VirtualConnection) -> None:
    connection.send("response.create")
    connection.core.disconnected()
    assert connection.core.closed
    assert connection.core.next_deadline() is None
    assert connection.core.take() == []


def test_a_late_caller_causes_no_drift(connection: VirtualConnection) -> None:
    connection.send("response.create")
    connection.core.advance(100.0)
    types = [frame.event["type"] for frame in connection.core.take()]  # type: ignore[union-attr]
    assert types[-2:] == ["response.done", "rate_limits.updated"]
    connection.run_until("session.created")
    with pytest.raises(LookupError, match="no more is coming"):
        connection.run_until("response.created")


def test_output_clear_is_ignored(connection: VirtualConnection) -> None:
    connection.send("output_audio_buffer.clear")
    assert connection.types() == ["session.created"]
