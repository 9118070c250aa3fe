"""The far ends of LiveKit's own outputs: they play in real time, and know how far they came.

The outputs are LiveKit's classes as they are. What is behind them is ours, and the judge of what was
heard: the source of a room, an avatar, whoever reads a queue, the client and the sound card of a console.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import utils
from livekit.agents.cli._legacy import ConsoleAudioOutput
from livekit.agents.cli.tcp_console import TcpAudioOutput
from livekit.agents.voice import io
from livekit.agents.voice.avatar import AudioSegmentEnd, QueueAudioOutput

from .real_sinks import RATE, Avatar, avatars, room


class FarEnd(Protocol):
    """What an output plays on.

    Attributes:
        output: LiveKit's.
        late: Seconds by which the machine was too slow for it.
    """

    output: io.AudioOutput
    late: float

    def reached(self) -> list[float]:
        """How far into each segment it came, seconds."""

    async def aclose(self) -> None: ...


# --- a room


class _Source(rtc.AudioSource):
    """Counts as it goes. What is cleared is not heard; what comes after that is further on."""

    def __init__(self) -> None:
        super().__init__(RATE, 1, queue_size_ms=200)
        self.before: list[float] = []
        self._pushed = 0.0
        self._cleared_at: float | None = None

    def begins(self, _: object) -> None:
        """Another segment."""
        if self._pushed:
            self.before.append(self.reach)
        self._pushed, self._cleared_at = 0.0, None

    @property
    def reach(self) -> float:
        here = self._pushed - self.queued_duration if self._cleared_at is None else self._cleared_at
        return max(0.0, here)

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        self._pushed += frame.duration
        self._cleared_at = None
        await super().capture_frame(frame)

    def clear_queue(self) -> None:
        self._cleared_at = self.reach
        super().clear_queue()


class Room:
    late = 0.0

    def __init__(self, output: io.AudioOutput, source: _Source) -> None:
        self.output = output
        self._source = source
        output.on("playback_started", source.begins)

    @classmethod
    async def opened(cls, monkeypatch: pytest.MonkeyPatch) -> Room:
        output = await room(monkeypatch)
        await output._audio_source.aclose()
        output._audio_source = source = _Source()
        return cls(output, source)

    def reached(self) -> list[float]:
        return [*self._source.before, *([self._source.reach] if self._source._pushed else [])]

    async def aclose(self) -> None:
        await self.output.aclose()  # type: ignore[attr-defined]


# --- an avatar


class OfAvatar:
    late = 0.0

    def __init__(self, avatar: Avatar, output: io.AudioOutput) -> None:
        self.output = output
        self._avatar = avatar

    @classmethod
    async def opened(cls, monkeypatch: pytest.MonkeyPatch) -> OfAvatar:
        avatar = Avatar()
        return cls(avatar, avatars(avatar, monkeypatch))

    def reached(self) -> list[float]:
        return [*self._avatar.played, *(each.heard for each in self._avatar.segments[:1])]

    async def aclose(self) -> None:
        await self._avatar.aclose()


# --- whoever plays frames, and is told where a segment ends


class Player:
    """Plays one segment after another.

    Args:
        over: Told of the end of each: how far it came, and whether it was cut.
    """

    def __init__(self, over: Callable[[float, bool], None]) -> None:
        self.before: list[float] = []
        self._over = over
        self._begun: float | None = None
        self._seconds = 0.0
        self._end: asyncio.TimerHandle | None = None

    @property
    def reach(self) -> float:
        return 0.0 if self._begun is None else min(time.monotonic() - self._begun, self._seconds)

    def frame(self, seconds: float) -> None:
        if self._begun is None:
            self._begun = time.monotonic()
        self._seconds += seconds

    def flush(self) -> None:
        if self._begun is not None:
            loop = asyncio.get_running_loop()
            self._end = loop.call_later(self._seconds - self.reach, self._ends, False)

    def clear(self) -> None:
        if self._begun is not None:
            self._ends(True)

    def _ends(self, cut: bool) -> None:
        if self._end is not None:
            self._end.cancel()
        reach = self.reach if cut else self._seconds
        self.before.append(reach)
        self._begun, self._seconds, self._end = None, 0.0, None
        self._over(reach, cut)

    def reached(self) -> list[float]:
        return [*self.before, *([self.reach] if self._begun is not None else [])]


class OfQueue:
    """As an avatar's worker in the same process does."""

    late = 0.0

    def __init__(self) -> None:
        self.output: Any = QueueAudioOutput(sample_rate=RATE)
        self._player = Player(self.output.notify_playback_finished)
        self.reached = self._player.reached
        self.output.on("clear_buffer", self._player.clear)
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def opened(cls, _: pytest.MonkeyPatch) -> OfQueue:
        return cls()

    async def _read(self) -> None:
        async for each in self.output:
            if isinstance(each, AudioSegmentEnd):
                self._player.flush()
            else:
                self._player.frame(each.duration)

    async def aclose(self) -> None:
        await utils.aio.cancel_and_wait(self._task)


