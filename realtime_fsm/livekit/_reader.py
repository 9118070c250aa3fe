"""Reads one response's items from the inner session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine
from typing import Any

from livekit.agents import llm

from ._guard import Guard
from ._log import get_logger
from ._tap import tapped
from ._turn_output import Item


class Reader:
    """Both streams of a generation, until they end.

    Args:
        generation: The inner session's.
        deliver: Takes each item, with its id.
        over: Called when both streams have ended.
    """

    def __init__(
        self,
        generation: llm.GenerationCreatedEvent,
        deliver: Callable[[str, Item], None],
        over: Callable[[], None],
        guard: Guard,
    ) -> None:
        self._guard = guard
        self.generation: llm.GenerationCreatedEvent | None = generation
        self.response_id = generation.response_id
        self._deliver = guard(deliver)
        self._over = guard(over)
        #: Where items, and the news that there are no more, go once the session has stepped aside.
        self.bypass: Callable[[Item], None] | None = None
        self.bypass_over: Callable[[], None] | None = None
        #: Nothing more comes of it.
        self.over = False
        #: A stream broke.
        self.broken = False
        self._tasks: set[asyncio.Task[None]] = set()
        for stream in (generation.message_stream, generation.function_stream):
            self._spawn(self._read(stream))

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        return self._tasks

    def stop(self) -> None:
        """Nothing more of it is wanted."""
        self.over = True
        for task in self._tasks:
            task.cancel()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="realtime_fsm.read")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _read(
        self, stream: AsyncIterable[llm.MessageGeneration] | AsyncIterable[llm.FunctionCall]
    ) -> None:
        item: Item
        try:
            async for item in stream:
                if isinstance(item, llm.FunctionCall):
                    item_id = item.id
                else:
                    item_id = item.message_id
                    item = self._guard.run(item, tapped, item, self._spawn)
                self._hand_on(item_id, item)
        except Exception:
            self.broken = True
            get_logger().exception("the inner session's stream broke")

    def _hand_on(self, item_id: Any, item: Item) -> None:
        if not isinstance(item_id, str):
            return  # as the server sent it, the plugin does not check
        self._deliver(item_id, item)
        if self.bypass is not None:
            self.bypass(item)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._tasks:
            return
        self.over = True
        self._over()
        if self.bypass_over is not None:
            self.bypass_over()
