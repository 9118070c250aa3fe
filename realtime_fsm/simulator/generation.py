"""Generates a response: its events, in order and in time, up to the point where its reply ends it.

The order is the documented one: ``response.created``; per item ``response.output_item.added``,
``conversation.item.added``, ``response.content_part.added``, deltas, the ``done`` events in
reverse.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Iterator
from functools import lru_cache
from typing import Any

from . import rules
from .config import ServerConfig
from .conversation import Conversation, Item
from .questions import Replies
from .response import OpenItem, Response
from .rule import enforces
from .script import (
    BEFORE_CREATED,
    CREATED,
    FunctionCall,
    Message,
    Point,
    Reasoning,
    ServerCall,
    item_added,
)
from .session import Session
from .wire import Wire

__all__ = ["DELTA_MS", "Generation", "mark_of"]

DELTA_MS = 100
"""Milliseconds of audio in one delta."""

_SAMPLES_PER_MS = 24  # PCM16, 24 kHz, mono

# Seconds to wait, step by step; the result says whether the reply ends here.
Steps = Generator[float, None, bool]


@lru_cache(maxsize=256)
def _sound(ms: int, mark: int) -> str:
    """Audio whose samples all say which item it is of, so that who hears it knows."""
    return base64.b64encode(mark.to_bytes(2, "little") * (ms * _SAMPLES_PER_MS)).decode()


def mark_of(item_id: str) -> int:
    """Return the value of the samples of an item's sound."""
    number = item_id.rpartition("_")[2]
    return int(number) % 2**15 if number.isdecimal() else 0


