"""The short way of deltas does what the long way does."""

from __future__ import annotations

from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm._core.frames import output_of

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
