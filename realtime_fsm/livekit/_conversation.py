"""What the server's conversation was told on this connection, and what it has confirmed.

A new connection begins with an empty conversation. The plugin replays its mirror, but the mirror
forgets what a replay did not get confirmed, and has no words of a message that was still open. So
the items of lost connections are kept here, in order, with the frame that makes each again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from livekit.agents import llm

from .._core.session import OWN_IDS
from ._blame import Blame

Frame = Mapping[str, Any]
#: The ids of events that delete what the application wants deleted, and may want again.
FORGETS = f"{OWN_IDS}forget_"
#: Refused because of what precedes it, not because of what it is.
_MISPLACED = "item_create_invalid_previous_item_id"
_DUPLICATE = "item_create_duplicate_item_id"
#: What the first item goes behind.
_ROOT = "root"
#: Characters of an item's frame.
_LARGE = 10_000


class Confirmed:
    """Items in the server's order. However many there are, one at the end comes, and any is found, at once."""

    def __init__(self) -> None:
        self._order: list[str] = []
        self._ids: set[str] = set()

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def add(self, item_id: str, behind: object) -> None:
        """Put an item behind another, at the beginning ("root"), or at the end."""
        self.remove(item_id)
        inside = isinstance(behind, str) and behind in self._ids and behind != self._order[-1]
        at = self._order.index(str(behind)) + 1 if inside else len(self._order)
        at = 0 if behind == _ROOT else at
        self._order.insert(at, item_id)
        self._ids.add(item_id)

    def remove(self, item_id: str) -> None:
        if item_id in self._ids:
            self._ids.remove(item_id)
            self._order.remove(item_id)

    def before(self, item_id: str) -> str | None:
        """What precedes an item that is there."""
        at = self._order.index(item_id)
        return self._order[at - 1] if at else None

    def clear(self) -> None:
        self._order.clear()
        self._ids.clear()


