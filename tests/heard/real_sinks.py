"""LiveKit's own outputs, as far as they go without a room: the classes are LiveKit's, the far end is ours."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import utils
from livekit.agents.voice import io
from livekit.agents.voice.avatar import DataStreamAudioOutput
from livekit.agents.voice.room_io._output import _ParticipantAudioOutput
from livekit.agents.voice.transcription import TranscriptSynchronizer

#: The RPC by which an avatar tells that a segment is over.
FINISHED = "lk.playback_finished"
RATE = 24_000

#: What a room played is judged by what it told of its progress.
needs_progress = pytest.mark.skipif(
    not hasattr(io.AudioOutput, "on_playback_progressed"),
    reason="livekit-agents 1.7 does not tell how far an output has played",
)


class _Publication:
    sid = "TR_x"

    async def wait_for_subscription(self) -> None:
        pass


class _Room:
    """One participant, who subscribes at once."""

    def __init__(self) -> None:
        self.local_participant = self

    def isconnected(self) -> bool:
        return True

    def on(self, *_: object) -> None:
        pass

    async def publish_track(self, *_: object) -> _Publication:
        return _Publication()


class Text(io.TextOutput):
    def __init__(self) -> None:
        super().__init__(label="text", next_in_chain=None)
        self.words = ""

    async def capture_text(self, text: str) -> None:
        self.words += str(text)

    def flush(self) -> None:
        pass


async def room(monkeypatch: pytest.MonkeyPatch) -> _ParticipantAudioOutput:
    """What a room's audio goes to, with a real `rtc.AudioSource`; its track is published to nobody."""
    monkeypatch.setattr(
        rtc.LocalAudioTrack, "create_audio_track", staticmethod(lambda *_: object())
    )
    output = _ParticipantAudioOutput(
        _Room(),  # type: ignore[arg-type]
        sample_rate=RATE,
        num_channels=1,
        track_publish_options=rtc.TrackPublishOptions(),
    )
    await output.start()
    return output


class Avatar:
    """Plays each segment in real time, one after another, and says so by RPC.

    Args:
        lost: Ends of segments that it does not tell of, counted from 0.
        refuses: Its answer to a clear is an error.
        clears_after: Seconds for which it plays on when it is to clear.
    """

    count = 0

    def __init__(
        self,
        *,
        lost: Callable[[int], bool] = lambda n: False,
        refuses: bool = False,
        clears_after: float = 0.0,
    ) -> None:
        Avatar.count += 1
        self.name = f"avatar_{Avatar.count}"
        self.segments: list[_Segment] = []
        self.played: list[float] = []
        self._lost = lost
        self._refuses = refuses
        self._clears_after = clears_after
        self._rpc_handlers: dict[str, Any] = {}
        self.identity = "agent"
        self.local_participant = self
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        await utils.aio.cancel_and_wait(self._task)

    # --- the room, as the output sees it

    def isconnected(self) -> bool:
        return True

    def on(self, *_: object) -> None:
        pass

    def register_rpc_method(self, name: str, handler: Any) -> None:
        self._rpc_handlers[name] = handler

    async def stream_bytes(self, **_: object) -> _Segment:
        self.segments.append(_Segment())
        return self.segments[-1]

    async def perform_rpc(self, **_: object) -> str:
        if self._refuses:
            raise RuntimeError("no such method")
        await asyncio.sleep(self._clears_after)
        segments, self.segments = self.segments, []
        for segment in segments:
            self._over(segment.heard, interrupted=True)
        return "ok"

    # --- the avatar

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            if self.segments and self.segments[0].over:
                self._over(self.segments.pop(0).seconds, interrupted=False)

    def _over(self, position: float, *, interrupted: bool) -> None:
        self.played.append(position)
        if self._lost(len(self.played) - 1):
            return
        payload = {"playback_position": position, "interrupted": interrupted}
        data = SimpleNamespace(caller_identity=self.name, payload=json.dumps(payload))
        self._rpc_handlers[FINISHED](data)


class _Segment:
    """A stream of bytes that an avatar gets."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._closed = False
        self._since: float | None = None

    async def write(self, data: bytes) -> None:
        self._since = self._since or time.monotonic()
        self.seconds += len(data) / 2 / RATE

    async def aclose(self) -> None:
        self._closed = True

    @property
    def heard(self) -> float:
        return 0.0 if self._since is None else min(time.monotonic() - self._since, self.seconds)

    @property
    def over(self) -> bool:
        return self._closed and self.heard >= self.seconds


def avatars(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> DataStreamAudioOutput:
    """The output that streams to it."""

    async def is_there(**_: object) -> None:
        pass

    monkeypatch.setattr(utils, "wait_for_participant", is_there)
    return DataStreamAudioOutput(
        avatar,  # type: ignore[arg-type]
        destination_identity=avatar.name,
        sample_rate=RATE,
    )


def synchronised(sink: io.AudioOutput) -> TranscriptSynchronizer:
    return TranscriptSynchronizer(next_in_chain_audio=sink, next_in_chain_text=Text())


def loses(sink: io.AudioOutput, *, delay: float | None = None) -> None:
    """Its first report is lost, or comes so late. The class's own methods are as they were."""
    said, count = sink.on_playback_finished, 0

    def tell(**report: Any) -> None:
        nonlocal count
        count += 1
        if count > 1:
            said(**report)
        elif delay is not None:
            asyncio.get_running_loop().call_later(delay, lambda: said(**report))

    sink.on_playback_finished = tell  # type: ignore[method-assign]
