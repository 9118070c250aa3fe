"""A WebSocket that notices a dead peer by itself (G31).

The plugins connect through the ``http_session`` that they are given. The one made here asks a silent
connection for a sign of life (a WebSocket ping, which no server's protocol sees) and closes it when
none comes, so that the plugin reconnects: a frozen process, a half-open line, a send buffer that no
longer drains.

aiohttp's own ``heartbeat`` is not used: its timer fires before what waits in the socket is read, so a
loop that stood still for half the heartbeat loses a healthy connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Generator
from typing import Any, cast

import aiohttp
from livekit.agents import utils

from ._log import get_logger

#: A timer that fires so much too late, seconds, tells of the loop and not of the peer.
_LATE = 0.25
#: Seconds that the goodbye to a dead peer may take; its send buffer may be full.
_GOODBYE = 1.0
_ENDS = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED)


def http_session(
    *,
    ping_interval: float = 10.0,
    ping_timeout: float = 5.0,
    session: aiohttp.ClientSession | None = None,
) -> aiohttp.ClientSession:
    """A session to give a realtime plugin as ``http_session``, for connections that notice within
    ``ping_interval + ping_timeout`` seconds of the last sign of life that the peer is gone::

        openai.realtime.RealtimeModel(http_session=http_session())

    It stands in for an `aiohttp.ClientSession` and delegates to one: to *session*, or within a job to
    LiveKit's, or to one of its own, which ``await close()`` closes.

    Args:
        ping_interval: Seconds of silence after which a ping is sent.
        ping_timeout: Seconds that the peer then has to send anything.
        session: What it delegates to; stays the caller's to close.

    Raises:
        ValueError: A time is not a finite number above 0.
    """
    for name, value in (("ping_interval", ping_interval), ("ping_timeout", ping_timeout)):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            raise ValueError(f"{name} must be a finite number of seconds above 0, got {value!r}")
    return cast(aiohttp.ClientSession, _Session(ping_interval, ping_timeout, session))


class _Session:
    """See `http_session`. Subclassing aiohttp's is deprecated, so this delegates."""

    def __init__(
        self, interval: float, timeout: float, session: aiohttp.ClientSession | None
    ) -> None:
        self._interval = interval
        self._timeout = timeout
        self._given = session
        self._own: aiohttp.ClientSession | None = None

    def ws_connect(self, url: Any, **options: Any) -> _Connecting:
        return _Connecting(self, url, options)

    async def connect(self, url: Any, options: dict[str, Any]) -> LivelySocket:
        # Pings and pongs are to be seen, so they are answered there.
        connected = await self._session().ws_connect(url, **{**options, "autoping": False})
        return LivelySocket(connected, self._interval, self._timeout)

    async def close(self) -> None:
        """Close the session that was made here, if one was. Idempotent."""
        if self._own is not None:
            await self._own.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session(), name)

    def _session(self) -> aiohttp.ClientSession:
        if self._given is not None:
            return self._given
        if self._own is None:
            try:
                return utils.http_context.http_session()
            except RuntimeError:  # outside a job
                self._own = aiohttp.ClientSession()
        return self._own


class _Connecting:
    """Both ways to use ``ws_connect``: awaited, or as a context."""

    def __init__(self, session: _Session, url: Any, options: dict[str, Any]) -> None:
        self._session = session
        self._url = url
        self._options = options
        self._socket: LivelySocket | None = None

    def __await__(self) -> Generator[Any, None, LivelySocket]:
        return self._session.connect(self._url, self._options).__await__()

    async def __aenter__(self) -> LivelySocket:
        self._socket = await self
        return self._socket

    async def __aexit__(self, *_: object) -> None:
        assert self._socket is not None
        await self._socket.close()


class LivelySocket:
    """A client's WebSocket that asks a silent peer for a sign of life, and closes itself when none
    comes. Messages pass unwrapped; what this class does not have is aiohttp's."""

    def __init__(
        self, below: aiohttp.ClientWebSocketResponse[Any], interval: float, timeout: float
    ) -> None:
        self._socket = below
        self._interval = interval
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        #: When something last came.
        self._seen = self._loop.time()
        #: When a ping was sent that nothing has answered.
        self._asked: float | None = None
        self._due = self._seen + interval
        self._timer = self._loop.call_at(self._due, self._check_peer)
        self._ping: asyncio.Task[None] | None = None
        self._goodbye: asyncio.Task[bool] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    async def receive(self, timeout: float | None = None) -> aiohttp.WSMessage:
        """The next message that is neither a ping nor a pong."""
        while True:
            message = await self._socket.receive(timeout)
            self._seen = self._loop.time()
            if message.type is aiohttp.WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type is not aiohttp.WSMsgType.PONG:
                return message

    def __aiter__(self) -> LivelySocket:
        return self

    async def __anext__(self) -> aiohttp.WSMessage:
        message = await self.receive()
        if message.type in _ENDS:
            raise StopAsyncIteration
        return message

    async def close(self, **options: Any) -> bool:
        """As aiohttp's; but where the peer takes no more writes it ends, too."""
        self._timer.cancel()
        if self._ping is not None:
            self._ping.cancel()
        try:
            return await asyncio.wait_for(self._socket.close(**options), _GOODBYE)
        except asyncio.TimeoutError:
            return True
        finally:
            # What is still to be written to a dead peer would keep the connection for minutes.
            if (raw := self._socket.get_extra_info("socket")) is not None:
                with contextlib.suppress(Exception):
                    raw.shutdown(socket.SHUT_RDWR)

    def _check_peer(self) -> None:
        """The timer: is the peer alive?"""
        if self._socket.closed:
            return
        now = self._loop.time()
        late = now - self._due > _LATE
        silent = self._asked is not None and self._seen < self._asked
        if silent and not late:
            get_logger().warning("the connection is dead", silent=round(now - self._seen, 1))
            self._goodbye = asyncio.create_task(self.close(), name="realtime_fsm.goodbye")
            return
        if silent or now - self._seen >= self._interval:
            # Also where it is late: what came while the loop stood still is not read yet.
            self._asked, self._due = now, now + self._timeout
            if self._ping is None or self._ping.done():
                self._ping = asyncio.create_task(self._send_ping(), name="realtime_fsm.ping")
        else:
            self._asked, self._due = None, self._seen + self._interval
        self._timer = self._loop.call_at(self._due, self._check_peer)

    async def _send_ping(self) -> None:
        # One that cannot leave any more is no news: whoever receives learns why.
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await self._socket.ping()
