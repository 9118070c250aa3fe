"""Heard = history: what the inner session remembers, and LiveKit's pushes to it (G16).

Three copies of the history exist: the server's, the inner session's mirror of it (replayed after a
reconnect) and the agent's. The server's is corrected by commands of the controller. Here the mirror
learns what was heard of a truncated message, and a push from the agent's copy is kept from touching
messages that are still open or that are being deleted anyway.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any

from livekit.agents import llm, utils

from .._core.controller import TurnController
from .._core.frames import text_delta
from .._core.records import Message, Turn
from .._core.session import OWN_IDS, remember
from .._core.states import MessageOutcome
from .._core.words import heard_words
from ._blame import Blame
from ._conversation import FORGETS, Conversation, is_question, words_of
from ._guard import Guard
from ._log import get_logger
from ._questions import Questions
from ._strays import Strays

#: Seconds a push may stay unconfirmed before the reply that waits for it goes on. The socket is
#: ordered: what was sent is there before the reply (livekit/agents PR#6445).
CONFIRM = 1.0
_REMEMBERED = 64
_ADDED = ("conversation.item.added", "conversation.item.created")
#: How far a synchronised transcript may be off the position: words are not evenly spoken.
_SLACK_WORDS = 2
_SLACK = 0.1
#: Nothing of a message was heard (yet).
_UNHEARD = (None, MessageOutcome.SKIPPED)


class History:
    """One session's view of it.

    Args:
        inner: The inner session; its ``chat_ctx`` holds the mirror's own items.
    """

    def __init__(
        self, inner: llm.RealtimeSession[Any], controller: TurnController, guard: Guard
    ) -> None:
        self._guard = guard
        self._inner = inner
        self._controller = controller
        self._heard: OrderedDict[str, str] = OrderedDict()
        #: The words that were received of messages, as they came.
        self._words: OrderedDict[str, list[str]] = OrderedDict()
        #: Those that came when nothing more of a message was handed out.
        self._late: OrderedDict[str, str] = OrderedDict()
        #: Words and milliseconds that the server had of messages when it cut them.
        self._made: OrderedDict[str, tuple[str, float]] = OrderedDict()
        #: The lists of words in the placeholders that the host made of messages, and in their copies.
        self._placeholders: OrderedDict[str, list[llm.ChatContent]] = OrderedDict()
        #: The items that we had deleted last, and whether the application wanted that, and may want them again.
        self._deleted: OrderedDict[str, bool] = OrderedDict()
        #: Calls that the application deleted.
        self._calls_left_out: OrderedDict[str, None] = OrderedDict()
        self._strays = Strays()
        #: Items of the server's that the agent's history has never had.
        self._unentered: OrderedDict[str, None] = OrderedDict()
        self._conversation = Conversation(self._put_on_the_wire)
        self.questions = Questions(self._conversation, lambda: self._inner.chat_ctx)
        #: The server confirms what it is told, as far as is known.
        self._confirms = True
        #: Another inner session takes over, and does not have the conversation yet.
        self._moving = False
        #: No conversation can be told anything: messages to restore once one can.
        self._down = False
        self._owed: dict[str, Message] = {}
        #: Messages being restored, until the server has them.
        self._restoring: dict[str, tuple[Message, list[str]]] = {}
        #: Called with a message's id and how much of it the server keeps, milliseconds.
        self.on_restored: Callable[[str, int], None] = lambda item_id, ms: None
        #: Called with a message's id and the words of it that were heard, now that more of it is known.
        self.on_counted_again: Callable[[str, str], None] = lambda item_id, text: None
        #: Called with the id of a message that was deleted while no server could be told.
        self.on_dropped: Callable[[str], None] = lambda item_id: None
        #: Called with the id of an item of which nobody will be given anything.
        self.on_stray: Callable[[str], None] = lambda item_id: None
        #: What was deleted so, until the server that a replay tells of it forgets it.
        self._dropped: set[str] = set()
        #: Held by a push, or a replay, until it is confirmed or nobody waits for that any more.
        self._pushing = asyncio.Lock()
        self._push: asyncio.Task[None] | None = None
        #: The last context that the inner session was given.
        self.pushed: llm.ChatContext | None = None
        #: What the last push makes of the conversation, and which items it deletes, until confirmed.
        self._wanted: dict[str, llm.ChatItem] | None = None
        self._unwanted: set[str] = set()
        #: What is to be deleted from a connection whose replay has it again.
        self._undeleted: set[str] = set()
        #: The application gave the history another order than it had.
        self.reordered = False
        self._closed = False
        self._log = get_logger()

    # --- what was heard

    @property
    def order(self) -> list[str]:
        """The items that the server confirmed on this connection, in its order."""
        return self._conversation.order

    def heard(self, item_id: str, text: str) -> None:
        """No more than this text of a message was heard."""
        again = self._heard.get(item_id, text) != text
        remember(self._heard, item_id, text)
        self.correct_mirror([item_id])
        self._show(item_id, text)
        if again:
            self.on_counted_again(item_id, text)

    def note_shown(self, item_id: str, text: str) -> None:
        """The host shows this text of a message from now on."""
        self._show(item_id, text)
        self._placeholders.pop(item_id, None)

    def announced(self, item_id: str, *, entered: bool) -> None:
        """LiveKit is told of an item, or will be, and has it in the agent's history, or has not. What it
        pushed itself it knows."""
        if entered or self._conversation.told(item_id):
            self.entered(item_id)
        else:
            remember(self._unentered, item_id, None)

    def entered(self, item_id: str) -> None:
        """The agent's history has this item: who leaves it out of a push wants it deleted."""
        self._unentered.pop(item_id, None)

    def replaces(self, item_id: str) -> bool:
        """Whether an item that the server deletes is one that we make again."""
        return self._conversation.replaces(item_id)

    def unheard(self, item_id: str) -> None:
        """Nothing of a message was heard, and nothing will be."""
        self.note_shown(item_id, "")

    def shown_in(self, item: llm.ChatMessage) -> None:
        """The host makes a placeholder of a message, which shares this item's list of words, as the
        copies do that it hands out. It has the words that came so far, until it is known how
        much of them was heard."""
        if item.id not in self._placeholders:
            remember(self._placeholders, item.id, item.content)
            self._show(item.id, self._heard.get(item.id) or self._received(item.id))

    def _show_more(self, item_id: str, words: str) -> None:
        content = self._placeholders.get(item_id)
        if content is not None and item_id not in self._heard:
            content[:] = [f"{content[0]}{words}" if content else words]

    def _show(self, item_id: str, text: str) -> None:
        content = self._placeholders.get(item_id)
        if content is not None:
            content[:] = [text] if text else []

    def heard_text(self, item_id: str) -> str | None:
        """What was heard of a message that was cut, perhaps nothing; None of any other."""
        message = self._controller.message(item_id)
        if message is not None and message.outcome is MessageOutcome.SKIPPED:
            return ""
        return self._heard.get(item_id)

    def generated(self, done: Mapping[str, Any]) -> None:
        """A ``response.done``, after which the plugin writes the full texts into its mirror. Where the
        frame does not tell of which messages, it can only have been the one that was cut last."""
        ids = [item["id"] for item in _output(done)] or [*self._heard][-1:]
        cut = [item_id for item_id in ids if item_id in self._heard]
        if cut:
            asyncio.get_running_loop().call_soon(self._guard(self.correct_mirror), cut)

    def unseen(self, done: Mapping[str, Any]) -> list[str]:
        """What nobody was given of a ``response.done``: messages whose beginning was not seen, although
        their words came, and calls if that of the response was not."""
        response_id = _response_of(done).get("id")
        lost = isinstance(response_id, str) and not self._strays.has_begun(response_id)
        return [
            item["id"]
            for item in _output(done)
            if self._controller.message(item["id"]) is None
            and item["id"] not in self._deleted
            and (item["id"] in self._words or (lost and item.get("type") == "function_call"))
        ]

    def correct_mirror(self, item_ids: Iterable[str]) -> None:
        """The plugin takes no notice of ``conversation.item.truncated`` and would replay the full
        text after a reconnect. The mirror is as long as the call; what was just cut is at its end."""
        wanted = {item_id: self._heard[item_id] for item_id in item_ids if item_id in self._heard}
        for item_id in wanted:
            self._correct(self._conversation.lost.get(item_id))
        mirror = reversed(self._inner.chat_ctx.items) if wanted else ()
        for item in mirror:
            if wanted.pop(item.id, None) is not None:
                self._correct(item)
                if not wanted:
                    break

    def _correct(self, item: llm.ChatItem | None) -> None:
        if isinstance(item, llm.ChatMessage):
            text = self._heard[item.id]
            item.content = [text] if text else []  # a moment may be too short for a word

    # --- the wire

    def said(self, item_id: str, words: str) -> None:
        """More words of a message came."""
        known = self._words.get(item_id)
        if known is not None:
            known.append(words)
        else:
            self._words[item_id] = [words]
            while len(self._words) > _REMEMBERED and not self._is_live(next(iter(self._words))):
                self._words.popitem(last=False)
        self._show_more(item_id, words)

    def complete(self, frame: object) -> None:
        """Let the plugin learn of an item whose ``conversation.item.added`` got lost: it knows no other
        event, and would replay a tool's output without its call. Messages of the model's own have a
        place of their own here (`_missed`)."""
        if not isinstance(frame, dict) or frame.get("type") != "conversation.item.done":
            return
        item = frame.get("item")
        if not isinstance(item, Mapping) or item.get("role") == "assistant":
            return
        item_id = item.get("id")
        if isinstance(item_id, str) and not self._conversation.came(item_id):
            frame["type"] = "conversation.item.added"

    def is_over(self, frame: Mapping[str, Any]) -> bool:
        """Whether a frame tells once more of an item that was deleted since. The plugin would have it again."""
        if frame.get("type") not in _ADDED:
            return False
        item = frame.get("item")
        item_id = item.get("id") if isinstance(item, Mapping) else None
        return (
            isinstance(item_id, str)
            and self._conversation.had(item_id)
            and not self._is_live(item_id)  # some servers use an id again
        )

    def server_frame(self, frame: Mapping[str, Any]) -> bool:
        """Note what a server's frame says of items. Returns whether it refuses one of ours, or one
        that is asked for again."""
        kind = frame.get("type")
        for item_id in self._strays.came(frame):
            self.on_stray(item_id)
        if delta := text_delta(frame):
            item_id, words = delta
            if not self._controller.handed_out(item_id):
                self.said(item_id, words)
            else:
                remember(self._late, item_id, self._late.get(item_id, "") + words)
        elif kind in _ADDED:
            item = frame.get("item")
            if isinstance(item, Mapping) and isinstance(item.get("id"), str):
                self._confirms = self._confirms or self._conversation.told(item["id"])
                self._conversation.added(item["id"], frame.get("previous_item_id"))
                self._confirmed(item["id"], words_of(item))
                if is_question(item):
                    self.questions.asks(item["id"])
        elif kind == "conversation.item.done":
            item = frame.get("item")
            if isinstance(item, Mapping) and self._missed(str(item.get("id"))):
                self._conversation.added(str(item["id"]), frame.get("previous_item_id"))
        elif kind == "input_audio_buffer.committed":
            self.questions.committed(str(frame.get("item_id")))
        elif kind == "session.updated":
            self._conversation.answered()
        elif kind == "response.created":
            self._conversation.created()
        elif kind == "conversation.item.deleted":
            self._conversation.deleted(str(frame.get("item_id")))
            self._dropped.discard(str(frame.get("item_id")))
            self._forget_wanted(str(frame.get("item_id")))
            self.questions.deleted(frame.get("item_id"))
        elif kind == "error" and isinstance(frame.get("error"), Mapping):
            error = frame["error"]
            self.questions.refused(error.get("code"))
            return self._conversation.refused(str(error.get("event_id")), str(error.get("code")))
        return False

    def _forget_wanted(self, item_id: str) -> None:
        """The server deleted an item: unless it is being moved, nobody wants it back."""
        self._unwanted.discard(item_id)
        if self._wanted is not None and not self._conversation.told(item_id):
            self._wanted.pop(item_id, None)

    def _missed(self, item_id: str) -> bool:
        """Whether the beginning of a message, which tells its place, was not seen."""
        known = self._controller.message(item_id) is not None and item_id not in self._deleted
        return known and not self._conversation.holds(item_id)

    @property
    def output_pushed(self) -> str | None:
        """The tool's output that was pushed last, unless something follows it."""
        last = None if self.pushed is None or not self.pushed.items else self.pushed.items[-1]
        return last.id if isinstance(last, llm.FunctionCallOutput) else None

    def client_frame(self, frame: dict[str, Any]) -> None:
        """Note what a frame that leaves says of items."""
        item = frame.get("item")
        if not str(frame.get("event_id")).startswith(OWN_IDS):
            self._conversation.place(frame)
            self._conversation.sent(frame)
            if isinstance(item, Mapping) and item.get("role") == "user":
                # The wire is ordered: it is there before what is asked now, confirmed or not.
                self.questions.asks(str(item.get("id")))
            if frame.get("type") == "input_audio_buffer.commit":
                self.questions.commit_left()
        elif frame.get("type") == "conversation.item.delete":
            wanted = str(frame.get("event_id")).startswith(FORGETS)
            remember(self._deleted, str(frame.get("item_id")), wanted)
        elif isinstance(item, Mapping):
            self._conversation.left(str(item.get("id")))
            self._deleted.pop(str(item.get("id")), None)  # what was heard of it takes its place

    def _put_on_the_wire(self, frame: dict[str, Any]) -> None:
        self._inner.send_event(frame)  # type: ignore[attr-defined]

    # --- connections

    @property
    def blame(self) -> Blame:
        """What the server hangs up on, and is not told of."""
        return self._conversation.blame

    def lost(self, *, hung_up: bool = False) -> None:
        """The connection is gone. The mirror is what the next one replays.

        Args:
            hung_up: It was ended by the other side; not given up by us, nor known before.
        """
        self._down = True
        self.questions.connection_lost()
        if hung_up:
            self._conversation.hung_up()
        strays = self._strays.lost()
        for item in self._inner.chat_ctx.items:
            message = self._controller.message(item.id)
            if item.id in strays and isinstance(item, llm.ChatMessage):
                item.content = []
            if message is None or not isinstance(item, llm.ChatMessage):
                continue
            if message.outcome is MessageOutcome.SKIPPED or self._is_open(message):
                item.content = []  # not replayed; `restore` puts what will have been heard
            elif not item.content:
                # The plugin notes the words of a message only when its response is done.
                item.content = [words] if (words := self._text_of(message)) else []
        self.correct_mirror(self._heard)
        order = self._conversation.order
        # Copies: a dead session may read on, and write into its own.
        mirror = self._inner.chat_ctx
        self._conversation.connection_lost(map(_copied, mirror.items))
        self._keep_unconfirmed(mirror)
        self._keep_unlisted(order)
        for item_id in strays:
            self.on_stray(item_id)

    def given_up(self) -> None:
        """The same, if it is not known yet. What the plugin reads until it is closed is given to nobody, and
        changes its mirror."""
        self._moving = True
        if not self._down:
            self.lost(hung_up=False)

    def _keep_unconfirmed(self, mirror: llm.ChatContext) -> None:
        """A push went to a connection that nobody knew to be dead: the next one is to be as it was
        meant."""
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return
        known = self._conversation.lost
        self._conversation.arrange(
            known[item.id] if self._controller.message(item.id) and item.id in known else item
            for item in wanted.values()
            if item.id in known or item.id not in self._deleted
        )
        self._undeleted = {item.id for item in mirror.items if item.id in self._unwanted}
        self._drop(self._undeleted)

    def _keep_unlisted(self, order: list[str]) -> None:
        """What was heard, and is not in the mirror since the ``conversation.item.added`` of it never
        came, is put on the next connection by us, where the lost one had it."""
        for turn in (*self._controller.finished, *self._controller.turns):
            for message in turn.messages:
                known = message.item_id in self._conversation.lost or message.released
                if known or message.outcome in _UNHEARD or message.item_id in self._deleted:
                    continue
                if words := self._text_of(message):
                    item = llm.ChatMessage(id=message.item_id, role="assistant", content=[words])
                    self._conversation.keep([item])
                    self._conversation.move(message.item_id, order)
                    self._owed[message.item_id] = message

    def replayed(self, unwanted: Collection[str]) -> None:
        """A new connection was told what the mirror has, but for the *unwanted* items."""
        self._down = False
        self._conversation.replayed(unwanted)
        owed, self._owed = self._owed, {}
        for message in owed.values():
            self.restore(message)
        again, self._undeleted = self._undeleted, set()
        if self._push is None or self._push.done():  # or the inner session says so again
            for item_id in again:
                self._conversation.remove(item_id)

    def moved(self, item_id: str) -> bool:
        """Whether a message is, or was, on a lost connection: it cannot be truncated here."""
        return item_id in self._conversation.lost

    def cut(self, item_id: str) -> bool:
        """The host cuts a message. Returns whether `restore` puts the rest where it belongs,
        because this connection holds no audio of it."""
        message = self._controller.message(item_id)
        if message is None or not self.moved(item_id):
            return False
        self._text_of(message)
        return True

    def forgotten(self, item_id: str) -> bool:
        """Whether the present conversation has nothing of a message, and will not have."""
        known = self._controller.message(item_id) is not None
        return known and self.moved(item_id) and not self._conversation.holds(item_id)

    def cut_back(self, message: Message) -> None:
        """The server is about to cut a message to what was handed out of it. The mirror gets all that
        was generated with its ``response.done``, which may be the frame that is being read."""
        self._text_of(message)
        again = self._guard(self.correct_mirror)
        asyncio.get_running_loop().call_soon(again, [message.item_id])

    def restore(self, message: Message) -> None:
        """Put what was heard of a message on the present conversation."""
        if self._down:
            self._owed[message.item_id] = message
            return
        text = self._text_of(message)
        self._restoring[message.item_id] = (message, text.split())
        there = self._conversation.put(message.item_id, text)
        if there or not text:
            self._confirmed(message.item_id, text.split())

    def _received(self, item_id: str) -> str:
        return "".join(self._words.get(item_id, ()))

    def _text_of(self, message: Message) -> str:
        words = self._received(message.item_id)
        if message.outcome is MessageOutcome.FULL:
            if message.late_ms is not None:
                self.heard(message.item_id, words)  # the mirror has more
            return words
        if message.transcript is not None:
            text = self.believed(message, message.transcript)
        elif message.received_ms:
            text = self.words_heard(message, message.heard_ms or 0, words)
        else:
            text = words  # spoken by a TTS: LiveKit takes all that was forwarded for heard
        self.heard(message.item_id, text)
        return text

    def words_heard(self, message: Message, heard_ms: float, words: str) -> str:
        """Those of a message that were heard, of the *words* that the host forwarded. The server counts by
        what it had made when it cut it: more of both may have come late, and words come in larger steps
        than sound."""
        made, made_ms = self._made_of(message)
        if not made.startswith(words):
            made, made_ms = words, message.received_ms  # they are the application's
        return heard_words(made, heard_ms, made_ms)

    def _made_of(self, message: Message) -> tuple[str, float]:
        item_id = message.item_id
        made = self._received(item_id) + self._late.get(item_id, "")
        return self._made.get(item_id, (made, message.received_ms + (message.late_ms or 0.0)))

    def truncated(self, item_id: str, at_ms: int) -> None:
        """The server cut a message here: what comes late of it from now on does not count."""
        message = self._controller.message(item_id)
        if message is None or item_id in self._made:
            return
        remember(self._made, item_id, self._made_of(message))
        known = self._heard.get(item_id)
        if known is not None and message.late_ms is not None and message.transcript is None:
            self.heard(item_id, self.words_heard(message, at_ms, known))

    def believed(self, message: Message, transcript: str) -> str:
        """The words that a synchroniser says were heard. It counts by a clock and a pace of its own: it runs
        on while a far end clears what it has, and knows nothing of what a pause dropped. What is clearly
        not what the position allows is not believed."""
        words = self._received(message.item_id)
        even = self.words_heard(message, message.heard_ms or 0, words).split()
        slack = max(_SLACK_WORDS, len(words.split()) * _SLACK)
        if not message.received_ms or abs(len(transcript.split()) - len(even)) <= slack:
            return transcript
        return " ".join(even)

    def _confirmed(self, item_id: str, words: list[str]) -> None:
        message, wanted = self._restoring.get(item_id, (None, []))
        if message is not None and words == wanted:
            del self._restoring[item_id]
            heard = message.received_ms if message.heard_ms is None else message.heard_ms
            self.on_restored(item_id, int(heard))

    async def replay(
        self,
        inner: llm.RealtimeSession[Any],
        unwanted: Collection[str],
        queued: Callable[[], None] = lambda: None,
    ) -> None:
        """Put the history as it was heard, but for the unwanted items, on a new inner session. *queued*
        is called once all of it is on its way."""
        self.given_up()
        self._inner = inner
        await self._give_up()  # it waits for a confirmation that cannot come
        async with self._pushing:
            kept = self._kept(unwanted)
            self._conversation.expect(kept.items)
            push = self._start(inner.update_chat_ctx(kept))
            await asyncio.sleep(0)  # its frames are queued now, before any of ours
            self.replayed(unwanted)
            queued()
            await self._confirmation(push)
            self._moving = False

    def _kept(self, unwanted: Collection[str]) -> llm.ChatContext:
        """What the next connection is told of."""
        left_out = self.blame.out.union(unwanted)
        lost = self._conversation.lost.values()
        return llm.ChatContext([i for i in lost if i.id not in left_out]).copy(
            exclude_instructions=True,
            exclude_empty_message=True,
            exclude_handoff=True,
            exclude_config_update=True,
        )

    def meant(self, mirror: Iterable[llm.ChatItem]) -> list[llm.ChatItem]:
        """What another inner session is to have in place of one that had this: what was lost with it, as the
        host arranged it since, and what came since."""
        lost = self._conversation.lost
        items = [*lost.values(), *(item for item in mirror if item.id not in lost)]
        left_out = self.blame.out.union(self._dropped)
        return [item for item in items if item.id not in left_out]

    def context(self) -> llm.ChatContext | None:
        """What another inner session will have, until it has it. LiveKit pushes a tool's output in a copy of what
        it reads here, and all else would be deleted. None: the inner session has it."""
        if not self._moving:
            return None
        replayed = {item.id for item in self._kept(self._deleted).items}
        # Of what plays, or was restored meanwhile, the replay had nothing.
        kept = [
            item
            for item in self._conversation.lost.values()
            if item.id in replayed or self._is_restored(item.id)
        ]
        known = {item.id for item in kept}
        return llm.ChatContext(
            [*kept, *(i for i in self._inner.chat_ctx.items if i.id not in known)]
        )

    def _is_restored(self, item_id: str) -> bool:
        message = self._controller.message(item_id)
        return message is not None and message.outcome is not MessageOutcome.SKIPPED

    # --- pushes

    async def push(self, chat_ctx: llm.ChatContext) -> None:
        """`update_chat_ctx` of the inner session, without what is ours to correct.

        Raises:
            llm.RealtimeError: As the inner session does, if it does so at once.
        """
        async with self._pushing:
            await self._give_up()
            if self._moving:
                self._take(chat_ctx)  # the replay tells of it, and takes the place of any push
                self._wanted = None
            elif not self._closed:
                await self._confirmation(self._start(self._update(chat_ctx)))

    async def _update(self, asked: llm.ChatContext) -> None:
        # The inner session compares it with its mirror in the same step of the loop, so no delete
        # is confirmed in between.
        chat_ctx = self._take(asked)
        try:
            await self._inner.update_chat_ctx(chat_ctx)
            self._wanted = None
        except Exception as e:
            raise e if isinstance(e, llm.RealtimeError) else llm.RealtimeError(str(e)) from e

    def _take(self, asked: llm.ChatContext) -> llm.ChatContext:
        """What a push makes of the conversation."""
        mirror = {item.id: item for item in self._inner.chat_ctx.items}
        chat_ctx = self._protected(asked, mirror)
        kept = {item.id: item for item in chat_ctx.items}
        unwanted = mirror.keys() - kept.keys()
        alone = self._outputs_alone(mirror, kept, unwanted)
        if left_out := alone & kept.keys():
            kept = {item_id: item for item_id, item in kept.items() if item_id not in left_out}
            chat_ctx, unwanted = llm.ChatContext([*kept.values()]), mirror.keys() - kept.keys()
        on_their_way = alone - mirror.keys()
        known = [*filter(mirror.__contains__, kept)]
        self.reordered = self.reordered or known != [*filter(kept.__contains__, mirror)]
        self._dropped.difference_update(kept)
        if self._moving or not self._controller.connected:
            self._drop(unwanted | on_their_way)
            self._conversation.arrange(chat_ctx.items)  # a session that takes over is told so too
        else:
            for item_id in on_their_way:
                self._conversation.remove(item_id)
        if unwanted and not known:
            # The mirror lacks what was never confirmed. No other push says that it wants that deleted:
            # LiveKit pushes a tool's output in a copy of the mirror.
            self._drop_all(but={*mirror, *kept, *(item.id for item in asked.items)})
        if self._wanted is not None and (leaving := self._unwanted & kept.keys() & mirror.keys()):
            # A copy of a mirror that has what the push before deletes: nothing is put behind that.
            gone = [kept.pop(item.id) for item in chat_ctx.items if item.id in leaving]
            chat_ctx = llm.ChatContext([*kept.values(), *gone])
            unwanted |= leaving
        self.pushed = asked
        self._wanted, self._unwanted = kept, unwanted
        return chat_ctx

    def _outputs_alone(
        self,
        mirror: Mapping[str, llm.ChatItem],
        kept: Mapping[str, llm.ChatItem],
        unwanted: Collection[str],
    ) -> set[str]:
        """Outputs of calls that a push deletes, also on their way to the server, or that one before deleted.
        They would be answered all the same; the next connection would refuse them, and all that goes behind."""
        deleted = [mirror[item_id] for item_id in unwanted]
        calls = {item.call_id for item in deleted if isinstance(item, llm.FunctionCall)}
        for call_id in calls:
            remember(self._calls_left_out, call_id, None)
        gone = self._calls_left_out
        if not gone:
            return set()
        for item in kept.values():
            if isinstance(item, llm.FunctionCall):
                gone.pop(item.call_id, None)  # a copy of a mirror that lacks it yet may follow
        outputs = (item for item in kept.values() if isinstance(item, llm.FunctionCallOutput))
        alone = {item.id for item in outputs if item.call_id in gone}
        return alone.union(self._conversation.outputs_of(calls & gone.keys()))

    def _drop_all(self, but: Collection[str]) -> None:
        """The host replaces the history: nothing but this is left, not even what the mirror never had."""
        said = [
            message.item_id
            for turn in self._turns()
            for message in turn.messages
            if message.item_id not in but and not self._is_ours(message)
        ]
        self._conversation.drop_all(said, but)
        for item_id in said:
            self._owed.pop(item_id, None)
            remember(self._deleted, item_id, True)  # perhaps there is no connection to be told

    def _drop(self, item_ids: Iterable[str]) -> None:
        """The host deletes these while no connection is up. A replay of the mirror, which is told of it
        first, is no reason to enter them in the agent's history again."""
        for item_id in item_ids:
            self._dropped.add(item_id)
            self._conversation.deleted(item_id)
            self.on_dropped(item_id)

    def is_dropped(self, item_id: str) -> bool:
        """Whether an item is only told to the server to be deleted."""
        return item_id in self._dropped

    def _start(self, update: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        push = asyncio.create_task(update, name="realtime_fsm.push")
        # Nobody may be waiting any more when it fails.
        push.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._push = push
        return push

    async def _confirmation(self, push: asyncio.Task[None]) -> None:
        """Wait until the server has it all, but not for long, and not again where it told nothing of
        the last one."""
        done, _ = await asyncio.wait({push}, timeout=CONFIRM if self._confirms else 0)
        if not done and self._confirms:
            self._confirms = False
            self._log.warning("history push not confirmed, going on", after=CONFIRM)
        elif done and not push.cancelled():
            push.result()

    async def _give_up(self) -> None:
        """Wait no longer for an earlier push, as the plugin would for 5 s. All of it was queued
        when it began, ahead of whatever follows."""
        if self._push is not None and not self._push.done():
            await utils.aio.cancel_and_wait(self._push)

    def _protected(
        self, chat_ctx: llm.ChatContext, mirror: Mapping[str, llm.ChatItem]
    ) -> llm.ChatContext:
        """The context with the mirror's own version of every message that is still open, or that
        nobody heard and the controller deletes: neither is to be touched by the push. Nor is what
        LiveKit has not entered in the agent's history: nobody can have left that out on purpose."""
        messages = {m.item_id: m for turn in self._turns() for m in turn.messages}
        ours = {
            item_id: mirror[item_id]
            for item_id, message in messages.items()
            if item_id in mirror and self._is_ours(message)
        }
        out = self.blame.out
        asked: set[str] = set()
        kept: list[llm.ChatItem] = []
        for item in chat_ctx.items:
            item_id = item.id
            message = messages.get(item_id)
            if message is not None:
                self._fill_placeholder(item, message, mirror.get(item_id))
            if item_id in asked:
                continue  # of two the first, in its place, as the plugin
            asked.add(item_id)
            if item_id in out:
                continue
            if item_id in self._deleted and self._is_gone(item_id, mirror):
                if not self._deleted[item_id]:
                    continue
                del self._deleted[item_id]
            if message is not None:
                if item_id not in mirror and not getattr(item, "content", True):
                    continue  # it is put there once it is known what was heard of it
                item = ours.pop(item_id, None) or self._as_it_is(item, mirror.get(item_id))
            kept.append(item)
        for item_id in self._unentered.keys() & asked:
            self.entered(item_id)
        if ours or self._unentered:
            for item_id, item in mirror.items():
                if item_id in ours or item_id in self._unentered:
                    kept.insert(_place(kept, mirror, item_id), item)
        return llm.ChatContext(kept)

    def _turns(self) -> list[Turn]:
        return [*self._controller.finished, *self._controller.turns]

    def _fill_placeholder(
        self, item: llm.ChatItem, message: Message, known: llm.ChatItem | None
    ) -> None:
        """An agent that was given the history while a message played has LiveKit's placeholder of
        it, without words. That is no wish to take from the server what was heard since."""
        if item.type != "message" or item.content:
            return
        if message.outcome in _UNHEARD or known is item:
            return  # LiveKit pushes a tool's output in a copy of the mirror
        if known is not None and known.type == "message":
            item.content[:] = [message.shown] if message.shown else known.content

    def _as_it_is(self, item: llm.ChatItem, known: llm.ChatItem | None) -> llm.ChatItem:
        """A message of ours as the mirror has it, if what is pushed only shows how it was at another time: a
        copy that shares nothing with ours (``from_dict``) has the words that had come when it was made. The
        plugin notes them with the ``response.done``, which may never come: none there are not none heard."""
        if not isinstance(item, llm.ChatMessage) or not isinstance(known, llm.ChatMessage):
            return item
        if not known.content:
            return item
        return known if self._received(item.id).startswith(item.text_content or "") else item

    def _is_open(self, message: Message) -> bool:
        """Whether it will be known how much of it is heard. Unattached it stays unknown."""
        return message.outcome is None and self._is_live(message.item_id)

    def _is_live(self, item_id: str) -> bool:
        turns = self._controller.turns
        return any(message.item_id == item_id for turn in turns for message in turn.messages)

    def _is_gone(self, item_id: str, mirror: Mapping[str, llm.ChatItem]) -> bool:
        """Whether what we had deleted went since the host copied the mirror, as it does for a tool."""
        return item_id not in mirror and not self._conversation.holds(item_id)

    def _is_ours(self, message: Message) -> bool:
        return message.outcome is MessageOutcome.SKIPPED or self._is_open(message)

    async def aclose(self) -> None:
        self._closed = True
        await self._give_up()


def _response_of(frame: Mapping[str, Any]) -> Mapping[str, Any]:
    response = frame.get("response")
    return response if isinstance(response, Mapping) else {}


def _output(done: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    output = _response_of(done).get("output")
    items = output if isinstance(output, list) else []
    return [i for i in items if isinstance(i, Mapping) and isinstance(i.get("id"), str)]


def _copied(item: llm.ChatItem) -> llm.ChatItem:
    if isinstance(item, llm.ChatMessage):
        return item.model_copy(update={"content": list(item.content)})
    return item


def _place(items: list[llm.ChatItem], mirror: Mapping[str, llm.ChatItem], item_id: str) -> int:
    """Where an item goes: behind the one that precedes it in the mirror, and what is new there and older."""
    before: str | None = None
    for known in mirror:
        if known == item_id:
            break
        before = known
    place = next((i + 1 for i, item in enumerate(items) if item.id == before), None)
    if place is None:
        return 0 if before is None else len(items)
    since = mirror[item_id].created_at
    while place < len(items) and items[place].id not in mirror and items[place].created_at < since:
        place += 1
    return place
