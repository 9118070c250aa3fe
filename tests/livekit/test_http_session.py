"""G31: a WebSocket that notices a dead peer by itself. Real sockets, real time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from livekit.agents import Agent
from livekit.plugins import openai
from yarl import URL

from realtime_fsm.livekit import ControlledRealtimeModel, http_session
from realtime_fsm.livekit._features import AgentSession, realtime_session_of
from realtime_fsm.simulator import Message, RealtimeServer, Reply, Script
from realtime_fsm.testing import PacedAudioOutput

from ..real_time import becomes

pytestmark = pytest.mark.real_time

_PATIENCE = 60.0


class Line:
    """A TCP line to a port of this machine that can freeze: both ends stay open, nothing passes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: list[asyncio.Event] = []

    async def __aenter__(self) -> Line:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self) -> None:
        """Freeze what is connected now; a new connection passes."""
        for flows in self._connections:
            flows.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        flows = asyncio.Event()
        flows.set()
        self._connections.append(flows)
        for source, drain in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass_on(source, drain, flows))
            self._tasks.add(task)

    async def _pass_on(
        self, source: asyncio.StreamReader, drain: asyncio.StreamWriter, flows: asyncio.Event
    ) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    await flows.wait()
                    drain.write(data)
                    await drain.drain()
        finally:
            drain.close()


def port_of(url: str) -> int:
    port = URL(url).port
    assert port is not None
    return port


class Peer:
    """A WebSocket server that reads, answers pings or not, and sends what it is told to."""

    def __init__(self, *, answers: bool = True) -> None:
        self._answers = answers
        self.sockets: list[web.WebSocketResponse] = []
        self.pings = 0

    @contextlib.asynccontextmanager
    async def url(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/", self._serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
        finally:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.PING:
                self.pings += 1
                if self._answers:
                    await socket.pong(message.data)
        return socket


@contextlib.asynccontextmanager
async def quick(**times: float) -> AsyncIterator[aiohttp.ClientSession]:
    session = http_session(**{"ping_interval": 0.1, "ping_timeout": 0.1, **times})
    try:
        yield session
    finally:
        await session.close()


async def test_g31_a_peer_that_answers_stays_connected_and_its_messages_pass() -> None:
    peer = Peer()
    async with peer.url() as url, quick() as session:
        async with session.ws_connect(url) as socket:
            receiving = asyncio.create_task(socket.receive())
            while peer.pings < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert not receiving.done()
            await peer.sockets[0].ping(b"you too?")
            await peer.sockets[0].send_str("hello")
            assert (await receiving).data == "hello"
        assert socket.closed


async def test_g31_traffic_needs_no_ping() -> None:
    peer = Peer()
    async with peer.url() as url, quick(ping_interval=60.0) as session:
        socket = await session.ws_connect(url)
        for n in range(5):
            await peer.sockets[0].send_str(str(n))
            assert (await socket.receive()).data == str(n)
        await socket.close()
    assert not peer.pings


async def test_g31_a_silent_peer_ends_what_receives() -> None:
    async with Peer(answers=False).url() as url, quick() as session:
        socket = await session.ws_connect(url)
        message = await asyncio.wait_for(socket.receive(), _PATIENCE)
        assert message.type in (aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSED
        async for _ in socket:
            pytest.fail("nothing comes after the end")


async def test_g31_writes_that_are_stuck_end_too() -> None:
    peer = Peer()
    async with peer.url() as url, Line(port_of(url)) as line, quick() as session:
        socket = await session.ws_connect(f"http://127.0.0.1:{line.port}/")
        line.freeze()

        async def sends_for_ever() -> None:
            while True:
                await socket.send_str("x" * 1_000_000)

        sending = asyncio.create_task(sends_for_ever())
        await asyncio.wait_for(socket.receive(), _PATIENCE)
        await socket.close()
        with pytest.raises((ConnectionError, aiohttp.ClientError)):
            await asyncio.wait_for(sending, _PATIENCE)


@pytest.mark.parametrize("offset", [0.05, 0.0999, 0.15])
async def test_g31_a_loop_that_stood_still_is_not_the_peers_fault(offset: float) -> None:
    """What aiohttp's own heartbeat gets wrong: an answer that waits in the socket, not yet read."""
    peer = Peer()
    async with peer.url() as url, quick() as session:
        socket = await session.ws_connect(url)
        receiving = asyncio.create_task(socket.receive())
        for _ in range(3):
            await asyncio.sleep(offset)
            time.sleep(0.5)  # noqa: ASYNC251
        await peer.sockets[0].send_str("still there")
        assert (await asyncio.wait_for(receiving, _PATIENCE)).data == "still there"
        await socket.close()


async def test_nothing_is_left_after_close() -> None:
    peer = Peer()
    before = asyncio.all_tasks()
    async with peer.url() as url, quick(ping_interval=0.01) as session:
        socket = await session.ws_connect(url)
        receiving = asyncio.create_task(socket.receive())
        while peer.pings < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await socket.close()
        await receiving
        await socket.close()

    def left() -> set[str]:
        return {t.get_name() for t in asyncio.all_tasks() - before}

    await becomes(lambda: not any("realtime_fsm" in name for name in left()))


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "10", True])
@pytest.mark.parametrize("name", ["ping_interval", "ping_timeout"])
def test_impossible_times_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be .* got {value!r}"):
        http_session(**{name: value})


async def test_what_it_stands_in_for_is_the_callers() -> None:
    async with aiohttp.ClientSession(headers={"X-Mine": "1"}) as mine:
        session = http_session(session=mine)
        assert session.headers["X-Mine"] == "1"
        await session.close()
        assert not mine.closed


async def test_g31_a_frozen_connection_is_replaced_although_nothing_is_asked() -> None:
    """The real plugin. Plain and controlled alike: the plugin reconnects when its socket ends."""
    script = Script([Reply([Message(words, seconds=0.2)]) for words in ("Before.", "After.")])
    async with (
        RealtimeServer(script) as server,
        Line(port_of(server.url)) as line,
        quick(ping_interval=0.3, ping_timeout=0.2) as http,
    ):
        plugin = openai.realtime.RealtimeModel(
            api_key="none",
            base_url=str(URL(server.url).with_port(line.port)),
            turn_detection=None,
            http_session=http,
        )
        model = ControlledRealtimeModel(plugin)
        session: AgentSession[None] = AgentSession(llm=model, vad=None)
        sink = PacedAudioOutput()
        session.output.audio = sink
        model.attach(session)
        reconnected = asyncio.Event()
        await session.start(Agent(instructions="Be brief."))
        inner = realtime_session_of(session)
        inner.on("session_reconnected", lambda _: reconnected.set())
        await asyncio.wait_for(session.generate_reply(user_input="Hello?"), _PATIENCE)
        line.freeze()
        await asyncio.wait_for(reconnected.wait(), _PATIENCE)
        handle = session.generate_reply(user_input="Still there?")
        await asyncio.wait_for(handle, _PATIENCE)
        assert handle.exception() is None
        assert sink.heard_seconds == pytest.approx(0.4, abs=0.05)
        await session.aclose()
        await plugin.aclose()
        await sink.aclose()
