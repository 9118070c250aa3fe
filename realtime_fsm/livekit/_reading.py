"""Reads one generation of a plugin to its end, into streams of ours.

The plugin's streams are never closed from here: a plugin that writes to a closed one may die of it.
A response counts as having output with its first word or sound; many plugins hand a message out
together with the response.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from livekit import rtc
from livekit.agents import llm, utils

from .. import _events as ev
from .._errors import ErrorInfo
from ._outlet import Item


class Response:
    """What is known of one response."""

    __slots__ = ("cut_by_user", "error", "id", "items", "over", "turn_id", "unwanted")

    def __init__(self, response_id: str, turn_id: str) -> None:
        self.id = response_id
        self.turn_id = turn_id
        #: How many items had output.
        self.items = 0
        self.error: ErrorInfo | None = None
        #: The user spoke into it.
        self.cut_by_user = False
        #: Nobody wants what still comes of it.
        self.unwanted = not turn_id
        #: Its end was told.
        self.over = False


class Above(Protocol):
    """Where a reading hands on what it reads."""

    def revive(self) -> Response: ...
    def item(self, response: Response, item_id: str, item: Item, kind: ev.ItemKind) -> None: ...
    def words(self, item_id: str, piece: str) -> None: ...
    def receive(self, event: ev.Event) -> None: ...


class Reading:
    """One generation."""

    def __init__(
        self, above: Above, response: Response, generation: llm.GenerationCreatedEvent
    ) -> None:
        self._above = above
        self._generation = generation
        self.response = response

    async def run(self) -> None:
        """Read to the end. Raises what a stream of the plugin raises."""
        await asyncio.gather(self._messages(), self._calls())

    async def _messages(self) -> None:
        pumps: list[asyncio.Future[None]] = []
        try:
            async for message in self._generation.message_stream:
                run = _Message(self, message).run()
                pumps.append(asyncio.ensure_future(run))
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()

    async def _calls(self) -> None:
        async for call in self._generation.function_stream:
            if self.wanted():
                self.hand_on(call.id, call, ev.ItemKind.FUNCTION_CALL)
                self.receive(ev.CallReceived(response_id=self.response.id, item_id=call.id))

    def wanted(self) -> bool:
        """Whether output is to be handed on. What comes of a response after its end was told, for
        it had gone silent, is a reply of its own."""
        if self.response.unwanted:
            return False
        if self.response.over:
            self.response = self._above.revive()
        return not self.response.unwanted

    def hand_on(self, item_id: str, item: Item, kind: ev.ItemKind) -> None:
        self.response.items += 1
        self._above.item(self.response, item_id, item, kind)

    def words(self, item_id: str, piece: str) -> None:
        self._above.words(item_id, piece)

    def receive(self, event: ev.Event) -> None:
        self._above.receive(event)


class _Message:
    """One message."""

    def __init__(self, reading: Reading, source: llm.MessageGeneration) -> None:
        self._reading = reading
        self._source = source
        self._count = 0
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

    async def _pump_text(self) -> None:
        async for piece in self._source.text_stream:
            if self._output(0.0 if piece else None):
                self._reading.words(self._item_id, piece)
                with contextlib.suppress(utils.aio.channel.ChanClosed):
                    self._text.send_nowait(piece)
        self._text.close()

    async def _pump_audio(self) -> None:
        async for frame in self._source.audio_stream:
            if self._output(frame.duration * 1000):
                with contextlib.suppress(utils.aio.channel.ChanClosed):
                    self._audio.send_nowait(frame)
        self._audio.close()

    def _output(self, audio_ms: float | None) -> bool:
        """Note output, and whether it is to be written. None: it says nothing."""
        if audio_ms is None:
            return not self._reading.response.unwanted
        if not self._reading.wanted():
            return False
        if self._response is not self._reading.response:
            self._open()  # the streams of the reply that ended are closed
        if not self._item_id:
            self._hand_out()
        self._reading.receive(
            ev.OutputReceived(
                response_id=self._response.id, item_id=self._item_id, audio_ms=audio_ms
            )
        )
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
