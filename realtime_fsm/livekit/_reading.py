"""Reads one generation of a plugin to its end, into streams of ours.

The plugin's streams are never closed from here: a plugin that writes to a closed one may die of it.
A response counts as having output with its first word or sound; many plugins hand a message out
together with the response.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from livekit import rtc
from livekit.agents import llm, utils

from .._core import events as ev
from .._core.errors import ErrorInfo
from ._guard import Guard
from ._log import get_logger
from ._streamed_words import StreamedWords
from ._turn_output import Item


class Response:
    """What is known of one response.

    Attributes:
        given_id: The plugin's name for it, "": none.
        turn_id: The turn that has it, "": none.
        items: How many items had output.
        asked: It was asked for.
        of_user: It answers the user, unasked.
        has_words: The words of what it answers are known.
        cut_by_user: The user spoke into it.
        unwanted: Nobody wants what still comes of it.
        over: Its end was told.
    """

    __slots__ = (
        "asked",
        "cut_by_user",
        "error",
        "given_id",
        "has_words",
        "id",
        "items",
        "of_user",
        "over",
        "turn_id",
        "unwanted",
    )

    def __init__(self, response_id: str, turn_id: str, given_id: str = "") -> None:
        self.id = response_id
        self.given_id = given_id
        self.turn_id = turn_id
        self.items = 0
        self.asked = False
        self.of_user = False
        self.has_words = False
        self.error: ErrorInfo | None = None
        self.cut_by_user = False
        self.unwanted = not turn_id
        self.over = False


class Above(Protocol):
    """Where a reading hands on what it reads."""

    words: StreamedWords

    def revive(self) -> Response: ...
    def item(self, response: Response, item_id: str, item: Item, kind: ev.ItemKind) -> None: ...
    def receive(self, event: ev.Event) -> None: ...


class Reading:
    """One generation. A `realtime_fsm.livekit._link.Source`.

    Args:
        silence: The longest of a response that is not over, in seconds.

    Attributes:
        response: The one that its output is of.
    """

    def __init__(
        self,
        above: Above,
        response: Response,
        generation: llm.GenerationCreatedEvent,
        guard: Guard,
        silence: float,
    ) -> None:
        self._above = above
        self._guard = guard
        self._silence = silence
        self._plays: list[asyncio.Future[None]] = []
        self.response = response
        self.generation: llm.GenerationCreatedEvent | None = generation
        self._streams = (generation.message_stream, generation.function_stream)
        self.response_id = generation.response_id
        self.over = False
        self.bypass: Callable[[Item], None] | None = None
        self.bypass_over: Callable[[], None] | None = None

    async def run(self) -> str | None:
        """Read to the end. Returns the class of what a stream of the plugin raised."""
        broken = None
        try:
            await asyncio.gather(self._messages(), self._calls())
        except Exception as e:
            broken = type(e).__name__
            get_logger().exception("a stream of the inner session broke")
        self.over = True
        if self.bypass_over is not None:
            self.bypass_over()
        return broken

    async def _messages(self) -> None:
        pumps: list[asyncio.Future[None]] = []
        try:
            async for message in self._streams[0]:
                run = _Message(self, message).run()
                pumps.append(asyncio.ensure_future(run))
            await asyncio.gather(*pumps)
        finally:
            for task in (*pumps, *self._plays):
                task.cancel()

    def complete(self, item_id: str, until: float) -> None:
        """All of a message came. Some say that a response is over when they believe that it was
        heard, *until* then by the loop's clock: it has not gone silent."""
        self._plays.append(asyncio.ensure_future(self._alive(item_id, until)))

    async def _alive(self, item_id: str, until: float) -> None:
        time = asyncio.get_running_loop().time
        while (left := until - time()) > 0 and not (self.plain or self.response.over):
            await asyncio.sleep(min(left, self._silence / 2))
            self.receive(ev.OutputReceived, item_id, audio_ms=0.0)

    async def _calls(self) -> None:
        async for call in self._streams[1]:
            if self.wanted() or self._is_awaited():
                self.hand_on(call.id, call, ev.ItemKind.FUNCTION_CALL)
                self.receive(ev.CallReceived, call.id)

    @property
    def plain(self) -> bool:
        """The session stepped aside: what comes is the host's."""
        return self._guard.off

    def wanted(self) -> bool:
        """Whether output is to be handed on. What comes of a response after its end was told, for
        it had gone silent, is a reply of its own."""
        if self.plain:
            return True
        if self.response.over and not self.response.unwanted:
            self.response = self._guard.run(self.response, self._above.revive)
        return not self.response.unwanted

    def _is_awaited(self) -> bool:
        """Whether a call of an interrupted response is to run all the same. The server goes on, and waits
        for the output: where nothing of the response had come, plain LiveKit still looks for its calls.
        Here the speech is over, so the call is a reply of its own (G17)."""
        if self.response.over and not self.response.items:
            self.response = self._guard.run(self.response, self._above.revive)
        return not self.response.unwanted

    def hand_on(self, item_id: str, item: Item, kind: ev.ItemKind) -> None:
        self.response.items += 1
        self._guard.run(None, self._above.item, self.response, item_id, item, kind)
        if self.bypass is not None:
            self.bypass(item)

    def words(self, item_id: str, piece: str) -> None:
        self._guard.run(None, self._above.words.came, item_id, piece)

    def receive(self, kind: Callable[..., ev.Event], item_id: str, **fields: float) -> None:
        event = kind(response_id=self.response.id, item_id=item_id, **fields)
        self._guard.run(None, self._above.receive, event)


