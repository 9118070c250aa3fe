"""A real AgentSession with the real OpenAI plugin, with and without us, over the same frames."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from livekit import rtc
from livekit.agents import Agent
from livekit.agents.voice import io
from livekit.plugins import openai

from realtime_fsm.livekit import ControlledRealtimeModel, TurnObserver
from realtime_fsm.livekit._features import AgentSession
from realtime_fsm.livekit._listener import cheap
from realtime_fsm.trace import record

from .canned import CannedServer, Recording

_RANDOM_ID = re.compile(r"_[0-9a-f]{12}(?=\")")


class InstantOutput(io.AudioOutput):
    """A sink that has played what it was given as soon as the segment is complete."""

    def __init__(self) -> None:
        super().__init__(label="instant", capabilities=io.AudioOutputCapabilities(pause=False))
        self._seconds = 0.0
        #: CPU times of the first frames of the segments.
        self.began: list[float] = []

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._seconds:
            self.began.append(time.process_time())
            self.on_playback_started(created_at=time.time())
        self._seconds += frame.duration

    def flush(self) -> None:
        super().flush()
        if self._seconds:
            seconds, self._seconds = self._seconds, 0.0
            asyncio.get_running_loop().call_soon(self._finished, seconds)

    def _finished(self, seconds: float) -> None:
        self.on_playback_finished(playback_position=seconds, interrupted=False)

    def clear_buffer(self) -> None:
        self._seconds = 0.0


class Microphone(io.AudioInput):
    """The user's audio, in the frames that a room delivers."""

    FRAME = rtc.AudioFrame.create(24_000, 1, 1_200)  # 50 ms

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue()

    async def __anext__(self) -> rtc.AudioFrame:
        return await self._frames.get()

    async def record(self, seconds: float) -> None:
        for _ in range(round(seconds * 20)):
            self._frames.put_nowait(self.FRAME)
            await asyncio.sleep(0)


@dataclass
class Result:
    """What one call took, seconds of CPU time.

    Attributes:
        total: From before the models were made until all is closed.
        turns: Each turn, from asking to the end of its speech.
        first_audio: Each turn, from asking until the sink has the first frame.
        wire: What the client sent, without the ids it makes up.
    """

    total: float = 0.0
    turns: list[float] = field(default_factory=list)
    first_audio: list[float] = field(default_factory=list)
    wire: list[str] = field(default_factory=list)


class LoopTurns:
    """Counts the event loop's iterations from asking to the first frame at the sink.

    Attributes:
        turns: What each turn of the call took.
    """

    def __init__(self) -> None:
        self.turns: list[int] = []
        self._count: int | None = None
        self._loop = asyncio.get_running_loop()

    def asked(self) -> None:
        self._count = 0
        self._loop.call_soon(self._next)

    def heard(self) -> None:
        if self._count is not None:
            self.turns.append(self._count)
            self._count = None

    def _next(self) -> None:
        if self._count is not None:
            self._count += 1
            self._loop.call_soon(self._next)


#: The plugin's event with each frame of the server, as it came.
SERVER_FRAME = "openai_server_event_received"


def idle_listener() -> Callable[..., None]:
    """A listener that does nothing, made as ours: what whoever wants to see frames has to pay."""
    return cheap(lambda *_: None)


def model_for(server: CannedServer) -> openai.realtime.RealtimeModel:
    return openai.realtime.RealtimeModel(
        api_key="canned",
        base_url="http://canned.invalid/v1",
        http_session=server.http_session,
        turn_detection=None,
    )


async def call(
    recording: Recording,
    *,
    controlled: bool,
    user: float = 0.0,
    observers: Sequence[TurnObserver] = (),
    listen: bool = False,
    trace: str | None = None,
    count: LoopTurns | None = None,
    hold: Callable[[], Awaitable[object]] | None = None,
) -> Result:
    """One call: as many turns as were recorded.

    Args:
        user: Seconds of the user's audio that are pushed before each turn.
        observers: Of our model, if the call is controlled.
        listen: Have LiveKit tell the server's frames to a listener that does nothing.
        trace: Record the call to this file.
        count: Counts the event loop's iterations up to each first frame.
        hold: Awaited before the call is closed.
    """
    result, start = Result(), time.process_time()
    server, sink, microphone = CannedServer(recording), InstantOutput(), Microphone()
    plugin = model_for(server)
    model = ControlledRealtimeModel(plugin, observers=observers) if controlled else None
    recorder = None if trace is None else record(model or plugin, trace)
    session: AgentSession[Any] = AgentSession(llm=model or plugin, vad=None)
    if model is not None:
        model.attach(session)
    if recorder is not None:
        recorder.attach(session)
    if count is not None:
        sink.on("playback_started", cheap(lambda *_: count.heard()))
    session.output.audio, session.input.audio = sink, microphone
    agent = Agent(instructions="Be brief.")
    await session.start(agent)
    if listen:
        frames: Any = agent.realtime_llm_session
        frames.on(SERVER_FRAME, idle_listener())
    await server.drained()
    for _ in recording.replies:
        await microphone.record(user)
        if count is not None:
            count.asked()
        asked, segments = time.process_time(), len(sink.began)
        await session.generate_reply(instructions="Answer.")
        result.turns.append(time.process_time() - asked)
        result.first_audio.append(sink.began[segments] - asked)
        assert len(sink.began) == segments + 2, "two messages were to be heard"
    if hold is not None:
        await hold()
    await session.aclose()
    await plugin.aclose()
    result.total = time.process_time() - start
    result.wire = [_RANDOM_ID.sub("_*", text) for text in server.sent]
    return result
