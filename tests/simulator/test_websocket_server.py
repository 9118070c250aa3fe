"""The server on a real loopback socket, with a raw client and with LiveKit's own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from livekit.agents import llm
from livekit.plugins import openai

from realtime_fsm import simulator as sim

from ..real_time import LONG

FAST = sim.ServerConfig(pace=0.0005, create_delay=0.0, cancel_delay=0.001)
HELLO = sim.Message("one two three four", seconds=0.4)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def until(ws: aiohttp.ClientWebSocketResponse[Any], type: str) -> list[dict[str, Any]]:
    """Read until an event of that type, which is the last one returned."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != type:
        events.append(json.loads(await asyncio.wait_for(ws.receive_str(), LONG)))
    return events


@pytest.mark.parametrize("path", ["/v1/realtime", "/realtime"])
async def test_a_response_over_the_socket(http: aiohttp.ClientSession, path: str) -> None:
    script = sim.Script([sim.Reply([HELLO], ack=sim.Created(after=0.1))])
    async with sim.RealtimeServer(script, config=FAST) as server:
        async with http.ws_connect(server.url.removesuffix("/v1") + path) as ws:
            await ws.send_json({"type": "response.create", "event_id": "c1"})
            await ws.send_json({"type": "response.create", "event_id": "c2"})
            events = await until(ws, "response.done")
        disconnected = await server.wait_for("disconnected", direction="net")
    assert events[0]["type"] == "session.created"
    assert [e["error"]["event_id"] for e in events if e["type"] == "error"] == ["c2"]
    assert (server.creates, server.collisions, server.connections) == (2, 1, 1)
    assert [e["event_id"] for e in server.sent("response.create")] == ["c1", "c2"]
    assert [e["delta"] for e in server.received("response.output_audio.delta")] == [100.0] * 4
    assert server.conversation[0].text == HELLO.text
    assert disconnected.connection == 1
    assert [r.t for r in server.record] == sorted(r.t for r in server.record)


async def test_malformed_text_is_answered_and_binary_is_ignored(
    http: aiohttp.ClientSession,
) -> None:
    async with (
        sim.RealtimeServer(config=FAST) as server,
        http.ws_connect(server.url + "/realtime") as ws,
    ):
        await ws.send_str("{")
        await ws.send_bytes(b"x")
        await ws.send_str("null")
        await until(ws, "error")
        (error,) = await until(ws, "error")
        assert error["error"]["code"] == "invalid_event"


async def test_a_close_carries_its_code(http: aiohttp.ClientSession) -> None:
    end = sim.Closed(1001, reason="going", error=sim.ErrorInfo("session_expired"))
    script = sim.Script([sim.Reply(end=end)])
    async with (
        sim.RealtimeServer(script, config=FAST) as server,
        http.ws_connect(server.url + "/realtime") as ws,
    ):
        await ws.send_json({"type": "response.create"})
        await until(ws, "error")
        message = await asyncio.wait_for(ws.receive(), LONG)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        assert message.extra == "going"


async def test_a_drop_has_no_close_frame_and_loses_nothing_before_it(
    http: aiohttp.ClientSession,
) -> None:
    script = sim.Script([sim.Reply([HELLO], end=sim.Dropped(at=sim.audio_ms(250)))])
    async with (
        sim.RealtimeServer(script, config=FAST) as server,
        http.ws_connect(server.url + "/realtime") as ws,
    ):
        await ws.send_json({"type": "response.create"})
        seen = []
        while (
            message := await asyncio.wait_for(ws.receive(), LONG)
        ).type is aiohttp.WSMsgType.TEXT:
            seen.append(json.loads(message.data)["type"])
        assert seen.count("response.output_audio.delta") == 3
        assert ws.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        assert [item.audio_ms for item in server.conversation] == [250]


async def test_handshakes_are_taken_in_order(http: aiohttp.ClientSession) -> None:
    config = sim.ServerConfig(
        handshakes=[sim.Refuse(401, "no"), sim.Accept(sim.Dropped()), sim.Accept()]
    )
    async with sim.RealtimeServer(config=config) as server:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(server.url + "/realtime")
        assert refused.value.status == 401
        async with http.ws_connect(server.url + "/realtime") as ws:
            await until(ws, "session.created")
            assert (await ws.receive()).type is not aiohttp.WSMsgType.TEXT
        for _ in range(2):
            async with http.ws_connect(server.url + "/realtime") as ws:
                await until(ws, "session.created")
        assert (server.attempts, server.connections) == (4, 3)


async def test_the_user_speaks_on_the_newest_connection(http: aiohttp.ClientSession) -> None:
    async with sim.RealtimeServer(config=FAST) as server:
        with pytest.raises(RuntimeError, match="nobody"):
            await server.user_speaks("Hello?")
        async with http.ws_connect(server.url + "/realtime") as ws:
            await until(ws, "session.created")
            item = await server.user_speaks("Hello?", seconds=0.01)
            events = await until(ws, "response.done")
            assert events[0]["item_id"] == item
            assert [i.role for i in server.conversation] == ["user", "assistant"]