class _Message:
    """One message."""

    def __init__(self, reading: Reading, source: llm.MessageGeneration) -> None:
        self._reading = reading
        self._source = source
        self._count = 0
        self._plays_until = 0.0
        self._open()

    def _open(self) -> None:
        self._text = utils.aio.Chan[str]()
        self._audio = utils.aio.Chan[rtc.AudioFrame]()
        self._item_id = ""
        self._response = self._reading.response

    async def run(self) -> None:
        try:
            await asyncio.gather(self._pump_text(), self._pump_audio())
        finally:
            self._text.close()
            self._audio.close()
        if self._item_id:
            self._reading.complete(self._item_id, self._plays_until)

    async def _pump_text(self) -> None:
        async for piece in self._source.text_stream:
            # An empty piece, which some put at the end, is no output.
            if self._output(0.0) if piece else not self._reading.response.unwanted:
                self._reading.words(self._item_id, piece)
                with contextlib.suppress(utils.aio.channel.ChanClosed):
                    self._text.send_nowait(piece)
        self._text.close()

    async def _pump_audio(self) -> None:
        time = asyncio.get_running_loop().time
        async for frame in self._source.audio_stream:
            self._plays_until = max(self._plays_until, time()) + frame.duration
            if self._output(frame.duration * 1000):
                with contextlib.suppress(utils.aio.channel.ChanClosed):
                    self._audio.send_nowait(frame)
        self._audio.close()

    def _output(self, audio_ms: float) -> bool:
        """Note output. Returns whether somebody wants it."""
        reading = self._reading
        if not reading.wanted():
            return False
        if self._response is not reading.response:
            self._open()  # the streams of the reply that ended are closed
        if not self._item_id:
            self._hand_out()
        reading.receive(ev.OutputReceived, self._item_id, audio_ms=audio_ms)
        return True

    def _hand_out(self) -> None:
        self._count += 1
        given = self._source.message_id
        self._item_id = given if self._count == 1 else f"{given}_{self._count}"
        message = llm.MessageGeneration(
            message_id=self._item_id,
            text_stream=self._text,
            audio_stream=self._audio,
            modalities=self._source.modalities,
        )
        self._reading.hand_on(self._item_id, message, ev.ItemKind.MESSAGE)
