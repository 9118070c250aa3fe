"""Connections that break, refuse, stay silent, or die with the inner session (G11, G19, G25)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from livekit.agents import Agent, function_tool, llm

import realtime_fsm as rf
from realtime_fsm.simulator import (
    CREATED,
    ITEM_ADDED,
    Accept,
    Closed,
    Dropped,
    Failed,
    FunctionCall,
    Incomplete,
    InMemoryServer,
    Message,
    Refuse,
    Reply,
    ServerConfig,
    audio_ms,
)
from realtime_fsm.simulator.faults import At, Lose, Schedule
from realtime_fsm.simulator.memory import _ClientSocket
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from .call import HELLO, Call, call
from .test_adapter import CALL, Tooled

QUICK = rf.RetryPolicy(retry_interval=0.05, timeout=0.4, answer_timeout=0.3)
SENTENCE = Message("Your parcel arrives tomorrow at noon sharp.", seconds=2.0)


async def frame(c: Call, text: str) -> None:
    """The server sends this text, whatever it is."""
    assert isinstance(c.server, InMemoryServer)
    c.server.send_text(text)


# --- the budget


@virtual_time
async def test_g11_g26_a_connection_that_is_always_lost_is_made_at_a_walk() -> None:
    """BASELINE k: plain LiveKit makes nine connections a second, for ever. We go on as well, and the
    call lives when the server does again."""
    doomed = [Accept(Dropped(), on="session.update")] * 8
    loop = asyncio.get_running_loop()
    async with call([HELLO], config=ServerConfig(handshakes=doomed)) as c:
        start = loop.time()
        await c.until(lambda: c.server.attempts == 9, timeout=30)
        assert 10.0 < loop.time() - start < 15.0
        assert all(e.error.recoverable for e in c.errors)
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None
        assert not c.closed


@virtual_time
async def test_g11_g12_a_connection_that_is_always_lost_is_given_up_where_failures_escalate() -> (
    None
):
    config = ServerConfig(default_handshake=Accept(Dropped(), on="session.update"))
    loop = asyncio.get_running_loop()
    async with call([], config=config, retry=rf.RetryPolicy(on_exhausted="escalate")) as c:
        start = loop.time()
        await c.until(lambda: c.closed, timeout=30)
        assert 2.0 < loop.time() - start < 10.0
        assert c.server.attempts == 4
        fatal = [e for e in c.errors if not e.error.recoverable]
        assert len(fatal) == 1
        assert c.controller.dead is not None


@virtual_time
async def test_g11_a_session_that_works_in_between_has_its_budget_back() -> None:
    replies = [Reply(end=Dropped(at=CREATED)), HELLO] * 6
    async with call(replies, retry=QUICK) as c:
        for _ in range(6):
            handle = c.session.generate_reply(user_input="Hello?")
            await handle
            assert handle.exception() is None
        assert not c.closed
        assert c.server.connections == 7


@virtual_time
async def test_g11_a_minute_of_a_healthy_connection_counts_as_progress() -> None:
    async with call([], retry=QUICK) as c:
        assert isinstance(c.server, InMemoryServer)
        for _ in range(6):
            await asyncio.sleep(61)
            before = c.server.connections
            c.server.drop()
            await c.until(lambda n=before: c.server.connections > n)
        assert not c.closed


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@virtual_time
async def test_g27_a_first_handshake_refused_once_is_made_again(status: int) -> None:
    """Whoever says so may be a gateway that starts, or counts."""
    config = ServerConfig(handshakes=[Refuse(status), Accept()])
    async with call([HELLO], config=config, retry=QUICK) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None
        assert c.server.attempts == 2
        assert c.sink.heard_seconds > 0
        assert not c.closed


@pytest.mark.parametrize("status", [401, 403, 404])
@virtual_time
async def test_g10_a_first_handshake_that_stays_refused_ends_it(status: int) -> None:
    """BASELINE k3."""
    async with call([], config=ServerConfig(handshakes=[Refuse(status)] * 9)) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.closed, timeout=30)
        assert c.server.attempts == 4
        error = handle.exception()
        assert isinstance(error, llm.RealtimeError)
        assert error.code == f"http_{status}"
        assert [e.error.recoverable for e in c.errors].count(False) == 1


@pytest.mark.parametrize("how", ["drop", "null"])
@virtual_time
async def test_g27_a_key_that_was_good_is_tried_again(how: str) -> None:
    """Also when another inner session takes over, which it does of a frame that cannot be read."""
    config = ServerConfig(handshakes=[Accept(), Refuse(401), Refuse(403), Accept()])
    async with call([HELLO, HELLO], config=config, retry=QUICK) as c:
        await c.session.generate_reply(user_input="Hello?")
        if how == "drop":
            assert isinstance(c.server, InMemoryServer)
            c.server.drop()
        else:
            await frame(c, how)
        await asyncio.sleep(5.0)
        handle = c.session.generate_reply(user_input="Still there?")
        await handle
        assert handle.exception() is None
        assert c.server.attempts == 4
        assert not c.closed


@virtual_time
async def test_g10_a_key_that_stays_refused_ends_it() -> None:
    config = ServerConfig(handshakes=[Accept(), *[Refuse(401)] * 9])
    async with call([HELLO], config=config, retry=QUICK) as c:
        await c.session.generate_reply(user_input="Hello?")
        assert isinstance(c.server, InMemoryServer)
        c.server.drop()
        await c.until(lambda: c.closed, timeout=30)
        assert c.server.attempts == 4  # the drop was the first of four failures
        assert [e.error.recoverable for e in c.errors].count(False) == 1


@virtual_time
async def test_g12_a_refusal_that_may_change_is_asked_again() -> None:
    """BASELINE k2."""
    async with call([], config=ServerConfig(handshakes=[Refuse(500)] * 9)) as c:
        await c.until(lambda: c.closed, timeout=30)
        assert c.server.attempts == 4
        assert [e.error.recoverable for e in c.errors].count(False) == 1


# --- an inner session that died


DEADLY = ["null", "[]", "3", '{"type": "response.do', "{}"]


@pytest.mark.parametrize("text", DEADLY)
@virtual_time
async def test_g25_an_inner_session_that_dies_of_a_frame_is_replaced(text: str) -> None:
    """Instructions, tools, options and the history as heard are there again."""

    @function_tool
    async def look_up() -> str:
        """Look it up."""
        return "noon"

    agent = Agent(instructions="Be brief.", tools=[look_up])
    async with call([HELLO, HELLO], retry=QUICK, agent=agent) as c:
        await c.session.generate_reply(user_input="Hello?")
        await frame(c, text)
        await asyncio.sleep(1.0)
        handle = c.session.generate_reply(user_input="Still there?")
        await handle
        assert handle.exception() is None
        assert c.sink.heard_seconds == pytest.approx(1.2, abs=0.02)
        assert not c.closed
        assert all(e.error.recoverable for e in c.errors)
        texts = [(i.role, i.text) for i in c.server.conversation]
        assert texts == [
            ("user", "Hello?"),
            ("assistant", "Good morning to you my friend."),
            ("user", "Still there?"),
            ("assistant", "Good morning to you my friend."),
        ]
        if c.server.connections == 2:  # of "{}" the plugin may not die
            told = [
                r.event for r in c.server.record if (r.connection, r.direction) == (2, "client")
            ]
            updates = [e["session"] for e in told if e["type"] == "session.update"]
            assert [u["instructions"] for u in updates if "instructions" in u] == ["Be brief."]
            assert [t["name"] for u in updates for t in u.get("tools", ())] == ["look_up"]


@virtual_time
async def test_g3_what_is_known_of_a_servers_ids_outlives_the_inner_session() -> None:
    """It gave two different ids before, so one that is told again late is no new response."""
    async with call([HELLO, HELLO, HELLO], retry=QUICK) as c:
        for number in (1, 2, 3):
            if number == 3:
                await frame(c, "null")
                await c.until(lambda: c.server.connections == 2)
            await c.session.generate_reply(user_input="Hello?")
        told = [r.event for r in c.server.record if r.direction == "server"]
        ended = [e["response"]["id"] for e in told if e["type"] == "response.done"][-1]
        again = {"type": "response.created", "response": {"id": ended, "status": "in_progress"}}
        await frame(c, json.dumps({"type": "input_audio_buffer.committed", "item_id": "user_9"}))
        await frame(c, json.dumps(again))
        await asyncio.sleep(0.1)
        assert not c.controller.turns


@virtual_time
async def test_g19_a_turn_that_runs_when_the_inner_session_dies_is_asked_again() -> None:
    thinking = Reply([Message("Too late.", after=1.0)])
    async with call([thinking, HELLO], retry=QUICK) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.turn.state is rf.TurnState.CREATED)
        await frame(c, "null")
        await handle
        assert handle.exception() is None
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.02)


@virtual_time
async def test_g16_the_replacement_has_the_history_as_heard() -> None:
    """What was cut stays cut, what was deleted stays deleted, calls keep their outputs."""

    @function_tool
    async def look_up() -> str:
        """Look it up."""
        return "noon"

    two = Reply([SENTENCE, Message("Is there anything else today?", seconds=1.0)])
    script = [Reply([FunctionCall("look_up", call_id="call_1")]), HELLO, two, HELLO]
    agent = Agent(instructions="Be brief.", tools=[look_up])
    async with call(script, retry=QUICK, agent=agent, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input="Where is it?")
        await c.until(lambda: not c.controller.turns and c.server.creates == 2)
        handle = c.session.generate_reply(user_input="And then?")
        await c.until(lambda: c.turn.generation_over and c.turn.messages[0].started)
        await asyncio.sleep(0.5)
        handle.interrupt()
        await handle
        await c.until(lambda: not c.controller.turns)
        await asyncio.sleep(0.5)
        before = [(i.type, i.role, i.text) for i in c.server.conversation]
        await frame(c, "null")
        await c.until(lambda: c.server.connections == 2)
        await asyncio.sleep(1.5)
        after = [(i.type, i.role, i.text) for i in c.server.conversation]
        assert [x[:2] for x in after] == [x[:2] for x in before]
        assert "anything else" not in str(after)
        assert "noon sharp" not in str(after)


@pytest.mark.parametrize(
    "end",
    [Failed("server_error", at=audio_ms(1200)), Incomplete("max_output_tokens", at=audio_ms(1200))],
)
@virtual_time
async def test_g11_a_response_that_fails_during_a_rollover_does_not_kill_the_session(
    end: Any,
) -> None:
    """BASELINE bb2, bb3: plain LiveKit's session dies."""
    async with call(
        [Reply([SENTENCE], end=end), HELLO], retry=QUICK, max_session_duration=0.2
    ) as c:
        first = c.session.generate_reply(user_input="Where is it?")
        await first
        assert first.exception() is not None
        await c.until(lambda: c.server.connections > 1)
        second = c.session.generate_reply(user_input="Hello?")
        await second
        assert second.exception() is None
        assert not c.closed
        assert all(e.error.recoverable for e in c.errors)


