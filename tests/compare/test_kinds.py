"""G27: known calls in which the controlled model must not be worse than plain LiveKit, by kind.

Those in :data:`OPEN` are worse, yet. Whoever repairs one deletes its line; nothing else changes.
"""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm.testing import WorseThanPlainError, assert_not_worse

from .kinds import CASES, KINDS

OPEN = {
    "the_loop_stands_still_for_8_s_while_the_answer_streams": "kind E: cut short, memory",
    "the_loop_stands_still_for_60_s_while_the_answer_streams": "kind E: cut short, memory",
    "a_prompt_asked_for_while_the_user_speaks_is_refused": "kind F: order, late",
    "a_prompt_asked_for_while_the_user_speaks_fails": "kind F: late",
    "a_prompt_asked_for_while_the_user_speaks_is_unanswered": "kind F: order",
    "a_prompt_asked_for_while_the_user_speaks_waits_for_a_stall": "kind F: order, late",
    "a_greeting_before_the_end_of_the_users_hello": "kind F: order",
    "a_greeting_at_the_end_of_the_users_hello": "kind F: order, late",
    "a_greeting_after_the_end_of_the_users_hello": "kind F: order, late",
    "a_server_without_response_id": "kind G: unheard",
    "a_server_that_uses_a_response_id_again": "kind G: unheard",
    "a_conflict_that_names_an_id_of_another_form": "kind G: order, late",
}


def every_case() -> list[Any]:
    return [
        pytest.param(
            name,
            id=f"{KINDS[name]}-{name}",
            marks=pytest.mark.xfail(reason=why, raises=WorseThanPlainError, strict=True)
            if (why := OPEN.get(name))
            else (),
        )
        for name in CASES
    ]


def test_what_is_open_exists() -> None:
    assert set(OPEN) <= set(CASES)
    assert set(KINDS.values()) == {"A", "C", "D", "E", "E2", "F", "G", "H", "Q"}


@pytest.mark.parametrize("name", every_case())
def test_g27_never_worse(name: str) -> None:
    assert_not_worse(CASES[name])
