"""G31: a connection whose peer is gone is noticed, also when nothing is asked of it, and replaced."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm.livekit._guard import Guard
from realtime_fsm.livekit._pulse import Pulse
from realtime_fsm.simulator import Created, Message, Reply, ServerConfig
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

SPOKEN = [Reply([Message(words, seconds=0.5)]) for words in ("One.", "Two.", "Three.")]
UPDATED = {"type": "session.updated", "session": {"type": "realtime"}}
PUSH: dict[str, Any] = {"turn_detection": None, "check": False}


def asked(call: SimulatedCall) -> list[dict[str, Any]]:
    frames = call.server.sent("session.update")
    return [f for f in frames if str(f.get("event_id")).startswith("rfsm_alive")]


@virtual_time
@pytest.mark.parametrize("after", [0.1, 9.0, 9.99, 35.0])
async def test_g31_a_dead_line_is_replaced_though_nothing_is_asked(after: float) -> None:
    async with simulated_call(SPOKEN, **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        await asyncio.sleep(after)
        call.server.half_open()
        await asyncio.sleep(15.0)
        assert call.server.connections == 2
        call.session.generate_reply(user_input="two")
        await call.idle()
        assert call.heard == pytest.approx(1.0)
        assert not call.closed


@virtual_time
async def test_g31_a_create_that_nothing_answers_is_evidence_sooner() -> None:
    async with simulated_call(SPOKEN, **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        call.server.half_open()
        began = asyncio.get_running_loop().time()
        await call.session.generate_reply(instructions="two")
        assert asyncio.get_running_loop().time() - began < 8.0
        assert call.heard == pytest.approx(1.0)


@virtual_time
async def test_g31_a_slow_server_lives() -> None:
    slow = [Reply([Message("At last.", seconds=0.5)], ack=Created(after=4.5))]
    async with simulated_call(slow, **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        assert call.server.connections == 1
        assert call.heard == pytest.approx(0.5)
        assert len(asked(call)) == 1


@virtual_time
@pytest.mark.parametrize("interval", [10.0, None])
async def test_g4_a_doubted_create_is_asked_after_without_an_error(
    interval: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    slow = [Reply([Message("At last.", seconds=0.5)], ack=Created(after=9.0))]
    policy = rf.RetryPolicy(alive_interval=interval)
    async with simulated_call(slow, policy=policy, **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        assert call.heard == pytest.approx(0.5)
        types = {frame["type"] for frame in call.server.received()}
        assert "error" not in types
        updates = call.server.sent("session.update")
        assert any(str(f.get("event_id")).startswith("rfsm_") for f in updates)
        assert call.server.connections == 1
        assert not call.errors
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


@virtual_time
async def test_g4_a_doubted_create_finds_a_dead_wire_where_nothing_else_is_asked() -> None:
    policy = rf.RetryPolicy(alive_interval=None)
    async with simulated_call(SPOKEN, policy=policy, **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        call.server.half_open()
        began = asyncio.get_running_loop().time()
        await call.session.generate_reply(instructions="two")
        assert asyncio.get_running_loop().time() - began < 9.5
        assert call.heard == pytest.approx(1.0)


@virtual_time
async def test_g4_a_slow_server_that_answers_no_question_is_heard() -> None:
    slow = [Reply([Message("At last.", seconds=0.5)], ack=Created(after=9.0))]
    config = ServerConfig(leaves_out=("session_updated",))
    async with simulated_call(slow, config=config, **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        assert call.heard == pytest.approx(0.5)
        assert call.server.connections == 1


@virtual_time
async def test_g31_the_question_changes_nothing_and_is_rare() -> None:
    async with simulated_call(SPOKEN, **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        assert not asked(call), "what is heard needs no question"
        before = call.server.received("session.updated")[-1]["session"]
        await asyncio.sleep(100.0)
        frames = asked(call)
        assert 5 <= len(frames) <= 10
        assert all(frame["session"] == {"type": "realtime"} for frame in frames)
        after = call.server.received("session.updated")[-1]["session"]
        assert after == before
        assert call.server.connections == 1
        assert not call.errors


@virtual_time
async def test_g31_a_policy_field_switches_it_off() -> None:
    policy = rf.RetryPolicy(alive_interval=None)
    async with simulated_call(SPOKEN, policy=policy, **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        await asyncio.sleep(100.0)
        assert not asked(call)


@virtual_time
async def test_g31_who_was_never_seen_to_answer_is_not_asked() -> None:
    config = ServerConfig(leaves_out=("session_updated",))
    async with simulated_call(SPOKEN, config=config, **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        await asyncio.sleep(100.0)
        assert not asked(call)
        assert call.server.connections == 1


@virtual_time
@pytest.mark.parametrize("seconds", [4.0, 20.0, 60.0])
async def test_g31_a_loop_that_stood_still_is_no_dead_peer(seconds: float) -> None:
    async with simulated_call(SPOKEN, **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        loop: Any = asyncio.get_running_loop()
        for _ in range(12):
            await asyncio.sleep(1.0)
            loop.advance(seconds)
        await asyncio.sleep(20.0)
        assert call.server.connections == 1
        assert not call.errors


@virtual_time
async def test_g31_what_waits_in_the_socket_is_read_before_it_is_judged() -> None:
    loop: Any = asyncio.get_running_loop()
    dead: list[None] = []

    def send(frame: object) -> None:
        loop.advance(60.0)  # the loop stands still, and the answer comes meanwhile
        loop.call_later(0.01, lambda: pulse.came(UPDATED, loop.time()))

    pulse = Pulse(rf.RetryPolicy(), send, lambda: dead.append(None), lambda: False, Guard())
    pulse.came(UPDATED, loop.time())
    await asyncio.sleep(80.0)
    assert not dead
    pulse.stop()


@virtual_time
async def test_g31_what_comes_in_the_instant_of_the_verdict_is_read_first() -> None:
    loop, dead = asyncio.get_running_loop(), list[None]()
    pulse = Pulse(
        rf.RetryPolicy(), list[Any]().append, lambda: dead.append(None), lambda: True, Guard()
    )
    pulse.came(UPDATED, loop.time())
    pulse.ask("check")
    await asyncio.sleep(13.0)
    await asyncio.sleep(0.005)
    pulse.came(UPDATED, loop.time())
    await asyncio.sleep(9.0)
    assert not dead
    pulse.stop()


@virtual_time
async def test_g27_a_silent_connection_has_longer_while_something_would_be_lost_with_it() -> None:
    loop, dead, at_stake = asyncio.get_running_loop(), list[None](), [True]
    pulse = Pulse(
        rf.RetryPolicy(),
        list[Any]().append,
        lambda: dead.append(None),
        lambda: at_stake[0],
        Guard(),
    )
    pulse.came(UPDATED, loop.time())
    pulse.ask("check")
    await asyncio.sleep(12.9)
    assert not dead
    await asyncio.sleep(0.2)
    assert len(dead) == 1
    at_stake[0] = False
    pulse.came(UPDATED, loop.time())
    pulse.ask("check")
    await asyncio.sleep(3.1)
    assert len(dead) == 2
    pulse.stop()


@virtual_time
async def test_g7_no_timer_outlives_its_connection() -> None:
    sent: list[Any] = []
    dead: list[None] = []
    pulse = Pulse(rf.RetryPolicy(), sent.append, lambda: dead.append(None), lambda: False, Guard())
    pulse.created()
    await asyncio.sleep(60.0)
    assert not sent, "nothing is known of the server"
    pulse.came(UPDATED, asyncio.get_running_loop().time())
    await asyncio.sleep(10.1)
    assert len(sent) == 1
    pulse.stop()
    await asyncio.sleep(60.0)
    assert (len(sent), dead) == (1, [])
    nameless = {"type": "session.updated", "session": []}
    pulse.came(nameless, asyncio.get_running_loop().time())
    await asyncio.sleep(13.1)
    assert sent[1]["session"] == {}, "a beta server's session has no type"
    assert len(dead) == 1
    await asyncio.sleep(60.0)
    assert (len(sent), len(dead)) == (2, 1)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "10", True])
def test_a_policy_that_cannot_work_says_so(value: Any) -> None:
    with pytest.raises(ValueError, match="alive_interval"):
        rf.RetryPolicy(alive_interval=value)
