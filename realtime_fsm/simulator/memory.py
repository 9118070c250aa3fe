"""The simulated server in memory: the client's WebSocket is an object, no socket is opened."""

from __future__ import annotations

import asyncio
import errno
import json
from collections import deque
from collections.abc import Generator
from functools import cached_property, lru_cache
from types import TracebackType
from typing import Any, TypeVar, cast, final

import aiohttp
from aiohttp import WSCloseCode, WSMessage, WSMsgType
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from .config import ServerConfig
from .observed import Connection, Observed, ObservedServer
from .script import Accept, Refuse, Script
from .wire import Close, Frame, Ids, Send

__all__ = ["InMemoryServer"]

_S = TypeVar("_S", bound="InMemory")
_CLOSE_TIMEOUT = 10.0  # seconds that aiohttp's client waits for the answer to its close frame
_LONG = 256  # characters of a delta that is audio
_CLOSED = WSMessage(WSMsgType.CLOSED, None, None)
_CLOSING = WSMessage(WSMsgType.CLOSING, None, None)


class _ClientSocket:
    """The client's end. Does what ``aiohttp.ClientWebSocketResponse`` does."""

    def __init__(
        self, server: InMemory, number: int, opening: Accept, *, autoping: bool = True
    ) -> None:
        self.closed = False
        self._autoping = autoping
        self.close_code: int | None = None
        self._exception: BaseException | None = None
        self._connection = Connection(server, number, opening, self._feed_frame)
        self._gone = False  # the TCP connection is broken
        self._closing = False
        self._waiting = False
        self._inbox: deque[WSMessage] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._reader_left: asyncio.Future[None] | None = None
        self._broken = asyncio.Event()
        self._connection.open()

    # --- the server's side of it ---

    def _feed_frame(self, frame: Frame) -> None:
        if isinstance(frame, Send):
            self._feed(WSMessage(WSMsgType.TEXT, _text(frame), None))
        elif isinstance(frame, Close):
            self._feed(WSMessage(WSMsgType.CLOSE, frame.code, frame.reason))
        else:
            self.abort()

    def abort(self) -> None:
        """Break the TCP connection. What came before can still be read."""
        self._broken.set()
        if not self._gone:
            self._gone = True
            self._connection.closed(WSCloseCode.ABNORMAL_CLOSURE)
            self._feed(_CLOSED)

    def _feed(self, message: WSMessage) -> None:
        self._inbox.append(message)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    # --- the client's side of it ---

    async def send_str(self, data: str, compress: int | None = None) -> None:
        """Send a text frame. Raises ``aiohttp.ClientConnectionResetError`` on a closed socket.

        Waits while nobody reads, also after :meth:`close`: a transport that is closed flushes its
        buffer first.
        """
        self._check_open()
        if self._connection.blocked:
            await self._broken.wait()
            self._check_open()
        self._connection.receive(data)

    async def send_json(self, data: Any, compress: int | None = None) -> None:
        """Send *data* as JSON."""
        await self.send_str(json.dumps(data))

    async def send_bytes(self, data: bytes, compress: int | None = None) -> None:
        """Send a binary frame, which the server ignores."""
        self._check_open()

    async def ping(self, message: bytes = b"") -> None:
        """Send a ping. The pong is a message only with ``ws_connect(autoping=False)``, as with aiohttp."""
        self._check_open()
        silent = self._connection.blocked or self._connection.half_open
        if not self._autoping and not silent:
            self._feed(WSMessage(WSMsgType.PONG, message, None))

    def _check_open(self) -> None:
        if self.closed or self._gone:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    async def receive(self, timeout: float | None = None) -> WSMessage:
        """Return the next message. Raises ``asyncio.TimeoutError`` after *timeout* seconds."""
        if self._waiting:
            raise RuntimeError("Concurrent call to receive() is not allowed")
        if self.closed:
            return _CLOSED
        if self._closing:
            await self.close()
            return _CLOSED
        message = await self._read(timeout)
        if message.type is WSMsgType.CLOSE:
            self._closing = True
            self.close_code = message.data
            await self.close()
        elif message.type is WSMsgType.CLOSING:
            self._closing = True
        elif message.type is WSMsgType.CLOSED:
            self.closed = True
            self.close_code = WSCloseCode.ABNORMAL_CLOSURE
        return message

    async def _read(self, timeout: float | None) -> WSMessage:
        if self._inbox:
            return self._inbox.popleft()
        self._waiting = True
        self._arrival = asyncio.get_running_loop().create_future()
        try:
            if timeout:
                await asyncio.wait_for(self._arrival, timeout)
            else:
                await self._arrival
        except (asyncio.CancelledError, asyncio.TimeoutError):
            self.close_code = WSCloseCode.ABNORMAL_CLOSURE
            raise
        finally:
            self._waiting = False
            self._arrival = None
            if self._reader_left is not None and not self._reader_left.done():
                self._reader_left.set_result(None)
        return self._inbox.popleft()

    async def receive_str(self, *, timeout: float | None = None) -> str:
        """Return the next text. Raises ``TypeError`` when something else comes."""
        message = await self.receive(timeout)
        if message.type is not WSMsgType.TEXT:
            raise TypeError(f"Received message {message.type}:{message.data!r} is not str")
        return cast("str", message.data)

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"") -> bool:
        """Close the socket. Returns whether it was open."""
        if self._waiting and not self._closing:
            # `receive()` runs in another task and has to leave first.
            self._closing = True
            self._reader_left = asyncio.get_running_loop().create_future()
            self._feed(_CLOSING)
            await self._reader_left
        if self.closed:
            return False
        self.closed = True
        try:
            if self.close_code is None and not self._gone:
                if self._connection.half_open:
                    await asyncio.sleep(_CLOSE_TIMEOUT)  # for an answer that does not come
                    self._exception = asyncio.TimeoutError()
                    code = WSCloseCode.ABNORMAL_CLOSURE
                self.close_code = code
        except asyncio.CancelledError:
            self.close_code = code = WSCloseCode.ABNORMAL_CLOSURE
            raise
        finally:
            self._gone = True
            self._connection.closed(self.close_code or code)
        return True

    def exception(self) -> BaseException | None:
        """Return why the socket was closed, if it was by an exception."""
        return self._exception

    async def __aenter__(self) -> _ClientSocket:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()


