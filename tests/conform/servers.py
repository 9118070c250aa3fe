"""Servers to ask: the simulator, and rude ones written by hand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from realtime_fsm.conform import Options, Pace, Result, conform
from realtime_fsm.simulator import InMemoryServer, RealtimeServer, Script, ServerConfig
from realtime_fsm.testing import run_virtual

FAST = Pace(patience=3.0, quiet=0.25, settle=0.05, speech_rate=8.0)
HASTY = Pace(patience=0.3, quiet=0.05, settle=0.02, speech_rate=50.0)

Talker = Callable[[web.WebSocketResponse], Awaitable[None]]


def configured(seed: int, switches: Mapping[str, Any]) -> ServerConfig:
    """A server that can be graded; the *seed*, if it is not 0, moves its delays."""
    rng = random.Random(seed)
    delays = {"create_delay": rng.uniform(0.03, 0.4), "vad_create_delay": rng.uniform(0.005, 0.1),
              "cancel_delay": rng.uniform(0.005, 0.1), "pace": rng.uniform(0.005, 0.1)}  # fmt: skip
    usual = delays if seed else {"create_delay": 0.05}
    return ServerConfig(**{**usual, "hears_above": 400, **switches})


def ask_simulator(
    *only: str, directed: bool = True, expiry: float = 0.0, seed: int = 0, **switches: Any
) -> Result:
    """Grade the simulator with these switches, by these rules alone if some are given, in virtual
    time.
    """

    async def ask() -> Result:
        async with InMemoryServer(Script(), config=configured(seed, switches)) as server:
            options = Options(url=server.url, directed=directed, only=only, expiry=expiry)
            return await conform(options, http=server.http_session)

    return run_virtual(ask)


async def ask_over_sockets(pace: Pace = FAST, **switches: Any) -> Result:
    """Grade the simulator by all rules, over a real WebSocket."""
    async with RealtimeServer(Script(), config=configured(0, switches)) as server:
        return await conform(Options(url=server.url, directed=True, pace=pace))


@contextlib.asynccontextmanager
async def listening(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """An HTTP server on loopback; its WebSocket URL."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/realtime"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def talking(talk: Talker) -> AsyncIterator[str]:
    """A WebSocket server that does what *talk* does with each connection."""

    async def handler(request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(timeout=0.1, max_msg_size=0)
        await ws.prepare(request)
        with contextlib.suppress(ConnectionError):
            await talk(ws)
        return ws

    async with listening(handler) as url:
        yield url


@contextlib.asynccontextmanager
async def raw(greeting: bytes | None) -> AsyncIterator[str]:
    """A TCP server that says *greeting* to whoever speaks, or nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(100)
            if greeting is not None:
                writer.write(greeting)
                await writer.drain()
                writer.close()
            else:
                await reader.read()
                writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/realtime"
    finally:
        server.close()


async def greet(ws: web.WebSocketResponse) -> None:
    """Send session.created."""
    session = {"type": "realtime", "id": "sess_1", "model": "m", "audio": {}}
    await ws.send_json({"type": "session.created", "event_id": "e", "session": session})


async def events(ws: web.WebSocketResponse) -> AsyncIterator[dict[str, Any]]:
    """The client's events."""
    async for message in ws:
        with contextlib.suppress(ValueError):
            event = json.loads(message.data)
            yield event if isinstance(event, dict) else {}
