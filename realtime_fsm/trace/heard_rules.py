"""Rules of what is heard: the order of messages, where they are cut, what is remembered of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import ClassVar

from .format import Line, Seen
from .heard import pair
from .rule import Call, Handler, Kept, Rule
from .wire import Item, body_of

__all__ = ["HeardIsHistory", "MessageOrder", "TruncateBounds"]

_RESPONSES = 64  # judged together at most
_WORD = 0.5  # seconds; of less than a word no text is left
_CHARS = 24  # that a cut may be off by


class TruncateBounds(Rule):
    """G15: ``audio_end_ms`` is an integer, above 0 and within what the item had received, and sent
    once per item; with playback lines: as much as was heard of a message that was cut."""

    id, name = "G15", "truncate bounds"

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._seen: Kept[str, Seen] = Kept()
        self._cuts: deque[float] = deque(maxlen=64)
        self._waiting: list[tuple[int, Seen]] = []
        self._playback = False

    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {
            ("client", "conversation.item.truncate"): self._truncate,
            ("playback", "started"): self._plays,
            ("playback", "finished"): self._finished,
        }

    def _truncate(self, each: Seen) -> None:
        item_id, ms = str(each.event.get("item_id")), each.event.get("audio_end_ms")
        item = self.wire.items.get(item_id)
        if item is None and self.call.partial:
            return  # of before
        received = item.ms if item is not None else 0.0
        if type(ms) is not int:
            self.broken(f"audio_end_ms is {ms!r}, not an integer", [each])
        elif not 0 < ms <= received:
            self.broken(f"audio_end_ms is {ms}, of {received:g} ms received", [each])
        elif self._playback and not self._cut_at(ms):
            waiting = (ms, each)
            self._waiting.append(waiting)
            self.call.later(each.t + 2.0, lambda: self._look(waiting))
        if item_id in self._seen:
            self.broken(f"{item_id} was truncated again", [self._seen[item_id], each])
        self._seen[item_id] = each

    def _cut_at(self, ms: float) -> bool:
        return any(abs(position - ms) < self.settings.audio * 1000 for position in self._cuts)

    def _look(self, waiting: tuple[int, Seen]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            if not self._cut_at(waiting[0]):
                self.broken(f"no message was cut at {waiting[0]} ms", [waiting[1]])

    def _plays(self, each: Line) -> None:
        self._playback = True

    def _finished(self, each: Line) -> None:
        self._playback = True
        position = each.event.get("position")
        if each.event.get("interrupted") and isinstance(position, (int, float)):
            self._cuts.append(position)


@dataclass(frozen=True, slots=True)
class _Segment:
    line: Line
    position: float  # seconds
    interrupted: bool


class _Heard(Rule):
    """Judges the responses of a stretch of the call together, when nothing of them plays any more:
    only the whole shows which report was of which message."""

    needs: ClassVar[tuple[str, ...]] = ("server", "playback")

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._responses: list[str] = []
        self._segments: list[_Segment] = []
        self._cut_off = False
        self._gone: Kept[str, float] = Kept()

    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {
            ("client", "conversation.item.delete"): self._deletes,
            ("server", "response.created"): self._created,
            ("playback", "finished"): self._finished,
            ("session", "close"): self._closed,
        }

    def _created(self, each: Seen) -> None:
        if self._ready() or len(self._responses) >= _RESPONSES:
            self._judge()
        response_id = str(body_of(each.event.get("response")).get("id"))
        if response_id not in self._responses:  # the same frame twice is one response
            self._responses.append(response_id)

    def _deletes(self, each: Seen) -> None:
        self._gone[str(each.event.get("item_id"))] = each.t

    def _possible(self, item: Item, segment: _Segment) -> bool:
        """What was deleted before does not begin to play."""
        begun = segment.line.t - segment.position
        return self._gone.get(item.id, begun) >= begun

    def _finished(self, each: Line) -> None:
        position = each.event.get("position")
        if isinstance(position, (int, float)) and position > 0 and not self._cut_off:
            cut = bool(each.event.get("interrupted"))
            self._segments.append(_Segment(each, position / 1000, cut))

    def _closed(self, each: Line) -> None:
        """What the end of the call cuts off is nobody's fault."""
        self._cut_off = self._cut_off or not self._ready()

    def _queues(self) -> list[list[Item]]:
        found = (self.wire.responses.get(each) for each in self._responses)
        return [
            [i for i in response.items if i.type == "message" and i.ms > 0]
            for response in found
            if response is not None
        ]

    def _ready(self) -> bool:
        """Whether nothing plays, and nothing more will of what is here."""
        if self.call.playing is not None or any(
            not r.over for r in map(self.wire.responses.get, self._responses) if r is not None
        ):
            return False
        last = self._segments[-1].interrupted if self._segments else False
        messages = sum(map(len, self._queues()))
        over = self.call.now > self.call.sounds_until + 1.0
        return last or len(self._segments) >= messages or over

    def _judge(self) -> None:
        queues = self._queues()
        pairs = pair(queues, self._segments, self.settings.audio, self._possible)
        self.judge(queues, pairs, self._segments)
        self._responses, self._segments = [], []

    def judge(
        self,
        queues: list[list[Item]],
        pairs: list[tuple[Item, _Segment]],
        segments: list[_Segment],
    ) -> None:
        """Look at what was generated and what was heard."""
        raise NotImplementedError

    def end(self) -> None:
        if self._ready() and not self._cut_off:
            self._judge()


