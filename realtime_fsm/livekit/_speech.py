"""The AgentSession's side: which speech a turn belongs to, and what its sink plays."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator
from typing import Any, Optional

from livekit.agents import (
    AgentStateChangedEvent,
    ConversationItemAddedEvent,
    ErrorEvent,
    FunctionToolsExecutedEvent,
    SpeechCreatedEvent,
    llm,
)
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import AudioOutput, PlaybackFinishedEvent, PlaybackStartedEvent

from .._core.controller import TurnController
from .._core.errors import LocalProtocolError
from .._core.events import (
    Event,
    MessageShown,
    PlaybackFinished,
    PlaybackPaused,
    PlaybackResumed,
    PlaybackStarted,
    SpeechOver,
)
from ._emit import Listeners
from ._features import AgentSession, realtime_session_of
from ._listener import safe_listener
from ._log import get_logger
from ._playout import Playout
from ._private import (
    agent_history,
    asks_for_itself,
    drop_placeholder,
    is_closed,
    is_closing,
    listen_again,
    set_handle_error,
)

Receive = Callable[[Event], object]
_REMEMBERED = 64
#: LiveKit's own, in an agent's history.
_NOTES = ("agent_handoff", "agent_config_update")
_PROGRESSED: Any = "playback_progressed"
#: ``SessionConnectOptions.max_unrecoverable_errors``, where no session can be asked.
_TOLERANCE = 3


class SpeechTracker:
    """Connects one AgentSession. Unattached, every question is answered with "unknown"."""

    def __init__(self) -> None:
        self._session: AgentSession[Any] | None = None
        self._receive: Receive | None = None
        self._over: Callable[[], None] = lambda: None
        self._closed: Callable[[], None] = lambda: None
        self._begun: Callable[[], None] = lambda: None
        self._changed: Callable[[], None] = lambda: None
        self._listeners = {
            "speech_created": self._safe(self._on_speech_created),
            "function_tools_executed": self._safe(self._on_tools_executed),
            "conversation_item_added": self._safe(self._on_item_added),
            "agent_state_changed": self._safe(self._on_agent_state),
            "close": self._safe(self._on_close),
        }
        #: What `connect` was given last, and before that by one that is open still.
        self._connection: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        self._playout: Playout | None = None
        #: Who tells how far it has played, and how far that is, seconds into the segment.
        self._progressing: AudioOutput | None = None
        self._reached: float | None = None
        self._progressed = self._safe(self._on_progressed)
        self._grace: float | None = None
        self._failed: Callable[[Exception], None] = self._keep
        #: What was raised before there was anybody to tell.
        self._error: Exception | None = None
        self._handles: dict[str, SpeechHandle] = {}
        self._announced: SpeechHandle | None = None
        #: Speeches that are not done, and since when LiveKit has them, seconds on the loop's clock.
        self._open: dict[SpeechHandle, float] = {}
        #: Speeches that called a tool; they go on with its reply.
        self._calling: set[SpeechHandle] = set()
        #: The model composes the reply to a tool's output by itself.
        self.composes_tool_replies = False
        #: Such a reply is due: its speech has not begun.
        self._reply_due = False
        self._shown: OrderedDict[str, llm.ChatMessage] = OrderedDict()
        #: When messages began, by id, seconds since the epoch as `ChatItem.created_at`.
        self._began: OrderedDict[str, float] = OrderedDict()
        self._silent: str | None = None
        #: Why the realtime session ended, once that is decided.
        self._ended: llm.RealtimeError | None = None
        #: The last playback report came with the text that was heard.
        self.synchronised = False
        #: Told of each item that LiveKit enters in the agent's history.
        self.entered: Callable[[str], None] = lambda item_id: None
        #: What was heard of a message that was cut; None for any other.
        self.heard_text: Callable[[str], str | None] = lambda item_id: None

    @property
    def attached(self) -> bool:
        return self._session is not None

    def attach(self, session: AgentSession[Any]) -> None:
        """Take playback and interruptions from this session until it closes. Once is enough.

        Raises:
            TypeError: Not an AgentSession.
            LocalProtocolError: Attached to another session, or the session is closed.
        """
        if not isinstance(session, AgentSession):
            raise TypeError(f"attach: session must be an AgentSession, got {session!r}")
        if self._session is session:
            return
        if self._session is not None:
            raise LocalProtocolError(
                "attach",
                field="session",
                value="another session",
                expected="the one it is attached to, until that is closed",
            )
        if is_closed(session):
            raise LocalProtocolError(
                "attach", field="session", value="closed", expected="a session that is not closed"
            )
        self._session = session
        self._playout = Playout(
            session,
            self._on_started,
            self._on_finished,
            self._on_paused,
            lambda: self._changed(),
            lambda error: self._failed(error),
        )
        self._playout.grace = self._grace
        self._changed()
        for name, handler in self._listeners.items():
            session.on(name, handler)  # type: ignore[arg-type]

    def give_up(self, error: Exception) -> None:
        """It could not be attached: do without it."""
        self._session = None
        if self._receive is None:
            get_logger().exception("internal error")  # there is no session yet
        else:
            self._failed(error)

    @property
    def audible(self) -> bool:
        """Whether there is a sink, as of the last look."""
        return self._playout is not None and self._playout.audible

    @property
    def max_unrecoverable_errors(self) -> int:
        """How many failed turns in a row the AgentSession bears."""
        session = self._session
        return _TOLERANCE if session is None else session.conn_options.max_unrecoverable_errors

    def connect(
        self,
        receive: Receive,
        over: Callable[[], None] = lambda: None,
        closed: Callable[[], None] = lambda: None,
        begun: Callable[[], None] = lambda: None,
        changed: Callable[[], None] = lambda: None,
        grace: float | None = None,
        failed: Callable[[Exception], None] | None = None,
        host: object = None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Where events go from now on: the driver of the live realtime session.

        Args:
            receive: Takes the events.
            over: Called when a speech that a turn belonged to is done.
            closed: Called when the AgentSession closed.
            begun: Called when the AgentSession makes a speech that it was asked for.
            changed: Called now, and when `attached` or `audible` changes.
            grace: Seconds that a sink's report may come late; None: the sink is not guarded.
            failed: Told of what is raised in here.
            host: The realtime session that LiveKit has.
            lost: Called when that is found to be another AgentSession's.

        Raises:
            Exception: What was raised in here before.
        """
        if self._error is not None:
            raise self._error
        if self._receive is not None:
            self._before = {**self._connection, **self._asked()}
        self._connection = {
            "receive": receive,
            "over": over,
            "closed": closed,
            "begun": begun,
            "changed": changed,
            "grace": grace,
            "failed": failed,
            "host": host,
            "lost": lost,
        }
        if failed is not None:
            self._failed = failed
        self._receive, self._over, self._closed, self._begun = receive, over, closed, begun
        self._changed, self._grace = changed, grace
        if self._playout is not None:
            self._playout.grace = grace
        self._ended = None
        changed()

    def disconnect(self, receive: Receive) -> None:
        """No more events for this driver; a newer one's stay."""
        if self._before.get("receive") == receive:
            self._before = {}
        if self._receive != receive:
            return
        self._receive = None
        self._over = self._begun = self._changed = lambda: None
        self._ended = None
        self._handles.clear()
        self._open.clear()
        self._calling.clear()
        if self._playout is not None:
            self._playout.unfollow_sink()
        if self._before:
            self._go_back()

    def settle(self) -> None:
        """Two realtime sessions are open. An agent that takes over has another, for a moment; but one
        model may also serve two AgentSessions, of which one is attached."""
        if not self._before or self._session is None:
            return
        with contextlib.suppress(RuntimeError):  # no agent, or none with a realtime session
            if realtime_session_of(self._session) is not self._before["host"]:
                return
            lost = self._connection["lost"]
            self._go_back()
            get_logger().warning(
                "two AgentSessions use one model: only the attached one is followed; "
                "give the other a model of its own"
            )
            lost()

    def _go_back(self) -> None:
        """To the realtime session before."""
        before, self._before, self._receive = self._before, {}, None
        for name in self._asked():
            setattr(self, name, before.pop(name))
        self.connect(**before)

    def _asked(self) -> dict[str, Any]:
        """What else is the realtime session's."""
        names = ("heard_text", "entered", "composes_tool_replies")
        return {name: getattr(self, name) for name in names}

    # --- what a driver asks

    @property
    def session(self) -> Optional[AgentSession[Any]]:
        """The AgentSession, while it is attached and open."""
        return self._session

    def owner(self) -> Optional[SpeechHandle]:
        """The speech on whose behalf ``generate_reply`` is being called."""
        return None if self._session is None else self._session.current_speech

    @property
    def announced(self) -> Optional[SpeechHandle]:
        """The newest speech that LiveKit made of a generation it was told of."""
        return self._announced

    @contextlib.contextmanager
    def announcing(self) -> Iterator[Callable[[], Optional[SpeechHandle]]]:
        """Tells which speech LiveKit makes of a generation announced inside."""
        self._announced = None
        yield lambda: self._announced

    def assign(self, turn_id: str, handle: SpeechHandle | None) -> None:
        """The turn is spoken under this handle."""
        if handle is None or self._receive is None:
            return
        self._handles[turn_id] = handle

        def over(handle: SpeechHandle) -> None:
            self._calling.discard(handle)
            # Each realtime session counts its turns anew, and a speech may outlive the session.
            if self._handles.get(turn_id) is handle and self._receive is not None:
                del self._handles[turn_id]
                self._receive(SpeechOver(turn_id=turn_id, interrupted=handle.interrupted))
            self._over()

        handle.add_done_callback(self._safe(over))

    def forget(self, turn_id: str) -> None:
        self._handles.pop(turn_id, None)

    def speech(self, turn_id: str) -> Optional[SpeechHandle]:
        """What the turn is spoken under, if that is known."""
        return self._handles.get(turn_id)

    def reply(self) -> Optional[SpeechHandle]:
        """Ask for another reply, unless the user or somebody else has the word."""
        session = self._session
        if session is None or self.closing or session.user_state == "speaking":
            return None
        if session.current_speech is not None and not session.current_speech.done():
            return None
        return session.generate_reply()

    def interrupted(self, turn_id: str) -> bool | None:
        """Whether the turn's speech was interrupted; None if its speech is not known."""
        handle = self._handles.get(turn_id)
        return None if handle is None else handle.interrupted

    def may_sound(self, turn_id: str) -> bool:
        """Whether the turn's speech is the one that plays, as far as is known."""
        handle = self._handles.get(turn_id)
        return handle is None or self._session is None or self._session.current_speech is handle

    @property
    def all_interrupted(self) -> bool:
        """Whether the host is interrupting whatever is spoken, or waits to be: a speech that is
        interrupted alone does so in its own task."""
        speaks = self.owner()
        return speaks is not None and speaks.interrupted and not asks_for_itself(speaks)

    @property
    def ending(self) -> bool:
        """Whether a speech was interrupted and is not done yet."""
        return any(handle.interrupted for handle in self._open)

    def began_before(self, t: float) -> bool:
        """Whether it is a speech that asks for a reply now, and LiveKit had it before this time."""
        head = self.owner()
        asks = head is not None and asks_for_itself(head)
        return head is not None and asks and self._open.get(head, math.inf) < t

    @property
    def waiting(self) -> bool:
        """Whether a speech waits for the one that LiveKit has come to."""
        if len(self._open) < 2:
            return False
        head = self.owner()
        return any(handle is not head and not handle.interrupted for handle in self._open)

    def when_done(self, turn_id: str, call: Callable[[], None]) -> None:
        """Call this once the turn's speech is done, if it has one."""
        handle = self._handles.get(turn_id)
        if handle is not None:
            handle.add_done_callback(lambda _: call())

    def called(self, turn_id: str) -> None:
        """The turn called a tool."""
        handle = self._handles.get(turn_id)
        if handle is not None:
            self._calling.add(handle)

    def listen_if_idle(self, answer_due: bool) -> None:
        """No turn is alive: unless a tool runs, nothing more comes of what was asked (G22). *answer_due*:
        but the user may be answered yet."""
        session = self._session
        if session is None or not all(handle.done() for handle in self._calling):
            return
        if self._reply_due or (answer_due and session.agent_state == "thinking"):
            return  # LiveKit goes on thinking, as in plain
        if session.current_speech is None or session.current_speech.done():
            listen_again(session)

    def fail(self, turn_id: str, error: llm.RealtimeError) -> None:
        """Make the failure visible on the turn's handle."""
        handle = self._handles.get(turn_id)
        if handle is not None:
            set_handle_error(handle, error)

    def fail_waiting(self, error: llm.RealtimeError) -> None:
        """The session ends before it came to these speeches, or to one that is asked for still: a
        handshake may be refused before the agent's first greeting."""
        self._ended = error
        taken = set(self._handles.values())
        for handle in self._open:
            if handle not in taken:
                set_handle_error(handle, error)

    @property
    def closing(self) -> bool:
        """Whether the AgentSession is being closed."""
        return self._session is not None and is_closing(self._session)

    def tell_error(self, report: llm.RealtimeModelError, source: object) -> bool:
        """Report an error as AgentSession does. Returns whether there is one to report it."""
        if self._session is None:
            return False
        Listeners(self._session).emit("error", ErrorEvent(error=report, source=source))
        return True

    def begins(self, item_id: str) -> None:
        """The host begins to forward this message; it has no sound yet."""
        self._note_begin(item_id)
        self._silent = item_id

    def arrived(self, item_id: str) -> None:
        """The user's message is there; what it says may come much later."""
        self._note_begin(item_id)

    def _note_begin(self, item_id: str) -> None:
        self._began.setdefault(item_id, time.time())
        while len(self._began) > _REMEMBERED:
            self._began.popitem(last=False)

    def is_entered(self, item_id: str) -> bool:
        """Whether the running agent's history has this item. Unattached that is taken for granted."""
        history = None if self._session is None else agent_history(self._session)
        return history is None or history.get_by_id(item_id) is not None

    def comes_last(self, item_id: str) -> bool:
        """Whether the running agent's history ends with this item, but for LiveKit's own notes of a
        handoff, of which no server is told."""
        history = None if self._session is None else agent_history(self._session)
        known = () if history is None else reversed(history.items)
        return next((i.id for i in known if i.type not in _NOTES), None) == item_id

    def show(self, item_id: str, text: str) -> None:
        """So much was heard of a message that the host may show."""
        item = self._shown.get(item_id)
        if item is not None:
            item.content = [text] if text else []
            self._tell_shown(item)

    def unshow(self, item_id: str) -> None:
        """Nobody heard this message: what the host shows of it keeps its place, without words; of a
        placeholder nothing is left."""
        item = self._shown.pop(item_id, None)
        if item is not None:
            item.content = []
            self._tell_shown(item)
        elif self._session is not None:
            drop_placeholder(self._session, item_id)

    def follow_sink(self) -> None:
        """Something is about to play: listen to the sink it will play on."""
        if self._playout is not None and self._session is not None:
            self._playout.follow_sink()
            self._follow(self._session.output.audio)

    def _follow(self, sink: AudioOutput | None) -> None:
        if sink is self._progressing:
            return
        if self._progressing is not None:
            self._progressing.off(_PROGRESSED, self._progressed)
        self._progressing, self._reached = sink, None
        if sink is not None:
            sink.on(_PROGRESSED, self._progressed)

    # --- events

    def _keep(self, error: Exception) -> None:
        self._error = self._error or error

    def _safe(self, handler: Callable[[Any], None]) -> Callable[..., None]:
        return safe_listener(handler, lambda error: self._failed(error))

    def _on_started(self, event: PlaybackStartedEvent) -> None:
        if self._silent is not None and self._silent in self._began:
            self._began[self._silent] = event.created_at
        self._silent = None
        self._tell(PlaybackStarted())

    def _on_paused(self, on: bool) -> None:
        self._tell(PlaybackPaused() if on else PlaybackResumed())

    def _tell(self, event: Event) -> None:
        if self._receive is not None:
            self._receive(event)

    def _on_progressed(self, event: Any) -> None:
        """Since livekit-agents 1.8: a stretch was played, and is never revised."""
        self._reached = event.offset + event.duration

    def _on_finished(self, report: PlaybackFinishedEvent) -> None:
        # A pause drops what was queued, and the position is without it: it is not how far into the
        # message the sink came.
        reached, self._reached = self._reached, None
        position = report.playback_position
        if reached is not None and reached > position:
            position = reached
        self.synchronised = report.synchronized_transcript is not None
        self._tell(
            PlaybackFinished(
                position_ms=position * 1000,
                interrupted=report.interrupted,
                synchronized_transcript=report.synchronized_transcript,
            )
        )

    def _on_tools_executed(self, event: FunctionToolsExecutedEvent) -> None:
        # Their output goes to the model, also where their speech was interrupted meanwhile.
        self._reply_due = self.composes_tool_replies and event.has_tool_reply

    def _on_speech_created(self, event: SpeechCreatedEvent) -> None:
        self._reply_due = False
        self._open[event.speech_handle] = asyncio.get_running_loop().time()
        if event.user_initiated:
            self._begun()
        else:
            self._announced = event.speech_handle
        self.follow_sink()
        event.speech_handle.add_done_callback(self._safe(self._no_longer_open))
        if self._ended is not None:
            set_handle_error(event.speech_handle, self._ended)

    def _no_longer_open(self, handle: SpeechHandle) -> None:
        self._open.pop(handle, None)

    def _on_agent_state(self, event: AgentStateChangedEvent) -> None:
        """A sink does not tell when it is paused. An agent that stops speaking before the sink
        reported is paused; one whose message is finished is done."""
        if event.old_state == "speaking":
            self._tell(PlaybackPaused())
        elif event.new_state == "speaking":
            self._tell(PlaybackResumed())

    def _on_item_added(self, event: ConversationItemAddedEvent) -> None:
        """Without a synchronised transcript LiveKit notes all the text it forwarded, also of a
        message that was cut off with its first sound."""
        if isinstance(event.item, llm.ChatMessage):
            self.entered(event.item.id)
            self._put_in_order(event.item)
            text = self.heard_text(event.item.id)
            if text is not None:
                event.item.content = [text] if text else []
            self._shown[event.item.id] = event.item
            while len(self._shown) > _REMEMBERED:
                self._shown.popitem(last=False)
            self._tell_shown(event.item)

    def _put_in_order(self, item: llm.ChatMessage) -> None:
        """LiveKit dates every message of a speech from its first sound, and what the user said
        from when its transcript came, unless server VAD told; and sorts by that."""
        began, session = self._began.pop(item.id, None), self._session
        if began is None or session is None:
            return
        if item.role == "user":
            began = min(began, item.created_at)
        elif session.current_speech in self._calling:
            return  # a tool's output, dated earlier, would come before it, unlike on the server
        item.created_at = began
        items = session.history.items
        for place in reversed(range(len(items))):  # it is one of the last, however long the call
            if items[place] is item:
                del items[place]
                session.history.insert(item)
                break
        if item.role == "assistant" and (known := agent_history(session)) is not None:
            _put_behind(known.items, item, self._shown)

    def _tell_shown(self, item: llm.ChatMessage) -> None:
        self._tell(MessageShown(item_id=item.id, text=item.text_content or ""))

    def _on_close(self, _: object) -> None:
        if self._session is not None:
            for name, handler in self._listeners.items():
                self._session.off(name, handler)  # type: ignore[arg-type]
            self._session = None
        self._follow(None)
        if self._playout is not None:
            self._playout.close()
            self._playout = None
        self._changed()
        self._closed()


def stop_interrupted(controller: TurnController, speeches: SpeechTracker, now: float) -> None:
    """The host interrupted these speeches. Once all of the answer is there it tells only its sink."""
    for turn in controller.turns:
        if not turn.interrupted and speeches.interrupted(turn.id):
            controller.interrupt(turn, now)


def _put_behind(items: list[llm.ChatItem], item: llm.ChatMessage, entered: Container[str]) -> None:
    """LiveKit put it where its old date belongs: before those of its response that have their new
    one, unlike on the server, and before what is between them. A placeholder, which was not *entered*
    yet, is of what comes after it, though it was generated before this one was heard."""
    last: int | None = None
    for place in reversed(range(len(items))):
        each = items[place]
        if each is item:
            if last is not None:
                items.insert(last, items.pop(place))
            return
        if (
            last is None
            and isinstance(each, llm.ChatMessage)
            and each.id in entered
            and each.role == "assistant"
            and each.created_at < item.created_at
        ):
            last = place