@virtual_time
async def test_g19_what_is_asked_while_a_dead_session_closes_is_asked_of_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The plugin says that it died only when its socket is closed, for which the server may take
    its time. What it is told meanwhile it never sends."""
    close = _ClientSocket.close

    async def slow(socket: Any, **arguments: Any) -> bool:
        await asyncio.sleep(0.5)
        return await close(socket, **arguments)

    monkeypatch.setattr(_ClientSocket, "close", slow)
    async with call([HELLO, HELLO]) as c:
        await frame(c, "null")
        await asyncio.sleep(0.1)
        for heard in (0.6, 1.2):
            handle = c.session.generate_reply()
            await handle
            assert handle.exception() is None
            assert c.sink.heard_seconds == pytest.approx(heard, abs=0.02)


@virtual_time
async def test_g16_what_was_to_be_deleted_is_not_on_the_third_connection_either() -> None:
    """The confirmation got lost, so the history of the first connection has the item."""
    unconfirmed = ServerConfig(faults=Schedule([Lose(At("conversation.item.deleted"))]))
    broken = Reply([CALL], end=Failed("server_error", at=ITEM_ADDED))
    async with call([broken, HELLO], agent=Tooled(), config=unconfirmed) as c:
        await c.session.generate_reply(user_input="Hello?")
        for connections in (2, 3):
            await frame(c, "null")
            await c.until(lambda n=connections: c.server.connections == n)
            await asyncio.sleep(0.5)
            assert [i.type for i in c.server.conversation] == ["message", "message"]


@virtual_time
async def test_g27_a_server_that_confirms_no_items_is_waited_for_once() -> None:
    """Until it confirms one: of the user's four items all but the third go unconfirmed."""
    unconfirmed = [
        Lose(At(f"conversation.item.{event}", number))
        for number in (1, 3, 7)
        for event in ("added", "done")
    ]
    waited = []
    async with call([HELLO] * 4, config=ServerConfig(faults=Schedule(unconfirmed))) as c:
        for _ in range(4):
            asked = asyncio.get_running_loop().time()
            handle = c.session.generate_reply(user_input="Hello?")
            await c.until(lambda: len(c.server.sent("response.create")) > len(waited))
            waited.append(round(asyncio.get_running_loop().time() - asked, 1))
            await handle
    assert waited == [1.0, 0.0, 0.0, 1.0]


