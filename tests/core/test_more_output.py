"""The short way of deltas does what the long way does."""

from __future__ import annotations

from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm._core.frames import output_of, sign_of_life

from .harness import Bench

AUDIO = "response.output_audio.delta"


def delta(**fields: Any) -> dict[str, Any]:
    return {"type": AUDIO, "response_id": "r1", "item_id": "m1", "delta": "A" * 6400, **fields}


def speaking() -> tuple[Bench, rf.Turn]:
    b = Bench(playback=True)
    return b, b.speaking()


def test_a_further_delta_counts_and_moves_the_deadline_back_as_the_event_does() -> None:
    (short, one), (long, other) = speaking(), speaking()
    assert short.c.more_output("m1", 100.0, 2.0)
    assert long.c.receive(rf.OutputReceived(response_id="r1", item_id="m1", audio_ms=100.0), 2.0)
    assert one.messages[0].received_ms == other.messages[0].received_ms == 1100.0
    assert short.c.next_deadline() == long.c.next_deadline() == 2.0 + short.c.policy.stall_timeout
    assert not short.c.pending


def test_only_a_message_that_was_handed_out_goes_the_short_way() -> None:
    b, turn = speaking()
    b.item("r1", "m2")
    assert not b.c.more_output("m2", 100.0, 1.0), "its first delta hands it out"
    assert not b.c.more_output("m9", 100.0, 1.0)
    b.got(rf.ConnectionLost(error=rf.error_info(None, None, "gone")))
    assert not b.c.more_output("m1", 100.0, 1.0), "a frame shows that there is a connection"
    b.c.close(1.0)
    assert not b.c.more_output("m1", 100.0, 1.0)
    assert [m.received_ms for m in turn.messages] == [1000.0, 0.0]


@pytest.mark.parametrize(
    "type",
    [
        AUDIO,
        "response.audio.delta",
        "response.output_text.delta",
        "response.audio_transcript.delta",
    ],
)
def test_the_short_reading_of_a_delta_agrees_with_the_long_one(type: str) -> None:
    event = rf.parse(delta(type=type))
    assert isinstance(event, rf.OutputReceived)
    assert output_of(delta(type=type)) == (event.item_id, event.audio_ms)


@pytest.mark.parametrize(
    "frame",
    [
        None,
        [],
        {},
        delta(type="response.done"),
        delta(type=[]),
        delta(item_id=None),
        delta(item_id=[]),
        delta(delta=""),
        delta(delta=5),
        delta(response_id=""),
        delta(response_id=None),
    ],
)
def test_g25_whatever_is_no_sound_delta_is_left_to_the_parser(frame: object) -> None:
    assert output_of(frame) is None


def test_g3_a_delta_after_the_terminal_is_no_output() -> None:
    b, turn = speaking()
    b.done("r1")
    assert turn.live, "it is still playing"
    assert not b.c.more_output("m1", 100.0, 1.0)
    assert turn.messages[0].received_ms == 1000.0


SIGN = "response.content_part.done"


def sign(**fields: Any) -> dict[str, Any]:
    return {"type": SIGN, "response_id": "r1", "item_id": "m1", **fields}


def test_a_sign_of_life_moves_the_deadline_back_as_the_event_does() -> None:
    (short, _), (long, _) = speaking(), speaking()
    assert short.c.goes_on("r1", "m1", 2.0)
    assert long.c.receive(rf.ResponseActivity(response_id="r1"), 2.0)
    assert short.c.next_deadline() == long.c.next_deadline() == 2.0 + short.c.policy.stall_timeout
    assert not short.c.pending


def test_g3_only_a_message_of_a_response_alive_goes_the_short_way() -> None:
    b, _ = speaking()
    b.item("r1", "m2")
    assert b.c.goes_on("r1", "m2", 1.0), "it need not be handed out"
    assert not b.c.goes_on("r1", "m9", 1.0)
    assert not b.c.goes_on("r2", "m1", 1.0)
    b.got(rf.ConnectionLost(error=rf.error_info(None, None, "gone")))
    assert not b.c.goes_on("r1", "m1", 1.0), "a frame shows that there is a connection"
    b, _ = speaking()
    b.done("r1")
    assert not b.c.goes_on("r1", "m1", 1.0)


DONE = {"type": "response.output_item.done", "response_id": "r1"}


@pytest.mark.parametrize(
    "frame",
    [
        sign(),
        sign(type="response.content_part.added"),
        sign(type="response.output_audio.done"),
        sign(type="response.output_audio_transcript.done"),
        sign(type="response.text.done", delta="a delta it is not"),
        {**DONE, "item": {"id": "m1", "type": "message", "status": "incomplete"}},
    ],
)
def test_the_short_reading_of_a_sign_of_life_agrees_with_the_long_one(frame: Any) -> None:
    assert rf.parse(frame) == rf.ResponseActivity(response_id="r1")
    assert sign_of_life(frame) == "m1"


@pytest.mark.parametrize(
    "frame",
    [
        *(None, [], {}, delta(), sign(type="response.done"), sign(type=[]), sign(item_id=None)),
        *(sign(item_id=[]), sign(response_id=""), sign(response_id=None)),
        sign(type="response.function_call_arguments.done"),
        *(DONE, {**DONE, "item_id": "m1"}, {**DONE, "item": "m1"}, {**DONE, "item": {"id": "m1"}}),
        {**DONE, "item": {"id": "m1", "type": "function_call"}},
        {**DONE, "item": {"id": "m1", "type": "mcp_call"}},
        {**DONE, "item": {"id": 5, "type": "message"}},
    ],
)
def test_g25_whatever_is_no_sign_of_life_is_left_to_the_parser(frame: object) -> None:
    assert sign_of_life(frame) is None
