"""A few of the turns again over real sockets and in real time: the rest runs in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from . import test_adapter, test_turns
from .call import HELLO, TWO

pytestmark = pytest.mark.real_time

CASES: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    (test_turns.test_healthy_turns_are_unchanged, {"reply": HELLO, "heard": 0.6}),
    (test_turns.test_healthy_turns_are_unchanged, {"reply": TWO, "heard": 2.5}),
    *(
        (
            test_turns.test_g9_a_failed_attempt_is_heard_after_all_under_the_same_handle,
            {"broken": test_turns.BROKEN[name]},
        )
        for name in ("server_error", "refused", "unanswered", "socket drops after created")
    ),
    (test_turns.test_interrupt_in_message_1_of_2_leaves_the_right_truncate, {}),
    (test_turns.test_g5_a_reply_right_after_an_interrupt_waits_for_the_terminal, {}),
    (test_turns.test_g9_a_failed_server_vad_turn_is_asked_again_as_one_speech, {}),
    (test_adapter.test_aclose_does_not_raise_when_the_inner_session_died, {}),
]


@pytest.mark.parametrize(("test", "arguments"), CASES, ids=lambda x: getattr(x, "__name__", ""))
async def test_over_real_sockets(test: Callable[..., Any], arguments: dict[str, Any]) -> None:
    await test.__wrapped__(**arguments)  # type: ignore[attr-defined]
