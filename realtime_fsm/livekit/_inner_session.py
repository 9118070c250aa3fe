"""The inner session, and what another one needs to take its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from livekit.agents import llm, utils

from ._listener import Listeners, cheap
from ._log import get_logger


class InnerSession:
    """Holds the inner session and repeats to a new one what the host told the old one.

    The application's listeners to the inner session's own events are told from here: ours is the only
    listener down there, so that one that raises harms nothing below.

    Args:
        session: The inner session.
        open: Makes another one.
    """

    def __init__(
        self, session: llm.RealtimeSession[Any], open: Callable[[], llm.RealtimeSession[Any]]
    ) -> None:
        self._open = open
        self.session = session
        #: The one whose place is being taken, until that is done.
        self.retired: llm.RealtimeSession[Any] | None = None
        self._instructions: str | None = None
        self._tools: list[llm.Tool] | None = None
        self._options: dict[str, Any] = {}
        #: What was said while none could be told; None: one can.
        self._held: list[Callable[[llm.RealtimeSession[Any]], None]] | None = None
        #: The application's.
        self.listeners = Listeners()
        #: Our listeners that only pass on, by event.
        self._relays: dict[str, Callable[..., None]] = {}
        #: Events that somebody else of ours hears, and passes on.
        self.heard: frozenset[str] = frozenset()
        self._closing: set[asyncio.Task[None]] = set()

    # --- what the host tells

    def on(self, event: str, callback: Callable[..., Any]) -> None:
        self.listeners.add(event, callback)
        if event not in self.heard and event not in self._relays:
            self._relays[event] = relay = self._relay(event)
            self.session.on(event, relay)

    def off(self, event: str, callback: Callable[..., Any]) -> None:
        self.listeners.remove(event, callback)

    def _relay(self, event: str) -> Callable[..., None]:
        return cheap(lambda *args: self.listeners.tell(event, *args))

    def note_instructions(self, instructions: str) -> None:
        self._instructions = instructions

    def note_tools(self, tools: list[llm.Tool]) -> None:
        self._tools = tools

    def note_options(self, options: Mapping[str, Any]) -> None:
        self._options.update({k: v for k, v in options.items() if utils.is_given(v)})

    def hear(self, what: Callable[[llm.RealtimeSession[Any]], None]) -> None:
        """Pass on what comes from the user: to the next session, while one takes over. Within a
        connection's own retry the plugin keeps it, too."""
        if self._held is None:
            what(self.session)
        else:
            self._held.append(what)

    # --- replacing it

    def retire(self) -> None:
        """Close the inner session without waiting for it: its socket may be dead."""
        self.retired = self.session
        self._held = [] if self._held is None else self._held
        task = asyncio.create_task(close(self.session), name="realtime_fsm.retire")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def open(self) -> llm.RealtimeSession[Any]:
        """Make the session that takes its place."""
        self.session = self._open()
        for event, relay in self._relays.items():
            self.session.on(event, relay)
        return self.session

    def resume(self) -> None:
        """It has the conversation: tell it what was said meanwhile."""
        held, self._held = self._held or [], None
        for what in held:
            what(self.session)

    async def repeat(self) -> None:
        """Tell it what the host told the one before, but for the history."""
        if self._options:
            self.session.update_options(**self._options)
        if self._instructions is not None:
            await self.session.update_instructions(self._instructions)
        if self._tools is not None:
            await self.session.update_tools(self._tools)

    async def aclose(self) -> None:
        """Wait for the sessions that were replaced. Never raises."""
        await asyncio.gather(*self._closing, return_exceptions=True)


async def close(session: llm.RealtimeSession[Any]) -> None:
    """Close an inner session. The plugin raises here the error it died of, which would keep an
    AgentSession from ever emitting ``close``."""
    closing = asyncio.ensure_future(session.aclose())
    await asyncio.gather(closing, return_exceptions=True)
    if not closing.cancelled() and (error := closing.exception()) is not None:
        get_logger().debug("inner session closed with an error", error=type(error).__name__)
