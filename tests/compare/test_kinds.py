"""G27: known calls in which the controlled model must not be worse than plain LiveKit, by kind.

Those in :data:`OPEN` are worse, yet. Whoever repairs one deletes its line; nothing else changes.
"""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm.testing import WorseThanPlainError, assert_not_worse

from .kinds import CASES, KINDS

OPEN = {
    "a_server_call_of_25_seconds": "kind C: unheard, deed twice",
    "a_response_of_a_server_call_alone": "kind C: deed twice",
    "a_server_call_whose_response_fails": "kind C: deed twice",
    "a_request_for_approval": "kind C: deed twice",
    "a_kind_of_item_that_nobody_knows": "kind C: deed twice",
    "a_server_that_stands_still": "kind D: session lost",
    "server_vad_creates_its_response_after_six_seconds": "kind E: words twice",
    "the_loop_stands_still_while_server_vad_creates": "kind E: words twice",
    "the_loop_stands_still_for_8_s_while_the_answer_streams": "kind E: cut short, memory",
    "the_loop_stands_still_for_60_s_while_the_answer_streams": "kind E: cut short, memory",
    "created_comes_6_s_after_the_create": "kind E2: unheard",
    "created_comes_9_s_after_the_create": "kind E2: unheard",
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
    "no_retries_and_a_connection_that_drops_once": "kind H: session lost",
    "five_turns_that_fail": "kind H: session lost",
    "a_permission_error": "kind H: session lost",
    "an_item_that_closes_the_connection": "kind H: session lost",
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
