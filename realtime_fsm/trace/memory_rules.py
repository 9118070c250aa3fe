"""What is remembered of what was heard: by the server, by LiveKit, and by the next connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import ClassVar

from .facts import Context, Fact, Forgot, ItemAdded, Look, Remembered, Segment
from .format import Line
from .heard_rules import HeardRule, holds_less
from .kept import Kept
from .redact import words_in
from .rule import on
from .sound import Heard
from .wire import Item, Response, body_of

__all__ = ["HeardIsHistory"]

_WORD = 0.5  # seconds; of less than a word no text is left
_ROUNDING = 1e-6


class HeardIsHistory(HeardRule):
    """G16: of each message the server remembers what was heard, in the order in which it was heard,
    and nothing of one that was not heard; so do LiveKit, and what a new connection is told. What the
    application does not want to be known any more need not be."""

    id, name = "G16", "heard = history"
    needs: ClassVar[tuple[str, ...]] = ("server", "client", "playback|watch")

    def begin(self) -> None:
        super().begin()
        self._replayed: Kept[str, Line] = Kept()
        self._wanted: set[str] | None = None  # by the application, since the newest deletion
        self._told: Kept[str, None] = Kept()  # messages of which a breach is known
        self._known: Kept[str, Item] = Kept()  # those judged
        self._gone: Kept[str, tuple[Item, Line]] = Kept()  # heard, deleted, and perhaps wanted
        self._forgotten: Kept[str, None] = Kept()  # by the application, as it told

    def _say(self, item: Item | None, item_id: str, text: str, *events: Line | Fact | None) -> None:
        if item_id in self._told:
            return
        self._told[item_id] = None
        told = [] if item is None else [item.added, *(h.fact for h in self._of(item_id))]
        self.broken(text, [*told, *events], (item_id,))

    def _of(self, item_id: str) -> list[Heard]:
        return self.story.sound.of.get(item_id, [])

    def _slack(self, item: Item) -> float:
        """Where it was cut is known exactly; where it ended may be off by a stretch of silence."""
        cut = item.cuts and any(each.cut for each in self._of(item.id))
        return self.settings.cut if cut else self.settings.audio

    # --- by the wire

    def judge(self, response: Response) -> None:
        if response.outside or not self.story.sound.known:
            return
        for item in response.messages:
            if item.ms > 0:
                self._known[item.id] = item
                self._look_at(item)

    def _look_at(self, item: Item) -> None:
        heard = self.story.sound.seconds(item.id)
        replayed = self._replayed.get(item.id)
        if item.deleted is not None:
            if replayed is None or replayed.t < item.deleted.t:
                self._delete_heard(item, item.deleted)
        elif item.added.connection > self.wire.lost:
            cut = item.cut_ms
            kept = (item.ms if cut is None else cut) / 1000
            if not self._as_heard(item, kept, heard) or not self._of(item.id):
                text = f"the server remembers {kept:.3f} s of {item.id}, {heard:.3f} s were heard"
                self._say(item, item.id, text, *item.cuts)
        # Else that conversation is gone: what counts is what the next one was told.
        if replayed is not None and replayed.t >= max(
            (h.fact.t for h in self._of(item.id)), default=0
        ):
            self._look_at_replay(item, replayed)

    @on("client conversation.item.delete")
    def _delete(self, each: Line) -> None:
        self._wanted = None
        item = self._known.get(str(each.event.get("item_id")))
        if item is not None:
            self._delete_heard(item, each)

    def _delete_heard(self, item: Item, each: Line) -> None:
        if _counts(item, self.story.sound.seconds(item.id)):
            self._gone[item.id] = (item, each)
            self._look_at_gone(self._wanted or set())

    @on(Context)
    def _context(self, each: Context) -> None:
        """The application's wish: known a moment after the deletions."""
        self._wanted = {item.id for item in each.items if item.text}
        self._look_at_gone(self._wanted)

    @on(Forgot)
    def _forgot(self, each: Forgot) -> None:
        """LiveKit enters a message when its speech is over: also one that the application left out before."""
        self._forgotten[each.item_id] = None

    @on(ItemAdded)
    def _added(self, each: ItemAdded) -> None:
        if self._wanted is not None and each.text and each.item_id not in self._forgotten:
            self._wanted.add(each.item_id)
            self._look_at_gone(self._wanted)

    def _look_at_gone(self, wanted: set[str]) -> None:
        for item_id, (item, deleted) in tuple(self._gone.items()):
            if item_id in wanted:
                heard = self.story.sound.seconds(item_id)
                text = f"{heard:.3f} s of {item_id} were heard, and are not remembered"
                self._say(item, item_id, text, deleted)

    @on("client conversation.item.create")
    def _create(self, each: Line) -> None:
        item = each.body("item")
        item_id = str(item.get("id"))
        if item.get("role") != "assistant":
            return
        self._replayed[item_id] = each
        self._gone.pop(item_id, None)
        self._forgotten.pop(item_id, None)
        if item_id in self._known:
            self._look_at_replay(self._known[item_id], each)

    def _look_at_replay(self, item: Item, each: Line) -> None:
        if not item.ms or each.connection <= item.added.connection:
            return
        heard, told = self.story.sound.seconds(item.id), _words(each)
        words = _words_heard(item, heard)
        too_many = words is not None and heard * 1000 < 0.95 * item.ms and told > words + 1
        if told and (heard == 0 or too_many):
            text = f"the new connection is told {told} words of {item.id}, {heard:.3f} s of"
            text += f" {item.ms / 1000:.3f} s were heard"
            self._say(item, item.id, text, each)

    # --- by looking into both memories

    def rest(self, look: Look) -> None:
        super().rest(look)
        if self._hung_up:
            return
        history, context, memory = map(_by_id, (look.history, look.context, look.memory))
        if look.connected is False:
            memory = None  # nobody can correct it
        for who, known in (("LiveKit", history), ("the server", memory)):
            if known is not None and self.story.sound.known:
                self._compare(who, known, history if who == "LiveKit" else context, look)
        if context is not None:
            self._look_at_order("the agent", context, look)
        if memory is not None and history is not None:
            self._compare_both(history, memory, context, look)
        for item_id in (look.differences or ()) if look.connected is not False else ():
            text = f"the controller says that {item_id} is not remembered as it was heard"
            self._say(self.wire.items.get(item_id), item_id, text, look)

    def _compare(
        self,
        who: str,
        known: Mapping[str, Remembered],
        wanted: Mapping[str, Remembered] | None,
        look: Look,
    ) -> None:
        """Compare what was heard with what somebody remembers."""
        for kept in known.values():
            self._look_at_memory(who, kept, look)
        for item_id in self._heard_ids():
            if item_id in self._forgotten:
                continue
            if item_id not in known and (wanted is None or known is wanted or item_id in wanted):
                item, heard = self.wire.items[item_id], self.story.sound.seconds(item_id)
                amount = f"{heard:.3f} s of {item_id}" if heard else f"words of {item_id}"
                text = f"{amount} were heard, and are not remembered by {who}"
                self._say(item, item_id, text, look)
        self._look_at_order(who, known, look)

    def _look_at_order(self, who: str, known: Mapping[str, Remembered], look: Look) -> None:
        """What was heard first is remembered first."""
        sound = self.story.sound
        found = [each for each in known if each in sound.of and each not in self._told]
        for before, after in pairwise(found):
            if sound.of[before][0].begun > sound.of[after][0].begun:
                text = f"{who} remembers {before} before {after}, which was heard first"
                self._say(self.wire.items.get(before), before, text, look)

    def _look_at_memory(self, who: str, kept: Remembered, look: Look) -> None:
        item, heard = self.wire.items.get(kept.id), self.story.sound.seconds(kept.id)
        if item is None or item.response.outside:
            return  # the application's own
        if not self._of(kept.id):
            text = f"{who} remembers {kept.id}, of which nothing was heard"
            self._say(item, kept.id, text, look)
        # After a reconnect the server has the words without the audio.
        elif heard and kept.audio_ms and not self._as_heard(item, kept.audio_ms / 1000, heard):
            text = f"{who} remembers {kept.audio_ms / 1000:.3f} s of {kept.id}"
            self._say(item, kept.id, f"{text}, {heard:.3f} s were heard", *item.cuts, look)

    def _as_heard(self, item: Item, kept: float, heard: float) -> bool:
        return abs(kept - heard) <= self._slack(item) or holds_less(item, kept, heard)

    def _heard_ids(self) -> list[str]:
        sound = self.story.sound
        return [
            item_id
            for item_id, heard in sound.of.items()
            if (item := self.wire.items.get(item_id)) is not None
            and not item.response.outside
            and (not isinstance(heard[0].fact, Segment) or _counts(item, sound.seconds(item_id)))
        ]

    def _compare_both(
        self,
        history: Mapping[str, Remembered],
        memory: Mapping[str, Remembered],
        context: Mapping[str, Remembered] | None,
        look: Look,
    ) -> None:
        for item_id, kept in memory.items():
            item, local = self.wire.items.get(item_id), history.get(item_id)
            if item is None:
                continue
            if local is None and kept.text:
                text = f"the server remembers {item_id}, LiveKit does not"
                self._say(item, item_id, text, look)
            elif local is not None and not _alike(kept, local, whole=not item.ms):
                said = [
                    i.text if isinstance(i.text, str) else f"{i.words} words" for i in (kept, local)
                ]
                text = f"{item_id}: the server remembers {said[0]!r}, LiveKit {said[1]!r}"
                self._say(item, item_id, text, look)
        for item_id in history:
            item = self.wire.items.get(item_id)
            # What was said out of band is no part of the conversation.
            unwanted = context is not None and item_id not in context
            if unwanted or item_id in memory or item_id in self._forgotten:
                continue
            if item is not None and not item.response.outside:
                text = f"LiveKit remembers {item_id}, the server does not"
                self._say(self.wire.items[item_id], item_id, text, look)


