"""The figures that are computed from what was measured."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_fsm.lab.demo import Answer, Remembered, Result


def answer(**values: Any) -> Answer:
    usual: dict[str, Any] = {
        "question": "Well?",
        "asked_at": 0.0,
        "first_sound": 0.1,
        "heard": 1.0,
        "silence": 0.1,
        "done": True,
        "exception": None,
    }
    return Answer(**{**usual, **values})


def result(**values: Any) -> Result:
    usual: dict[str, Any] = {
        "call": "a call",
        "mode": "plain",
        "seconds": 3.0,
        "answers": (answer(),),
        "heard": (),
        "creates": 1,
        "collisions": 0,
        "recoveries": 0,
        "error_events": (),
        "remembered": (),
        "history": (),
        "logged_errors": {},
    }
    return Result(**{**usual, **values})


@pytest.mark.parametrize(
    ("heard", "remembered", "judged"),
    [
        ((), (), []),
        ((1.0, 0.5), (1.0, 0.5), [True, True]),
        ((0.604,), (0.603,), [True]),
        ((0.6,), (1.2,), [False]),
        ((), (1.0,), [False]),
        ((1.0,), (), []),
        ((0.6, 1.1), (0.6, 1.0, 1.1), [True, False, True]),
        ((0.6, 1.1), (1.1, 0.6), [True, False]),
    ],
)
def test_memory_is_matched_with_what_was_heard_in_order(
    heard: tuple[float, ...], remembered: tuple[float, ...], judged: list[bool]
) -> None:
    measured = result(heard=heard, remembered=tuple(Remembered("x", s) for s in remembered))
    assert [right for _, right in measured.memory] == judged
    assert measured.memory_is_right == (len(heard) == len(remembered) and all(judged))


def test_the_worst_question_gives_the_silence() -> None:
    lost = answer(first_sound=None, heard=0.0, silence=2.5, exception="some_code")
    measured = result(answers=(answer(), lost))
    assert measured.longest_silence == 2.5
    assert measured.unanswered == (lost,)
    assert measured.exceptions == ("some_code",)


def test_json_has_rounded_figures() -> None:
    measured = result(heard=(0.12345,), remembered=(Remembered("x", 0.12345),))
    figures = json.loads(json.dumps(measured.as_json()))
    assert figures["heard"] == [0.123]
    assert figures["remembered"] == [{"text": "x", "seconds": 0.123}]
    assert figures["memory_is_right"] is True
    assert figures["unanswered"] == 0
