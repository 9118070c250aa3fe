"""G18, G27: the loop, or the whole machine, stood still: what waits in the socket is read before timers fire."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm.livekit import _deadline_timer
from realtime_fsm.livekit._deadline_timer import DeadlineTimer
from realtime_fsm.simulator import Failed, Message, Reasoning, Reply, ServerConfig
from realtime_fsm.simulator.faults import At, InjectError, Schedule
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

PUSH: dict[str, Any] = {"turn_detection": None, "check": False}
STILL = [4.0, 8.5, 60.0]
SPOKEN = Message("An answer that takes long enough.", seconds=2.0)
#: Slow enough that each moment below is in the state that it names.
SLOW = ServerConfig(create_delay=0.4, cancel_delay=0.5, vad_create_delay=0.4)
#: The plugin gives a request up after 10 s, whether or not it has read the answer.
STATES = {
    "requested": 0.2,
    "created": 1.0,
    "streaming": 2.0,
}


def stand_still(seconds: float) -> None:
    loop: Any = asyncio.get_running_loop()
    loop.advance(seconds)


def in_state(call: SimulatedCall) -> list[str]:
    return [turn.state.value for turn in call.controller.turns]


@virtual_time
@pytest.mark.parametrize("seconds", STILL)
@pytest.mark.parametrize("state", STATES)
async def test_g27_what_came_meanwhile_is_heard(state: str, seconds: float) -> None:
    replies = [Reply([Reasoning(1.0), SPOKEN], pace=0.1) for _ in range(2)]
    async with simulated_call(replies, config=SLOW, **PUSH) as call:
        handle = call.session.generate_reply(user_input="Hello?")
        await asyncio.sleep(STATES[state])
        assert in_state(call) == [state]
        stand_still(seconds)
        await handle
        assert call.heard == pytest.approx(2.0)
        given_up = state == "requested" and seconds > 10.0
        assert call.server.creates == (2 if given_up else 1)
        assert call.server.connections == 1
        assert not call.errors
        assert call.controller.stepped_aside is None


@virtual_time
@pytest.mark.parametrize("seconds", STILL)
async def test_g18_a_retry_is_spoken(seconds: float) -> None:
    replies = [
        Reply(end=Failed("server_error")),
        Reply(end=Failed("server_error")),
        Reply([SPOKEN]),
    ]
    policy = rf.RetryPolicy(recovery_deadline=90.0)
    async with simulated_call(replies, policy=policy, **PUSH) as call:
        handle = call.session.generate_reply(user_input="Hello?")
        await call.until(lambda: in_state(call) == ["retry_wait"])
        await asyncio.sleep(0.5)
        assert in_state(call) == ["retry_wait"]
        stand_still(seconds)
        await handle
        assert call.heard == pytest.approx(2.0)
        assert call.server.creates == 3


@virtual_time
@pytest.mark.parametrize("seconds", STILL)
async def test_g5_a_terminal_that_waits_opens_the_lane(seconds: float) -> None:
    replies = [Reply([SPOKEN], pace=0.1), Reply([SPOKEN])]
    async with simulated_call(replies, config=SLOW, **PUSH) as call:
        call.session.generate_reply(user_input="Hello?")
        await call.until(lambda: call.heard > 0.5)
        await call.session.interrupt()
        stand_still(seconds)
        await call.session.generate_reply(user_input="And now?")
        assert call.server.creates == 2
        assert len(call.server.sent("response.cancel")) == 1
        assert not call.server.received("error")


@virtual_time
@pytest.mark.parametrize("seconds", STILL)
async def test_g18_an_answer_of_server_vad_that_waits_is_the_only_one(seconds: float) -> None:
    replies = [Reply([SPOKEN]), Reply([SPOKEN])]
    async with simulated_call(replies, config=SLOW, check=False) as call:
        await call.server.user_speaks("Hello?", seconds=0.5)
        await asyncio.sleep(0.1)
        stand_still(seconds)
        await call.idle()
        assert call.heard == pytest.approx(2.0)
        assert call.server.creates == 0


@virtual_time
async def test_g3_an_error_that_names_nothing_is_judged_by_what_waits() -> None:
    at = At("response.create", side="client")
    config = ServerConfig(create_delay=0.4, faults=Schedule([InjectError(at, "what_is_this")]))
    async with simulated_call([Reply([SPOKEN])], config=config, **PUSH) as call:
        handle = call.session.generate_reply(user_input="Hello?")
        await asyncio.sleep(0.2)
        stand_still(8.0)
        await handle
        assert call.heard == pytest.approx(2.0)
        assert call.server.creates == 1


@virtual_time
async def test_a_timer_that_is_late_waits_for_what_is_unread_and_one_set_late_does_not() -> None:
    loop: Any = asyncio.get_running_loop()
    fired: list[float] = []
    alarm = DeadlineTimer(lambda: fired.append(loop.time()))
    began = loop.time()
    alarm.set(began + 1.0)
    loop.advance(9.0)
    alarm.set(began + 0.5)
    await asyncio.sleep(_deadline_timer.LATE / 2)
    assert not fired, "one that is replaced late tells the same"
    await asyncio.sleep(_deadline_timer.LATE)
    assert len(fired) == 1
    alarm.set(began)
    await asyncio.sleep(0.01)
    assert len(fired) == 2, "its time was over when it was set: the loop was not late"
    alarm.set(loop.time() + 5.0)
    alarm.set(None)
    await asyncio.sleep(10.0)
    assert len(fired) == 2
