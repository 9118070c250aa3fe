"""What a browser, or any other program, is served: the page, the stream, the traces, the reports."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web

from ._call import WatchedCall, report_of
from ._hub import Hub
from ._page import live_page
from ._place import WatchError

__all__ = ["PORT", "Web"]

#: Where the page is, if nothing else has that port.
PORT = 8774
_NAMES = ("127.0.0.1", "localhost", "[::1]")
_TOGETHER = 0.03  # seconds that news wait for others
_DEAD = 10.0  # seconds; a viewer that takes nothing for so long is gone
_MOST_CALLS = 8  # that one viewer may look at
_CHUNK = 256 * 1024
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the rest stands in the pages
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Web:
    """Serves a hub.

    Args:
        hub: whose calls.
        token: what an address has to hold.
        host: the address to listen on.
    """

    def __init__(self, hub: Hub, token: str, *, host: str = "127.0.0.1") -> None:
        self._hub = hub
        self._token = token
        self._host = host
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._streams: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        """The address of the page."""
        name = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{name}:{self._port}/?token={self._token}"

    async def start(self, port: int | None = None) -> None:
        """Begin to serve.

        Args:
            port: None: the usual one, or if it is in use any that is free. 0: any that is free.

        Raises:
            WatchError: The port is in use, or the address is not ours.
        """
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/live", self._live),
                web.get("/calls", self._calls),
                web.get("/stream", self._stream_all),
                web.get("/calls/{id}/report", self._report),
                web.get("/calls/{id}/trace", self._trace),
                web.get("/calls/{id}/stream", self._stream),
                web.get(r"/calls/{id}/turns/{number:\d{1,6}}", self._turn),
            ]
        )
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=0.5
        )
        await self._runner.setup()
        for wanted in (PORT, 0) if port is None else (port,):
            site = web.TCPSite(self._runner, self._host, wanted)
            try:
                await site.start()
            except OSError as error:
                if port is None and wanted and error.errno == errno.EADDRINUSE:
                    continue
                await self._runner.cleanup()
                # What asyncio makes of it names no port where there are several addresses.
                why = os.strerror(error.errno).lower() if error.errno else str(error)
                raise WatchError(f"{self._host}:{wanted} cannot be listened on: {why}") from None
            self._port = self._runner.addresses[0][1]
            return

    async def close(self) -> None:
        """Serve nothing more."""
        for task in list(self._streams):
            task.cancel()
        await asyncio.gather(*self._streams, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    # --- who may

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refused = self._refused(request)
        if refused:
            response: web.StreamResponse = web.Response(text=f"{refused}\n", status=403)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.Response(text=f"{error.text or error.reason}\n", status=error.status)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _refused(self, request: web.Request) -> str:
        """Why not, in one sentence; empty: it may."""
        names = {f"{name}:{self._port}" for name in (*_NAMES, self._host)}
        if request.host not in names:  # a name of somebody else that leads here
            return "This page is only served under its own address."
        origin = request.headers.get("Origin")
        if origin is not None and origin.removeprefix("http://") not in names:
            return "Another page may not read this one."
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        given = request.query.get("token") or bearer
        if not given:
            return "The token is missing: open the whole address that was printed."
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return "The token is wrong: open the address that was printed last."
        return ""

    # --- what there is

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=live_page(request.host), content_type="text/html")

    async def _calls(self, request: web.Request) -> web.Response:
        rows = [call.row() for call in self._hub.calls.values()]
        return web.json_response({"calls": rows})

    async def _report(self, request: web.Request) -> web.Response:
        call = self._call(request)
        loop = asyncio.get_running_loop()
        html = await loop.run_in_executor(None, report_of, call.label or call.id, call.trace())
        return web.Response(text=html, content_type="text/html")

    async def _trace(self, request: web.Request) -> web.Response:
        return web.Response(body=self._call(request).trace(), content_type="application/x-ndjson")

    async def _turn(self, request: web.Request) -> web.Response:
        story = await self._call(request).story()
        found = story.events(int(request.match_info["number"]))
        if found is None:
            raise web.HTTPNotFound(text="There is no such turn.")
        return web.json_response(found)

    def _call(self, request: web.Request) -> WatchedCall:
        call = self._hub.calls.get(request.match_info["id"])
        if call is None:
            raise web.HTTPNotFound(text="There is no such call, or it was long ago.")
        return call

    # --- streams: a JSON line each, in the format of a trace

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        call = self._call(request)

        async def lines() -> AsyncIterator[bytes]:
            at = 0
            while True:
                over = call.over
                data, at = call.more(at, _CHUNK)
                if data:
                    yield data
                elif over:
                    return
                else:
                    yield b""

        return await self._streamed(request, lines())

    async def _stream_all(self, request: web.Request) -> web.StreamResponse:
        """All calls, from their beginning and as they come; each line begins with its call."""

        async def lines() -> AsyncIterator[bytes]:
            at: dict[str, int] = {}
            while True:
                some = False
                for call in list(self._hub.calls.values()):
                    data, at[call.id] = call.more(at.get(call.id, 0), _CHUNK)
                    if data:
                        some = True
                        head = b'{"call":"' + call.id.encode() + b'",'
                        yield b"".join(head + line[1:] for line in data.splitlines(keepends=True))
                if not some:
                    yield b""

        return await self._streamed(request, lines())

    async def _streamed(
        self, request: web.Request, lines: AsyncIterator[bytes]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_HEADERS)
        response.content_type = "application/x-ndjson"
        await response.prepare(request)
        changed = asyncio.Event()
        with self._hub.look(changed.set), self._own_task():
            async for data in lines:
                if data:
                    try:
                        await asyncio.wait_for(response.write(data), _DEAD)
                    except (asyncio.TimeoutError, ConnectionError):
                        break
                    continue
                changed.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(changed.wait(), _DEAD)
                if request.transport is None or request.transport.is_closing():
                    break
        return response

    @contextlib.contextmanager
    def _own_task(self) -> Any:
        task = asyncio.current_task()
        assert task is not None
        self._streams.add(task)
        try:
            yield
        finally:
            self._streams.discard(task)

    # --- the page's own

    async def _live(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=64 * 1024, timeout=1.0)
        await socket.prepare(request)
        changed = asyncio.Event()
        viewer = _Viewer(self._hub, socket)
        with self._hub.look(changed.set), self._own_task():
            reading = asyncio.ensure_future(viewer.read(changed))
            try:
                while not socket.closed:
                    changed.clear()
                    await asyncio.wait_for(viewer.tell(), _DEAD)
                    await changed.wait()
                    await asyncio.sleep(_TOGETHER)
            except (asyncio.TimeoutError, ConnectionError, RuntimeError):
                pass  # it takes nothing, or is gone
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        return socket


class _Viewer:
    """One page: which of all it has."""

    def __init__(self, hub: Hub, socket: web.WebSocketResponse) -> None:
        self._hub = hub
        self._socket = socket
        self._rows: dict[str, int] = {}
        self._watched: dict[str, int] = {}
        self._told_once = False

    async def read(self, changed: asyncio.Event) -> None:
        """What the page asks for: ``{"watch": [ids]}``."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            try:
                wanted = json.loads(message.data)["watch"]
                names = [each for each in wanted if isinstance(each, str)][:_MOST_CALLS]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            self._watched = {name: self._watched.get(name, 0) for name in names}
            changed.set()
        changed.set()

    async def tell(self) -> None:
        """Send what is new."""
        calls = self._hub.calls
        rows = [c.row() for c in calls.values() if self._rows.get(c.id) != c.mark]
        gone = [name for name in self._rows if name not in calls]
        if rows or gone or not self._told_once:
            self._told_once = True
            for row in rows:
                self._rows[row["id"]] = calls[row["id"]].mark
            for name in gone:
                del self._rows[name]
            await self._send({"rows": rows, "gone": gone})
        for name, version in list(self._watched.items()):
            call = calls.get(name)
            if call is None:
                continue
            story = await call.story()
            if story.refresh() > version or not version:
                news = story.since(version)
                # It may have stopped watching it meanwhile.
                if name in self._watched:
                    self._watched[name] = news["version"]
                    await self._send({"call": name, "news": news})

    async def _send(self, value: Any) -> None:
        await self._socket.send_str(json.dumps(value, separators=(",", ":")))
