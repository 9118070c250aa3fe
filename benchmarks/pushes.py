"""A push of the history, as ``user_input=`` and a tool's output cause it, in calls of growing length."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

from livekit.agents import llm

from realtime_fsm.livekit import ControlledRealtimeModel

from .calls import model_for
from .canned import CannedServer, Recording
from .rounds import Rounds, alternate

#: Items in the history.
LENGTHS = (20, 100, 300, 600)
#: Pushes in one measurement: an item comes, and goes again.
BLOCK = 6


class RememberingServer(CannedServer):
    """Confirms each item, as the service does."""

    async def send_str(self, data: str) -> None:
        await super().send_str(data)
        if '"conversation.item.' not in data:
            return
        frame = json.loads(data)
        if frame["type"] == "conversation.item.create":
            told = {"item": frame["item"], "previous_item_id": frame.get("previous_item_id")}
            self.feed(json.dumps({"type": "conversation.item.added", "event_id": "e", **told}))
        elif frame["type"] == "conversation.item.delete":
            told = {"item_id": frame["item_id"]}
            self.feed(json.dumps({"type": "conversation.item.deleted", "event_id": "e", **told}))


class Pusher:
    """A realtime session whose history has so many items."""

    def __init__(self, recording: Recording, items: int, *, controlled: bool) -> None:
        self._server = RememberingServer(recording)
        self._plugin = model_for(self._server)
        model = ControlledRealtimeModel(self._plugin) if controlled else self._plugin
        self._session: llm.RealtimeSession[Any] = model.session()
        self._history = llm.ChatContext.empty()
        for n in range(items):
            role: Any = ("user", "assistant")[n % 2]
            self._history.add_message(role=role, content=f"This is message {n} of the call.")

    async def start(self) -> None:
        await self._server.drained()
        await self._session.update_chat_ctx(self._history.copy())

    async def push(self) -> None:
        for _ in range(BLOCK // 2):
            longer = self._history.copy()
            longer.add_message(role="user", content="And what else is there?")
            await self._session.update_chat_ctx(longer)
            await self._session.update_chat_ctx(self._history.copy())

    async def aclose(self) -> None:
        await self._session.aclose()
        await self._plugin.aclose()


def pushes(recording: Recording, items: int, *, rounds: int) -> Rounds:
    """Blocks of pushes, ``plain`` and ``controlled``."""
    with closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        run = loop.run_until_complete
        try:
            return run_in_turns(run, recording, items, rounds)
        finally:
            asyncio.set_event_loop(None)


def run_in_turns(run: Callable[..., Any], recording: Recording, items: int, rounds: int) -> Rounds:
    async def made(controlled: bool) -> Pusher:
        pusher = Pusher(recording, items, controlled=controlled)
        await pusher.start()
        return pusher

    plain, ours = run(made(False)), run(made(True))
    try:
        return alternate(
            {"plain": lambda: run(plain.push()), "controlled": lambda: run(ours.push())},
            rounds=rounds,
        )
    finally:
        for pusher in (plain, ours):
            run(pusher.aclose())
