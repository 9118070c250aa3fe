"""G18: a user's question gives way only to a newer turn of the user's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import llm

import realtime_fsm as rf
from realtime_fsm.simulator import (
    At,
    Double,
    Failed,
    HangUp,
    Message,
    Reply,
    Schedule,
    Script,
    ServerConfig,
    Stalled,
)
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
async def test_g7_a_question_that_was_adopted_and_fails_does_not_give_its_place_away() -> None:
    """A create that the wire doubled is refused, and answered: who asked waits still, and is told of nothing."""
    twice = Double(At("response.create", side="client"), seconds=0.0)
    hang_up = HangUp(At("response.created"), code=1011)
    config = ServerConfig(faults=Schedule([twice, hang_up]))
    async with simulated_call(SCRIPT, config=config, check=False, **PUSH) as call:
        first = call.session.generate_reply(user_input="What is my balance?")
        await recovers(call, attempts=1)
        second = call.session.generate_reply(instructions="Tell the news.")
        await asyncio.wait_for(asyncio.gather(first, second), 30.0)
        assert sorted(said(call)) == ["Ten dollars.", "Your parcel has shipped."]
        assert call.heard == pytest.approx(1.0)


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


async def coughs(call: SimulatedCall) -> None:
    await call.server.user_speaks("", seconds=0.3)
    await asyncio.sleep(0.2)
    call.session.clear_user_turn()


@virtual_time
@pytest.mark.parametrize("asks", ["written", "instructions", "spoken"])
async def test_g18_a_cough_puts_a_retry_off_and_no_more(asks: str) -> None:
    """LiveKit interrupts the speech of an asked reply when the user begins to speak. If nothing comes of
    that, the reply is retried and spoken all the same."""
    async with simulated_call(SCRIPT, check=False) as call:
        if asks == "written":
            call.session.generate_reply(user_input="What is my balance?")
        elif asks == "instructions":
            call.session.generate_reply(instructions="What is my balance?")
        else:
            await call.server.user_speaks("What is my balance?", seconds=0.5)
        await recovers(call)
        await coughs(call)
        await call.until(lambda: call.heard > 0.45)
        await call.idle()
        assert said(call) == ["Ten dollars."]
        assert outcomes(call) == ["completed"]
        assert not call.errors


@virtual_time
async def test_g18_what_the_user_says_takes_the_place_of_an_asked_reply_that_is_retried() -> None:
    async with simulated_call(SCRIPT, check=False) as call:
        call.session.generate_reply(user_input="What is my balance?")
        await recovers(call)
        await call.server.user_speaks("And the limit?", seconds=0.5)
        await call.until(lambda: call.heard > 0.45)
        await asyncio.sleep(6.0)
        assert said(call) == ["A thousand."]
        assert outcomes(call) == ["completed", "superseded"]


@virtual_time
async def test_g8_an_asked_reply_that_the_user_cuts_off_in_its_next_attempt_has_failed_visibly() -> (
    None
):
    """It cannot be put off: the attempt is out. Plain LiveKit told of the failure when it happened."""
    config = ServerConfig(create_delay=1.0)
    async with simulated_call(SCRIPT, config=config, check=False) as call:
        handle = call.session.generate_reply(user_input="What is my balance?")
        await call.until(lambda: len(call.server.sent("response.create")) == 2)
        await asyncio.sleep(0.2)
        await coughs(call)
        await asyncio.sleep(5.0)
        assert handle.interrupted
        assert isinstance(handle.exception(), llm.RealtimeError)
        assert len(call.errors) == 1
        assert not call.controller.turns


@virtual_time
@pytest.mark.parametrize("queued", ["before", "while it thinks"])
async def test_g27_what_is_queued_behind_a_retry_that_says_nothing_waits_no_longer_than_recovery_may_last(
    queued: str,
) -> None:
    answers = {"Tell the news.": [BAD, Reply(end=Stalled())], "And more.": [says("Rain.")]}
    async with simulated_call(Script(answers=answers), check=False, **PUSH) as call:
        began = asyncio.get_running_loop().time()
        first = call.session.generate_reply(instructions="Tell the news.")
        if queued != "before":
            await asyncio.sleep(5.0)
        second = call.session.generate_reply(instructions="And more.")
        await asyncio.wait([asyncio.ensure_future(second.wait_for_playout())])
        assert said(call)[-1:] == ["Rain."]
        assert 8.0 <= asyncio.get_running_loop().time() - began < 9.5  # recovery_deadline
        assert first.exception() is not None


@virtual_time
async def test_g9_a_retry_may_think_for_long_while_nobody_waits() -> None:
    answers = {"Tell the news.": [BAD, Reply([Message("Rain.", seconds=0.5, after=12.0)])]}
    async with simulated_call(Script(answers=answers), check=False, **PUSH) as call:
        first = call.session.generate_reply(instructions="Tell the news.")
        await asyncio.wait([asyncio.ensure_future(first.wait_for_playout())])
        assert said(call) == ["Rain."]
        assert first.exception() is None


@virtual_time
async def test_g27_an_answer_that_pauses_for_long_is_spoken_whole_though_another_waits() -> None:
    pausing = Reply(
        [Message("Wait.", seconds=0.5), Message("Here it is.", seconds=0.5, after=11.0)]
    )
    answers = {"Tell the news.": [pausing], "And more.": [says("Rain.")]}
    async with simulated_call(Script(answers=answers), check=False, **PUSH) as call:
        first = call.session.generate_reply(instructions="Tell the news.")
        second = call.session.generate_reply(instructions="And more.")
        await asyncio.wait([asyncio.ensure_future(h.wait_for_playout()) for h in (first, second)])
        assert said(call) == ["Wait.", "Here it is.", "Rain."]
        assert call.heard == pytest.approx(1.5)
        assert not call.errors
