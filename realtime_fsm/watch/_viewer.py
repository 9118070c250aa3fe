"""One page that looks: what it asked for, and which of it it has."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, web

from ._hub import Hub

__all__ = ["Viewer"]

_MOST_CALLS = 8  # that one viewer may look at


class Viewer:
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
