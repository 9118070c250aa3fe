"""Heard = history: what the inner session remembers, and LiveKit's pushes to it (G16).

Three copies of the history exist: the server's, the inner session's mirror of it (replayed after a
reconnect) and the agent's. The server's is corrected by commands of the controller. Here the mirror
learns what was heard of a truncated message, and a push from the agent's copy is kept from touching
messages that are still open or that are being deleted anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

from livekit.agents import llm, utils

from .._controller import TurnController
from .._states import MessageOutcome
from ._log import get_logger

#: Seconds a push may stay unconfirmed before the reply that waits for it goes on. The socket is
#: ordered: what was sent is there before the reply (livekit/agents PR#6445).
CONFIRM = 1.0
_REMEMBERED = 64


class History:
    """One session's view of it.

    Args:
        inner: The inner session; its ``chat_ctx`` holds the mirror's own items.
    """

    def __init__(self, inner: llm.RealtimeSession[Any], controller: TurnController) -> None:
        self._inner = inner
        self._controller = controller
        self._heard: OrderedDict[str, str] = OrderedDict()
        #: What the lost connections held: the plugin forgets what a replay did not get confirmed.
        self._lost: dict[str, llm.ChatItem] = {}
        self._push: asyncio.Task[None] | None = None
        self._given_up: set[asyncio.Task[None]] = set()
        self._log = get_logger()

    # --- what was heard

    def heard(self, item_id: str, text: str) -> None:
        """No more than this text of a message was heard."""
        self._heard[item_id] = text
        while len(self._heard) > _REMEMBERED:
            self._heard.popitem(last=False)
        self.correct_mirror()

    def heard_text(self, item_id: str) -> str | None:
        """What was heard of a message that was cut, or None."""
        return self._heard.get(item_id)

    def generated(self, done: Mapping[str, Any]) -> None:
        """A ``response.done``, after which the plugin writes the full texts into its mirror. The mirror
        is as long as the call, so it is gone through only if one of them may have been cut."""
        response = done.get("response")
        output = response.get("output") if isinstance(response, Mapping) else None
        items = output if isinstance(output, list) else []
        ids = [str(item.get("id")) for item in items if isinstance(item, Mapping)]
        if self._heard and (not ids or any(item_id in self._heard for item_id in ids)):
            asyncio.get_running_loop().call_soon(self.correct_mirror)

    def correct_mirror(self) -> None:
        """The plugin takes no notice of ``conversation.item.truncated`` and would replay the full
        text after a reconnect."""
        if not self._heard:
            return
        for item in (*self._inner.chat_ctx.items, *self._lost.values()):
            if isinstance(item, llm.ChatMessage) and item.id in self._heard:
                item.content = [self._heard[item.id]]

    # --- connections

    def lost(self) -> None:
        """The connection is gone. The mirror is what the next one replays."""
        self.correct_mirror()
        self._keep(self._inner.chat_ctx)

    def deleted(self, item_id: str) -> None:
        """The server keeps nothing of this item any more."""
        self._lost.pop(item_id, None)

    async def replay(self, inner: llm.RealtimeSession[Any], unwanted: Collection[str]) -> None:
        """Put the history as it was heard, but for the unwanted items, on a new inner session."""
        self.lost()
        self._inner = inner
        if self._push is not None:
            # It waits for a confirmation that cannot come, until the plugin's own time-out.
            self._push.add_done_callback(self._given_up.discard)
            self._given_up.add(self._push)
            self._push = None
        kept = [i for i in self._lost.values() if i.id not in unwanted and not self._is_ours(i)]
        await self._send(
            llm.ChatContext(kept).copy(
                exclude_instructions=True,
                exclude_empty_message=True,
                exclude_handoff=True,
                exclude_config_update=True,
            )
        )

    def _keep(self, chat_ctx: llm.ChatContext) -> None:
        self._lost.update({item.id: item for item in chat_ctx.items})

    # --- pushes

    async def push(self, chat_ctx: llm.ChatContext) -> None:
        """`update_chat_ctx` of the inner session, without what is ours to correct.

        Raises:
            llm.RealtimeError: As the inner session does, if it does so at once.
        """
        await self._settled()
        if not self._controller.connected:
            self._keep(chat_ctx)  # if another session takes over, it is told of it too
        await self._send(self.protected(chat_ctx))

    async def _send(self, chat_ctx: llm.ChatContext) -> None:
        self._push = asyncio.create_task(
            self._inner.update_chat_ctx(chat_ctx), name="realtime_fsm.push"
        )
        done, _ = await asyncio.wait({self._push}, timeout=CONFIRM)
        if done:
            push, self._push = self._push, None
            push.result()
        else:
            self._log.warning("history push not confirmed, going on", after=CONFIRM)

    async def _settled(self) -> None:
        """An earlier push that was not waited for must be out before the next one."""
        if self._push is not None:
            earlier, self._push = self._push, None
            with contextlib.suppress(llm.RealtimeError):
                await earlier

    def protected(self, chat_ctx: llm.ChatContext) -> llm.ChatContext:
        """The context with the mirror's own version of every message that is still open, or that
        nobody heard and the controller deletes: neither is to be touched by the push."""
        mirror = self._inner.chat_ctx
        ours = {item.id: item for item in mirror.items if self._is_ours(item)}
        if not ours:
            return chat_ctx
        items: list[llm.ChatItem] = [ours.pop(item.id, item) for item in chat_ctx.items]
        for item in mirror.items:
            if item.id in ours:
                items.insert(_place(items, mirror, item.id), item)
        return llm.ChatContext(items)

    def _is_ours(self, item: llm.ChatItem) -> bool:
        message = self._controller.message(item.id)
        if message is None:
            return False
        return message.outcome in (None, MessageOutcome.SKIPPED)

    async def aclose(self) -> None:
        pushes = [*self._given_up] + ([] if self._push is None else [self._push])
        await utils.aio.cancel_and_wait(*pushes)
        self._push = None


def share_of_words(text: str, heard_ms: float, received_ms: float) -> str:
    """The first words of *text*, as many as the heard share of the audio covers.

    The transcript has no times, so the words are taken as evenly spoken.
    """
    words = text.split()
    kept = len(words) if received_ms <= 0 else int(len(words) * heard_ms // received_ms)
    return " ".join(words[:kept])


def _place(items: list[llm.ChatItem], mirror: llm.ChatContext, item_id: str) -> int:
    """Where an item goes: behind the one that precedes it in the mirror."""
    before: str | None = None
    for item in mirror.items:
        if item.id == item_id:
            break
        before = item.id
    for i, item in enumerate(items):
        if item.id == before:
            return i + 1
    return 0 if before is None else len(items)
