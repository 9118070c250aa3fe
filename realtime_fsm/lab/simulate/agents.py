"""The agents of a simulated call: tools, handoffs and tasks as LiveKit's examples have them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Protocol

from livekit.agents import Agent, AgentTask, ModelSettings, RunContext, function_tool, llm

from ...livekit._features import end_task, given_history

__all__ = ["Desk", "Watching"]


class Watching(Protocol):
    """Who watches the call."""

    @property
    def tool_seconds(self) -> float:
        """How long a tool takes."""
        ...

    def note(self, who: str, text: str) -> None:
        """Note that something happened."""
        ...

    def hears(self, text: AsyncIterable[Any]) -> AsyncIterator[Any]:
        """Note that a message is spoken from now on."""
        ...


class Desk(Agent):
    """The agent that a call begins with, and those that it is handed over to."""

    def __init__(
        self,
        watching: Watching,
        *,
        chat_ctx: llm.ChatContext | None = None,
        model: llm.RealtimeModel | None = None,
    ) -> None:
        more: dict[str, Any] = {} if model is None else {"llm": model}
        super().__init__(instructions="Be brief.", **given_history(chat_ctx), **more)
        self.watching = watching

    def transcription_node(
        self, text: AsyncIterable[Any], model_settings: ModelSettings
    ) -> AsyncIterator[Any]:
        # LiveKit speaks the messages one after another, and asks for the text of each before its
        # sound: what plays from now on is this one.
        return self.watching.hears(text)

    async def works(self) -> None:
        """A tool takes its time."""
        self.watching.note("tool", "runs")
        await asyncio.sleep(self.watching.tool_seconds)

    @function_tool
    async def look_up(self, what: str) -> str:
        """Look something up."""
        await self.works()
        return f"Found {what}."

    @function_tool
    async def note_name(self, what: str) -> str:
        """Note a name."""
        await self.works()
        return "Noted."

    @function_tool
    async def filler(self, context: RunContext[Any], what: str) -> str:
        """Look something up that takes long."""
        context.session.generate_reply(instructions=f"{what}. Say wait")
        await self.works()
        return f"Found {what}."

    @function_tool
    async def transfer(self, what: str) -> tuple[Agent, str]:
        """Hand the call over."""
        await self.works()
        return Desk(self.watching, chat_ctx=self.chat_ctx.copy()), "Transferred."

    @function_tool
    async def transfer_fresh(self, what: str) -> tuple[Agent, str]:
        """Hand the call over to somebody who knows nothing of it."""
        await self.works()
        return Desk(self.watching), "Transferred."

    @function_tool
    async def ask(self, what: str) -> str:
        """Ask for the name."""
        return f"The name is {await _Name(self.watching, what)}."

    @function_tool
    async def end_call(self, context: RunContext[Any], what: str) -> str:
        """Say goodbye."""
        await self.works()
        context.session.shutdown(drain=True)
        return "Goodbye."


class _Name(AgentTask[str]):
    """Takes over until it knows the name."""

    def __init__(self, watching: Watching, what: str) -> None:
        super().__init__(instructions="Ask for the name.")
        self._watching = watching
        self._what = what

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions=f"{self._what}. Ask the name")

    def transcription_node(
        self, text: AsyncIterable[Any], model_settings: ModelSettings
    ) -> AsyncIterator[Any]:
        return self._watching.hears(text)

    @function_tool
    async def note_name(self, what: str) -> None:
        """Note the name."""
        end_task(self, "Bob")