# --- a connection that is silent


@virtual_time
async def test_g18_a_create_on_a_dead_socket_is_answered_over_a_new_one() -> None:
    async with call([HELLO], retry=QUICK) as c:
        c.server.half_open()
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.02)
        assert c.server.connections == 2


@virtual_time
async def test_g7_a_socket_that_dies_within_a_response_does_not_cost_the_next_turn() -> None:
    policy = rf.RetryPolicy(stall_timeout=1.0, timeout=0.4, answer_timeout=0.3)
    async with call([Reply([SENTENCE]), HELLO], retry=policy) as c:
        first = c.session.generate_reply(user_input="Where is it?")
        await c.until(lambda: c.sink.heard_seconds > 0.2)
        c.server.half_open()
        await first
        assert first.exception() is not None
        second = c.session.generate_reply(user_input="Hello?")
        await second
        assert second.exception() is None
        assert c.server.connections == 2


@virtual_time
async def test_g4_a_server_that_is_slow_but_talks_is_not_replaced() -> None:
    async with call([HELLO], retry=QUICK, config=ServerConfig(create_delay=0.6)) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert c.server.connections == 1


# --- closing in between


@virtual_time
async def test_g7_closing_while_a_replacement_waits_leaves_nothing() -> None:
    config = ServerConfig(default_handshake=Accept(Closed(), on="session.update"))
    async with call([], config=config) as c:
        await c.until(lambda: c.server.attempts == 2)
        await asyncio.sleep(0.5)


