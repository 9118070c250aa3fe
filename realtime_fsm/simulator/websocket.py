"""The simulated server on a loopback WebSocket."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import ClassVar, TypeVar, final

from aiohttp import WSMsgType, web

from .config import ServerConfig
from .observed import Connection, Observed, ObservedServer
from .script import Accept, Refuse, Script
from .wire import Close, Frame, Ids, Send

__all__ = ["RealtimeServer"]

_S = TypeVar("_S", bound="Loopback")
_CLOSE_TIMEOUT = 1.0  # seconds that a peer has to answer a close frame


class _Socket:
    """One WebSocket and the connection behind it."""

    def __init__(
        self, server: Loopback, number: int, opening: Accept, request: web.Request
    ) -> None:
        self._request = request
        self._outbox: asyncio.Queue[Frame] = asyncio.Queue()
        self._connection = Connection(server, number, opening, self._outbox.put_nowait)
        self.ws = web.WebSocketResponse(timeout=_CLOSE_TIMEOUT, max_msg_size=0, autoclose=False)

    async def serve(self) -> None:
        """Run until either side ends the connection."""
        await self.ws.prepare(self._request)
        self._connection.open()
        writer = asyncio.create_task(self._write())
        try:
            async for message in self.ws:
                if message.type is WSMsgType.TEXT:
                    self._connection.receive(message.data)
            while self._connection.half_open and not self._is_broken():  # noqa: ASYNC110
                await asyncio.sleep(0.05)  # the peer's close frame gets no answer either
            await self.ws.close()
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._connection.closed(self.ws.close_code)

    async def _write(self) -> None:
        try:
            while True:
                frame = await self._outbox.get()
                if isinstance(frame, Send):
                    await self.ws.send_str(frame.text)
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

    def _is_broken(self) -> bool:
        return self._request.transport is None or self._request.transport.is_closing()

    def abort(self) -> None:
        """Break the TCP connection."""
        if self._request.transport is not None:
            self._request.transport.abort()


class Loopback(Observed):
    """The transport of a server on a WebSocket."""

    _paths: ClassVar[tuple[str, ...]] = ()
    _host: str
    _port: int
    _sockets: list[_Socket]
    _runner: web.AppRunner | None = None

    def _listens(self, host: str, port: int, *, allow_remote: bool) -> None:
        """Where it will listen. Raises ``ValueError`` for what is no loopback address, if not allowed."""
        if not allow_remote and not is_loopback(host):
            raise ValueError(f"the simulator listens on loopback only, not on {host!r}")
        self._host, self._port, self._sockets = host, port, []

    async def __aenter__(self: _S) -> _S:
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
        for path in self._paths:
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
        for socket in self._sockets:
            socket.abort()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        number, handshake = self._answer_handshake()
        if isinstance(handshake, Refuse):
            return web.Response(status=handshake.status, text=handshake.body)
        socket = _Socket(self, number, handshake, request)
        self._sockets.append(socket)
        try:
            await socket.serve()
        finally:
            self._sockets.remove(socket)
        return socket.ws

    @property
    def url(self) -> str:
        """The base URL for ``RealtimeModel(base_url=...)``, such as
        ``http://127.0.0.1:40123/v1``.
        """
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/v1"


@final
class RealtimeServer(Loopback, ObservedServer):
    """A Realtime server that enforces the protocol's rules, on loopback unless asked otherwise.

    Use it as an async context manager, or call :meth:`start` and :meth:`aclose`::

        async with RealtimeServer(Script([Reply([Message("Hello.")])])) as server:
            model = openai.realtime.RealtimeModel(api_key="x", base_url=server.url)

    Attributes:
        record: everything that was sent and received, in order.

    With *allow_remote* the *host* may be any address: who reaches it can talk to the server, which
    asks for no key. Servers that share *ids* never give the same id, as two of one provider.

    Raises ``ValueError`` when *host* is not a loopback address and *allow_remote* is false.
    """

    _paths = (
        "/v1/realtime",
        "/realtime",
        "/openai/realtime",
        "/openai/v1/realtime",
        "/voice-live/realtime",
    )

    def __init__(
        self,
        script: Script | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        config: ServerConfig | None = None,
        ids: Ids | None = None,
        allow_remote: bool = False,
    ) -> None:
        self._listens(host, port, allow_remote=allow_remote)
        super().__init__(script, config=config, ids=ids)


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
