"""Whose a response is at a server that leaves the metadata out (G3): told only where it can be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime_fsm import _events as ev
from realtime_fsm._wire import parse
from realtime_fsm.livekit._echo import Echo
from realtime_fsm.simulator import Message, Reply, ServerConfig
from realtime_fsm.testing import run_virtual, simulated_call

VAD = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}


def create(event_id: str) -> dict[str, Any]:
    return {
        "type": "response.create",
        "event_id": event_id,
        "response": {"metadata": {"client_event_id": event_id}},
    }


def of(kind: str, response_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": {"id": response_id, **fields}}


def tell(echo: Echo, *frames: Any) -> list[str | None]:
    """Let frames come; whose each response is, as the controller reads it."""
    whose = []
    for frame in frames:
        if frame["type"] == "response.create":
            echo.left(frame)
            continue
        echo.came(frame)
        event = parse(frame)
        echo.heard(event)
        if isinstance(event, (ev.ResponseCreated, ev.ResponseDone)):
            whose.append(event.client_event_id)
    return whose


def fresh(*, certain: bool = False) -> Echo:
    return Echo(certain=certain)


def test_g3_the_only_create_is_answered_by_the_only_response() -> None:
    done = of("done", "r1", status="completed", metadata=None)
    assert tell(fresh(), create("a"), of("created", "r1"), done) == ["a", "a"]
    assert done["response"]["metadata"] == {"client_event_id": "a"}


def test_g3_where_metadata_come_back_a_response_without_is_somebody_elses() -> None:
    assert tell(fresh(certain=True), create("a"), of("created", "r1")) == [None]
    known = {"metadata": {"client_event_id": "a"}}
    assert tell(fresh(), create("a"), of("created", "r1", **known), create("b"), of("created", "r2")) == [
        "a", None,
    ]  # fmt: skip


ERROR = {"type": "error", "error": {"type": "x", "message": "No.", "event_id": None}}
SPEECH = {"type": "input_audio_buffer.speech_started", "item_id": "i"}
CONFIGURED = {"type": "session.updated", "session": VAD}
IDLE = {"type": "input_audio_buffer.timeout_triggered", "item_id": "i"}
BESIDE = {"type": "response.create", "response": {"conversation": "none"}}


@pytest.mark.parametrize(
    "between",
    [
        pytest.param([create("b")], id="two creates"),
        pytest.param([ERROR], id="an error that names nothing"),
        pytest.param([CONFIGURED, SPEECH], id="server VAD may answer"),
        pytest.param([IDLE], id="the server asks whether anybody is there"),
        pytest.param([BESIDE], id="a create that has no name"),
    ],
)
def test_g3_what_cannot_be_told_is_left_open_and_so_is_what_follows(between: list[Any]) -> None:
    assert tell(fresh(), create("a"), *between, of("created", "r1"), of("created", "r2")) == [
        None, None,
    ]  # fmt: skip


def test_g3_what_was_refused_is_not_answered() -> None:
    refused = {"type": "error", "error": {"type": "x", "message": "No.", "event_id": "a"}}
    assert tell(fresh(), create("a"), refused, of("created", "r1")) == [None]
    assert tell(fresh(), create("a"), refused, create("b"), of("created", "r1")) == ["b"]


def test_g19_nothing_is_awaited_over_a_reconnect() -> None:
    echo = fresh()
    tell(echo, create("a"))
    echo.reset()
    assert tell(echo, of("created", "r1")) == [None]


def test_speech_without_server_vad_starts_no_response() -> None:
    session = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    configured = {"type": "session.updated", "session": session}
    assert tell(fresh(), configured, create("a"), SPEECH, of("created", "r1")) == ["a"]


def test_a_response_beside_the_conversation_is_none_of_them() -> None:
    beside = of("created", "r1", conversation_id=None)
    assert tell(fresh(), create("a"), beside, of("created", "r2", conversation_id="c")) == [
        None, "a",
    ]  # fmt: skip


@pytest.mark.parametrize("frame", [7, None, {"type": "response.created"}, of("created", 5)])  # type: ignore[arg-type]
def test_g25_no_frame_is_too_odd(frame: Any) -> None:
    fresh().came(frame)


def test_g3_an_asked_reply_is_spoken_once_and_its_handle_knows() -> None:
    async def call() -> None:
        replies = [Reply([Message(f"Answer {n}.", seconds=1.0)]) for n in range(4)]
        config = ServerConfig(metadata_echo=False)
        async with simulated_call(replies, config=config, turn_detection=None) as living:
            for words in ("one", "two"):
                handle = living.session.generate_reply(user_input=words)
                await asyncio.sleep(20.0)
                assert handle.done()
                assert handle.exception() is None
            assert living.heard == pytest.approx(2.0, abs=0.01)
            assert len(living.server.sent("response.create")) == 2

    run_virtual(call)
