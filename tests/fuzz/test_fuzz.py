"""The fuzz targets on a few hundred fixed inputs. The long run is ``make fuzz``."""

from __future__ import annotations

import json
import random

import pytest

from realtime_fsm._core import deadlines, frames

from .controller import controller
from .parser import KEYS, frame_of, parser

INPUTS = [random.Random(n).randbytes(20 + n % 600) for n in range(600)]
#: An interrupt while the create is queued, then a response that is announced twice.
FOUND = bytes.fromhex("ff0a0a0a00000000410856c35f2441c35f2441dfc0ff32df95b795")


def test_g25_the_parser() -> None:
    for data in (b"", b"\x00[]", b"\x00null", b'\x00{"type": "response.done"}', *INPUTS):
        parser(data)


def test_g7_g17_g25_the_controller() -> None:
    for data in (b"", FOUND, *INPUTS):
        controller(data)


def test_the_inputs_reach_what_they_should() -> None:
    frames = [frame_of(data) for data in INPUTS]
    assert len({json.dumps(frame, sort_keys=True) for frame in frames}) > 300
    used = {key for frame in frames if isinstance(frame, dict) for key in frame}
    assert used >= set(KEYS)


def test_a_parser_that_trusts_a_frame_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_map", lambda value, key: value.get(key) or {})
    with pytest.raises((AttributeError, TypeError)):
        test_g25_the_parser()


def test_a_controller_whose_turns_have_no_timers_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deadlines, "timer_of", lambda turn, policy, **_: None)
    with pytest.raises(AssertionError, match="hang"):
        test_g7_g17_g25_the_controller()
