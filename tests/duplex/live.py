"""Calls with the real GPT-Live plugin, in an AgentSession, against our server; in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit.agents import Agent, function_tool
from livekit.plugins import openai

from realtime_fsm.livekit._features import AgentSession
from realtime_fsm.simulator.gpt_live import Backend, Call, InMemoryGPTLiveServer, LiveConfig
from realtime_fsm.testing.sink import PacedAudioOutput

#: For whole modules: the plugin's class is real, or there is nothing to test.
needs_duplex = pytest.mark.skipif(
    not hasattr(openai.realtime, "GPTLiveModel"),
    reason="this livekit-agents has no full-duplex models: they came with 1.8.1",
)

LOOKS_UP = Backend(calls=(Call("look_up", '{"what": "train"}'),))


class Assistant(Agent):
    """An agent with one tool, which takes as long as it is told."""

    def __init__(self, tool: Callable[[], Any] | None = None, *, tools: bool = True) -> None:
        async def look_up(what: str) -> str:
            """Look something up."""
            await asyncio.sleep(0.1)
            return await tool() if tool is not None else "at nine"

        made = [function_tool(look_up)] if tools else []
        super().__init__(instructions="Be brief.", tools=made)
        self.entered = asyncio.Event()
        self.duplex: Any = None

    async def on_enter(self) -> None:
        # With LiveKit 2 it is shown within hooks and tools alone.
        self.duplex = self.duplex_session
        self.entered.set()


class Live:
    """One call.

    Attributes:
        errors: What the session told as errors.
    """

    def __init__(
        self, server: InMemoryGPTLiveServer, model: Any, session: AgentSession[Any]
    ) -> None:
        self.server = server
        self.model = model
        self.session = session
        self.agent: Any = None
        self.errors: list[Any] = []
        self.sink = PacedAudioOutput()

    @property
    def duplex(self) -> Any:
        """The plugin's session."""
        return self.agent.duplex

    def frames(self) -> list[tuple[int, str, Any]]:
        """Everything that went over the wires. Ids that the plugin drew are numbered as they come."""
        drawn: dict[str, int] = {}

        def same(value: Any) -> Any:
            if isinstance(value, list):
                return [same(each) for each in value]
            if not isinstance(value, dict):
                return value
            return {
                key: drawn.setdefault(each, len(drawn)) if key.endswith("event_id") else same(each)
                for key, each in value.items()
            }

        return [(r.connection, r.direction, same(r.event)) for r in self.server.record]


@asynccontextmanager
async def live(
    config: LiveConfig | None = None,
    *,
    wrap: Callable[[Any], Any] = lambda model: model,
    tool: Callable[[], Any] | None = None,
    before: Callable[[Any], None] = lambda model: None,
    **options: Any,
) -> AsyncIterator[Live]:
    """A call that has started: *wrap* makes what the AgentSession is given of the plugin's model,
    *before* sees that model before the call."""
    async with InMemoryGPTLiveServer(config) as server:
        model = openai.realtime.GPTLiveModel(
            api_key="k", http_session=server.http_session, **options
        )
        before(model)
        given = wrap(model)
        session: AgentSession[Any] = AgentSession(llm=given, vad=None)
        call = Live(server, model, session)
        session.output.audio = call.sink
        session.on("error", lambda event: call.errors.append(event.error))
        call.agent = Assistant(tool, tools=options.get("delegation") != "client")
        await session.start(call.agent)
        await call.agent.entered.wait()
        await server.wait_for("session.started", direction="server")
        await asyncio.sleep(0.1)
        try:
            yield call
        finally:
            await session.aclose()
            await call.sink.aclose()
            await given.aclose()