async def test_nothing_is_left_after_aclose(http: aiohttp.ClientSession) -> None:
    server = sim.RealtimeServer(sim.Script([sim.Reply([HELLO])], default=sim.Reply([HELLO])))
    await server.start()
    with pytest.raises(RuntimeError, match="already"):
        await server.start()
    before = asyncio.all_tasks()
    first = await http.ws_connect(server.url + "/realtime")
    second = await http.ws_connect(server.url + "/realtime")
    await first.send_json({"type": "response.create"})
    await until(first, "response.created")
    await server.aclose()
    await server.aclose()
    for ws in (first, second):
        while (await asyncio.wait_for(ws.receive(), LONG)).type is aiohttp.WSMsgType.TEXT:
            pass
    assert asyncio.all_tasks() <= before
    with pytest.raises(aiohttp.ClientConnectionError):
        await http.ws_connect(server.url + "/realtime")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])
async def test_the_server_stays_on_loopback(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        sim.RealtimeServer(host=host)


# --- LiveKit's plugin ---


@pytest.fixture
async def sessions() -> AsyncIterator[list[Any]]:
    """Sessions and models to close after the test."""
    opened: list[Any] = []
    yield opened
    for each in reversed(opened):
        await each.aclose()


def plugin(server: sim.RealtimeServer, opened: list[Any]) -> llm.RealtimeSession[Any]:
    model = openai.realtime.RealtimeModel(api_key="x", base_url=server.url, turn_detection=None)
    session = model.session()
    opened += [model, session]
    return session


async def test_the_plugin_gets_a_reply(sessions: list[Any]) -> None:
    script = sim.Script([sim.Reply([HELLO, sim.FunctionCall("lookup", {"q": 1})])])
    async with sim.RealtimeServer(script, config=FAST) as server:
        session = plugin(server, sessions)
        generation = await session.generate_reply(instructions="Say hello.")
        assert generation.user_initiated
        heard, said = 0.0, ""
        async for message in generation.message_stream:
            async for text in message.text_stream:
                said += text
            async for frame in message.audio_stream:
                heard += frame.duration
        calls = [call async for call in generation.function_stream]
        assert (round(heard, 3), said) == (0.4, HELLO.text)
        assert [(call.name, call.arguments) for call in calls] == [("lookup", '{"q": 1}')]
        assert not server.received("error"), "everything that the plugin sends is valid"
        sessions.remove(session)
        await session.aclose()


async def test_the_plugins_history_and_truncation_are_accepted(sessions: list[Any]) -> None:
    async with sim.RealtimeServer(sim.Script([sim.Reply([HELLO])]), config=FAST) as server:
        session = plugin(server, sessions)
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="Hello?", id="u1")
        context.items.append(llm.FunctionCall(call_id="c", name="f", arguments="{}", id="f1"))
        context.items.append(
            llm.FunctionCallOutput(call_id="c", name="f", output="4", is_error=False, id="f2")
        )
        await session.update_chat_ctx(context)
        generation = await session.generate_reply()
        (message,) = [m async for m in generation.message_stream]
        session.truncate(message_id=message.message_id, modalities=["audio"], audio_end_ms=200)
        await server.wait_for("conversation.item.truncated", direction="server")
        assert [(i.id, i.text) for i in server.conversation[:3]] == [
            ("u1", "Hello?"),
            ("f1", ""),
            ("f2", "4"),
        ]
        assert (server.conversation[3].text, server.conversation[3].audio_ms) == ("one two", 200)
        assert not server.received("error")
        sessions.remove(session)
        await session.aclose()


async def test_the_plugin_sees_a_rejection_and_a_failure(sessions: list[Any]) -> None:
    script = sim.Script(
        [
            sim.Reply(ack=sim.Rejected("server_error")),
            sim.Reply([HELLO], end=sim.Failed("server_error")),
        ]
    )
    async with sim.RealtimeServer(script, config=FAST) as server:
        session = plugin(server, sessions)
        errors: list[Any] = []
        session.on("error", errors.append)
        with pytest.raises(llm.RealtimeError) as rejected:
            await session.generate_reply()
        assert rejected.value.code == "server_error"
        generation = await session.generate_reply()
        assert [m async for m in generation.message_stream] == []
        await server.wait_for("response.done", direction="server")
        assert server.creates == 2
        assert [error.recoverable for error in errors] == [True, True]
        sessions.remove(session)
        await session.aclose()


async def test_the_plugin_passes_over_a_reasoning_item(sessions: list[Any]) -> None:
    config = sim.ServerConfig(pace=0.0005, reasoning_items="item")
    script = sim.Script([sim.Reply([sim.Reasoning(0.01), HELLO, HELLO])])
    async with sim.RealtimeServer(script, config=config) as server:
        session = plugin(server, sessions)
        generation = await session.generate_reply()
        said = [
            "".join([text async for text in message.text_stream])
            async for message in generation.message_stream
        ]
        assert said == [HELLO.text, HELLO.text]
        assert server.received("response.output_item.added")[0]["item"]["type"] == "reasoning"
        sessions.remove(session)
        await session.aclose()
