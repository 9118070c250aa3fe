"""Streams of ours over the inner session's: they can be ended without touching its channels.

A plugin writes on into its channels after an interrupt, and of some a closed one ends the session. So
what the host reads is a tap: it takes from the plugin's channel, and ends on a mark that is put behind
what the channel holds. Nothing is copied, and no task runs for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar

from livekit import rtc
from livekit.agents import llm, utils
from livekit.agents.utils.aio.channel import ChanClosed, ChanFull

from ._log import get_logger

T = TypeVar("T")
#: Starts a task and ends it with the session.
Spawn = Callable[[Coroutine[Any, Any, None]], object]

_END: Any = object()


class Tap(Generic[T]):
    """Reads a channel until it ends, or until `close`. What it holds by then is still read."""

    __slots__ = ("_source", "over")

    def __init__(self, source: utils.aio.Chan[T]) -> None:
        self._source = source
        #: Read to its end.
        self.over = False

    def close(self) -> None:
        """Nothing more than what is there already."""
        with contextlib.suppress(ChanClosed, ChanFull):
            self._source.send_nowait(_END)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        if not self.over:
            try:
                item = await self._source.recv()
                if item is not _END:
                    return item
            except ChanClosed:
                pass
            self.over = True
        raise StopAsyncIteration


class AudioTap(Tap[rtc.AudioFrame]):
    """Counts what it hands on.

    Args:
        own: The channel is the plugin's, which nothing is pumped into.
    """

    __slots__ = ("_frame", "_samples", "own")

    def __init__(self, source: utils.aio.Chan[rtc.AudioFrame], *, own: bool = False) -> None:
        super().__init__(source)
        self.own = own
        self._samples = 0
        #: The newest that was handed on.
        self._frame: rtc.AudioFrame | None = None

    async def __anext__(self) -> rtc.AudioFrame:
        if not self.over:
            try:
                frame = await self._source.recv()
                if frame is not _END:
                    self._samples += frame.samples_per_channel
                    self._frame = frame
                    return frame
            except ChanClosed:
                pass
            self.over = True
        raise StopAsyncIteration

    @property
    def handed_ms(self) -> float:
        """Milliseconds of audio that were taken from it."""
        return 0.0 if self._frame is None else self._samples * 1000 / self._frame.sample_rate

    @property
    def newest(self) -> rtc.AudioFrame | None:
        """The newest frame that was handed on."""
        return self._frame

    def add(self, frame: rtc.AudioFrame) -> None:
        """Put a frame in as the plugin does, behind what the channel holds."""
        with contextlib.suppress(ChanClosed):
            self._source.send_nowait(frame)


def tapped(message: llm.MessageGeneration, spawn: Spawn) -> llm.MessageGeneration:
    """The same message with streams of ours."""
    audio = _channel(message.audio_stream, spawn)
    return llm.MessageGeneration(
        message_id=message.message_id,
        text_stream=Tap(_channel(message.text_stream, spawn)),
        audio_stream=AudioTap(audio, own=audio is message.audio_stream),
        modalities=message.modalities,
    )


def _channel(stream: AsyncIterable[T], spawn: Spawn) -> utils.aio.Chan[T]:
    """The stream itself, or a channel that it is pumped into."""
    if isinstance(stream, utils.aio.Chan):
        return stream
    channel = utils.aio.Chan[T]()
    spawn(_pump(stream, channel))
    return channel


async def _pump(stream: AsyncIterable[T], channel: utils.aio.Chan[T]) -> None:
    try:
        async for item in stream:
            channel.send_nowait(item)
    except Exception:
        get_logger().exception("a stream of the inner session broke")
    finally:
        channel.close()