class MessageOrder(_Heard):
    """G13: the messages of a response are heard one after another, in order, none left out. Only an
    interrupt, a deletion or a lost connection explains that the last ones were not heard."""

    id, name = "G13", "message order"

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._removed: Kept[str, None] = Kept()
        self._interrupted_at = -1.0

    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {
            **super().handlers(),
            ("playback", "started"): self._started,
            ("client", "conversation.item.truncate"): self._remove,
            ("server", "input_audio_buffer.speech_started"): self._interrupt,
            ("session", "speech_done"): self._speech_done,
        }

    def _started(self, each: Line) -> None:
        if self.call.playing is not None:
            self.broken("two messages overlap", [self.call.playing, each])

    def _deletes(self, each: Seen) -> None:
        super()._deletes(each)
        self._remove(each)

    def _remove(self, each: Seen) -> None:
        self._removed[str(each.event.get("item_id"))] = None

    def _interrupt(self, each: Seen) -> None:
        self._interrupted_at = each.t

    def _speech_done(self, each: Line) -> None:
        if each.event.get("interrupted"):
            self._interrupted_at = each.t

    def judge(
        self,
        queues: list[list[Item]],
        pairs: list[tuple[Item, _Segment]],
        segments: list[_Segment],
    ) -> None:
        known = {id(segment) for _, segment in pairs}
        added = [item.added for queue in queues for item in queue]
        for segment in segments:
            if id(segment) not in known:
                text = f"{segment.position:.3f} s were heard that are no message in its turn"
                self.broken(text, [*added[-4:], segment.line])
        heard = {item.id for item, _ in pairs}
        cut = {item.id for item, segment in pairs if segment.interrupted}
        for queue in queues:
            numbers = [n for n, item in enumerate(queue) if item.id in heard]
            last = max(numbers, default=-1)
            for number, item in enumerate(queue):
                if item.id in heard:
                    continue
                # One that is cut ends what is heard of its response.
                ended = last >= 0 and queue[last].id in cut
                if number < last or (last >= 0 and not ended and not self._explained(item)):
                    text = f"message {number + 1} of {item.response.id} was left out"
                    told = [segment.line for _, segment in pairs]
                    self.broken(text, [*(m.added for m in queue), *told])

    def _explained(self, item: Item) -> bool:
        response = item.response
        return bool(
            response.status != "completed"
            or response.cancels
            or self._interrupted_at >= item.added.t
            or any(i.id in self._removed for i in response.items)
        )


