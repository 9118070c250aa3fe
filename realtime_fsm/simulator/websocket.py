"""The simulated server on a loopback WebSocket."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from typing import Any, final

from aiohttp import WSMsgType, web

from .config import ServerConfig
from .conversation import ItemSnapshot
from .core import ServerCore
from .record import Direction, Record, without_audio
from .responses import Replies
from .script import Accept, Refuse, Script
from .wire import Close, Frame, Ids, Send

__all__ = ["RealtimeServer"]

_PATHS = ("/v1/realtime", "/realtime")
_CLOSE_TIMEOUT = 1.0  # seconds that a peer has to answer a close frame


class _Connection:
    """Drives one core: frames in, timers, frames out in order."""

    def __init__(
        self, server: RealtimeServer, number: int, core: ServerCore, request: web.Request
    ) -> None:
        self._server = server
        self._number = number
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._outbox: asyncio.Queue[Frame] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None
        self.core = core
        self.ws = web.WebSocketResponse(timeout=_CLOSE_TIMEOUT, max_msg_size=0)

    async def serve(self) -> None:
        """Run until either side ends the connection."""
        await self.ws.prepare(self._request)
        self._note("net", {"type": "accepted"})
        self.core.connect(self._loop.time())
        self.pump()
        writer = asyncio.create_task(self._write())
        try:
            async for message in self.ws:
                if message.type is WSMsgType.TEXT:
                    self._receive(message.data)
        finally:
            self.core.disconnected()
            if self._timer is not None:
                self._timer.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._note("net", {"type": "disconnected", "code": self.ws.close_code})

    def _receive(self, text: str) -> None:
        if self.core.closed:
            return
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        self._note("client", event if isinstance(event, dict) else {"type": None, "text": text})
        self.core.receive(text, self._loop.time())
        self.pump()

    def pump(self) -> None:
        """Hand the core's frames to the writer and set the timer for its next deadline."""
        for frame in self.core.take():
            # Noted here rather than after the write, so that the record has the core's order of
            # cause and effect.
            if isinstance(frame, Send):
                self._note("server", frame.event)
            elif isinstance(frame, Close):
                self._note("net", {"type": "closed", "code": frame.code, "reason": frame.reason})
            else:
                self._note("net", {"type": "dropped"})
            self._outbox.put_nowait(frame)
        if self._timer is not None:
            self._timer.cancel()
        deadline = self.core.next_deadline()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._tick)

    def _tick(self) -> None:
        self.core.advance(self._loop.time())
        self.pump()

    async def _write(self) -> None:
        try:
            while True:
                frame = await self._outbox.get()
                if isinstance(frame, Send):
                    await self.ws.send_json(frame.event)
                elif isinstance(frame, Close):
                    await self.ws.close(code=frame.code, message=frame.reason.encode())
                    return
                else:
                    # A loopback socket takes what was sent before at once, so nothing earlier is
                    # lost here.
                    self.abort()
                    return
        except ConnectionError:
            pass  # the peer is gone; the reader sees it too and ends the connection

    def abort(self) -> None:
        """Break the TCP connection."""
        if self._request.transport is not None:
            self._request.transport.abort()

    def _note(self, direction: Direction, event: dict[str, Any]) -> None:
        self._server._note(self._number, direction, event)


