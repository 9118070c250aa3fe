"""What LiveKit shows and the server remembers, looked at as it stands now (G16).

The controller follows events, and none tells of the words that are shown now, nor of the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from livekit.agents import llm

from .._core.difference import Difference, DifferenceKind
from .._core.records import Message
from .._core.states import MessageOutcome
from ._history import History
from ._private import agent_history
from ._speech import SpeechTracker

_HEARD = (MessageOutcome.FULL, MessageOutcome.PARTIAL)


def differences(
    messages: Sequence[Message], history: History, speeches: SpeechTracker
) -> Mapping[str, Difference]:
    """Of which of these messages the agent's history has other words than were heard, and which of them
    it or the server has before one that was heard first."""
    session = speeches.session
    known = None if session is None else agent_history(session)
    if known is None:
        return {}
    heard = [m for m in messages if m.outcome in _HEARD and m.delivered and not m.released]
    heard.sort(key=lambda message: message.moved_at)
    found = {m.item_id: _of(m, DifferenceKind.ORDER) for m in _misplaced(heard, history, known)}
    for message in heard:
        item = known.get_by_id(message.item_id)
        if isinstance(item, llm.ChatMessage) and _has_other_words(message, item, history):
            found[message.item_id] = _of(message, DifferenceKind.WORDS)
    return found


def _misplaced(
    heard: Iterable[Message], history: History, known: llm.ChatContext
) -> Iterator[Message]:
    if history.reordered:
        return
    for order in ([item.id for item in known.items], history.order):
        place = {item_id: n for n, item_id in enumerate(order)}
        last = -1
        for message in heard:
            at = place.get(message.item_id, last)
            if at < last:
                yield message
            last = max(at, last)


def _has_other_words(message: Message, item: llm.ChatMessage, history: History) -> bool:
    """What was cut shows what was heard; of what was played to its end LiveKit shows what it entered."""
    words = history.heard_text(message.item_id)
    if words is None:
        words = message.shown
    return words is not None and words.split() != (item.text_content or "").split()


def _of(message: Message, kind: DifferenceKind) -> Difference:
    heard = message.received_ms if message.heard_ms is None else message.heard_ms
    kept = message.received_ms if message.remembered_ms is None else message.remembered_ms
    return Difference(kind, heard, kept)
