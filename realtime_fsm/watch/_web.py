"""What a browser, or any other program, is served: the page, the stream, the traces, the reports."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

from ._address import is_local, is_ours, shown
from ._call import WatchedCall, line_of, report_of
from ._hub import Hub
from ._page import live_page
from ._place import WatchError
from ._stately import Stately
from ._viewer import Viewer

__all__ = ["PORT", "Web"]

#: Where the page is, if nothing else has that port.
PORT = 8774
_TOGETHER = 0.03  # seconds that news wait for others
_DEAD = 10.0  # seconds; a viewer that takes nothing for so long is gone
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
        return f"http://{shown(self._host)}:{self._port}/?token={self._token}"

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_local(self._host)

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
                web.get("/inspect", self._inspect),
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
                told = f"{self._host}:{wanted} cannot be listened on: {_why(error)}"
                raise WatchError(told) from None
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
        if not is_ours(
            request.host, self._host, self._port
        ):  # a name of somebody else that leads here
            return "This page is only served under its own address."
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.host}":
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

    async def _inspect(self, request: web.Request) -> web.StreamResponse:
        """All calls, for what speaks Stately's inspector protocol."""
        told = _socket()
        await told.prepare(request)
        changed = asyncio.Event()
        at: dict[str, int] = {}
        actors: dict[str, Stately] = {}
        with self._hub.look(changed.set), self._own_task():
            reading = asyncio.ensure_future(_read_nothing(told, changed))
            try:
                while not told.closed:
                    changed.clear()
                    for call in list(self._hub.calls.values()):
                        actor = actors.setdefault(call.id, Stately(call.id, call.began))
                        data, at[call.id] = call.more(at.get(call.id, 0), _CHUNK)
                        for event in (
                            e for raw in data.splitlines() for e in actor.events(line_of(raw))
                        ):
                            await asyncio.wait_for(told.send_json(event), _DEAD)
                        if len(data) >= _CHUNK:
                            changed.set()
                    await changed.wait()
                    await asyncio.sleep(_TOGETHER)
            except (asyncio.TimeoutError, ConnectionError, RuntimeError):
                pass  # it takes nothing, or is gone
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        return told

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
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(changed.wait(), _DEAD)
                await asyncio.sleep(_TOGETHER)
                changed.clear()
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
        told = _socket()
        await told.prepare(request)
        changed = asyncio.Event()
        viewer = Viewer(self._hub, told)
        with self._hub.look(changed.set), self._own_task():
            reading = asyncio.ensure_future(viewer.read(changed))
            try:
                while not told.closed:
                    changed.clear()
                    await asyncio.wait_for(viewer.tell(), _DEAD)
                    await changed.wait()
                    await asyncio.sleep(_TOGETHER)
            except (asyncio.TimeoutError, ConnectionError, RuntimeError):
                pass  # it takes nothing, or is gone
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        return told


def _why(error: OSError) -> str:
    """What asyncio makes of it names all addresses at once."""
    if error.errno is None or isinstance(error, socket.gaierror):
        return str(error.strerror or error).lower()
    return os.strerror(error.errno).lower()


def _socket() -> web.WebSocketResponse:
    # Compression would cost more than loopback does.
    return web.WebSocketResponse(
        heartbeat=20.0, max_msg_size=64 * 1024, timeout=1.0, compress=False
    )


async def _read_nothing(socket: web.WebSocketResponse, gone: asyncio.Event) -> None:
    async for _ in socket:
        pass
    gone.set()
