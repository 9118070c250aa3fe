"""What is to be answered: which item, and whether it went with its connection or was deleted."""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable

from livekit.agents import llm

from .._core.session import remember
from ._conversation import Conversation
from ._reply_request import ReplyRequest

#: Of the error that answers a commit of nothing.
_NOTHING_TO_COMMIT = "input_audio_buffer_commit_empty"


class Questions:
    """One session's.

    Args:
        conversation: What the server has.
        mirror: What the inner session remembers of it.
    """

    def __init__(self, conversation: Conversation, mirror: Callable[[], llm.ChatContext]) -> None:
        self._conversation = conversation
        self._mirror = mirror
        #: The item that the next answer is to; one that went with its connection before its
        #: words were known; one that the application deleted: until there is another.
        self.current: str | None = None
        self._lost: str | None = None
        self._taken_back: str | None = None
        #: When that was, seconds on the loop's clock.
        self.taken_back_at = -math.inf
        #: The audio that was committed last is no item yet; and it went with its connection before.
        self._commits = False
        self._commit_lost = False
        #: The last one of the user's that was asked about.
        self._answered: str | None = None
        #: Those that were to be answered so far.
        self._asked: OrderedDict[str, None] = OrderedDict()

    # --- what comes and goes

    def asks(self, item_id: str) -> None:
        """This item is to be answered; an earlier one, or one of an earlier connection, was told anew."""
        earlier = item_id in self._asked and item_id not in (self.current, self._taken_back)
        remember(self._asked, item_id, None)
        if not (earlier or item_id in self._conversation.lost or item_id == self._lost):
            self.current, self._lost = item_id, None
            self._taken_back = None
            self._commit_lost = False

    def commit_left(self) -> None:
        """What was said is to be an item."""
        self._commits = True

    def committed(self, item_id: str) -> None:
        """It is this one."""
        self._commits = False
        self.asks(item_id)

    def refused(self, code: object) -> None:
        """An ``error`` with this code came."""
        self._commits = self._commits and code != _NOTHING_TO_COMMIT

    def deleted(self, item_id: object) -> None:
        """The server deleted an item."""
        if item_id == self.current and self._answers_another(self.current):
            self._taken_back = self.current
            self.taken_back_at = asyncio.get_running_loop().time()

    def connection_lost(self) -> None:
        """A new connection is told nothing of what was said without a transcript. Asked again it would
        answer the question before once more, if there is one by then."""
        if not self.has_words:
            self._lost = self.current
        if self._commits:
            self._commits, self._commit_lost = False, self._answers_another(None)
        self.current = None

    # --- what is to be answered

    def wants(self, output_pushed: str | None, *, before: bool) -> str | None:
        """The item that a reply asked for now answers, as far as is known. Who asks since that was deleted
        asks about the rest; who was to ask *before* that, and has only come to it now, about what is gone.

        Args:
            output_pushed: The tool's output that was pushed last, unless something follows it.
            before: Who asks was there when it was deleted.
        """
        told = output_pushed is not None and self._conversation.told(output_pushed)
        if self.current == self._taken_back and (not before or told):
            return None
        return self.current

    def is_of_user(self) -> bool:
        """Whether what is asked for now answers something that the user wrote since the last time. What
        was said server VAD answers by itself, or the application commits."""
        asked, answered = self.current, self._answered
        if asked is None or asked == answered or not self._conversation.told(asked):
            return False
        self._answered = asked
        item = self._mirror().get_by_id(asked)
        return isinstance(item, llm.ChatMessage) and item.role == "user"

    def is_gone(self, ask: ReplyRequest, *, owed: bool) -> bool:
        """Whether what it answers went with a connection before its words were known, or was deleted
        by the application since it was asked.

        Args:
            owed: Server VAD was to answer what came last.
        """
        lost = None
        if self._lost is not None and self._answers_another(self._lost):
            lost = self._lost
        if ask.committed and (self._commit_lost or lost is not None):
            return True
        gone = (lost, self._taken_back)
        return any(each is not None and (owed or ask.question == each) for each in gone)

    @property
    def has_words(self) -> bool:
        """Whether another connection can be told what is to be answered."""
        asked = self.current
        if asked is None or self._conversation.told(asked):
            return True
        item = self._mirror().get_by_id(asked)
        return isinstance(item, llm.FunctionCallOutput) or bool(getattr(item, "content", None))

    @property
    def is_at_stake(self) -> bool:
        """Whether it would be gone with the connection."""
        return self._commits or not self.has_words

    def _answers_another(self, item_id: str | None) -> bool:
        """Whether the server would find another question to answer in place of this one."""
        if self._conversation.asks(but=item_id):
            return True
        # Also what was pushed while there was no connection: it is not in the mirror yet.
        items = (*self._mirror().items, *self._conversation.lost.values())
        return any(_can_be_answered(item) for item in items if item.id != item_id)


def _can_be_answered(item: llm.ChatItem) -> bool:
    """Once more, too: also a tool's output."""
    if isinstance(item, llm.FunctionCallOutput):
        return True
    return isinstance(item, llm.ChatMessage) and item.role == "user" and bool(item.content)
