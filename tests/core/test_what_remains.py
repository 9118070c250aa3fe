"""Finished turns leave nothing behind but the record: `TurnController(keep=...)`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from types import FrameType

import pytest

import realtime_fsm as rf
from benchmarks.scripted_turn import Caller


def alive() -> int:
    gc.collect()
    return sum(type(x) is rf.Turn for x in gc.get_objects())


@pytest.mark.parametrize("keep", [0, 1, 32])
def test_no_more_turns_are_alive_than_are_kept(keep: int) -> None:
    before = alive()
    caller = Caller(rf.TurnController(keep=keep))
    caller.play(200)
    assert alive() - before == keep
    assert len(caller.controller.finished) == keep


def test_messages_of_kept_turns_are_found_and_of_forgotten_ones_not() -> None:
    caller = Caller(rf.TurnController(keep=2))
    caller.play(3)
    assert caller.controller.message("item_1_1") is None
    for turn in caller.controller.finished:
        for message in turn.messages:
            assert caller.controller.message(message.item_id) is message


def calls_of(work: Callable[[], object]) -> int:
    """Python functions called, ours and those of the libraries below."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_turn_two_thousand_takes_no_more_calls_than_turn_a_hundred() -> None:
    caller = Caller()
    caller.play(100)
    early = calls_of(caller.turn)
    caller.play(1_900)
    assert calls_of(caller.turn) == early
