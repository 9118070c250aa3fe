"""The simulator behind a man in the middle who bends what is said, so that it deviates in ways that it
has no switch for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aiohttp import WSMessage, WSMsgType

from realtime_fsm.conform import Options, Result, conform
from realtime_fsm.simulator import InMemoryServer, Script
from realtime_fsm.testing import run_virtual

from .servers import configured

__all__ = ["Bend", "ask_bent", "error"]

Event = dict[str, Any]


class Bend:
    """One for each connection. By default everything passes.

    ``client`` and ``server`` take an event of that side; :meth:`to_server` and :meth:`to_client`
    pass something on, or make it up.
    """

    pongs = True

    def __init__(self, to_server: Callable[[Event], None], to_client: Callable[[Event], None]):
        self.to_server = to_server
        self.to_client = to_client
        self.alive: str | None = None
        """The response of the conversation that runs."""

    def client(self, event: Event) -> None:
        self.to_server(event)

    def server(self, event: Event) -> None:
        self.to_client(event)

    def text(self, text: str) -> str | None:
        """A frame that is no event; None ends the connection."""
        return text

    def see(self, event: Event) -> None:
        """Keep what runs."""
        response = event.get("response") or {}
        if event["type"] == "response.created" and response.get("conversation_id") is not None:
            self.alive = response["id"]
        elif event["type"] == "response.done" and response.get("id") == self.alive:
            self.alive = None


def error(event: Event, code: str | None, message: str = "No.") -> Event:
    """The error that answers an event."""
    body = {"type": "invalid_request_error", "code": code, "message": message}
    return {"type": "error", "error": {**body, "event_id": event.get("event_id")}}


class _Socket:
    def __init__(self, real: Any, bend: type[Bend]) -> None:
        self._real = real
        self._inbox: asyncio.Queue[WSMessage] = asyncio.Queue()
        self._out: list[Event] = []
        self._bend = bend(self._out.append, self._deliver)
        self._pump = asyncio.create_task(self._read())
        self.close_code: int | None = None

    def _deliver(self, event: Event) -> None:
        self._inbox.put_nowait(WSMessage(WSMsgType.TEXT, json.dumps(event), None))

    async def _flush(self) -> None:
        while self._out:
            await self._real.send_str(json.dumps(self._out.pop(0)))

    async def _read(self) -> None:
        while True:
            message = await self._real.receive()
            if message.type is not WSMsgType.TEXT:
                if message.type is not WSMsgType.PONG:
                    self.close_code = self._real.close_code
                self._inbox.put_nowait(message)
                if message.type is not WSMsgType.PONG:
                    return
                continue
            event = json.loads(message.data)
            self._bend.see(event)
            self._bend.server(event)
            await self._flush()

    async def send_str(self, text: str) -> None:
        event = _event(text)
        if event is not None:
            self._bend.client(event)
            await self._flush()
        elif (kept := self._bend.text(text)) is not None:
            await self._real.send_str(kept)
        else:
            await self.close()

    async def receive(self) -> WSMessage:
        return await self._inbox.get()

    async def ping(self, data: bytes = b"") -> None:
        if self._bend.pongs:
            await self._real.ping(data)

    async def pong(self, data: bytes = b"") -> None: ...

    async def close(self) -> bool:
        self._pump.cancel()
        self.close_code = 1000
        self._inbox.put_nowait(WSMessage(WSMsgType.CLOSED, None, None))
        return bool(await self._real.close())


def _event(text: str) -> Event | None:
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("type"), str) else None


class _Http:
    def __init__(self, real: Any, bend: type[Bend]) -> None:
        self._real = real
        self._bend = bend

    async def ws_connect(self, *args: Any, **kwargs: Any) -> _Socket:
        return _Socket(await self._real.ws_connect(*args, **kwargs), self._bend)


def ask_bent(bend: type[Bend], seed: int = 0, only: Sequence[str] = ()) -> Result:
    """Grade the simulator behind *bend*, by all rules or *only* these, in virtual time."""

    async def ask() -> Result:
        async with InMemoryServer(Script(), config=configured(seed, {})) as server:
            http: Any = _Http(server.http_session, bend)
            return await conform(Options(url=server.url, directed=True, only=only), http=http)

    return run_virtual(ask)


def walk(value: Any) -> Iterator[Event]:
    """Every mapping within a value."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from walk(each)
