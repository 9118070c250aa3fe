"""G16: which message of a response the server is asked to cut, and to how much of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm._core.commands import Command, TruncateItem
from realtime_fsm._core.connection import Connection
from realtime_fsm._core.lane import Lane
from realtime_fsm._core.memory import cut_back
from realtime_fsm._core.records import Message, Response, Turn
from realtime_fsm._core.states import (
    Correction,
    Generation,
    MessageOutcome,
    Origin,
    ResponseState,
)
from realtime_fsm._core.step import Step
from realtime_fsm._core.user_speech import UserSpeech

PARTIAL, FULL = MessageOutcome.PARTIAL, MessageOutcome.FULL
#: 400 of 1000 ms were heard; all of it was, and more came.
HEARD: dict[str, Any] = {"outcome": PARTIAL, "heard_ms": 400, "received_ms": 1000.0}
GREW: dict[str, Any] = {"outcome": FULL, "late_ms": 1.0, "received_ms": 1000.0}
RESTORED, NOTHING = "restored", None


def corrected(*, interrupted: bool = False, over: bool = True, **message: Any) -> int | str | None:
    """What is asked of the server: to cut it so, or to have its heard words instead."""
    turn = Turn(id="t", origin=Origin.CLIENT, playback_reported=True, attempts=1)
    if interrupted:
        turn.generation = Generation.INTERRUPTED
    one = dataclasses.replace(Message(item_id="m1", number=1, delivered=True), **message)
    turn.messages = (one, Message(item_id="m2", number=2, attempt=2, delivered=True, **HEARD))
    state = ResponseState.ENDED if over else ResponseState.CANCELLING
    response = Response(turn=turn, number=1, state=state, last_activity=0.0)
    out: list[Command] = []
    policy = rf.RetryPolicy()
    lane = Lane(Connection(), UserSpeech(policy), {})
    cut_back(response, Step(0.0, policy, out, lambda what: what, lane))
    before = message.get("correction", Correction.NONE)
    assert one.correction is (Correction.CUT if out else before)
    for command in out:
        assert command.item_id == "m1", "the other is of another attempt"
        if not isinstance(command, TruncateItem):
            return RESTORED
        assert command.event_id == "truncate", "it is told apart from a deletion by its id"
        return command.audio_end_ms
    return NOTHING


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        (HEARD, 400),
        ({**HEARD, "delivered": False}, NOTHING),
        ({**HEARD, "correction": Correction.CUT}, NOTHING),
        ({**HEARD, "correction": Correction.RELEASED}, NOTHING),
        ({**HEARD, "remembered_ms": 1000}, NOTHING),
        ({**HEARD, "interrupted": True}, NOTHING),
        ({**HEARD, "heard_ms": None}, NOTHING),
        ({**HEARD, "received_ms": 1.0, "heard_ms": 1}, 1),
        ({**HEARD, "received_ms": 0.0}, NOTHING),
        ({**HEARD, "received_ms": 0.0, "transcript": "One"}, RESTORED),
        (GREW, 1000),
        ({**GREW, "late_ms": None}, NOTHING),
        ({**GREW, "late_ms": 0.0}, NOTHING),
        ({**GREW, "late_ms": 0.0, "received_ms": 0.0}, RESTORED),
        ({**GREW, "over": False}, NOTHING),
        ({**GREW, "outcome": MessageOutcome.SKIPPED}, NOTHING),
        ({**GREW, "outcome": None}, NOTHING),
    ],
)
def test_g16_what_is_cut_is_what_the_host_does_not_cut(
    message: dict[str, Any], asked: int | str | None
) -> None:
    assert corrected(**message) == asked


def test_g16_nothing_is_cut_on_a_connection_that_is_down() -> None:
    turn = Turn(id="t", origin=Origin.CLIENT, playback_reported=True, attempts=1)
    turn.messages = (Message(item_id="m1", number=1, delivered=True, **HEARD),)
    response = Response(turn=turn, number=1, state=ResponseState.ENDED, last_activity=0.0)
    connection, policy, out = Connection(), rf.RetryPolicy(), list[Command]()
    connection.lost(0.0, for_good=False)
    cut_back(
        response,
        Step(0.0, policy, out, lambda what: what, Lane(connection, UserSpeech(policy), {})),
    )
    assert out == []


def test_g16_one_that_gets_its_words_instead_leaves_the_next_to_be_cut() -> None:
    turn = Turn(id="t", origin=Origin.CLIENT, playback_reported=True, attempts=1)
    text = {**HEARD, "received_ms": 0.0, "transcript": "One"}
    turn.messages = (
        Message(item_id="m1", number=1, delivered=True, **text),
        Message(item_id="m2", number=2, delivered=True, **HEARD),
    )
    response = Response(turn=turn, number=1, state=ResponseState.ENDED, last_activity=0.0)
    policy, out = rf.RetryPolicy(), list[Command]()
    lane = Lane(Connection(), UserSpeech(policy), {})
    cut_back(response, Step(0.0, policy, out, lambda what: what, lane))
    assert [type(command).__name__ for command in out] == ["RestoreItem", "TruncateItem"]
