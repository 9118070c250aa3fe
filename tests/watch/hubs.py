"""A hub for a test, and what a source or a viewer of it does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from realtime_fsm.watch._hub import Hub
from realtime_fsm.watch._serve import serving
from realtime_fsm.watch._web import Web
from realtime_fsm.watch._wire import control, of_call

from ..real_time import LONG

HEADER = json.dumps({"trace": "realtime-fsm", "version": 1, "mode": "control", "started": "now"})


def line(t: float, by: str, kind: str, **fields: Any) -> str:
    return json.dumps({"t": t, "by": by, "type": kind, **fields})


def moved(t: float, turn: str, source: str, event: str, dest: str, **more: Any) -> str:
    told = {"source": source, "event": event, "dest": dest, "attempt": 1, "label": dest}
    return line(t, "turn", "moved", turn=turn, **{**told, **more})


async def until(holds: Callable[[], Any], seconds: float = LONG) -> None:
    """Wait until something holds."""
    end = asyncio.get_running_loop().time() + seconds
    while not holds():
        assert asyncio.get_running_loop().time() < end, "it never was so"
        await asyncio.sleep(0.01)


class Source:
    """A process with calls, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    async def told(self) -> Any:
        return json.loads(await asyncio.wait_for(self._reader.readline(), LONG))

    def call(self, name: str, **told: Any) -> None:
        self.writer.write(control("call", call=name, **{"mode": "control", **told}))

    def say(self, name: str, *lines: str) -> None:
        for each in lines:
            self.writer.write(of_call(name, each))

    def over(self, name: str, *, failed: bool = False) -> None:
        self.writer.write(control("over", call=name, failed=failed))


class Place:
    """A hub, its page, and what is asked of it."""

    def __init__(self, path: Path, hub: Hub, web: Web, http: aiohttp.ClientSession) -> None:
        self.path, self.hub, self.web, self.http = path, hub, web, http
        parts = urlsplit(web.url)
        self.base = f"http://{parts.netloc}"
        self.token = parse_qs(parts.query)["token"][0]

    @contextlib.asynccontextmanager
    async def source(self) -> AsyncIterator[Source]:
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(control("hello", program="test.py", pid=7))
        try:
            yield Source(reader, writer)
        finally:
            writer.close()

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        joint = "&" if "?" in path else "?"
        url = f"{self.base}{path}{joint}token={self.token}"
        async with self.http.get(url, headers=headers) as answer:
            return answer.status, await answer.text()

    @contextlib.asynccontextmanager
    async def viewer(self, *calls: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with self.http.ws_connect(f"{self.base}/live?token={self.token}") as socket:
            if calls:
                await socket.send_json({"watch": list(calls)})
            yield socket


@contextlib.asynccontextmanager
async def hub_at(path: Path, *, port: int = 0) -> AsyncIterator[Place]:
    """A hub, and a client of it."""
    async with serving(path, port=port) as (hub, web), aiohttp.ClientSession() as http:
        yield Place(path, hub, web, http)
