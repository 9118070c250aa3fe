"""The messages of a call: received, heard, cut, remembered."""

from __future__ import annotations

from ..trace import Line
from ..trace.heard import pair
from ..trace.wire import AUDIO_DELTAS, Item, Wire, body_of
from ._story import Call, Mark, Message, Span, Turn
from ._turns import Turns
from ._values import length, number, text, words

__all__ = ["Messages"]

_TOLERANCE = 0.15  # seconds; as the rules of `check` have it
_WAITING = 64  # messages that may still be heard


class Messages:
    """Knows each message by its item, and finds out which one plays: a sink's report has no id,
    unless a controller knows it."""

    def __init__(self, call: Call, wire: Wire, turns: Turns) -> None:
        self._call = call
        self._wire = wire
        self._turns = turns
        self._known: dict[str, tuple[Message, Turn]] = {}
        self._unheard: list[Item] = []
        self._started: Line | None = None

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
        body = body_of(line.event.get("item"))
        item_id, response = text(body.get("id")), text(line.event.get("response_id"))
        turn = self._turns.own_item(item_id, response)
        item = self._wire.items.get(item_id)
        if turn is None or item is None or item.type != "message" or item_id in self._known:
            return
        message = Message(item_id, response, line.connection)
        turn.messages.append(message)
        self._known[item_id] = (message, turn)
        self._unheard.append(item)
        del self._unheard[:-_WAITING]

    # --- playback

    def plays(self, line: Line) -> Turn | None:
        self._started = line
        return self._turn_of(text(line.event.get("item_id")))

    def played(self, line: Line) -> Turn | None:
        """A segment is over."""
        started, self._started = self._started, None
        position = number(line.event.get("position")) or 0.0
        cut = bool(line.event.get("interrupted"))
        name = text(line.event.get("item_id")) or text((started or line).event.get("item_id"))
        item_id = name if name in self._known else self._guess(position / 1000, cut, line)
        found = self._known.get(item_id)
        if found is None:
            return None
        message, turn = found
        message.heard_ms = (message.heard_ms or 0.0) + position
        message.cut = message.cut or cut
        if position > 0:
            begun = started.t if started is not None else line.t - position / 1000
            message.heard.append(Span(begun, line.t))
        # What comes before it in its response is over, heard or not.
        at = next((n for n, each in enumerate(self._unheard) if each.id == item_id), None)
        if at is not None:
            response = self._unheard[at].response
            self._unheard = [
                each
                for n, each in enumerate(self._unheard)
                if n > at or each.response is not response
            ]
        self._turns.settle(turn, line.t)
        return turn

    def _guess(self, seconds: float, cut: bool, line: Line) -> str:
        queues: dict[str, list[Item]] = {}
        for item in self._unheard:
            if item.ms > 0:
                queues.setdefault(item.response.id, []).append(item)
        pairs = pair(queues.values(), [_Segment(seconds, cut)], _TOLERANCE)
        return pairs[0][0].id if pairs else ""

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
        item = body_of(line.event.get("item"))
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
        for item in self._unheard:
            self._known[item.id][0].sure = False
        self._unheard.clear()

    def finish(self, *, complete: bool) -> None:
        """There are no more lines: where the sink was heard at all, the rest was not. When a call
        was cut off, that is known of what came before the last one that was heard."""
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

    def _turn_of(self, item_id: str) -> Turn | None:
        found = self._known.get(item_id)
        return None if found is None else found[1]


class _Segment:
    def __init__(self, position: float, interrupted: bool) -> None:
        self.position = position
        self.interrupted = interrupted