class _Connecting:
    """What ``ws_connect()`` returns: to be awaited or entered."""

    def __init__(self, server: InMemory, url: URL, *, autoping: bool) -> None:
        self._server = server
        self._url = url
        self._autoping = autoping
        self._socket: _ClientSocket | None = None

    def __await__(self) -> Generator[Any, None, _ClientSocket]:
        return self._server._connect(self._url, autoping=self._autoping).__await__()

    async def __aenter__(self) -> _ClientSocket:
        self._socket = await self
        return self._socket

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._socket is not None
        await self._socket.close()


class _HttpSession:
    """As much of an ``aiohttp.ClientSession`` as LiveKit's plugin uses."""

    def __init__(self, server: InMemory) -> None:
        self._server = server
        self.closed = False

    def ws_connect(self, url: str | URL, *, autoping: bool = True, **_: Any) -> _Connecting:
        """Connect to the server, whatever the *url*."""
        return _Connecting(self._server, URL(url), autoping=autoping)

    async def close(self) -> None:
        self.closed = True


class InMemory(Observed):
    """The transport of a server in memory."""

    _sockets: list[_ClientSocket]
    _running = False

    async def __aenter__(self: _S) -> _S:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Take connections. Raises ``RuntimeError`` when already started."""
        if self._running:
            raise RuntimeError("the server is already started")
        self._running = True
        self._sockets = []
        self._started_at = asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """Break all connections and refuse new ones. Does nothing when not started."""
        if not self._running:
            return
        self._running = False
        for socket in self._sockets:
            socket.abort()
        self._sockets.clear()

    @cached_property
    def http_session(self) -> aiohttp.ClientSession:
        """To pass as ``RealtimeModel(http_session=...)``; it has ``ws_connect()`` and little else."""
        return cast("aiohttp.ClientSession", _HttpSession(self))

    @property
    def url(self) -> str:
        """A base URL for ``RealtimeModel(base_url=...)`` that leads nowhere else."""
        return "http://in-memory.invalid/v1"

    async def _connect(self, url: URL, *, autoping: bool) -> _ClientSocket:
        await asyncio.sleep(0)  # a handshake is never over at once
        if not self._running:
            raise _refused_connection(url)
        number, handshake = self._answer_handshake()
        if isinstance(handshake, Refuse):
            raise _refused_handshake(url, handshake)
        socket = _ClientSocket(self, number, handshake, autoping=autoping)
        self._sockets.append(socket)
        return socket


@final
class InMemoryServer(InMemory, ObservedServer):
    """The same server as :class:`RealtimeServer`, without sockets, so that it runs in virtual time.

    ::

        async with InMemoryServer(Script([Reply([Message("Hello.")])])) as server:
            model = openai.realtime.RealtimeModel(api_key="x", http_session=server.http_session)

    Frames arrive at once, in the same turn of the loop. Handshakes are answered, and connections
    end, as with the socket: the client sees aiohttp's exceptions and message types. Servers that
    share *ids* never give the same id, as two of one provider. A script's replies that are listed in
    order go to the same attempts at the same questions as with the server *like*, so that two calls
    can be compared.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        config: ServerConfig | None = None,
        ids: Ids | None = None,
        like: ObservedServer | None = None,
    ) -> None:
        super().__init__(script, config=config, ids=ids, like=like)


def _text(frame: Send) -> str:
    """Return ``frame.text``, without encoding the same audio again for each delta."""
    delta = frame.event.get("delta")
    if frame.raw is not None or not isinstance(delta, str) or len(delta) < _LONG:
        return frame.text
    rest = json.dumps({key: value for key, value in frame.event.items() if key != "delta"})
    return f'{rest[:-1]}, "delta": {_quoted(delta)}}}'


@lru_cache(maxsize=64)
def _quoted(delta: str) -> str:
    return json.dumps(delta)


def _refused_connection(url: URL) -> aiohttp.ClientConnectorError:
    key = ConnectionKey(url.host or "", url.port, url.scheme == "wss", True, None, None, None)
    return aiohttp.ClientConnectorError(key, OSError(errno.ECONNREFUSED, "Connection refused"))


def _refused_handshake(url: URL, refusal: Refuse) -> aiohttp.WSServerHandshakeError:
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    return aiohttp.WSServerHandshakeError(
        aiohttp.RequestInfo(url, "GET", headers, url),
        (),
        message="Invalid response status",
        status=refusal.status,
        headers=headers,
    )
