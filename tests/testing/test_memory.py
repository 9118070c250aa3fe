"""The in-memory transport: it behaves as the WebSocket does, to a raw client and to the plugin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from realtime_fsm import simulator as sim
from realtime_fsm.testing import simulated_call, virtual_time

FAST = sim.ServerConfig(pace=0.0005, create_delay=0.0, cancel_delay=0.001)
HELLO = sim.Message("one two three four", seconds=0.4)

Opener = Callable[..., Any]


@asynccontextmanager
async def in_memory(
    script: sim.Script | None = None, config: sim.ServerConfig = FAST
) -> AsyncIterator[tuple[sim.InMemoryServer, aiohttp.ClientSession]]:
    async with sim.InMemoryServer(script, config=config) as server:
        yield server, server.http_session


@asynccontextmanager
async def over_tcp(
    script: sim.Script | None = None, config: sim.ServerConfig = FAST
) -> AsyncIterator[tuple[sim.RealtimeServer, aiohttp.ClientSession]]:
    async with (
        sim.RealtimeServer(script, config=config) as server,
        aiohttp.ClientSession() as http,
    ):
        yield server, http


both = pytest.mark.parametrize("opened", [in_memory, over_tcp], ids=["memory", "tcp"])


async def until(ws: aiohttp.ClientWebSocketResponse[Any], type: str) -> list[dict[str, Any]]:
    """Read until an event of that type, which is the last one returned."""
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] != type:
        events.append(json.loads(await ws.receive_str(timeout=60)))
    return events


@both
async def test_a_response(opened: Opener) -> None:
    thinks = replace(HELLO, after=0.3)  # so that all frames are there before it is over
    async with opened(sim.Script([sim.Reply([thinks])])) as (server, http):
        async with http.ws_connect(server.url + "/realtime") as ws:
            await ws.send_json({"type": "response.create", "event_id": "c1"})
            await ws.send_json({"type": "response.create", "event_id": "c2"})
            await ws.send_bytes(b"x")
            await ws.send_str("{")
            events = await until(ws, "response.done")
        last = await server.wait_for("disconnected", direction="net")
        assert last.event["code"] == 1000
        assert ws.close_code == 1000
    errors = [e["error"] for e in events if e["type"] == "error"]
    assert [e["event_id"] for e in errors][:1] == ["c2"]
    assert len(errors) == 2
    assert (server.creates, server.collisions, server.connections) == (2, 1, 1)
    assert [e["delta"] for e in server.received("response.output_audio.delta")] == [100.0] * 4
    assert server.conversation[0].text == HELLO.text
    assert [r.event["type"] for r in server.record if r.direction == "net"] == [
        "accepted",
        "disconnected",
    ]


@both
async def test_a_close_carries_its_code(opened: Opener) -> None:
    end = sim.Closed(1001, reason="going", error=sim.ErrorInfo("session_expired"))
    async with opened(sim.Script([sim.Reply(end=end)])) as (server, http):
        ws = await http.ws_connect(server.url + "/realtime")
        await ws.send_json({"type": "response.create"})
        await until(ws, "error")
        message = await ws.receive(timeout=60)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        assert message.extra == "going"
        assert (ws.closed, ws.close_code) == (True, 1001)
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSED
        with pytest.raises(ConnectionResetError):
            await ws.send_str("{}")
        assert not await ws.close()


@both
async def test_a_drop_loses_nothing_before_it(opened: Opener) -> None:
    async with opened(sim.Script([sim.Reply([HELLO], end=sim.Dropped(at=sim.audio_ms(250)))])) as (
        server,
        http,
    ):
        ws = await http.ws_connect(server.url + "/realtime")
        await ws.send_json({"type": "response.create"})
        seen = []
        while (message := await ws.receive(timeout=60)).type is aiohttp.WSMsgType.TEXT:
            seen.append(json.loads(message.data)["type"])
        assert message.type is aiohttp.WSMsgType.CLOSED
        assert seen.count("response.output_audio.delta") == 3
        assert (ws.closed, ws.close_code) == (True, aiohttp.WSCloseCode.ABNORMAL_CLOSURE)
        with pytest.raises(ConnectionResetError):
            await ws.send_str("{}")
        await server.wait_for("disconnected", direction="net")


@both
async def test_handshakes_and_a_server_that_is_gone(opened: Opener) -> None:
    config = sim.ServerConfig(handshakes=[sim.Refuse(401, "no"), sim.Accept(sim.Dropped())])
    async with opened(config=config) as (server, http):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(server.url + "/realtime")
        assert (refused.value.status, refused.value.message) == (401, "Invalid response status")
        ws = await http.ws_connect(server.url + "/realtime")
        await until(ws, "session.created")
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSED
        third = await http.ws_connect(server.url + "/realtime")
        assert (server.attempts, server.connections) == (3, 2)
        with pytest.raises(RuntimeError, match="already"):
            await server.start()
        await until(third, "session.created")
        await server.aclose()
        await server.aclose()
        assert (await third.receive(timeout=60)).type is aiohttp.WSMsgType.CLOSED
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.ws_connect(server.url + "/realtime")


@both
async def test_a_close_ends_a_receive_in_another_task(opened: Opener) -> None:
    async with opened() as (server, http):
        ws = await http.ws_connect(server.url + "/realtime")
        await until(ws, "session.created")
        reader = asyncio.create_task(ws.receive())
        await asyncio.sleep(0.01)
        with pytest.raises(RuntimeError, match="Concurrent"):
            await ws.receive()
        assert await ws.close()
        assert (await reader).type is aiohttp.WSMsgType.CLOSING
        assert ws.close_code == 1000
        await server.wait_for("disconnected", direction="net")
        with pytest.raises(RuntimeError, match="nobody"):
            server.half_open()


@both
async def test_a_half_open_connection_loses_everything(opened: Opener) -> None:
    async with opened(sim.Script([sim.Reply([HELLO])])) as (server, http):
        ws = await http.ws_connect(server.url + "/realtime")
        await until(ws, "session.created")
        server.half_open()
        await ws.send_json({"type": "response.create"})
        reader = asyncio.create_task(ws.receive())
        await asyncio.wait({reader}, timeout=0.05)
        assert not reader.done()
        assert server.creates == 0
        closing = asyncio.create_task(ws.close())
        await asyncio.sleep(0.1)
        assert not closing.done(), "the server does not answer the close frame"
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        assert ws.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        await server.wait_for("disconnected", direction="net")


@virtual_time
async def test_a_half_open_connection_is_closed_after_ten_seconds() -> None:
    async with in_memory() as (server, http):
        ws = await http.ws_connect(server.url + "/realtime")
        server.half_open()
        start = asyncio.get_running_loop().time()
        assert await ws.close()
        assert asyncio.get_running_loop().time() - start == pytest.approx(10.0)
        assert isinstance(ws.exception(), asyncio.TimeoutError)


@virtual_time
async def test_faults_of_the_config_happen_on_it() -> None:
    faults = sim.Schedule(
        [sim.Lose(sim.At("response.create", side="client")), sim.HalfOpen(sim.At("response.done"))]
    )
    async with in_memory(sim.Script([sim.Reply([HELLO])]), sim.ServerConfig(faults=faults)) as (
        server,
        http,
    ):
        ws = await http.ws_connect(server.url + "/realtime")
        await ws.send_json({"type": "response.create", "event_id": "c1"})
        await ws.send_json({"type": "response.create", "event_id": "c2"})
        await until(ws, "response.done")
        assert server.collisions == 0
        loop = asyncio.get_running_loop()
        start = loop.time()
        await ws.close()
        assert loop.time() - start == pytest.approx(10.0), "half-open"


# --- the plugin


@virtual_time
async def test_the_plugin_talks_over_it() -> None:
    async with simulated_call([sim.Reply([HELLO])], controlled=False) as call:
        await call.say("Hello?")
        await call.idle()
        assert call.heard == pytest.approx(0.4)
        assert not call.server.received("error"), "everything that the plugin sends is valid"
        assert call.server.connections == 1
    assert [r.type for r in call.server.record if r.direction == "net"] == [
        "accepted",
        "disconnected",
    ]


ENDS = {"drop": sim.Dropped(at=sim.audio_ms(100)), "close": sim.Closed(1011, at=sim.audio_ms(100))}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@virtual_time
async def test_the_plugin_reconnects_after(end: sim.Closed | sim.Dropped) -> None:
    async with simulated_call(
        [sim.Reply([HELLO], end=end), sim.Reply([HELLO])], controlled=False
    ) as call:
        await call.say("Hello?")
        await call.idle()
        (error,) = call.errors
        assert error.error.recoverable
        assert call.server.connections == 2
        await call.say("Are you there?")
        await call.idle()
        assert call.heard == pytest.approx(0.5)
        ids = [
            r.event["response"]["id"] for r in call.server.record if r.type == "response.created"
        ]
        assert len(set(ids)) == 2, "ids are the server's, not the connection's"


@virtual_time
async def test_the_plugin_retries_a_refused_handshake() -> None:
    config = sim.ServerConfig(handshakes=[sim.Refuse(503), sim.Refuse(503)])
    async with simulated_call(config=config, controlled=False) as call:
        await call.until(lambda: call.server.connections == 1)
        assert call.server.attempts == 3
        await call.say("Hello?")
        await call.idle()
        assert call.heard > 0
        statuses = [r.event["status"] for r in call.server.record if r.type == "refused"]
        assert statuses == [503, 503]


@virtual_time
async def test_the_plugin_gives_up_when_it_is_always_refused() -> None:
    config = sim.ServerConfig(default_handshake=sim.Refuse(503))
    async with simulated_call(config=config, controlled=False) as call:
        await call.until(lambda: call.errors and not call.errors[-1].error.recoverable)
        assert call.server.connections == 0
        assert call.server.attempts == len(call.errors) == 4
