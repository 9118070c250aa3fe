"""What a life's messages were, and how much of them was heard: for the differential judge."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .._core.words import share_of
from ..compare import Heard, Span
from ..simulator.generation import mark_of
from ..trace.wire import body_of
from ._seen import SeenCall
from ._served import is_aside
from .sink import PacedAudioOutput, Segment

__all__ = ["Generated", "Spoken"]

_WORD = 0.4  # seconds that a word takes, in a call by text


@dataclass(slots=True, eq=False)
class Generated:
    """A message as it went over the wire."""

    id: str
    question: str
    attempt: int
    number: int
    begun: float
    seconds: float = 0.0
    text: str = ""
    whole: bool = False
    written: bool = False


class Spoken:
    """The words of one call, by now.

    Args:
        call: that call.
        now: seconds since its server began.
        entered: when LiveKit entered messages of the agent's in its history, which, and their words.

    Attributes:
        generated: its messages, by id.
        heard: the pieces of them that were heard, in order.
    """

    def __init__(self, call: SeenCall, now: float, entered: list[tuple[float, str, str]]) -> None:
        self._call = call
        self._now = now
        self._entered = entered
        self.generated = {each.id: each for each in self._generated()}
        pieces = [*self._sounded(), *self._read()]
        pieces += self._shown({piece.message for piece in pieces})
        self.heard = tuple(sorted(pieces, key=lambda piece: piece.span))

    def _t(self, loop_time: float) -> float:
        return loop_time - self._call.server.started_at

    def _generated(self) -> Iterator[Generated]:
        """The messages of the conversation that went over the wire, as far as they did."""
        server = self._call.server
        found: dict[str, Generated] = {}
        numbers: Counter[tuple[str, int]] = Counter()
        for each in server.record:
            if each.direction != "server":
                continue
            event, kind = each.event, each.type
            item = body_of(event.get("item"))
            if kind == "response.output_item.added" and item.get("type") == "message":
                item_id = str(item.get("id"))
                of = server.answered_by(item_id)
                if not of[1]:
                    continue  # the server never made it: a fault put its frames in
                if item_id not in found and not is_aside(of[0]):
                    numbers[of] += 1
                    found[item_id] = Generated(item_id, *of, numbers[of], each.t)
            elif (known := found.get(str(event.get("item_id") or item.get("id")))) is None:
                continue
            elif kind == "response.output_audio.delta" and isinstance(event.get("delta"), float):
                known.seconds += event["delta"] / 1000
            elif kind in ("response.output_audio_transcript.delta", "response.output_text.delta"):
                known.text += str(event.get("delta"))
            elif kind == "response.output_item.done":
                known.whole = item.get("status") == "completed"
        for known in found.values():
            if not known.seconds:
                known.written = True
                known.seconds = _WORD * len(known.text.split())
            yield known

    def _sounded(self) -> Iterator[Heard]:
        by_mark = {mark_of(item_id): item_id for item_id in self.generated}
        segments: list[Segment] = [s for sink in self._call.sinks for s in sink.so_far()]
        for segment in segments:
            if segment.started_at is None or segment.position <= 0:
                continue
            begin, so_far = self._t(segment.started_at), 0.0
            speed = segment.position / max(segment.finished_at - segment.started_at, 1e-9)
            for mark, seconds in segment.marks:
                heard = min(seconds, segment.position - so_far)
                if heard > 0:
                    span = Span(begin + so_far / speed, begin + (so_far + heard) / speed)
                    yield Heard(by_mark.get(mark), span, heard)
                so_far += seconds

    def _read(self) -> Iterator[Heard]:
        unread = list(self.generated.values())
        for line in self._call.screen.lines if self._call.screen else ():
            text = line.text.strip()
            message = next((m for m in unread if text and m.text.startswith(text)), None)
            if message is not None:
                unread.remove(message)
            seconds = _WORD * len(text.split())
            span = Span(self._t(line.begun), self._t(line.ended))
            yield Heard(message.id if message else None, span, seconds)

    def _shown(self, sounded: Collection[str | None]) -> Iterator[Heard]:
        """What LiveKit said while no output was on (``set_audio_enabled(False)``): its words are shown."""
        off = list(self._off())
        known = {self._call.server.known_as(each.id): each for each in self.generated.values()}
        for at, item_id, text in self._entered if self._call.screen is None else ():
            message, t = known.get(item_id), self._t(at)
            if message is None or message.id in sounded:
                continue
            if any(span.within(Span(message.begun, t)) for span in off):
                seconds = share_of(text, message.text) * message.seconds
                yield Heard(message.id, Span(t, t), seconds)

    def _off(self) -> Iterator[Span]:
        """When none of the sinks was on, once there was one."""
        switched = [(t, sink, on) for sink in self._call.sinks for t, on in sink.switched]
        attached, since = set[PacedAudioOutput](), math.inf
        for t, sink, on in sorted(switched, key=lambda each: each[0]):
            if not attached and since < t:
                yield Span(self._t(since), self._t(t))
            (attached.add if on else attached.discard)(sink)
            since = t
        if not attached and switched:
            yield Span(self._t(since), self._now)
