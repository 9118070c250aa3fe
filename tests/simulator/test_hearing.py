"""Server VAD that hears appended audio, and replies that a client directs."""

from __future__ import annotations

import base64
from array import array
from typing import Any

import pytest

from realtime_fsm.simulator import Message, Reply, Script, ServerConfig, VirtualConnection
from realtime_fsm.simulator.directions import DIRECTIONS, KEY


def sound(ms: int, amplitude: int) -> str:
    return base64.b64encode(array("h", [amplitude, -amplitude] * (ms * 12)).tobytes()).decode()


def open_connection(**vad: Any) -> VirtualConnection:
    connection = VirtualConnection(Script(), ServerConfig(hears_above=400))
    audio = {"input": {"turn_detection": {"type": "server_vad", **vad}}}
    connection.send("session.update", session={"type": "realtime", "audio": audio})
    return connection


def heard(connection: VirtualConnection) -> list[str]:
    return [t.rpartition(".")[2] for t in connection.types() if t.startswith("input_audio_buffer")]


def test_speech_is_heard_with_its_pauses() -> None:
    connection = open_connection(silence_duration_ms=200)
    for ms, amplitude in ((300, 50), (400, 5000), (100, 50), (300, 5000)):
        connection.send("input_audio_buffer.append", audio=sound(ms, amplitude))
    assert heard(connection) == ["speech_started"], "a pause is shorter than the silence that ends"
    connection.send("input_audio_buffer.append", audio=sound(250, 0))
    connection.run()
    assert heard(connection) == ["speech_started", "speech_stopped", "committed"]
    assert connection.done["status"] == "completed"
    (user,) = (item for item in connection.core.conversation if item.role == "user")
    assert user.audio_ms == 800


@pytest.mark.parametrize(("ms", "amplitude"), [(2000, 300), (40, 8000)])
def test_noise_and_a_click_are_not_speech(ms: int, amplitude: int) -> None:
    connection = open_connection()
    connection.send("input_audio_buffer.append", audio=sound(ms, amplitude))
    connection.send("input_audio_buffer.append", audio=sound(500, 0))
    connection.run()
    assert heard(connection) == []


def test_what_the_client_commits_in_speech_is_not_committed_again() -> None:
    connection = open_connection()
    connection.send("input_audio_buffer.append", audio=sound(500, 5000))
    connection.send("input_audio_buffer.commit")
    connection.send("input_audio_buffer.append", audio=sound(500, 0))
    connection.run()
    assert heard(connection) == ["speech_started", "committed", "speech_stopped"]


def test_without_being_told_to_it_does_not_listen() -> None:
    connection = VirtualConnection(Script())
    connection.send("input_audio_buffer.append", audio=sound(500, 5000))
    connection.send("input_audio_buffer.append", audio=sound(500, 0))
    assert heard(connection) == []


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_direction_gets_its_reply_and_takes_none_of_the_script(name: str) -> None:
    connection = VirtualConnection(Script([Reply([Message("Scripted.")])]))
    connection.send("response.create", response={"metadata": {KEY: name}})
    connection.run()
    planned = DIRECTIONS[name]
    failed = name.startswith("fail")
    assert connection.done["status"] == ("failed" if failed else "completed")
    if not failed:
        shown = [item for item in planned.items if type(item).__name__ != "Reasoning"]
        assert len(connection.done["output"]) == len(shown)
    connection.send("response.create", response={"metadata": {KEY: "no such direction"}})
    connection.run()
    assert connection.done["output"][0]["content"][0]["transcript"] == "Scripted."
