"""Rules of what is heard: the order of messages, and where they are cut."""

from __future__ import annotations

from typing import ClassVar

from .facts import (
    Closed,
    Fact,
    Look,
    Segment,
    SoundBegan,
    SpeechDone,
    TextShown,
)
from .format import Line
from .kept import Kept
from .rule import Rule, on
from .sound import Heard
from .wire import Item, Response

__all__ = ["HeardRule", "MessageOrder", "TruncateBounds", "holds_less"]

_ROUND_TRIP = 0.1  # seconds that a correction takes


class TruncateBounds(Rule):
    """G15: ``audio_end_ms`` is an integer, above 0 and within what the item had received, and sent
    once per item, or once more where the server refused it or did not answer; where playback is known, it is where
    the sink stopped."""

    id, name = "G15", "truncate bounds"
    needs: ClassVar[tuple[str, ...]] = ("server", "client", "audio")

    def begin(self) -> None:
        self._seen: Kept[str, Line] = Kept()
        self._waiting: Kept[str, Line] = Kept()
        self._unanswered: dict[str, object] = {}
        self._refused: Kept[str, None] = Kept()
        self._playback = False

    @on(Segment)
    def _played(self, each: Segment) -> None:
        self._playback = True

    @on("server conversation.item.truncated")
    def _answered(self, each: Line) -> None:
        self._unanswered.pop(str(each.event.get("item_id")), None)

    @on("server error")
    def _error(self, each: Line) -> None:
        """An error without an event id refuses the oldest: LiveKit gives truncations none."""
        event_id = each.body("error").get("event_id")
        for item_id, asked in tuple(self._unanswered.items()):
            if asked == event_id:
                self._refused[item_id] = None
                del self._unanswered[item_id]
                return

    @on("client conversation.item.truncate")
    def _truncate(self, each: Line) -> None:
        item_id, ms = str(each.event.get("item_id")), each.event.get("audio_end_ms")
        item = self.wire.items.get(item_id)
        if item is None and (self.story.partial or not self.wire.items):
            return  # of before, or of a log that tells of no items
        received = item.ms if item is not None else 0.0
        if type(ms) is not int:
            self.broken(f"audio_end_ms is {ms!r}, not an integer", [each])
        elif not 0 < ms <= received:
            self.broken(f"audio_end_ms is {ms}, of {received:g} ms received", [each])
        else:
            self._waiting[item_id] = each
            self.story.later(each.t + self.settings.settle, lambda: self._look(item_id))
        lost = (
            item_id in self._unanswered and each.t - self._seen[item_id].t >= self.settings.settle
        )
        if item_id in self._seen and item_id not in self._refused and not lost:
            self.broken(f"{item_id} was truncated again", [self._seen[item_id], each])
        self._seen[item_id] = each
        self._refused.pop(item_id, None)
        self._unanswered[item_id] = each.event.get("event_id")

    def rest(self, look: Look) -> None:
        self.end()

    def end(self) -> None:
        for item_id in tuple(self._waiting):
            self._look(item_id)

    def _look(self, item_id: str) -> None:
        """Where it was cut is known a moment later."""
        sound = self.story.sound
        heard = sound.of.get(item_id, [])
        if not heard and (sound.open or sound.playing):
            self.story.later(self.story.now + self.settings.settle, lambda: self._look(item_id))
            return
        each = self._waiting.pop(item_id, None)
        if each is None or not self._playback:
            return
        ms = each.event["audio_end_ms"]
        item = self.wire.items.get(item_id)
        # More came when the rest was played already, or was still to come.
        more = item is not None and (item.ms > ms or item.done is None or item.done.t > each.t)
        at = ms / 1000
        less = item is not None and any(holds_less(item, at, h.seconds) for h in heard)
        ends = [h.seconds for h in heard if h.cut or more]
        if not less and not any(abs(end - at) < self.settings.cut for end in ends):
            told = "".join(f", {h.seconds:.3f} s were heard" for h in heard)
            text = f"{item_id} was cut at {ms} ms{told or ', it was not heard'}"
            self.broken(text, [*(h.fact for h in heard), each], (item_id,))