class OfTcpConsole:
    """The client of a console. It knows no pause, whatever the output says."""

    late = 0.0

    def __init__(self) -> None:
        self.output: Any = TcpAudioOutput(self)  # type: ignore[arg-type]
        self._player = Player(self._over)
        self.reached = self._player.reached

    @classmethod
    async def opened(cls, _: pytest.MonkeyPatch) -> OfTcpConsole:
        return cls()

    def send_message_threadsafe(self, message: Any) -> None:
        kind = message.WhichOneof("message")
        if kind == "audio_output":
            frame = message.audio_output
            self._player.frame(frame.samples_per_channel / frame.sample_rate)
        elif kind == "audio_playback_flush":
            self._player.flush()
        elif kind == "audio_playback_clear":
            self._player.clear()

    def _over(self, _: float, cut: bool) -> None:
        if not cut:
            self.output.notify_playout_finished()

    async def aclose(self) -> None:
        pass


class _Played(bytearray):
    """What is to be played yet; counts what leaves it, by segment. LiveKit holds its lock meanwhile."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.seconds: dict[int, float] = {}
        self._output = output

    def __delitem__(self, taken: Any) -> None:
        there, segment = len(self), self._output._segment_id
        super().__delitem__(taken)
        if gone := there - len(self):
            self.seconds[segment] = self.seconds.get(segment, 0.0) + gone / 2 / RATE


class OfConsole:
    """A sound card, which asks for 20 ms at a time, in a thread of its own."""

    def __init__(self) -> None:
        self.output: Any = ConsoleAudioOutput(asyncio.get_running_loop())
        self.output._output_buf = self._played = _Played(self.output)
        #: Seconds for which it had something to play, and the machine no time: the output counts by a clock.
        self.late = 0.0
        self._over = threading.Event()
        self._card = threading.Thread(target=self._run, daemon=True)
        self._card.start()

    @classmethod
    async def opened(cls, _: pytest.MonkeyPatch) -> OfConsole:
        return cls()

    def _run(self) -> None:
        samples, due = RATE // 50, time.monotonic()
        while not self._over.wait(max(0.0, due + 0.02 - time.monotonic())):
            late = time.monotonic() - due - 0.02
            due += 0.02 + max(0.0, late - 0.04)
            if self._played:
                self.late += max(0.0, late - 0.04)
            self.output.read_into(np.zeros((samples, 1), np.int16), samples)

    def reached(self) -> list[float]:
        return list(self._played.seconds.values())

    async def aclose(self) -> None:
        self._over.set()
        await asyncio.get_running_loop().run_in_executor(None, self._card.join)


#: Each output that LiveKit ships, and what opens it.
KINDS: dict[str, Callable[[pytest.MonkeyPatch], Any]] = {
    "room": Room.opened,
    "avatar": OfAvatar.opened,
    "queue": OfQueue.opened,
    "console": OfConsole.opened,
    "console by TCP": OfTcpConsole.opened,
}