def _by_id(items: Iterable[Remembered] | None) -> dict[str, Remembered] | None:
    """What the assistant said, in order."""
    if items is None:
        return None
    return {
        i.id: i
        for i in items
        if i.type == "message" and i.role == "assistant" and (i.text or i.audio_ms)
    }


def _counts(item: Item, heard: float) -> bool:
    """Whether more was heard than what leaves no word behind, or one that LiveKit cut a little before."""
    words = _words_heard(item, heard) if item.chars else None
    return heard > _WORD and (words is None or words > 1)


def _words_heard(item: Item, heard: float) -> int | None:
    """How many words of it were heard to their end, evenly spoken; None where nobody tells."""
    if item.words is None or not item.ms:
        return None
    return int(item.words * min(1.0, heard * 1000 / item.ms) + _ROUNDING)


def _alike(server: Remembered, local: Remembered, *, whole: bool) -> bool:
    """Whether both say the same, but for the word in which it was cut. *whole*: the server cannot
    cut it, for it is text."""
    more = server.words - local.words
    if abs(more) > 1 and not (whole and more > 0):
        return False
    if not isinstance(server.text, str) or not isinstance(local.text, str):
        return True
    both = min(server.words, local.words)
    return server.text.split()[:both] == local.text.split()[:both]


def _words(each: Line) -> int:
    """How many words an item has that the client creates; at least, where an old trace does not tell."""
    content = each.body("item").get("content")
    parts = [body_of(part) for part in content] if isinstance(content, list) else []
    told = [(part, key) for part in parts for key in ("text", "transcript") if part.get(key)]
    return sum(words if (words := words_in(*each)) is not None else 1 for each in told)