class HeardRule(Rule):
    """Judges what was generated, when nothing of it sounds any more and corrections have left."""

    needs: ClassVar[tuple[str, ...]] = ("server", "playback")

    def begin(self) -> None:
        self._responses: Kept[str, None] = Kept()
        self._looks = False
        self._hung_up = False

    @on("server response.created", "server response.done")
    def _created(self, each: Line) -> None:
        self._responses[str(each.body("response").get("id"))] = None
        self._moves(each)

    @on(Segment, TextShown, SpeechDone)
    def _moves(self, each: Fact | Line) -> None:
        if not self._looks:
            self._looks = True
            self.story.later(each.t + self.settings.settle, self._look)

    def _look(self) -> None:
        story, settle = self.story, self.settings.settle
        since = max(story.acted_at, story.sound.over_at)
        if story.still and story.now - since < settle:
            story.later(since + settle, self._look)
            return
        self._looks = False
        if story.still and not self._hung_up:
            self._judge_all()

    @on(Closed)
    def _closed(self, each: Closed) -> None:
        """What the end of the call cuts off is nobody's fault: the sound ends just before."""
        cut = not self.story.still or each.t - self.story.sound.over_at <= _ROUND_TRIP
        self._hung_up = self._hung_up or cut

    def rest(self, look: Look) -> None:
        self.story.sound.settle()
        if not self._hung_up:
            self._judge_all()

    def end(self) -> None:
        self.story.sound.settle()
        if not self._hung_up and self.story.still:
            self._judge_all()

    def _judge_all(self) -> None:
        found = (self.wire.responses.get(each) for each in self._responses)
        over = [each for each in found if each is not None and each.over]
        self._responses.clear()
        for response in over:
            self.judge(response)
        self.judged()

    def judge(self, response: Response) -> None:
        """A response is over, and what was heard of it known."""

    def judged(self) -> None:
        """All of them were."""


class MessageOrder(HeardRule):
    """G13: the messages of a response are heard one after another, in order, none left out. Only an
    interrupt, a deletion or a lost connection explains that the last ones were not heard."""

    id, name = "G13", "message order"

    def begin(self) -> None:
        super().begin()
        self._interrupted_at = -1.0
        self._strange: list[Heard] = []
        self.story.sound.told.append(self._told)

    def _told(self, heard: Heard) -> None:
        if heard.what == "none" and heard.seconds > 0:
            self._strange.append(heard)

    @on(SoundBegan)
    def _began(self, each: SoundBegan) -> None:
        if self.story.sound.playing:
            self.broken("two messages overlap", [*self.story.sound.playing.values(), each])

    @on("server input_audio_buffer.speech_started")
    def _interrupt(self, each: Line) -> None:
        self._interrupted_at = each.t

    @on(SpeechDone)
    def _speech_done(self, each: SpeechDone) -> None:
        if each.interrupted:
            self._interrupted_at = each.t

    def judge(self, response: Response) -> None:
        sound = self.story.sound
        messages = [item for item in response.messages if item.ms > 0]
        heard = [number for number, item in enumerate(messages) if item.id in sound.of]
        last = max(heard, default=-1)
        cut = last >= 0 and any(each.cut for each in sound.of[messages[last].id])
        begun = [min(h.begun for h in sound.of[messages[n].id]) for n in heard]
        facts = [h.fact for n in heard for h in sound.of[messages[n].id]]
        if begun != sorted(begun):
            self.broken(f"the messages of {response.id} were heard in another order", facts)
        for number, item in enumerate(messages):
            if number in heard:
                self._look_at_length(item)
                continue
            # One that is cut ends what is heard of its response.
            if number < last or (last >= 0 and not cut and not self._explained(item)):
                text = f"message {number + 1} of {response.id} was left out"
                self.broken(text, [*(m.added for m in messages), *facts], (item.id,))

    def _look_at_length(self, item: Item) -> None:
        """More of it than there was is something else."""
        heard = self.story.sound.seconds(item.id)
        if heard > item.ms / 1000 + self.settings.audio:
            text = (
                f"{heard:.3f} s were heard of {item.id}, of which {item.ms / 1000:.3f} s had come"
            )
            facts = [each.fact for each in self.story.sound.of[item.id]]
            self.broken(text, [item.added, *facts], (item.id,))

    def judged(self) -> None:
        for heard in self._strange:
            text = f"{heard.seconds:.3f} s were heard that are no message in its turn"
            self.broken(text, [heard.fact])
        self._strange.clear()

    def _explained(self, item: Item) -> bool:
        response = item.response
        return bool(
            response.status != "completed"
            or response.cancels
            or self._interrupted_at >= item.added.t
            or any(i.deleted or i.cuts for i in response.items)
        )


def holds_less(item: Item, kept: float, heard: float) -> bool:
    """Whether the server, which refused to cut it there, had less of it than was heard."""
    return len(item.cuts) > 1 and kept < heard