class Generation:
    """Writes the events of the responses of one connection."""

    __slots__ = ("_config", "_conversation", "_pace", "_replies", "_session", "_wire")

    def __init__(
        self,
        wire: Wire,
        conversation: Conversation,
        session: Session,
        config: ServerConfig,
        replies: Replies,
    ) -> None:
        self._wire = wire
        self._conversation = conversation
        self._session = session
        self._config = config
        self._replies = replies
        self._pace = config.pace

    @enforces(rules.EVENT_ORDER)
    def run(self, response: Response, begin: Callable[[Response], bool]) -> Iterator[float]:
        """Emit the response step by step; each value is the seconds to wait before the next step.

        *begin* announces it, or says that it may not begin. Stops at the point where the reply ends. What the end looks like is not decided here.
        """
        reply = response.reply
        point = reply.end.at
        yield response.create_delay
        if point == BEFORE_CREATED:
            return
        if not begin(response) or point == CREATED:
            return
        for number, planned in enumerate(reply.items, start=1):
            yield planned.after
            if isinstance(planned, FunctionCall):
                steps = self._call(response, planned, stop=point == item_added(number))
            elif isinstance(planned, Reasoning):
                steps = self._reason(response, planned, stop=point == item_added(number))
            elif isinstance(planned, ServerCall):
                steps = self._act(response, planned, stop=point == item_added(number))
            else:
                steps = self._message(response, planned, point, stop=point == item_added(number))
            stopped = yield from steps
            if stopped:
                return
        yield reply.done_delay

    def _message(self, response: Response, planned: Message, point: Point, *, stop: bool) -> Steps:
        item = Item(self._wire.ids.next("item"), "message", "assistant", "in_progress")
        item.phase = planned.phase
        opened = self._open(response, item)
        if stop:
            return True
        spoken = response.modalities == ["audio"]
        opened.item.part = "output_audio" if spoken else "output_text"
        opened.part_open = True
        empty = {"type": "audio", "transcript": ""} if spoken else {"type": "text", "text": ""}
        self._wire.send("response.content_part.added", **self._where(response, opened), part=empty)

        pace = self._pace if response.reply.pace is None else response.reply.pace
        words = planned.text.split()
        total, sent, said = round(planned.seconds * 1000), 0, 0
        while sent < total:
            step = min(DELTA_MS, total - sent)
            if point.stage == "audio":
                step = min(step, point.value - response.generated_ms)
            yield pace * step / DELTA_MS
            sent += step
            # Words come with the audio that says them, so a response cut half way has said half of
            # them.
            upto = -(-len(words) * sent // total)
            text = "".join(
                f" {word}" if said + i else word for i, word in enumerate(words[said:upto])
            )
            said = upto
            self._delta(response, opened, text, step if spoken else 0)
            response.generated_ms += step
            if point.stage == "audio" and response.generated_ms >= point.value:
                return True
        self.close(response, "completed")
        return False

    def _delta(self, response: Response, opened: OpenItem, text: str, ms: int) -> None:
        opened.item.hold(text, ms)
        opened.generated_text += text
        where = self._where(response, opened)
        if text:
            kind = "response.output_audio_transcript.delta" if ms else "response.output_text.delta"
            self._wire.send(kind, **where, delta=text)
        if ms:
            self._session.has_spoken = True
            self._wire.send(
                "response.output_audio.delta", **where, delta=_sound(ms, mark_of(opened.item.id))
            )

    def _call(self, response: Response, planned: FunctionCall, *, stop: bool) -> Steps:
        call_id = planned.call_id or self._wire.ids.next("call")
        item = Item(
            self._wire.ids.next("item"), "function_call", None, "in_progress", call_id=call_id
        )
        item.name = planned.name
        self._replies.called(call_id, planned.name, response.id)
        opened = self._open(response, item)
        if stop:
            return True
        arguments = planned.arguments_json
        half = len(arguments) // 2
        for delta in filter(None, (arguments[:half], arguments[half:])):
            yield self._pace if response.reply.pace is None else response.reply.pace
            item.arguments += delta
            where = self._where(response, opened, content=False)
            self._wire.send(
                "response.function_call_arguments.delta", **where, call_id=call_id, delta=delta
            )
        self.close(response, "completed")
        return False

    @enforces(rules.REASONING)
    def _reason(self, response: Response, planned: Reasoning, *, stop: bool) -> Steps:
        shown = self._config.reasoning_items == "item"
        if shown:
            item = Item(self._wire.ids.next("item"), "reasoning", status="in_progress")
            self._open(response, item, remembered=False)
        if stop:
            return True
        yield planned.seconds
        response.reasoning_tokens += planned.tokens
        if shown:
            self.close(response, "completed")
        return False

    @enforces(rules.MCP_EVENTS, rules.SEARCH_EVENTS)
    def _act(self, response: Response, planned: ServerCall, *, stop: bool) -> Steps:
        item = Item(self._wire.ids.next(planned.kind), planned.kind, status="in_progress")
        item.name, item.arguments = planned.name, planned.arguments
        self._replies.acted(planned.kind, planned.name, response.id, t=self._wire.now)
        opened = self._open(response, item)
        where = {"item_id": item.id, "output_index": opened.output_index}
        if planned.kind.startswith("mcp_"):
            asked = "response.mcp_call_arguments"
            whole = {**where, "response_id": response.id}
            self._wire.send(f"{asked}.delta", **whole, delta=planned.arguments)
            self._wire.send(f"{asked}.done", **whole, arguments=planned.arguments)
        runs = planned.kind.endswith("_call")  # a request for approval runs nothing
        if runs:
            self._wire.send(f"response.{planned.kind}.in_progress", **where)
            if "search" in planned.kind:
                self._wire.send(f"response.{planned.kind}.searching", **where)
        if stop:
            return True
        status = "failed" if planned.fails else "completed"

        def ended() -> None:
            if runs:
                self._wire.send(f"response.{planned.kind}.{status}", **where)

        if planned.outlives:
            self._wire.after(planned.seconds, ended)
        else:
            yield planned.seconds
            ended()
        self.close(response, status)
        return False

    def _open(self, response: Response, item: Item, *, remembered: bool = True) -> OpenItem:
        opened = response.open = OpenItem(item, len(response.items))
        response.items.append(item)
        self._replies.made(item.id, response.id)
        where = {"response_id": response.id, "output_index": opened.output_index}
        self._wire.send("response.output_item.added", **where, item=item.payload())
        if response.in_conversation and remembered:
            before = self._conversation.add(item)
            self._wire.send("conversation.item.added", previous_item_id=before, item=item.payload())
        return opened

    @enforces(rules.FAILED_ITEM)
    def abandon(self, response: Response) -> None:
        """Forget the open item, if there is one, without a word."""
        opened, response.open = response.open, None
        if opened is not None:
            response.items.remove(opened.item)
            self._conversation.discard(opened.item)

    @enforces(rules.CUT_ITEM, rules.CUT_CALL)
    def close(self, response: Response, status: str) -> None:
        """Finish the open item, if there is one, with its ``done`` events."""
        opened = response.open
        if opened is None:
            return
        response.open = None
        item = opened.item
        item.status = status
        if item.type == "function_call":
            if status == "completed" or self._config.cut_call_announced:
                where = self._where(response, opened, content=False)
                self._wire.send(
                    "response.function_call_arguments.done",
                    **where,
                    call_id=item.call_id,
                    name=item.name,
                    arguments=item.arguments,
                )
        elif opened.part_open:
            self._close_part(response, opened)
        where = {"response_id": response.id, "output_index": opened.output_index}
        self._wire.send("response.output_item.done", **where, item=item.payload())
        if response.in_conversation and item.id in self._conversation:
            before = self._conversation.previous_id(item)
            self._wire.send("conversation.item.done", previous_item_id=before, item=item.payload())

    def _close_part(self, response: Response, opened: OpenItem) -> None:
        where = self._where(response, opened)
        text = opened.generated_text
        if opened.item.part == "output_audio":
            self._wire.send("response.output_audio.done", **where)
            self._wire.send("response.output_audio_transcript.done", **where, transcript=text)
            part = {"type": "audio", "transcript": text}
        else:
            self._wire.send("response.output_text.done", **where, text=text)
            part = {"type": "text", "text": text}
        self._wire.send("response.content_part.done", **where, part=part)

    @staticmethod
    def _where(response: Response, opened: OpenItem, *, content: bool = True) -> dict[str, Any]:
        where = {
            "response_id": response.id,
            "item_id": opened.item.id,
            "output_index": opened.output_index,
        }
        return {**where, "content_index": 0} if content else where