@final
class RealtimeServer:
    """A Realtime server that enforces the protocol's rules, on loopback only.

    Use it as an async context manager, or call :meth:`start` and :meth:`aclose`::

        async with RealtimeServer(Script([Reply([Message("Hello.")])])) as server:
            model = openai.realtime.RealtimeModel(api_key="x", base_url=server.url)

    Attributes:
        record: everything that was sent and received, in order.

    Raises ``ValueError`` when *host* is not a loopback address.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        config: ServerConfig | None = None,
    ) -> None:
        if not _is_loopback(host):
            raise ValueError(f"the simulator listens on loopback only, not on {host!r}")
        self._host = host
        self._port = port
        self._config = config or ServerConfig()
        self._replies = Replies(script or Script())
        self._ids = Ids()
        self._cores: list[ServerCore] = []
        self._live: list[_Connection] = []
        self._attempts = 0
        self._started_at = 0.0
        self._changed = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.record: list[Record] = []

    async def __aenter__(self) -> RealtimeServer:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Listen. With ``port=0`` the system picks the port. Raises ``RuntimeError`` when already
        started.
        """
        if self._runner is not None:
            raise RuntimeError("the server is already started")
        app = web.Application()
        for path in _PATHS:
            app.router.add_get(path, self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_TIMEOUT)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError:
            await self.aclose()
            raise
        self._port = self._runner.addresses[0][1]
        self._started_at = asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """Break all connections and stop listening. Nothing of the server is left. Does nothing
        when not started.
        """
        runner, self._runner = self._runner, None
        if runner is None:
            return
        for connection in self._live:
            connection.abort()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self._attempts += 1
        number = self._attempts
        handshake = self._config.handshake(number)
        if isinstance(handshake, Refuse):
            self._note(number, "net", {"type": "refused", "status": handshake.status})
            return web.Response(status=handshake.status, text=handshake.body)
        assert isinstance(handshake, Accept)
        core = ServerCore(self._replies, self._config, ids=self._ids, opening=handshake)
        connection = _Connection(self, number, core, request)
        self._cores.append(core)
        self._live.append(connection)
        try:
            await connection.serve()
        finally:
            self._live.remove(connection)
        return connection.ws

    def _note(self, connection: int, direction: Direction, event: dict[str, Any]) -> None:
        t = asyncio.get_running_loop().time() - self._started_at
        self.record.append(Record(t, connection, direction, without_audio(event)))
        self._changed.set()

    # --- what a test does and looks at ---

    @property
    def url(self) -> str:
        """The base URL for ``RealtimeModel(base_url=...)``, such as
        ``http://127.0.0.1:40123/v1``.
        """
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/v1"

    async def user_speaks(
        self, transcript: str, *, seconds: float = 1.0, item_id: str | None = None
    ) -> str | None:
        """Let the user start to speak on the newest connection, see :meth:`ServerCore.user_speaks`.

        Returns at once, not when the user stops. Raises ``RuntimeError`` when nobody is connected.
        """
        if not self._live:
            raise RuntimeError("nobody is connected")
        connection = self._live[-1]
        item = connection.core.user_speaks(
            asyncio.get_running_loop().time(), seconds, transcript, item_id
        )
        connection.pump()
        return item

    async def wait_for(
        self, type: str, *, direction: Direction = "client", count: int = 1, timeout: float = 10.0
    ) -> Record:
        """Return the *count*-th event of that type, as soon as there is one.

        Raises ``asyncio.TimeoutError`` after *timeout* seconds.
        """

        async def found() -> Record:
            while len(matches := self._find(direction, type)) < count:
                self._changed.clear()
                await self._changed.wait()
            return matches[count - 1]

        return await asyncio.wait_for(found(), timeout)

    def sent(self, type: str | None = None) -> list[dict[str, Any]]:
        """Return what clients sent, in order, on all connections."""
        return [record.event for record in self._find("client", type)]

    def received(self, type: str | None = None) -> list[dict[str, Any]]:
        """Return what the server sent to clients, in order, on all connections."""
        return [record.event for record in self._find("server", type)]

    def _find(self, direction: Direction, type: str | None) -> list[Record]:
        return [r for r in self.record if r.direction == direction and type in (None, r.type)]

    @property
    def creates(self) -> int:
        """How many ``response.create`` clients sent."""
        return len(self.sent("response.create"))

    @property
    def collisions(self) -> int:
        """How many creates of clients met a taken slot."""
        return sum(core.collisions for core in self._cores)

    @property
    def vad_collisions(self) -> int:
        """How many creates of server VAD met a taken slot."""
        return sum(core.vad_collisions for core in self._cores)

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        return len(self._cores)

    @property
    def attempts(self) -> int:
        """How many handshakes were asked for, refused ones included."""
        return self._attempts

    @property
    def conversation(self) -> tuple[ItemSnapshot, ...]:
        """What the model of the newest connection remembers, even after that connection is over."""
        return self._cores[-1].conversation if self._cores else ()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