class HeardIsHistory(_Heard):
    """G16: of each message the server remembers what was heard, and nothing of one that was not
    heard; so does what a new connection is told."""

    id, name = "G16", "heard = history"
    needs: ClassVar[tuple[str, ...]] = ("server", "client", "playback")

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._truncated: Kept[str, Seen] = Kept()
        self._deleted: Kept[str, Seen] = Kept()
        self._replayed: Kept[str, Seen] = Kept()
        #: Items judged: what was heard of them, in seconds.
        self._known: Kept[str, tuple[Item, float]] = Kept()

    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {
            **super().handlers(),
            ("client", "conversation.item.truncate"): self._truncate,
            ("client", "conversation.item.create"): self._create,
        }

    def _truncate(self, each: Seen) -> None:
        self._truncated[str(each.event.get("item_id"))] = each

    def _deletes(self, each: Seen) -> None:
        super()._deletes(each)
        self._deleted[str(each.event.get("item_id"))] = each

    def _create(self, each: Seen) -> None:
        item = body_of(each.event.get("item"))
        if item.get("role") != "assistant":
            return
        item_id = str(item.get("id"))
        self._replayed[item_id] = each
        if item_id in self._known:
            self._look_at_replay(*self._known[item_id])

    def judge(
        self,
        queues: list[list[Item]],
        pairs: list[tuple[Item, _Segment]],
        segments: list[_Segment],
    ) -> None:
        told: dict[str, Line] = {}
        seconds: dict[str, float] = {}
        for item, segment in pairs:
            told[item.id] = segment.line
            seconds[item.id] = seconds.get(item.id, 0.0) + segment.position
        for item in [item for queue in queues for item in queue]:
            heard = seconds.get(item.id, 0.0)
            events = [item.added, told.get(item.id)]
            self._look(item, heard, events)
            replayed = self._replayed.get(item.id)
            over = max((line.t for line in told.values()), default=0.0)
            if replayed is not None and replayed.t >= over:
                self._look_at_replay(item, heard)  # it could be known what would be heard
            self._known[item.id] = (item, heard)

    def _look(self, item: Item, heard: float, events: list[Seen | None]) -> None:
        if item.response.outside:
            return
        deleted, cut = self._deleted.get(item.id), self._truncated.get(item.id)
        if deleted is not None:
            if heard > _WORD:
                text = f"{heard:.3f} s of {item.id} were heard, and are not remembered"
                self.broken(text, [*events, deleted])
            return
        if item.added.connection < self.wire.connection:
            return  # that conversation is gone: what counts is what the next one is told
        at = cut.event.get("audio_end_ms") if cut is not None else None
        kept = (at if isinstance(at, (int, float)) else item.ms) / 1000
        if abs(kept - heard) > self.settings.audio or heard == 0:
            text = f"the server remembers {kept:.3f} s of {item.id}, {heard:.3f} s were heard"
            self.broken(text, [*events, cut])

    def _look_at_replay(self, item: Item, heard: float) -> None:
        each = self._replayed.get(item.id)
        if each is None or not item.ms or each.connection <= item.added.connection:
            return
        chars = _chars(each)
        share = min(1.0, heard * 1000 / item.ms)
        if chars and (heard == 0 or (share < 0.95 and chars > item.chars * share + _CHARS)):
            text = f"the new connection is told {chars} characters of {item.id}, {heard:.3f} s of"
            text += f" {item.ms / 1000:.3f} s were heard"
            self.broken(text, [item.added, each])


def _chars(each: Seen) -> int:
    """How much text an item has that the client creates."""
    content = body_of(each.event.get("item")).get("content")
    total = 0
    for part in content if isinstance(content, list) else ():
        for key in ("text", "transcript"):
            value = body_of(part).get(key)
            if isinstance(value, (int, str)):
                total += value if isinstance(value, int) else len(value)
    return total
