"""G18: a user's question gives way only to a newer turn of the user's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm.simulator import Failed, Message, Reply, Script
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

PUSH: dict[str, Any] = {"turn_detection": None}
BAD = Reply(end=Failed("server_error"))


def says(words: str) -> Reply:
    return Reply([Message(words, seconds=0.5)])


SCRIPT = Script(
    answers={
        "What is my balance?": [BAD, BAD, says("Ten dollars."), says("Ten, again.")],
        "And the limit?": [says("A thousand.")],
        "Tell the news.": [says("Your parcel has shipped.")],
    }
)


async def recovers(call: SimulatedCall, attempts: int = 2) -> None:
    """Until the question waits for its third attempt: 2 s."""
    await call.until(
        lambda: any(
            turn.attempts == attempts and turn.state is rf.TurnState.RETRY_WAIT
            for turn in call.controller.turns
        )
    )


def outcomes(call: SimulatedCall) -> list[str]:
    return sorted(t.outcome.value for t in call.controller.finished if t.outcome is not None)


def said(call: SimulatedCall) -> list[str]:
    return [i.text for i in call.server.conversation if i.role == "assistant"]


@virtual_time
@pytest.mark.parametrize("how", ["queued", "by the application itself"])
async def test_g18_what_is_asked_besides_is_spoken_and_then_the_answer(how: str) -> None:
    async with simulated_call(SCRIPT, check=False) as call:
        await call.server.user_speaks("What is my balance?", seconds=0.5)
        await recovers(call)
        call.session.generate_reply(instructions="Tell the news.")
        if how != "queued":
            await asyncio.sleep(0.5)
        await call.idle()
        await asyncio.sleep(5.0)
        assert said(call) == ["Your parcel has shipped.", "Ten dollars."]
        assert call.heard == pytest.approx(1.0)
        assert outcomes(call) == ["completed", "completed"]
        assert not call.errors


@virtual_time
async def test_g18_a_question_that_was_written_too() -> None:
    async with simulated_call(SCRIPT, check=False, **PUSH) as call:
        first = call.session.generate_reply(user_input="What is my balance?")
        await recovers(call)
        second = call.session.generate_reply(instructions="Tell the news.")
        await asyncio.gather(first, second)
        assert sorted(said(call)) == ["Ten dollars.", "Your parcel has shipped."]
        assert call.heard == pytest.approx(1.0)
        assert first.exception() is None


@virtual_time
async def test_a_newer_turn_of_the_users_takes_its_place_when_spoken() -> None:
    async with simulated_call(SCRIPT, check=False) as call:
        await call.server.user_speaks("What is my balance?", seconds=0.5)
        await recovers(call)
        await call.say("And the limit?")
        await call.idle()
        assert said(call) == ["A thousand."]
        assert outcomes(call) == ["completed", "superseded"]


@virtual_time
async def test_a_newer_one_that_is_written_waits_in_livekits_queue() -> None:
    async with simulated_call(SCRIPT, check=False, **PUSH) as call:
        call.session.generate_reply(user_input="What is my balance?")
        await recovers(call)
        await call.session.generate_reply(user_input="And the limit?")
        await call.idle()
        assert said(call) == ["Ten dollars.", "A thousand."]
        assert outcomes(call) == ["completed", "completed"]


@virtual_time
async def test_a_newer_turn_of_the_users_takes_its_place_when_committed() -> None:
    async with simulated_call(SCRIPT, check=False, **PUSH) as call:
        await call.say("What is my balance?")
        await recovers(call)
        await call.say("And the limit?")
        await call.idle()
        assert said(call) == ["A thousand."]
        assert outcomes(call) == ["completed", "superseded"]
