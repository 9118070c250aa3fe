"""Which message of a response each stretch of sound, or of shown text, was.

A sink's report has no id. What tells is whose speech it was, the order, and LiveKit's own word: when
the messages of a response have been played it puts them into its history, one after another, under
their ids. Never the length: what is heard is what is to be judged. Where it cannot be told, nothing
is claimed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .facts import (
    Fact,
    ItemAdded,
    Segment,
    SoundBegan,
    SpeechCreated,
    SpeechDone,
    TextShown,
)
from .kept import Kept
from .wire import Item, Response, Wire

__all__ = ["OF_SOUND", "Heard", "Sound"]

#: Facts that tell it something.
OF_SOUND = frozenset({SoundBegan, Segment, TextShown, SpeechCreated, ItemAdded, SpeechDone})
_MOMENT = 0.01  # seconds between a delta and the sound of it, by clocks that differ
_STALE = 1.0  # seconds; what is ready for so long in silence does not play any more


@dataclass(eq=False, slots=True)
class Heard:
    """A segment that somebody heard, or a text that somebody read, if only by LiveKit's word.

    Attributes:
        what: ``message`` of a response; the application's ``own`` (it let something be said); not
            known, for ``several`` could be it; or ``none`` that was received.
    """

    fact: Segment | TextShown | ItemAdded
    what: Literal["message", "own", "several", "none", ""] = ""
    item: Item | None = None
    silence: float = 0.0  # before it, in seconds

    @property
    def begun(self) -> float:
        """When it began, to the microsecond: a difference of two clocks has more digits."""
        begun = None if isinstance(self.fact, ItemAdded) else self.fact.begun
        return round(self.fact.t if begun is None else begun, 6)

    @property
    def seconds(self) -> float:
        """How much was heard of it; 0 of text."""
        return self.fact.position if isinstance(self.fact, Segment) else 0.0

    @property
    def cut(self) -> bool:
        """Whether it was cut off."""
        if isinstance(self.fact, TextShown):
            return not self.fact.whole
        return bool(self.fact.interrupted)

    @property
    def speech(self) -> str | None:
        """Whose it was, if that is known."""
        return None if isinstance(self.fact, ItemAdded) else self.fact.speech


class Sound:
    """Built up by :meth:`apply`, fact by fact.

    Attributes:
        playing: what sounds now, by sink.
        of: what was heard of each message, by item id.
        open: what is not known yet to be of any message.
        over_at: when the last of it ended.
        known: whether it is told at all what is heard, or shown.
        told: called with each that is.
    """

    def __init__(self, wire: Wire) -> None:
        self.playing: dict[int, SoundBegan] = {}
        self.of: Kept[str, list[Heard]] = Kept()
        self.open: list[Heard] = []
        self.over_at = -1.0
        self.known = False
        self._silence = 0.0
        self.told: list[Callable[[Heard], None]] = []
        self._wire = wire
        self._says: Kept[str, None] = Kept()
        self._last: Kept[str, Heard] = Kept()  # by speech

    def seconds(self, item_id: str) -> float:
        """How much of a message was heard."""
        return sum(heard.seconds for heard in self.of.get(item_id, ()))

    def apply(self, fact: Fact) -> None:
        """Take the next fact."""
        self.known = self.known or isinstance(fact, (SoundBegan, Segment, TextShown))
        if isinstance(fact, SoundBegan):
            self.playing[fact.sink] = fact
            self._silence = fact.t - self.over_at
        elif isinstance(fact, Segment):
            self.playing.pop(fact.sink, None)
            if fact.position > 0 or fact.begun is not None:
                self._hear(Heard(fact, silence=self._silence))
            self.over_at = fact.t
        elif isinstance(fact, TextShown):
            if fact.begun is not None:
                self._hear(Heard(fact, silence=fact.begun - self.over_at))
            self.over_at = fact.t
        elif isinstance(fact, SpeechCreated):
            if fact.source == "say":
                self._says[fact.speech] = None
        elif isinstance(fact, ItemAdded):
            if fact.item == "message" and fact.role == "assistant":
                self._added(fact)
        elif isinstance(fact, SpeechDone):
            self.settle(fact.speech)

    def settle(self, speech: str | None = None) -> None:
        """No more will be told: of one speech, or of any. What is open is told by turn and time."""
        for heard in tuple(self.open):
            if speech is None or heard.speech in (None, speech):
                self._guess(heard)

    def _hear(self, heard: Heard) -> None:
        self.open.append(heard)
        if heard.speech in self._says:
            self._tell(heard, "own")

    def _added(self, added: ItemAdded) -> None:
        item = self._wire.items.get(added.item_id)
        if added.item_id in self.of:
            return
        for heard in self.open:
            if added.interrupted in (None, heard.cut) or isinstance(heard.fact, TextShown):
                if item is None:
                    self._tell(heard, "own")  # by a TTS, say: no message of a response
                    return
                if _could_be(item, heard):
                    self._tell(heard, "message", item)
                    return
        if item is not None and item.written:
            self._hear(Heard(added))
            self._tell(self.open[-1], "message", item)

    def _guess(self, heard: Heard) -> None:
        """The next message of the response that plays, or the first of the only one that can."""
        found = self._unheard(heard)
        named = self._wire.items.get(getattr(heard.fact, "item_id", None) or "")
        last = self._last.get(heard.speech or "")
        if last is not None and last.item is not None and last.item.response in found:
            self._tell(heard, "message", found[last.item.response])
        elif named is not None and named in found.values():
            self._tell(heard, "message", named)
        elif len(found) == 1:
            self._tell(heard, "message", next(iter(found.values())))
        elif found:
            self._tell(heard, "several")
        else:
            self._tell(heard, "own" if self._unheard(heard, outside=True) else "none")

    def _unheard(self, heard: Heard, *, outside: bool = False) -> dict[Response, Item]:
        """Of each response, in the conversation or out of band, the first message that could be it."""
        found: dict[Response, Item] = {}
        for response in self._wire.responses.values():
            played = max((n for n, i in enumerate(response.items) if i.id in self.of), default=-1)
            left = response.items[played + 1 :]
            first = next((i for i in left if i.type == "message" and _could_be(i, heard)), None)
            gone = response.cancels and response.cancels[0].t < heard.begun
            alike = response.outside is outside
            if first is not None and alike and not gone and first.deleted is None:
                found[response] = first
        # What was ready in a silence before would have been played then.
        fresh = {
            response: item
            for response, item in found.items()
            if heard.silence < _STALE or heard.begun - _ready(item) < _STALE
        }
        return fresh or found

    def _tell(
        self,
        heard: Heard,
        what: Literal["message", "own", "several", "none"],
        item: Item | None = None,
    ) -> None:
        heard.what, heard.item = what, item
        self.open.remove(heard)
        if item is not None:
            self.of.setdefault(item.id, []).append(heard)
            if heard.speech is not None:
                self._last[heard.speech] = heard
        for tell in self.told:
            tell(heard)


def _could_be(item: Item, heard: Heard) -> bool:
    """What had not come is not heard, nor is what was deleted before."""
    if item.deleted is not None and item.deleted.t < heard.begun:
        return False
    if not isinstance(heard.fact, Segment):
        return item.chars > 0
    if item.sounds is None and not item.chars and item.response.lost:
        return False  # nothing of it came, and nothing will
    return _ready(item) <= heard.begun + _MOMENT


def _ready(item: Item) -> float:
    """When the first of it had come. A message without sound is spoken by a TTS."""
    return item.added.t if item.sounds is None else item.sounds
