"""One call: a real AgentSession with the real OpenAI plugin against the simulated server.

In virtual time (``@virtual_time``) over the in-memory transport, otherwise over real sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import NOT_GIVEN, Agent, ErrorEvent
from livekit.plugins import openai
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

import realtime_fsm as rf
from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit._features import AgentSession
from realtime_fsm.simulator import (
    InMemoryServer,
    Message,
    RealtimeServer,
    Reply,
    Script,
    ServerConfig,
)
from realtime_fsm.testing import PacedAudioOutput, VirtualLoop

#: The sink plays this many times faster than real time.
SPEED = 5.0

HELLO = Reply([Message("Good morning to you my friend.", seconds=0.6)])
TWO = Reply(
    [
        Message("One moment please I look it up.", seconds=1.0),
        Message("Your parcel arrives tomorrow at noon.", seconds=1.5),
    ]
)
VAD = ServerVad(type="server_vad", create_response=True, interrupt_response=True)


@dataclass
class Call:
    """What a test looks at."""

    server: InMemoryServer | RealtimeServer
    inner: openai.realtime.RealtimeModel
    model: ControlledRealtimeModel | None
    session: AgentSession[Any]
    sink: PacedAudioOutput
    errors: list[ErrorEvent] = field(default_factory=list)
    closed: list[Any] = field(default_factory=list)
    moves: list[rf.TurnMoved] = field(default_factory=list)
    ended: list[rf.TurnEnded] = field(default_factory=list)
    recovering: list[rf.Recovering] = field(default_factory=list)
    complaints: list[dict[str, Any]] = field(default_factory=list)

    @property
    def controller(self) -> rf.TurnController:
        assert self.model is not None
        assert self.model.controller is not None
        return self.model.controller

    @property
    def turn(self) -> rf.Turn:
        """The newest turn, live or finished."""
        return [*self.controller.finished, *self.controller.turns][-1]

    def wire(self) -> list[str]:
        """The types of everything on the wire, without what timing decides."""
        return [str(r.event.get("type")) for r in self.server.record]

    def client_types(self) -> list[str]:
        return [str(r.event["type"]) for r in self.server.record if r.direction == "client"]

    def remembered(self) -> list[str]:
        return [i.text for i in self.server.conversation if i.role == "assistant"]

    async def until(self, what: Any, *, timeout: float = 10.0) -> None:
        """Wait until something is so, looking at it once per loop turn or so."""
        async with _limit(timeout):
            while not _so(what):  # noqa: ASYNC110 - anything may be waited for, not one event
                await asyncio.sleep(0.005)


def _so(what: Any) -> bool:
    # No turn or message yet; no agent running yet.
    with contextlib.suppress(IndexError, RuntimeError):
        return bool(what())
    return False


@contextlib.asynccontextmanager
async def _limit(seconds: float) -> AsyncIterator[None]:
    task = asyncio.current_task()
    assert task is not None
    handle = asyncio.get_running_loop().call_later(seconds, task.cancel)
    try:
        yield
    except asyncio.CancelledError:
        raise AssertionError(f"not within {seconds} s") from None
    finally:
        handle.cancel()


def _server(script: Script, config: ServerConfig) -> InMemoryServer | RealtimeServer:
    if isinstance(asyncio.get_running_loop(), VirtualLoop):
        return InMemoryServer(script, config=config)
    return RealtimeServer(script, config=config)


@contextlib.asynccontextmanager
async def call(
    replies: list[Reply] | Script,
    *,
    agent: Agent | None = None,
    retry: rf.RetryPolicy | None = None,
    controlled: bool = True,
    mode: Any = "control",
    attach: bool = True,
    sink: PacedAudioOutput | None = None,
    audio: bool = True,
    config: ServerConfig | None = None,
    wrap: Any = None,
    family: Any = None,
    hangs: bool = False,
    tts: Any = None,
    vad: Any = None,
    session_options: Mapping[str, Any] | None = None,
    observers: Any = (),
    **options: Any,
) -> AsyncIterator[Call]:
    """A call that is checked at its end: nothing of ours outlives it (G7).

    ``hangs``: the sink never reports, which leaves a task of LiveKit's own waiting for it.
    """
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    script = replies if isinstance(replies, Script) else Script(replies, default=HELLO)
    options.setdefault("turn_detection", None)
    async with _server(script, config or ServerConfig()) as server:
        options["http_session" if isinstance(server, InMemoryServer) else "base_url"] = (
            server.http_session if isinstance(server, InMemoryServer) else server.url
        )
        inner = openai.realtime.RealtimeModel(api_key="sk-secret", **options)
        wrapped = inner if wrap is None else wrap(inner)
        model = None
        if controlled:
            model = ControlledRealtimeModel(
                wrapped, retry=retry, mode=mode, observers=observers, family=family
            )
        session: AgentSession[Any] = AgentSession(
            llm=model or inner,
            vad=vad,
            tts=tts or NOT_GIVEN,
            **(session_options or {}),
        )
        c = Call(server, inner, model, session, sink or PacedAudioOutput(speed=SPEED))
        loop.set_exception_handler(lambda _, context: c.complaints.append(context))
        session.on("error", c.errors.append)
        session.on("close", c.closed.append)
        if model is not None:
            model.on("turn_moved", c.moves.append)
            model.on("turn_ended", c.ended.append)
            model.on("recovering", c.recovering.append)
            if attach:
                model.attach(session)
        if audio:
            session.output.audio = c.sink
        await session.start(agent or Agent(instructions="Be brief."))
        if config is None or not config.handshakes:
            await c.until(lambda: "session.updated" in c.wire())
        try:
            yield c
        finally:
            await session.aclose()
            await inner.aclose()
            await c.sink.aclose()
            loop.set_exception_handler(None)
    if model is not None and model.controller is not None:
        for turn in c.controller.finished:
            assert not turn.live
        assert c.controller.closed
        assert c.controller.turns == ()
        starts = {m.turn_id for m in c.moves}
        assert [t for t in starts if [e.turn_id for e in c.ended].count(t) != 1] == []
    await asyncio.sleep(0)
    left = {t for t in asyncio.all_tasks() - before if not t.done()}
    for task in left if hangs else ():
        task.cancel()
    assert hangs or not left, left
    ours = [x for x in c.complaints if "realtime_fsm" in repr(x)]
    assert not ours, ours
