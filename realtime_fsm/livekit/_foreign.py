"""Responses that the inner session is not shown, made from their frames.

What the plugin does for the responses it sees is done here for these: streams, the words and arguments
in its mirror (a reconnect replays it), usage, failures. One of the default conversation belongs to a
turn, which gets its items. One out of band is the application's own: it has seen its frames. If plain
LiveKit would speak it, or run a tool for it, it becomes a generation of its own as soon as nothing else
is said.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Optional

from livekit import rtc
from livekit.agents import llm, utils
from livekit.agents.types import TimedString
from livekit.agents.utils.aio.channel import ChanClosed

from .._core.frames import output_of
from .._core.session import remember
from ._guard import Guard
from ._tap import AudioTap, Tap
from ._turn_output import Item

#: PCM16 mono, the one format the plugin asks for.
_SAMPLE_RATE = 24_000
#: Seconds between two looks at what waits to be spoken.
_LOOK = 0.1
#: Responses that never end.
_REMEMBERED = 64


class _Message:
    """A message with channels of ours."""

    def __init__(self, item_id: str, *, audible: bool) -> None:
        loop = asyncio.get_running_loop()
        self.text = utils.aio.Chan[str]()
        self.audio = utils.aio.Chan[rtc.AudioFrame]()
        self.words = ""
        self.modalities: asyncio.Future[list[Literal["text", "audio"]]] = loop.create_future()
        if not audible:
            self.audio.close()
            self.kind(audible=False)
        self.generation = llm.MessageGeneration(
            message_id=item_id,
            text_stream=Tap(self.text),
            audio_stream=AudioTap(self.audio),
            modalities=self.modalities,
        )

    def kind(self, *, audible: bool) -> None:
        if not self.modalities.done():
            self.modalities.set_result(["audio", "text"] if audible else ["text"])

    def put_audio(self, delta: str) -> None:
        self.kind(audible=True)
        with contextlib.suppress(binascii.Error, ValueError, ChanClosed):
            sound = base64.b64decode(delta)
            self.audio.send_nowait(rtc.AudioFrame(sound, _SAMPLE_RATE, 1, len(sound) // 2))

    def put_text(self, delta: str, start_time: object) -> None:
        self.words += delta
        if isinstance(start_time, (int, float)):
            delta = TimedString(delta, start_time=start_time)
        with contextlib.suppress(ChanClosed):
            self.text.send_nowait(delta)

    def close(self) -> None:
        self.kind(audible=True)
        self.text.close()
        self.audio.close()


class _Streams:
    """The streams of a generation."""

    def __init__(self) -> None:
        self.messages = utils.aio.Chan[llm.MessageGeneration]()
        self.calls = utils.aio.Chan[llm.FunctionCall]()

    def close(self) -> None:
        self.messages.close()
        self.calls.close()


@dataclass(eq=False, slots=True)
class Foreign:
    """One response that is not shown.

    Attributes:
        deliver: Takes its items as they begin; None: an out-of-band one that nobody speaks (yet).
    """

    response_id: str | None
    deliver: Callable[[str, Item], None] | None = None
    #: As of any `realtime_fsm.livekit._link.Source`.
    generation: llm.GenerationCreatedEvent | None = None
    bypass: Optional[Callable[[Item], None]] = None
    bypass_over: Optional[Callable[[], None]] = None
    created_at: float = field(default_factory=time.time)
    first_at: float | None = None
    messages: dict[str, _Message] = field(default_factory=dict)
    calls: list[llm.FunctionCall] = field(default_factory=list)
    last_frame: float = 0.0
    #: The host is to have it, although it is out of band.
    wanted: bool = False
    over: bool = False
    #: What it is announced with, once it is.
    streams: _Streams | None = None

    @property
    def outside(self) -> bool:
        return self.deliver is None

    def hand_on(self, item_id: str, item: Item) -> None:
        if self.deliver is not None:
            self.deliver(item_id, item)
        if self.bypass is not None:
            self.bypass(item)


class Foreigners:
    """The responses of one inner session that it is not shown.

    Args:
        inner: The inner session.
        nobody_speaks: Whether nothing else is said, or about to be.
        patience: Seconds after which a response that says nothing more is over.
        announce: Gives a generation to the host.
    """

    def __init__(
        self,
        inner: llm.RealtimeSession[Any],
        *,
        nobody_speaks: Callable[[], bool],
        patience: float,
        announce: Callable[[llm.GenerationCreatedEvent], None],
        guard: Guard,
    ) -> None:
        self._inner = inner
        self._guard = guard
        self._nobody_speaks = nobody_speaks
        self._patience = patience
        self._announce = announce
        self._audible = inner.realtime_model.capabilities.audio_output
        self._loop = asyncio.get_running_loop()
        self._open: dict[str, Foreign] = {}
        #: Wanted ones that wait, oldest first, and those announced and not over.
        self._waiting: list[Foreign] = []
        self.announced: list[Foreign] = []
        self._timer: asyncio.TimerHandle | None = None
        #: The messages of those that are spoken: the server's conversation has none of them.
        self.items: OrderedDict[str, None] = OrderedDict()

    def begin(
        self, response_id: str, deliver: Callable[[str, Item], None] | None
    ) -> Foreign | None:
        """A response begins, unless it has. *deliver* is its turn's; None: it is out of band."""
        if response_id in self._open:
            return None
        begun = Foreign(response_id, deliver, last_frame=self._loop.time())
        self._open[response_id] = begun
        while len(self._open) > _REMEMBERED:
            self._finish(self._open.pop(next(iter(self._open))))
        return begun

    def take(self, response_id: str, frame: Mapping[str, Any]) -> Foreign | None:
        """A frame of it. Returns the response whose end this is."""
        response = self._open.get(response_id)
        if response is None:
            return None
        response.last_frame = self._loop.time()
        output = output_of(frame)
        if output is not None:
            self._put(response, output[0], frame["delta"], output[1] > 0, frame.get("start_time"))
            return None
        kind, item = frame["type"], frame.get("item")
        if kind == "response.done":
            response.over = True
            del self._open[response_id]
            self._finish(response)
            return response
        if kind == "response.content_part.added":
            self._part(response, frame)
        elif isinstance(item, Mapping) and isinstance(item.get("id"), str):
            if kind == "response.output_item.added" and item.get("type") == "message":
                self._item(response, item["id"])
            elif kind == "response.output_item.done":
                self._item_done(response, item)
        return None

    def interrupted(self) -> None:
        """The user begins to speak, or the host interrupts all: what waited is not said any more."""
        self._waiting.clear()

    def close(self) -> None:
        """Nothing more comes: the connection is gone, or the session ends."""
        for response in self._open.values():
            self._finish(response)
        self._open.clear()

    def aclose(self) -> None:
        self.close()
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    # --- frames

    def _item(self, response: Foreign, item_id: str) -> None:
        if item_id in response.messages:
            return
        message = response.messages[item_id] = _Message(item_id, audible=self._audible)
        if not response.outside:
            response.hand_on(item_id, message.generation)
        elif response.streams is not None:
            self._say(response.streams, message)

    def _part(self, response: Foreign, frame: Mapping[str, Any]) -> None:
        message, part = response.messages.get(str(frame.get("item_id"))), frame.get("part")
        if message is not None and isinstance(part, Mapping):
            message.kind(audible=part.get("type") != "text")

    def _put(
        self, response: Foreign, item_id: str, delta: str, is_audio: bool, start: object
    ) -> None:
        message = response.messages.get(item_id)
        if message is None:
            return
        if is_audio:
            response.first_at = response.first_at or time.time()
            message.put_audio(delta)
        else:
            message.put_text(delta, start)
        if response.outside and (is_audio or not self._audible):
            self._want(response)

    def _item_done(self, response: Foreign, item: Mapping[str, Any]) -> None:
        message = response.messages.get(item["id"])
        if message is not None:
            message.close()
        call_id, name, arguments = (item.get(key) for key in ("call_id", "name", "arguments"))
        if item.get("type") != "function_call" or not (
            isinstance(call_id, str) and isinstance(name, str) and isinstance(arguments, str)
        ):
            return
        call = llm.FunctionCall(id=item["id"], call_id=call_id, name=name, arguments=arguments)
        if not response.outside:
            mirrored = self._mirrored(call.id)
            if isinstance(mirrored, llm.FunctionCall):
                mirrored.arguments = arguments
            response.hand_on(call.id, call)
        elif name in self._inner.tools.function_tools:  # LiveKit runs no other
            response.calls.append(call)
            if response.streams is not None:
                response.streams.calls.send_nowait(call)
            self._want(response)

    def _finish(self, response: Foreign) -> None:
        response.over = True
        for item_id, message in response.messages.items():
            message.close()
            mirrored = None if response.outside else self._mirrored(item_id)
            if isinstance(mirrored, llm.ChatMessage):
                mirrored.content.append(message.words)
        if response.bypass_over is not None:
            response.bypass_over()
        if response.streams is not None:
            response.streams.close()
            self.announced.remove(response)

    def _mirrored(self, item_id: str) -> llm.ChatItem | None:
        return self._inner.chat_ctx.get_by_id(item_id)

    # --- out of band, for the host

    def _want(self, response: Foreign) -> None:
        if not response.wanted:
            response.wanted = True
            self._waiting.append(response)
            self._announce_next()

    def _announce_next(self) -> None:
        """Announce what waits if nothing else is said, and end what says nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._nobody_speaks():
            self._announce_one(self._waiting.pop(0))
        now = self._loop.time()
        for response in [*self.announced, *self._waiting]:
            if not response.over and now - response.last_frame > self._patience:
                self._open.pop(response.response_id or "", None)
                self._finish(response)
        if self._waiting or self.announced:
            self._timer = self._loop.call_later(_LOOK, self._guard(self._announce_next))

    def _announce_one(self, response: Foreign) -> None:
        response.streams = streams = _Streams()
        for message in response.messages.values():
            self._say(streams, message)
        for call in response.calls:
            streams.calls.send_nowait(call)
        if response.over:
            streams.close()
        else:
            self.announced.append(response)
        self._announce(
            llm.GenerationCreatedEvent(
                message_stream=streams.messages,
                function_stream=streams.calls,
                user_initiated=False,
                response_id=response.response_id,
            )
        )

    def _say(self, streams: _Streams, message: _Message) -> None:
        remember(self.items, message.generation.message_id, None)
        streams.messages.send_nowait(message.generation)
