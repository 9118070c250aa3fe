"""The rules of the session, of expiry, of parameters and of transcripts, in virtual time."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from realtime_fsm.simulator import (
    Close,
    Message,
    Reply,
    Script,
    ServerConfig,
    ServerCore,
    VirtualConnection,
    server_event_problems,
)

TEN = Message("one two three four five six seven eight nine ten", seconds=1.0)


def connect(**config: Any) -> VirtualConnection:
    return VirtualConnection(Script([Reply([TEN])] * 3), ServerConfig(**config))


def update(connection: VirtualConnection, event_id: str = "u", **session: Any) -> None:
    connection.send("session.update", event_id=event_id, session={"type": "realtime", **session})


def checked(connection: VirtualConnection) -> None:
    assert {e["type"]: p for e in connection.events() if (p := server_event_problems(e))} == {}


def detect(**turn_detection: Any) -> dict[str, Any]:
    return {"input": {"turn_detection": {"type": "server_vad", **turn_detection}}}


# --- what an update may change ---


def test_the_voice_is_fixed_by_the_first_audio() -> None:
    connection = connect()
    update(connection, audio={"output": {"voice": "cedar"}})
    connection.send("response.create", response={"output_modalities": ["text"]})
    connection.run()
    update(connection, audio={"output": {"voice": "alloy"}})
    connection.send("response.create")
    connection.run()
    assert not connection.events("error")
    update(connection, "u4", instructions="x", audio={"output": {"voice": "cedar"}})
    assert (connection.error["code"], connection.error["event_id"]) == ("cannot_update_voice", "u4")
    assert connection.core.session["instructions"] == "", "an update is refused as a whole"
    update(connection, instructions="y", audio={"output": {"voice": "alloy"}})
    assert connection.core.session["instructions"] == "y"
    voice = {"audio": {"output": {"voice": "cedar"}}}
    connection.send("response.create", event_id="c9", response=voice)
    assert (connection.error["code"], connection.error["event_id"]) == ("cannot_update_voice", "c9")
    checked(connection)


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 4097}, "max_output_tokens"),
        ({"output_modalities": ["audio", "text"]}, "output_modalities"),
        ({"output_modalities": []}, "output_modalities"),
        ({"audio": {"output": {"speed": 1.6}}}, "audio.output.speed"),
        ({"audio": detect(threshold=1.5)}, "audio.input.turn_detection.threshold"),
    ],
)
def test_values_out_of_range_change_nothing(session: dict[str, Any], param: str) -> None:
    connection = connect()
    before = connection.core.session
    update(connection, instructions="x", **session)
    assert (connection.error["code"], connection.error["param"]) == (
        "invalid_value",
        f"session.{param}",
    )
    assert connection.core.session == before
    assert not connection.events("session.updated")


def test_the_speed_changes_between_turns_only() -> None:
    connection = connect()
    connection.send("response.create")
    connection.run_until("response.created")
    update(connection, audio={"output": {"speed": 1.2}})
    assert connection.error["param"] == "session.audio.output.speed"
    update(connection, audio={"output": {"speed": 1.0}})
    connection.run_until("response.done")
    update(connection, audio={"output": {"speed": 1.2}})
    assert connection.core.session["audio"]["output"]["speed"] == 1.2
    assert len(connection.events("error")) == 1


def test_tracing_stays_as_it_was_enabled() -> None:
    connection = connect()
    for tracing in (None, "auto", "auto", {"workflow_name": "w"}, None):
        update(connection, tracing=tracing)
    assert connection.core.session["tracing"] == "auto"
    assert [e["error"]["param"] for e in connection.events("error")] == ["session.tracing"] * 2


def test_a_session_keeps_its_type() -> None:
    connection = connect()
    connection.send("session.update", session={"type": "transcription"})
    assert connection.error["param"] == "session.type"
    assert connection.core.session["type"] == "realtime"


def test_the_model_of_the_url_is_the_sessions() -> None:
    core = ServerCore(Script(), ServerConfig(model_change="refuse"), model="gpt-realtime-2")
    core.connect(0.0)
    session = {"type": "realtime", "model": "gpt-realtime"}
    core.receive({"type": "session.update", "session": session}, 0.0)
    created, error = (frame.event for frame in core.take())  # type: ignore[union-attr]
    assert created["session"]["model"] == "gpt-realtime-2"
    assert error["error"]["param"] == "session.model"


def test_a_session_expires() -> None:
    connection = connect(max_session_duration=3600.0)
    connection.run(3599.9)
    connection.send("response.create")
    connection.run()
    message = "Your session hit the maximum duration of 60 minutes."
    assert (connection.error["code"], connection.error["message"]) == ("session_expired", message)
    assert connection.ending == Close(1001, message)
    assert connection.now == 3600.0
    assert not connection.events("response.done"), "what was under way is lost"
    checked(connection)


# --- parameters of a create ---


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"metadata": {str(i): "v" for i in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: "v"}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"max_output_tokens": 5000}, "max_output_tokens"),
        ({"output_modalities": ["text", "audio"]}, "output_modalities"),
        ({"input": [{"type": "item_reference", "id": "nobody"}]}, "input[0].id"),
    ],
)
def test_a_create_with_bad_parameters_takes_no_slot(params: dict[str, Any], param: str) -> None:
    connection = connect()
    connection.send("response.create", event_id="c1", response=params)
    assert (connection.error["param"], connection.error["event_id"]) == (f"response.{param}", "c1")
    assert connection.core.active_response_id is None


def test_a_create_may_refer_to_items_and_bring_others() -> None:
    connection = connect()
    connection.send("response.create")
    connection.run()
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    given = [{"type": "item_reference", "id": "item_001"}, message]
    connection.send(
        "response.create",
        response={"conversation": "none", "input": given, "max_output_tokens": 200},
    )
    connection.run()
    assert connection.done["max_output_tokens"] == 200
    assert len(connection.core.conversation) == 1
    checked(connection)


@pytest.mark.parametrize("part", ["output_audio", "output_text"])
def test_a_client_cannot_create_assistant_audio(part: str) -> None:
    connection = connect()
    content = [
        {"type": part, "text": "Hi"} if part == "output_text" else {"type": part, "audio": ""}
    ]
    item = {"type": "message", "role": "assistant", "content": content}
    connection.send("conversation.item.create", event_id="a", item=item)
    if part == "output_text":
        assert connection.core.conversation[0].text == "Hi"
    else:
        assert connection.error["param"] == "item.content[0].text"


# --- the user's audio ---


def test_too_much_audio_at_once_is_refused() -> None:
    connection = connect()
    audio = base64.b64encode(bytes(15 * 1024 * 1024 + 1)).decode()
    connection.send("input_audio_buffer.append", event_id="a", audio=audio)
    assert (connection.error["param"], connection.error["event_id"]) == ("audio", "a")
    connection.send("input_audio_buffer.commit")
    assert connection.error["code"] == "input_audio_buffer_commit_empty"


def test_server_vad_may_be_late() -> None:
    connection = connect(commit_delay=0.5)
    connection.speak("Hello?", seconds=1.0)
    connection.run()
    for name in ("speech_stopped", "committed"):
        assert connection.time_of(f"input_audio_buffer.{name}") == 1.5


@pytest.mark.parametrize("delay", [0.0, 2.0])
def test_a_commit_of_the_client_ends_the_users_turn(delay: float) -> None:
    connection = connect(commit_delay=delay)
    item = connection.speak("Hello there", seconds=1.0)
    connection.run(0.4 if delay == 0.0 else 1.4)
    connection.send("input_audio_buffer.commit")
    connection.run()
    committed = connection.events("input_audio_buffer.committed")
    assert [event["item_id"] for event in committed] == [item]
    assert connection.core.conversation[0].audio_ms == (400 if delay == 0.0 else 1000)
    assert len(connection.events("input_audio_buffer.speech_stopped")) == 1
    assert not connection.events("response.created"), "a client's commit asks for no response"
    connection.speak("And again", seconds=1.0)
    connection.run()
    assert connection.done["status"] == "completed"
    checked(connection)


def test_a_clear_forgets_what_the_user_was_saying() -> None:
    connection = connect()
    connection.speak("Hello", seconds=1.0)
    connection.run(0.4)
    connection.send("input_audio_buffer.clear")
    connection.run()
    assert connection.core.conversation == ()
    assert not connection.events("response.created")


def test_vad_that_is_switched_off_leaves_the_audio_in_the_buffer() -> None:
    connection = connect()
    connection.speak("Hello", seconds=1.0)
    connection.run(0.4)
    update(connection, audio={"input": {"turn_detection": None}})
    connection.run()
    assert not connection.events("input_audio_buffer.committed")
    connection.send("input_audio_buffer.commit")
    assert connection.core.conversation[0].text == "Hello"


def test_transcripts_may_come_in_parts_and_may_fail() -> None:
    connection = connect(transcription_deltas=3, failed_transcriptions=[2])
    update(connection, audio={"input": {"transcription": {"model": "whisper-1"}}})
    for text in ("one two three four", "five"):
        connection.speak(text, seconds=0.5)
        connection.run()
    name = "conversation.item.input_audio_transcription"
    deltas = [e["delta"] for e in connection.events(f"{name}.delta")]
    assert "".join(deltas[:3]) == "one two three four"
    assert len(connection.events(f"{name}.completed")) == 1
    (failed,) = connection.events(f"{name}.failed")
    assert failed["error"]["code"] == "transcription_failed"
    assert [i.text for i in connection.core.conversation if i.role == "user"] == [
        "one two three four",
        "five",
    ]
    checked(connection)
