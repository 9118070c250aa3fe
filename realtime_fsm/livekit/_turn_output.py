"""What the host sees of one turn: one generation, spliced over all attempts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Generic, TypeVar, Union

from livekit.agents import llm, utils

from .._core.records import Turn
from .._core.states import TurnOutcome
from ._guard import Guard
from ._tap import AudioTap

T = TypeVar("T")
Item = Union[llm.MessageGeneration, llm.FunctionCall]
#: Milliseconds: the plugin may have dropped a frame that it could not read.
_A_FRAME = 120.0


class UndeliveredError(Exception):
    """A turn ended ``completed``, and not all that was received went to the host."""


class _Watched(Generic[T]):
    """A stream that tells when its reading begins. Its elements pass unwrapped."""

    __slots__ = ("_on_read", "_stream")

    def __init__(self, stream: AsyncIterable[T], on_read: Callable[[], None]) -> None:
        self._stream = stream
        self._on_read = on_read

    def __aiter__(self) -> AsyncIterator[T]:
        self._on_read()
        return self._stream.__aiter__()


class TurnOutput:
    """The outer future and streams of one turn.

    Args:
        future: What ``generate_reply`` returned, or None for a turn that nobody awaits.
        on_pull: Called with an item id when the host begins to forward that message.
        on_calls: Called when the host begins to look at the function calls.
        guard: Runs what the host's reading calls.
    """

    def __init__(
        self,
        future: asyncio.Future[llm.GenerationCreatedEvent] | None,
        on_pull: Callable[[str], None],
        on_calls: Callable[[], None],
        guard: Guard,
    ) -> None:
        self.future = future
        self._guard = guard
        self._on_pull = on_pull
        self._on_calls = on_calls
        self.messages = utils.aio.Chan[llm.MessageGeneration]()
        self.calls = utils.aio.Chan[llm.FunctionCall]()
        #: What the host has of it.
        self.event: llm.GenerationCreatedEvent | None = None
        #: The items it got, by id.
        self.handed: dict[str, Item] = {}
        #: Items that came and were not asked for yet.
        self.kept: dict[str, Item] = {}
        self._wanted: set[str] = set()
        self._handed_out: list[llm.MessageGeneration] = []
        #: What the host got of them, by item id.
        self._given: dict[str, llm.MessageGeneration] = {}
        self.ending = False
        #: The host looks at the function calls. One that was interrupted first does not.
        self.calls_read = False

    def generation(self, response_id: str) -> llm.GenerationCreatedEvent:
        """The one generation event, of the response that speaks; resolves the future if there is one."""
        if self.event is None:
            self.event = llm.GenerationCreatedEvent(
                message_stream=self.messages,
                function_stream=_Watched(self.calls, self._guard(self._on_calls_read)),
                user_initiated=self.future is not None,
            )
        self.event.response_id = response_id
        if self.future is not None and not self.future.done():
            self.future.set_result(self.event)
        return self.event

    def fail(self, error: llm.RealtimeError) -> bool:
        """Fail the future if it is still open. Returns whether it was."""
        if self.future is None or self.future.done():
            return False
        self.future.set_exception(error)
        # The caller may have gone; asyncio must not complain that nobody looked.
        self.future.exception()
        return True

    def received(self, item_id: str, item: Item) -> None:
        """The inner session handed out an item; it goes on when the controller says so."""
        if item_id in self._wanted:
            self._wanted.remove(item_id)
            self._hand_out(item)
        elif item_id in self._given and isinstance(item, llm.MessageGeneration):
            self._put_in_place(item)
        else:
            self.kept[item_id] = item
        self._close_if_over()

    def deliver(self, item_id: str) -> None:
        """Hand an item on as soon as it is here."""
        if self.ending:
            return
        if item_id in self.kept:
            self._hand_out(self.kept[item_id])
            del self.kept[item_id]
        else:
            self._wanted.add(item_id)

    def check(self, turn: Turn) -> None:
        """What a completed turn received, the host has got.

        Raises:
            UndeliveredError: It has not, so something of ours is wrong.
        """
        if turn.outcome is not TurnOutcome.COMPLETED:
            return
        items = [message.item_id for message in turn.messages if message.delivered]
        if any(item_id not in self.handed for item_id in (*items, *turn.calls)):
            raise UndeliveredError("an item")
        for message in turn.messages:
            if self._cut_short(message.item_id, message.received_ms):
                raise UndeliveredError("the end of a message")

    def _cut_short(self, item_id: str, received_ms: float) -> bool:
        """Whether the host has read a message to its end, and had less of it than was received."""
        message = self.handed.get(item_id)
        sound = message.audio_stream if isinstance(message, llm.MessageGeneration) else None
        if not isinstance(sound, AudioTap) or not sound.over:
            return False
        return sound.handed_ms + _A_FRAME < received_ms

    def end_messages(self) -> None:
        """No more output comes for the messages handed out so far.

        After a stall nobody else would close their streams, and LiveKit would read them for ever.
        What they hold already is still read.
        """
        for message in self._handed_out:
            for stream in (message.text_stream, message.audio_stream):
                close = getattr(stream, "close", None)
                if callable(close):
                    close()
        self._handed_out.clear()
        self._given.clear()

    def end(self) -> None:
        """Nothing more will be delivered; items already asked for still go out."""
        self.ending = True
        self.end_messages()
        self._close_if_over()

    def cut(self) -> None:
        """End at once; items asked for and not yet here do not go out any more."""
        self._wanted.clear()
        self.end()

    def _on_calls_read(self) -> None:
        self.calls_read = True
        self._on_calls()

    def _hand_out(self, item: Item) -> None:
        if isinstance(item, llm.FunctionCall):
            self.calls.send_nowait(item)
            self.handed[item.id] = item
        else:
            given = self._watch(item)
            self.messages.send_nowait(given)
            self.handed[item.message_id] = item
            self._handed_out.append(item)
            self._given[item.message_id] = given

    def _put_in_place(self, item: llm.MessageGeneration) -> None:
        """Its ``response.output_item.added`` came twice: the plugin writes on to the newer streams
        and never closes the older ones. The host has not looked at them if both came at once."""
        self._handed_out.append(item)
        newer, given = self._watch(item), self._given[item.message_id]
        given.text_stream, given.audio_stream = newer.text_stream, newer.audio_stream
        given.modalities = newer.modalities

    def _close_if_over(self) -> None:
        if self.ending and not self._wanted:
            self.messages.close()
            self.calls.close()

    def _watch(self, message: llm.MessageGeneration) -> llm.MessageGeneration:
        pulled = False

        def on_read() -> None:
            nonlocal pulled
            if not pulled:  # the second of its two streams tells nothing new
                pulled = True
                self._on_pull(message.message_id)

        return llm.MessageGeneration(
            message_id=message.message_id,
            text_stream=_Watched(message.text_stream, self._guard(on_read)),
            audio_stream=_Watched(message.audio_stream, self._guard(on_read)),
            modalities=message.modalities,
        )