class Conversation:
    """One conversation after another, as connections come and go.

    Args:
        send: Puts a frame on the wire.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self.send = send
        #: What the server hangs up on.
        self.blame = Blame()
        #: What lost connections held, in order.
        self.lost: dict[str, llm.ChatItem] = {}
        #: The frames that make items of this connection, in the order they were sent.
        self._told: dict[str, Frame] = {}
        #: Those of the connection before, until a replay left.
        self._told_before: dict[str, Frame] = {}
        #: Those of its replay.
        self._replayed: set[str] = set()
        #: What the server has confirmed, in its order.
        self._there = Confirmed()
        #: What it ever had on this connection.
        self._came: set[str] = set()
        #: The server has answered what precedes the items; those told since a create, and before one;
        #: and before one that it answered: it went past them.
        self._answered = False
        self._since_create: dict[str, None] = {}
        self._before_create: set[str] = set()
        self._passed: set[str] = set()
        #: What any connection confirmed, of what was told.
        self._taken: set[str] = set()
        #: Made again because their first frame got lost.
        self._again: set[str] = set()
        #: What is made again by a frame that has still to leave.
        self._queued: set[str] = set()
        #: What was refused and not asked for again, and what each was to go behind.
        self._refused: dict[str, object] = {}
        self._count = 0

    # --- the wire

    def place(self, frame: dict[str, Any]) -> None:
        """Let an item that leaves go where it can be: behind what this connection has of what precedes it. What a
        lost one had of a message that nobody heard is in the plugin's mirror still, and what is refused there
        would come behind the create that is to answer it."""
        before = frame.get("previous_item_id")
        if isinstance(before, str) and before in self.lost and not self._is_there(before):
            frame["previous_item_id"] = self._place_of(before, self._is_there)

    def left(self, item_id: str) -> None:
        """A frame of our own that makes this item leaves."""
        self._queued.discard(item_id)

    def _is_there(self, item_id: str) -> bool:
        return self.holds(item_id) and item_id not in self._queued

    def sent(self, frame: Frame) -> None:
        """A client's frame leaves."""
        item = frame.get("item")
        if frame.get("type") == "conversation.item.create" and isinstance(item, Mapping):
            self._told.pop(str(item.get("id")), None)
            self._told[str(item.get("id"))] = frame
            self._refused.pop(str(item.get("id")), None)
            self._since_create[str(item.get("id"))] = None
        elif frame.get("type") == "conversation.item.delete":
            self._told.pop(str(frame.get("item_id")), None)
            self._since_create.pop(str(frame.get("item_id")), None)
        elif frame.get("type") == "response.create":
            self._before_create.update(self._since_create)
            self._since_create.clear()

    def expect(self, items: Iterable[llm.ChatItem]) -> None:
        """Frames that make these items are on their way."""
        for item in items:
            text = item.text_content if isinstance(item, llm.ChatMessage) else None
            body = {"id": item.id, "content": [{"text": text}]}
            self._told[item.id] = {"item": body}
            self._since_create[item.id] = None

    def answered(self) -> None:
        """The server took what is sent before the items, or asks nothing of them."""
        if self._answered and all(item_id in self._there for item_id in self._told):
            self.blame.went_on()
        self._answered = True

    def created(self) -> None:
        """The server began a response."""
        self._passed |= self._before_create
        self._before_create.clear()
        self.blame.went_on()

    def added(self, item_id: str, previous: object = None) -> None:
        self.blame.confirmed(item_id)
        self._came.add(item_id)
        if item_id in self._told:
            self._taken.add(item_id)
        if self._is_behind(item_id, self.blame.on_trial):
            self.blame.went_on()
        if item_id not in self._there:  # said twice: it stays where it is
            if previous is None:  # the first, or the server does not tell
                previous = self._told.get(item_id, {}).get("previous_item_id")
            self._there.add(item_id, previous)

    def _is_behind(self, item_id: str, other: str | None) -> bool:
        """Whether an item comes after one that a replay left out."""
        if item_id not in self._replayed:
            return True
        if item_id not in self.lost or other not in self.lost:
            return False
        known = list(self.lost)
        return known.index(other) < known.index(item_id)

    def had(self, item_id: str) -> bool:
        """Whether the server had this item, has it no more, and was not told to make it again."""
        gone = item_id in self._came and item_id not in self._there
        return gone and item_id not in self._told

    def came(self, item_id: str) -> bool:
        """Whether the server said of this connection that it has this item, or had it."""
        return item_id in self._came

    def told(self, item_id: str) -> bool:
        """Whether this item is there since a client's frame made it."""
        return item_id in self._told

    def outputs_of(self, calls: Collection[str]) -> list[str]:
        """What these calls returned, as far as it was told."""
        told = [(item_id, frame["item"].get("call_id")) for item_id, frame in self._told.items()]
        lost = [(item.id, getattr(item, "call_id", None)) for item in self.lost.values()]
        return [item_id for item_id, call_id in (*told, *lost) if call_id in calls]

    def asks(self, but: str | None) -> bool:
        """Whether it was told of something to answer, but for this item."""
        return any(
            item_id != but and is_question(frame["item"]) for item_id, frame in self._told.items()
        )

    def replaces(self, item_id: str) -> bool:
        """Whether we make this item again."""
        return str(self._told.get(item_id, {}).get("event_id")).startswith(OWN_IDS)

    def deleted(self, item_id: str) -> None:
        """The server keeps nothing of this item any more."""
        self._there.remove(item_id)
        if item_id not in self._told:  # otherwise it is being made again
            self.lost.pop(item_id, None)
            self._told_before.pop(item_id, None)

    def refused(self, event_id: str, code: str) -> bool:
        """An item was refused. Returns whether it is asked for again, elsewhere."""
        item_id = next((i for i, f in self._told.items() if f.get("event_id") == event_id), None)
        if item_id is None or code == _DUPLICATE:
            return False  # not an item's, or the item is there
        frame = self._told[item_id]
        before = frame.get("previous_item_id")
        misplaced = code == _MISPLACED and self._finds_place(item_id, before)
        if not (misplaced or self._came_too_early(item_id, before)):
            del self._told[item_id]
            self._refused[item_id] = before
            return False
        self._make(item_id, frame)
        return True

    def _came_too_early(self, item_id: str, before: str | None) -> bool:
        """Whether what an item goes behind was refused, too, and is asked for again since: it may be
        the call of this output."""
        if before is None or before not in self._told:
            return False
        sent = list(self._told)
        return sent.index(before) > sent.index(item_id)

    def _finds_place(self, item_id: str, before: str | None) -> bool:
        """Whether an item can be made, although it was refused behind *before*."""
        if before is not None and before in self._told:
            if self._came_too_early(item_id, before):
                return True
            if before not in self._there and before not in self._again:
                # The connection is ordered: the one before it got lost.
                self._again.add(before)
                self._make(before, self._told[before])
                return True
        if before is not None:
            self._there.remove(before)
            self._told.pop(before, None)
        return self._place(item_id) != before

    # --- connections

    def connection_lost(self, items: Iterable[llm.ChatItem]) -> None:
        """The connection is gone; *items* are what it held, in its order."""
        self.arrange(items)
        self._told_before.update(self._told)
        self._told.clear()
        self._there.clear()
        self._came.clear()
        self._again.clear()
        self._queued.clear()
        self._refused.clear()
        self._since_create.clear()
        self._before_create.clear()
        self._passed.clear()
        self._answered = False

    def hung_up(self) -> None:
        """The server, or what is between, ended the connection. If it answered nothing at all that
        says nothing of the items."""
        if self._answered or self._there:
            done = self._passed.union(self._there)
            first = next((i for i in self._told if i not in done), None)
            self.blame.ended_at(first if first is not None and self._may_be_why(first) else None)

    def _may_be_why(self, item_id: str) -> bool:
        """Whether the server may have hung up on it: on none that it took before; and where it took
        none at all on one that is large, or it would have hung up anyway (openai-agents-js#501)."""
        if item_id in self._taken:
            return False
        confirmed = any(told in self._there for told in self._told)
        return confirmed or len(json.dumps(self._told[item_id]["item"], default=str)) >= _LARGE

    def keep(self, items: Iterable[llm.ChatItem]) -> None:
        self.lost.update({item.id: item for item in items})

    def arrange(self, items: Iterable[llm.ChatItem]) -> None:
        """These items have this order on the next connection. What is not among them stays behind what
        it followed."""
        wanted = {item.id: item for item in items}
        before: str | None = None
        #: What goes first, and behind each of them.
        first: list[str] = []
        behind: dict[str, list[str]] = {item_id: [item_id] for item_id in wanted}
        for item_id in self.lost:
            if item_id in wanted:
                before = item_id
            else:
                (first if before is None else behind[before]).append(item_id)
        self.lost.update(wanted)
        self.lost = {each: self.lost[each] for each in chain(first, *behind.values())}

    @property
    def order(self) -> list[str]:
        """What the server has confirmed, in its order."""
        return list(self._there)

    def move(self, item_id: str, order: list[str]) -> None:
        """Let an item of a lost connection go where *order* has it."""
        if item_id not in order:
            return
        before = order[: order.index(item_id)]
        kept = [each for each in self.lost if each != item_id]
        behind = next((n for n in range(len(kept), 0, -1) if kept[n - 1] in before), 0)
        kept.insert(behind, item_id)
        self.lost = {each: self.lost[each] for each in kept}

    def replayed(self, unwanted: Iterable[str]) -> None:
        """A replay left. Add what an earlier one had, of which nothing was heard since."""
        for item_id in unwanted:
            self._told_before.pop(item_id, None)
        before, self._told_before = self._told_before, {}
        missing: dict[str, Frame] = {}
        for item_id, frame in before.items():
            if item_id in self.blame.out:
                self._told_before[item_id] = frame
            elif item_id not in self._told:
                missing[item_id] = frame
        place = _ROOT
        for item_id in self.lost if missing else ():
            if item_id in missing and item_id not in self._there:
                self._make(item_id, missing.pop(item_id), place)
            if self.holds(item_id):
                place = item_id
        for item_id, frame in missing.items():
            self._make(item_id, frame)
        self._replayed = set(self._told)

    # --- items

    def holds(self, item_id: str) -> bool:
        """Whether the present conversation has this item, or was told to make it."""
        return item_id in self._told or item_id in self._there

    def put(self, item_id: str, text: str) -> bool:
        """Let the conversation have these words of an assistant's message, and no others. Returns
        whether the server has confirmed them before."""
        place: str | None = None
        told = self._told.get(item_id)
        if told is not None and words_of(told["item"]) == text.split():
            return item_id in self._there
        if self.holds(item_id):
            event_id, place = self._event_id(), self._place(item_id)
            self._there.remove(item_id)
            self._delete(item_id, event_id)
        if text:
            content = [{"type": "output_text", "text": text}]
            item = {"id": item_id, "type": "message", "role": "assistant", "content": content}
            self._make(item_id, {"item": item}, place)
        return False

    def remove(self, item_id: str) -> None:
        """Let the conversation have this item no more."""
        if self.holds(item_id):
            self._delete(item_id, self._event_id(FORGETS))

    def drop_all(self, said: Iterable[str], but: Collection[str]) -> None:
        """Let no conversation have anything more that one was told, or of these messages that were *said*,
        except for some items."""
        for item_id in dict.fromkeys((*self._told, *self._told_before, *said)):
            if item_id not in but:
                self.remove(item_id)
                self.deleted(item_id)

    def _make(self, item_id: str, frame: Frame, place: str | None = None) -> None:
        create = {
            "type": "conversation.item.create",
            "item": frame["item"],
            "event_id": self._event_id(),
        }
        before = place or self._place(item_id) or self._was_behind(frame)
        if before is not None:
            create["previous_item_id"] = before
        self._queued.add(item_id)
        self._send(create)

    def _delete(self, item_id: str, event_id: str) -> None:
        self._send({"type": "conversation.item.delete", "item_id": item_id, "event_id": event_id})

    def _send(self, frame: dict[str, Any]) -> None:
        self.sent(frame)  # it may leave later than the next one is decided on
        self.send(frame)

    def _place(self, item_id: str) -> str | None:
        """The item it goes behind: the nearest of those before it that is there. None: the end."""
        if item_id in self._there:
            return self._there.before(item_id) or _ROOT
        return self._place_of(item_id, self.holds) if item_id in self.lost else None

    def _place_of(self, item_id: str, there: Callable[[str], bool]) -> str:
        """The nearest of what preceded an item of a lost connection that is *there*."""
        place = _ROOT
        for earlier in self.lost:
            if earlier == item_id:
                break
            if there(earlier):
                place = earlier
        return place

    def _was_behind(self, frame: Frame) -> str | None:
        """The item it was first put behind, if that is there; of one that was refused what that was to
        go behind."""
        before = frame.get("previous_item_id")
        for _ in self._refused:  # two may name each other
            before = self._refused.get(str(before), before)
        return (
            before if isinstance(before, str) and (before == _ROOT or self.holds(before)) else None
        )

    def _event_id(self, kind: str = f"{OWN_IDS}item_") -> str:
        self._count += 1
        return f"{kind}{self._count}"


def is_question(item: object) -> bool:
    """Whether an item wants an answer. The user's without words, too: an old copy of the history has
    none yet, and models make something of it."""
    if not isinstance(item, Mapping):
        return False
    return item.get("type") == "function_call_output" or item.get("role") == "user"


def words_of(item: Mapping[str, Any]) -> list[str]:
    """The words of a message as a frame has them."""
    parts = item.get("content")
    parts = [p for p in parts if isinstance(p, Mapping)] if isinstance(parts, list) else []
    return " ".join(str(p.get("text") or p.get("transcript") or "") for p in parts).split()
