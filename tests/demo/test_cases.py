"""The calls of the demo, as cases in virtual time: both modes come out as they are said to."""

from __future__ import annotations

import pytest

from realtime_fsm.lab.demo import CALLS, Call
from realtime_fsm.testing.corpus import run


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_controlled(call: Call) -> None:
    assert run(call.case).problems == ()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_plain(call: Call) -> None:
    result = run(call.case, plain=True)
    assert result.seen is not None
    assert [each for each in result.problems if each not in result.seen.broken] == []


def test_what_is_shown_of_a_call_is_in_its_case() -> None:
    shown = CALLS[3]
    assert (shown.name, shown.seconds) == ("barge-in", 3.4)
    assert shown.questions == ("How do I get there?", "Is there parking?")
