"""A server that only plays back frames recorded before, so that its own work costs next to nothing.

The frames are the simulator's, which enforces the provider's rules. Played back they differ in
one thing: the client event id that the server echoes.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import aiohttp
from aiohttp import WSMessage, WSMsgType

from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import Message, Reply
from realtime_fsm.testing import run_virtual, simulated_call

_TWO_MESSAGES = Reply(
    [
        Message("One moment please, I will look that up for you.", seconds=1.5),
        Message("Your parcel is on its way and arrives tomorrow at noon.", seconds=2.0),
    ]
)
_CREATE_ID = re.compile(r'"client_event_id": "([^"]*)"')
_CLOSED = WSMessage(WSMsgType.CLOSED, None, None)


@dataclass(frozen=True)
class Recording:
    """What a server sent: when the connection opened, to a ``session.update``, for each reply."""

    opening: str
    update: str
    replies: tuple[tuple[str, ...], ...]


@lru_cache
def record(turns: int) -> Recording:
    """Healthy replies of two messages with 3.5 s of audio, in 100 ms deltas."""
    return run_virtual(lambda: _record(turns))


async def _record(turns: int) -> Recording:
    replies: list[list[str]] = []

    def note(frame: dict[str, Any]) -> None:
        if frame["type"] == "response.created":
            replies.append([])
        replies[-1].append(json.dumps(frame))

    async with simulated_call([_TWO_MESSAGES] * turns, controlled=False, turn_detection=None) as c:
        session: Any = realtime_session_of(c.session)
        session.on("openai_server_event_received", note)
        for _ in range(turns):
            await c.session.generate_reply(instructions="Answer.")
        await c.idle()
        session.off("openai_server_event_received", note)
        opening = {r.event["type"]: r.event for r in c.server.record if r.direction == "server"}
    return Recording(
        opening=json.dumps(opening["session.created"]),
        update=json.dumps(opening["session.updated"]),
        replies=tuple(tuple(r) for r in replies),
    )


class CannedServer:
    """Plays a recording to one connection.

    Attributes:
        sent: Texts that the client sent.
        on_create: Called when a ``response.create`` arrives.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._replies = iter(recording.replies)
        self._inbox: deque[WSMessage] = deque()
        self._arrival: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self.sent: list[str] = []
        self.on_create: Callable[[str], None] = self.reply
        self.closed = False

    # --- the server

    def reply(self, create: str, *, until: int | None = None) -> None:
        """Answer a create with the next reply of the recording, or its first frames."""
        event_id = json.loads(create)["event_id"]
        echo = f'"client_event_id": "{event_id}"'
        self.feed(*(_CREATE_ID.sub(echo, text) for text in next(self._replies)[:until]))

    def feed(self, *texts: str) -> None:
        """Send frames."""
        self._inbox.extend(WSMessage(WSMsgType.TEXT, text, None) for text in texts)
        self._wake()

    async def drained(self) -> None:
        """Wait until the client has dealt with all frames."""
        self._drained = asyncio.get_running_loop().create_future()
        await self._drained

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    # --- the client's HTTP session and socket

    @property
    def http_session(self) -> aiohttp.ClientSession:
        return cast("aiohttp.ClientSession", self)

    def ws_connect(self, **_: Any) -> CannedServer:
        self.feed(self._recording.opening)
        return self

    def __await__(self) -> Generator[Any, None, CannedServer]:
        yield from asyncio.sleep(0).__await__()
        return self

    async def receive(self, timeout: float | None = None) -> WSMessage:
        # Each frame comes in a loop turn of its own, as from a socket.
        await asyncio.sleep(0)
        while not self._inbox:
            if self.closed:
                return _CLOSED
            if self._drained is not None and not self._drained.done():
                self._drained.set_result(None)
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return self._inbox.popleft()

    async def send_str(self, data: str) -> None:
        self.sent.append(data)
        if '"response.create"' in data:
            self.on_create(data)
        elif '"session.update"' in data:
            self.feed(self._recording.update)

    async def close(self, **_: Any) -> bool:
        self.closed = True
        self._wake()
        return True