@virtual_time
async def test_g10_no_session_to_take_over_is_the_end() -> None:
    async with call([HELLO], retry=QUICK) as c:

        def refuse(**_: Any) -> llm.RealtimeSession[Any]:
            raise RuntimeError("no more")

        c.inner.session = refuse  # type: ignore[method-assign]
        await frame(c, "null")
        await c.until(lambda: c.closed)
        assert [e.error.recoverable for e in c.errors].count(False) == 1


@virtual_time
async def test_g12_a_connection_lost_within_a_message_is_reported_once() -> None:
    """BASELINE j."""
    async with call([Reply([SENTENCE], end=Dropped(at=audio_ms(500)))], retry=QUICK) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        await handle
        assert handle.exception() is not None
        assert len(c.errors) == 1


@virtual_time
async def test_g12_an_inner_session_that_dies_within_a_message_is_reported_once() -> None:
    async with call([Reply([SENTENCE]), HELLO], retry=QUICK) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        await c.until(lambda: c.sink.heard_seconds > 0.3)
        await frame(c, "null")
        await handle
        assert handle.exception() is not None
        assert [e.error.error.body["code"] for e in c.errors] == ["broken"]
        await c.session.generate_reply(user_input="Where?")
        assert not c.closed


@pytest.mark.parametrize("first", [True, False])
@virtual_time
async def test_g10_g27_the_session_outlives_a_verdict_on_a_retry(first: bool) -> None:
    """Plain LiveKit did not make that request, and goes on. It ends at the first of a turn."""
    failures = [Reply(end=Failed(code)) for code in ("server_error", "insufficient_quota")]
    async with call([*failures[first:], HELLO]) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is not None
        await asyncio.sleep(1.0)
        assert len(c.closed) == first
        assert [e.error.recoverable for e in c.errors] == [not first]
        if not first:
            await c.session.generate_reply(user_input="Still there?")
            assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.02)


@virtual_time
async def test_g12_the_last_loss_within_a_message_is_one_report() -> None:
    """The turn's last attempt and the session's last connection end with the same loss."""
    lost = Reply([SENTENCE], end=Dropped(at=audio_ms(500)))
    policy = rf.RetryPolicy(max_retry=0, max_reconnect=0, timeout=0.4, on_exhausted="escalate")
    async with call([lost], retry=policy) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        await handle
        assert handle.exception() is not None
        await c.until(lambda: c.closed)
        assert [e.error.recoverable for e in c.errors] == [False]


@virtual_time
async def test_g17_a_tools_output_that_is_pushed_as_another_session_takes_over_is_there() -> None:
    """The push had not begun yet: its reply was asked for without it, and the tool ran again."""
    ran: list[str] = []

    @function_tool
    async def look() -> str:
        ran.append("look")
        return "There."

    calls = Reply([Message("One moment.", seconds=1.0), FunctionCall("look")])
    failures = [Reply(end=Failed(code)) for code in ("server_error", "insufficient_quota")]
    agent = Agent(instructions="Be brief.", tools=[look])
    async with call([calls, *failures, HELLO], agent=agent) as c:
        handle = c.session.generate_reply(user_input="Where is it?")
        c.session.generate_reply(instructions="Say more.")
        await handle
        kinds = [item.type for item in c.server.conversation]
        assert kinds[-2:] == ["function_call_output", "message"]
        assert ran == ["look"]
