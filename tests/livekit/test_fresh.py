"""G18: where every attempt on a connection failed the same way, the last one goes to a new connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm.simulator import Failed, Message, Reply, ServerConfig
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

PUSH: dict[str, Any] = {"turn_detection": None, "check": False}
STUCK = ServerConfig(stuck=(1,))


def spoken(count: int = 8) -> list[Reply]:
    return [Reply([Message("Here it is.", seconds=0.5)]) for _ in range(count)]


def failing(*codes: str) -> list[Reply]:
    return [*(Reply(end=Failed(code)) for code in codes), *spoken()]


async def ask(call: SimulatedCall, words: str = "Where is it?") -> str | None:
    handle = call.session.generate_reply(user_input=words)
    await asyncio.wait_for(handle.wait_for_playout(), 60.0)
    error = handle.exception()
    return getattr(error, "code", None)


@virtual_time
async def test_g18_a_session_that_answers_with_errors_alone_is_left() -> None:
    async with simulated_call(spoken(), config=STUCK, **PUSH) as call:
        assert await ask(call) is None
        assert call.heard == pytest.approx(0.5)
        assert (call.server.creates, call.server.connections) == (4, 2)
        assert not call.closed
        texts = [item.text for item in call.server.conversation]
        assert texts == ["Where is it?", "Here it is."]


@virtual_time
async def test_g18_an_answer_of_server_vad_too() -> None:
    async with simulated_call(spoken(), config=STUCK, check=False) as call:
        await call.say("Where is it?")
        await call.idle()
        assert call.heard == pytest.approx(0.5)
        assert call.server.connections == 2


@virtual_time
async def test_g27_but_not_where_that_would_lose_the_question() -> None:
    config = ServerConfig(stuck=(1,), transcription_delay=60.0)
    async with simulated_call(spoken(), config=config, check=False) as call:
        await call.say("Where is it?")
        await call.idle()
        assert call.server.connections == 1
        assert [t.error.code for t in call.controller.finished if t.error] == ["server_error"]


@virtual_time
async def test_g11_an_outage_costs_one_connection_and_no_call() -> None:
    config = ServerConfig(stuck=range(1, 100))
    async with simulated_call(spoken(40), config=config, **PUSH) as call:
        for n in range(6):
            assert await ask(call, f"Question {n}?") == "server_error"
        assert call.server.connections == 2
        assert not call.closed


@virtual_time
@pytest.mark.parametrize(
    "codes",
    [
        ("rate_limit_exceeded",) * 3,
        ("server_error", "rate_limit_exceeded", "server_error"),
        ("server_error", "server_error"),
    ],
)
async def test_g18_other_failures_are_asked_again_where_they_are(codes: tuple[str, ...]) -> None:
    async with simulated_call(failing(*codes), **PUSH) as call:
        assert await ask(call) is None
        assert call.server.connections == 1


@virtual_time
@pytest.mark.parametrize("max_retry", [0, 1, 2])
async def test_g9_the_policys_number_of_attempts_stays(max_retry: int) -> None:
    policy = rf.RetryPolicy(max_retry=max_retry)
    async with simulated_call(spoken(), config=STUCK, policy=policy, **PUSH) as call:
        await ask(call)
        assert call.server.creates == max_retry + 1
        assert call.server.connections == (2 if max_retry == 2 else 1)


@virtual_time
async def test_g24_nothing_is_left_while_the_user_speaks() -> None:
    async with simulated_call(spoken(), config=STUCK, check=False) as call:
        handle = call.session.generate_reply(instructions="Say it.")
        await asyncio.sleep(1.0)
        await call.server.user_speaks("And what is that?", seconds=6.0)
        await asyncio.sleep(3.0)
        assert call.server.connections == 1
        await call.idle()
        assert handle.done()
