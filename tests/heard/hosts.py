"""Calls as applications make them, plain and controlled: what each is compared by.

One model for the session, or a model of its own for each agent; attached or not. All models talk to one
server, so a script says what is answered in which order.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import Agent, ErrorEvent, llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import AudioOutput
from livekit.plugins import openai

from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit._features import AgentSession, history_of
from realtime_fsm.simulator import InMemoryServer, Reply, Script
from realtime_fsm.testing import PacedAudioOutput, run_virtual

from ..livekit.call import VAD

#: Seconds of quiet after which a story is over.
QUIET = 3.0


@dataclass
class Host:
    """What a story does things to, and looks at.

    Attributes:
        own: Each agent has a model of its own.
    """

    server: InMemoryServer
    session: AgentSession[Any]
    models: list[llm.RealtimeModel]
    sink: AudioOutput
    own: bool
    speeches: list[SpeechHandle] = field(default_factory=list)
    errors: list[ErrorEvent] = field(default_factory=list)
    closed: list[Any] = field(default_factory=list)
    #: What tools, or the story itself, saw.
    notes: list[Any] = field(default_factory=list)

    def model(self, number: int) -> Any:
        """The ``llm`` of an agent: its own model, or the session's."""
        return {"llm": self.models[number]} if self.own else {}

    async def say(self, text: str, seconds: float = 1.0) -> None:
        await self.server.user_speaks(text, seconds=seconds)
        await asyncio.sleep(seconds)

    async def idle(self, quiet: float = QUIET) -> None:
        loop = asyncio.get_running_loop()
        busy_at = loop.time()
        while loop.time() - busy_at < quiet:
            speech = self.session.current_speech if not self.closed else None
            playing = isinstance(self.sink, PacedAudioOutput) and not self.sink.idle
            if self.server.active_response_id or speech is not None or playing:
                busy_at = loop.time()
            await asyncio.sleep(0.01)

    @property
    def controllers(self) -> list[Any]:
        models = [m for m in self.models if isinstance(m, ControlledRealtimeModel)]
        return [m.controller for m in models if m.controller is not None]


Story = Callable[[Host], Awaitable[None]]


@contextlib.asynccontextmanager
async def hosted(
    script: Sequence[Reply],
    *,
    controlled: bool,
    attach: Sequence[int] = (0, 1),
    own: bool = False,
    sink: AudioOutput | None = None,
    **session: Any,
) -> AsyncIterator[Host]:
    """A session that is not started yet. *attach*: the models that are attached to it."""
    async with InMemoryServer(Script(list(script))) as server:
        plugins = [
            openai.realtime.RealtimeModel(
                api_key="simulated",
                base_url=server.url,
                http_session=server.http_session,
                turn_detection=VAD,
            )
            for _ in range(2 if own else 1)
        ]
        models: list[llm.RealtimeModel] = list(plugins)
        if controlled:
            models = [ControlledRealtimeModel(plugin) for plugin in plugins]
        if not own:
            session["llm"] = models[0]
        agent_session: AgentSession[Any] = AgentSession(vad=None, **session)
        for number, model in enumerate(models):
            if isinstance(model, ControlledRealtimeModel) and number in attach:
                model.attach(agent_session)
        host = Host(server, agent_session, models, sink or PacedAudioOutput(), own)
        agent_session.on("speech_created", lambda e: host.speeches.append(e.speech_handle))
        agent_session.on("error", host.errors.append)
        agent_session.on("close", host.closed.append)
        agent_session.output.audio = host.sink
        try:
            yield host
        finally:
            await agent_session.aclose()
            for plugin in plugins:
                await plugin.aclose()
            if isinstance(host.sink, PacedAudioOutput):
                await host.sink.aclose()
    for controller in host.controllers:
        assert controller.closed
        assert controller.turns == ()


def texts(items: Sequence[llm.ChatItem]) -> list[Any]:
    return [
        (i.role, i.text_content or "") if isinstance(i, llm.ChatMessage) else i.type for i in items
    ]


async def told(script: Sequence[Reply], agent: Any, story: Story, **options: Any) -> dict[str, Any]:
    """Run a story. Returns all that the user, the application and the server have of it.

    *agent* makes the first agent, given the host.
    """
    before = asyncio.all_tasks()
    async with hosted(script, **options) as host:
        await host.session.start(agent(host))
        await asyncio.sleep(0.2)
        began = asyncio.get_running_loop().time()
        await story(host)
        await host.idle()
        assert isinstance(host.sink, PacedAudioOutput)
        heard = [
            (round((s.started_at or 0.0) - began, 2), round(s.position, 2), s.interrupted)
            for s in host.sink.segments
        ]
        found = {
            "heard": heard,
            "history": texts(host.session.history.items),
            "agent": [] if host.closed else texts(history_of(host.session).items),
            "server": [(i.role or i.type, i.text) for i in host.server.conversation],
            "speeches": [_end_of(h) for h in host.speeches],
            "errors": [e.error.recoverable for e in host.errors],
            "closed": [e.reason for e in host.closed],
            "refused": [
                r.event["error"].get("code")
                for r in host.server.record
                if r.direction == "server" and r.event.get("type") == "error"
            ],
            "notes": host.notes,
        }
    await asyncio.sleep(0)
    left = [t for t in asyncio.all_tasks() - before if "realtime_fsm" in t.get_name()]
    assert not left
    return found


def _end_of(handle: SpeechHandle) -> tuple[bool, bool, str | None]:
    error = handle.exception() if handle.done() else None
    return handle.done(), handle.interrupted, None if error is None else type(error).__name__


def compared(
    script: Callable[[], Sequence[Reply]], agent: Any, story: Story, **options: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same story plain and controlled, in virtual time."""
    attach = options.pop("attach", (0, 1))
    plain = run_virtual(lambda: told(script(), agent, story, controlled=False, **options))
    ours = run_virtual(
        lambda: told(script(), agent, story, controlled=True, attach=attach, **options)
    )
    return plain, ours


def plain_agent(host: Host) -> Agent:
    return Agent(instructions="Be brief.", **host.model(0))
