"""The messages of a call: received, heard, cut, remembered."""

from __future__ import annotations

from collections.abc import Collection

from ..trace import Line
from ..trace.sound import Heard, Sound
from ..trace.wire import AUDIO_DELTAS, Wire, body_of
from ._story import Call, Mark, Message, Span, Turn
from ._turns import Turns
from ._values import length, number, text, words

__all__ = ["Messages"]


class Messages:
    """Knows each message by its item; which one is heard is told as the judge has it."""

    def __init__(self, call: Call, wire: Wire, sound: Sound, turns: Turns) -> None:
        self._call = call
        self._wire, self._sound = wire, sound
        self._sound.told.append(self._heard)
        self._turns = turns
        self._known: dict[str, tuple[Message, Turn]] = {}

    def frame(self, line: Line) -> None:
        """A frame of a response."""
        event, item_id = line.event, text(line.event.get("item_id"))
        if line.type == "response.output_item.added":
            self._begun(line)
            return
        found = self._known.get(item_id)
        if found is None:
            return
        message, _ = found
        item = self._wire.items.get(item_id)
        if item is not None:
            message.ms, message.chars = float(number(item.ms) or 0.0), item.chars
        if line.type in AUDIO_DELTAS:
            if message.received is None:
                message.received = Span(line.t)
            last = line.until if self._call.header.timed and line.until is not None else line.t
            message.received.end = max(last, message.received.end or last)
        elif line.type.endswith("transcript.done"):
            message.words = words(event.get("transcript")) or message.words
        elif line.type.endswith("output_text.done"):
            message.words = words(event.get("text")) or message.words

    def _begun(self, line: Line) -> None:
        body = line.body("item")
        item_id, response = text(body.get("id")), text(line.event.get("response_id"))
        turn = self._turns.own_item(item_id, response)
        item = self._wire.items.get(item_id)
        if turn is None or item is None or item.type != "message" or item_id in self._known:
            return
        message = Message(item_id, response, line.connection)
        turn.messages.append(message)
        self._known[item_id] = (message, turn)

    # --- playback

    def plays(self, line: Line) -> Turn | None:
        return self._turn_of(text(line.event.get("item_id")))

    def _heard(self, heard: Heard) -> None:
        """It is known which message a segment was."""
        found = None if heard.item is None else self._known.get(heard.item.id)
        if found is None:
            return
        message, turn = found
        message.heard_ms = (message.heard_ms or 0.0) + heard.seconds * 1000
        message.cut = message.cut or heard.cut
        if heard.seconds > 0:
            message.heard.append(Span(heard.begun, heard.fact.t))
        self._turns.settle(turn, heard.fact.t)

    # --- memory

    def truncated(self, line: Line) -> Turn | None:
        end = number(line.event.get("audio_end_ms"))
        return self._cut(line, end or 0.0, "truncate", f"cut to {end or 0.0:g} ms")

    def deleted(self, line: Line) -> Turn | None:
        return self._cut(line, 0.0, "delete", "deleted")

    def _cut(self, line: Line, kept: float, kind: str, what: str) -> Turn | None:
        item_id = text(line.event.get("item_id"))
        turn = self._turn_of(item_id)
        if turn is not None:
            self._known[item_id][0].kept_ms = kept
        number = None if turn is None else turn.number
        self._call.mark(Mark(line.t, kind, f"{item_id} {what}", number, line.number))
        return turn

    def told(self, line: Line) -> Turn | None:
        """The client creates an item: after a reconnect, those of before."""
        item = line.body("item")
        item_id = text(item.get("id"))
        found = self._known.get(item_id)
        if found is None:
            return None
        content = item.get("content")
        parts = [body_of(part) for part in content] if isinstance(content, list) else []
        found[0].told = sum(length(p.get(key)) for p in parts for key in ("text", "transcript"))
        return found[1]

    def added(self, line: Line) -> Turn | None:
        """LiveKit's own history has it."""
        found = self._known.get(text(line.event.get("item_id")))
        if found is None:
            return None
        found[0].local = length(line.event.get("text"))
        return found[1]

    def gap(self) -> None:
        """Something is missing here: of what has not been heard so far no more is known."""
        for message, _ in self._known.values():
            message.sure = message.sure and message.heard_ms is not None
        self._sound.open.clear()

    def finish(self, *, complete: bool) -> None:
        """There are no more lines: where the sink was heard at all, the rest was not. When a call
        was cut off, that is known of what came before the last one that was heard."""
        self._sound.settle()
        if "playback" not in self._call.has:
            return
        unheard = []
        for message, _ in self._known.values():
            if message.heard_ms is None:
                unheard.append(message)
            else:
                self._skipped(unheard)
        if complete:
            self._skipped(unheard)

    def _skipped(self, messages: list[Message]) -> None:
        for message in messages:
            message.heard_ms = 0.0 if message.sure else None
        messages.clear()

    def judged(self, wrong: Collection[str]) -> None:
        """What is remembered was judged: of these messages it is not what was heard."""
        for item_id, (message, _) in self._known.items():
            known = message.sure and message.heard_ms is not None
            message.right = item_id not in wrong if known else None

    def _turn_of(self, item_id: str) -> Turn | None:
        found = self._known.get(item_id)
        return None if found is None else found[1]
