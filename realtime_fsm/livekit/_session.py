"""The realtime session that an AgentSession talks to."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Optional

from livekit import rtc
from livekit.agents import NOT_GIVEN, NotGivenOr, llm, utils

from .._core import events as ev
from .._core.difference import Difference
from .._core.policy import RetryPolicy
from .._core.records import Message
from .._core.states import Origin
from .._core.words import heard_words
from .._traits import ServerTraits
from ._aside import Aside
from ._create_frames import own_create
from ._driver import Driver
from ._echo import Echo
from ._emit import Emitter
from ._ends import Ends
from ._guard import Guard
from ._history import History
from ._host import Host
from ._inner_session import InnerSession, close
from ._listener import GuardedEmitter
from ._log import get_logger
from ._memories import differences
from ._pass_on import passes_on
from ._private import bind_host, own_update
from ._raw import CLIENT_EVENT, SERVER_EVENT, RawLink
from ._repair import Repair
from ._reply_request import ReplyRequest
from ._speech import SpeechTracker
from ._streams import StreamLink
from .providers import Family

if TYPE_CHECKING:
    from .telemetry._observer import TurnObserver

#: Events of ``llm.RealtimeSession`` itself; any other name is one of the inner session's extras.
_KNOWN = frozenset(
    {
        "input_speech_started",
        "input_speech_stopped",
        "input_audio_transcription_completed",
        "generation_created",
        "session_reconnected",
        "metrics_collected",
        "remote_item_added",
        "error",
    }
)


_UNKNOWN = ServerTraits()


@passes_on(llm.RealtimeSession)
class ControlledRealtimeSession(GuardedEmitter[str], llm.RealtimeSession[str]):
    """Passes everything through to the inner session, but for responses and their events.

    Attributes and methods this class does not have are the inner session's.
    """

    def __init__(
        self,
        model: llm.RealtimeModel,
        inner: llm.RealtimeSession[Any],
        open_inner: Callable[[], llm.RealtimeSession[Any]],
        *,
        family: Family,
        policy: RetryPolicy,
        speeches: SpeechTracker,
        observer: Emitter,
        observers: Sequence[TurnObserver] = (),
        traits: ServerTraits = _UNKNOWN,
    ) -> None:
        super().__init__(model)
        self._traits = traits
        self._inner_session = InnerSession(inner, open_inner)
        self._guard = Guard()
        self._aside = Aside(self, observer, self._inner_session, self._guard)
        self._speeches = speeches
        self._history: History | None = None
        self._renewal: asyncio.Task[None] | None = None
        #: The link, where the inner session shows no raw events.
        self._streams: StreamLink | None = None
        #: A tool's output was pushed, and the loop has not run since.
        self._output_pushed = False
        #: When the application committed the user's audio, until it asks for the answer.
        self._committed_at: float | None = None
        try:
            self._build(inner, family, policy, observer, observers)
        except Exception:
            self._guard.off = True  # what listens to the inner session already does nothing
            raise

    def _build(
        self,
        inner: llm.RealtimeSession[Any],
        family: Family,
        policy: RetryPolicy,
        observer: Emitter,
        observers: Sequence[TurnObserver],
    ) -> None:
        speeches = self._speeches
        speeches.composes_tool_replies = inner.capabilities.auto_tool_reply_generation
        policy = family.policy(policy)
        self.driver = Driver(
            policy,
            speeches,
            session=self,
            model=observer,
            label=inner.realtime_model.label,
            guard=self._guard,
        )
        self._aside.drives(self.driver)
        if observers:
            from .telemetry._observer import SessionInfo
            from .telemetry._reporter import Reporter

            info = SessionInfo(
                id=utils.shortuuid("rfsm_session_"),
                provider=inner.realtime_model.provider,
                model=inner.realtime_model.model,
            )
            loop = asyncio.get_running_loop()
            self.driver.reporter = Reporter(observers, info, self.driver.controller, loop.time)
        if family.control == "full":
            self._history = History(inner, self.driver.controller, self._guard)
            self._aside.history = self._history
            self._inner_session.heard = frozenset({SERVER_EVENT, CLIENT_EVENT})
            repair = Repair(unique=self._traits.unique_ids)
            self.driver.link = self._raw_link(self._history, repair, told=True)
            self.driver.replace = self._replace
            speeches.heard_text = self._guard(self._history.heard_text)
            self._history.on_counted_again = speeches.show
            speeches.entered = self._guard(self._history.entered)
            self.driver.controller.look = self._guard(self._look, {})
        else:
            self._streams = StreamLink(inner, self.driver, family, policy, self._guard)
            self.driver.link = self._streams
            bind_host(inner, Host(speeches, self.driver, inner, self._guard))
            speeches.heard_text = self._guard(self._streams.words.heard_text)
            get_logger().info(
                "controlled by its streams", inner=type(inner).__qualname__, family=family.name
            )

    def _raw_link(
        self,
        history: History,
        repair: Repair,
        unwanted: Mapping[str, str] | None = None,
        *,
        told: bool,
    ) -> RawLink:
        inner: Any = self._inner

        def ended(response_id: str) -> None:
            name, cancelled = repair.name(response_id), ev.ResponseStatus.CANCELLED
            self.driver.receive(ev.ResponseDone(response_id=name, status=cancelled))

        return RawLink(
            self._inner,
            self.driver,
            history,
            self._inner_session.listeners,
            self._guard,
            unwanted or {},
            told=told,
            echo=Echo(self._traits, lambda: self.driver.controller.answer_may_begin),
            repair=repair,
            ends=Ends(self._traits, inner.send_event, ended, self._guard),
        )

    def _look(self, messages: Sequence[Message]) -> Mapping[str, Difference]:
        assert self._history is not None
        return differences(messages, self._history, self.driver.speeches)

    @property
    def _inner(self) -> llm.RealtimeSession[Any]:
        return self._inner_session.session

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._inner, name)

    # --- events

    def on(self, event: str, callback: Optional[Callable[..., Any]] = None) -> Callable[..., Any]:
        if event in _KNOWN:
            return super().on(event, callback)
        if callback is None:
            return functools.partial(self.on, event)
        self._inner_session.on(event, callback)
        return callback

    def off(self, event: str, callback: Callable[..., Any]) -> None:
        if event in _KNOWN:
            super().off(event, callback)
        else:
            self._inner_session.off(event, callback)

    def emit(self, event: str, *args: Any) -> None:
        if event == "generation_created" and args:
            self._aside.tells(args[0])
        super().emit(event, *args)

    # --- responses

    def generate_reply(
        self,
        *,
        instructions: NotGivenOr[str] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        tools: NotGivenOr[list[llm.Tool]] = NOT_GIVEN,
        **more: Any,
    ) -> asyncio.Future[llm.GenerationCreatedEvent]:
        """Ask for a reply. The future resolves with the first output of whichever attempt
        speaks; it fails only with `llm.RealtimeError`; cancelling it cancels the turn."""
        given = {"instructions": instructions, "tool_choice": tool_choice, "tools": tools, **more}
        ask = ReplyRequest(
            arguments={name: value for name, value in given.items() if utils.is_given(value)}
        )
        if self._history is not None:
            ask.of_user = self._guard.run(True, self._history.questions.is_of_user)
            self._guard.run(None, self._note_question, ask, self._history)
        else:
            ask.of_user = True  # nothing tells
        future = self._guard.run(None, self.driver.ask, ask, Origin.CLIENT)
        return self._aside.answer(ask) if future is None else future

    def _note_question(self, ask: ReplyRequest, history: History) -> None:
        at, began_before = self._committed_at, self._speeches.began_before
        committed = at is not None and not began_before(at)
        if committed:
            self._committed_at, ask.of_user = None, True
        if "instructions" not in ask.arguments:
            questions, output = history.questions, history.output_pushed
            ask.question = questions.wants(output, before=began_before(questions.taken_back_at))
            ask.committed = committed
            ask.output = None if committed else output

    def send_event(self, event: Any) -> None:
        """Send a raw client event. A ``response.create`` for the default conversation waits for
        the lane like any other; everything else leaves at once, and without raw events all."""
        ask = self._guard.run(None, _asked_for, event) if self._streams is None else None
        if ask is not None:
            future = self._guard.run(None, self.driver.ask, ask, Origin.APPLICATION)
            if future is not None or ask.left:
                return
        self._inner.send_event(event)  # type: ignore[attr-defined]

    def interrupt(self) -> None:
        before_tool_reply = self._output_pushed
        streams = self._streams
        below = streams is not None and not self._guard.run(False, self._names_cancels)
        if streams is not None and below:
            # As in plain LiveKit, whatever comes of it here.
            streams.interrupted_below = True
            self._inner.interrupt()
        self._guard.run(None, lambda: self.driver.interrupt(before_tool_reply=before_tool_reply))
        if self._guard.off:
            self._aside.interrupted()
        if streams is not None and below:
            streams.interrupted_below = False
        elif self._guard.off:
            self._inner.interrupt()

    def _names_cancels(self) -> bool:
        return self._streams is not None and self._streams.names_cancels

    def truncate(
        self,
        *,
        message_id: str,
        modalities: list[Literal["text", "audio"]],
        audio_end_ms: int,
        audio_transcript: NotGivenOr[str] = NOT_GIVEN,
    ) -> None:
        audio = "audio" in modalities
        at = self._guard.run(
            audio_end_ms, self._cut, message_id, audio, audio_end_ms, audio_transcript
        )
        if at is not None:
            self._inner.truncate(
                message_id=message_id,
                modalities=modalities,
                audio_end_ms=at,
                audio_transcript=audio_transcript,
            )

    def _cut(
        self, message_id: str, audio: bool, audio_end_ms: int, transcript: NotGivenOr[str]
    ) -> int | None:
        """Where the inner session is to cut a message; None: not at all."""
        if self.driver.link is not None and self.driver.link.outside(message_id):
            return None
        at = self.driver.truncating(message_id, audio_end_ms)
        if at is None or self._history is None:
            return at
        if audio:
            if self.driver.speeches.attached and self._history.cut(message_id):
                return None  # the controller sees to it: this connection holds no audio of it
            self._history.heard(message_id, self._heard_text(message_id, at, transcript))
        elif utils.is_given(transcript):
            self._history.note_shown(message_id, transcript)
            if self._replaces(message_id):
                return None
        return at

    def _replaces(self, message_id: str) -> bool:
        """Whether the heard words of a message take the place of all that a TTS was to speak. The inner
        session does so only once the response is over, and leaves an item without words."""
        speeches, link = self.driver.speeches, self.driver.link
        known = speeches.attached and speeches.synchronised
        return known and link is not None and link.replace(message_id)

    def _heard_text(self, item_id: str, heard_ms: int, transcript: NotGivenOr[str]) -> str:
        """A transcript synchronised with playback says it; without one LiveKit passes all that
        was forwarded."""
        message = self.driver.controller.message(item_id)
        if self.driver.speeches.synchronised and utils.is_given(transcript):
            if message is None or self._history is None:
                return transcript
            return self._history.believed(message, transcript)
        text = transcript if utils.is_given(transcript) else ""
        if message is None or self._history is None:
            return heard_words(text, heard_ms, 0.0)
        return self._history.words_heard(message, heard_ms, text)

    def say(self, text: str | AsyncIterable[str]) -> asyncio.Future[llm.GenerationCreatedEvent]:
        future = self._inner.say(text)
        if self._streams is not None:
            self._guard.run(None, self._streams.saying, future)
        return future

    def _replace(self, wait: float) -> None:
        """The connection below cannot be used any more: another inner session takes over."""
        self._inner_session.retired, self._aside.deaf = self._inner, True
        if isinstance(self.driver.link, RawLink):
            self.driver.link.detach()
        if self._history is not None:
            self._guard.run(None, self._history.given_up)
        if self._renewal is not None:
            self._renewal.cancel()
        self._inner_session.retire()
        self._renewal = asyncio.create_task(self._renew(wait), name="realtime_fsm.renew")

    async def _renew(self, wait: float) -> None:
        await asyncio.sleep(wait)
        try:
            link = self._guard.run(None, self._take_its_place)
            if link is None or self._history is None:
                return
            await self._inner_session.repeat()
            await self._history.replay(
                self._inner, link.unwanted, queued=lambda: self._resume(link)
            )
            self._inner_session.retired = None
        except Exception as e:
            self._guard.failed(e)  # from there it goes on
            return
        self.emit("session_reconnected", llm.RealtimeSessionReconnectedEvent())

    def _resume(self, link: RawLink) -> None:
        self._inner_session.resume()
        link.all_told()

    def _take_its_place(self) -> RawLink | None:
        before = self.driver.link
        assert isinstance(before, RawLink)
        assert self._history is not None
        try:
            self._inner_session.open()
        except Exception as e:
            self._inner_session.resume()
            self.driver.unopened(e)
            return None
        before.repair.reset()
        self.driver.link = link = self._raw_link(
            self._history, before.repair, before.unwanted, told=False
        )
        self._aside.deaf = False
        return link

    async def aclose(self) -> None:
        """Close the inner session and everything of ours. Never raises."""
        if self._renewal is not None:
            await utils.aio.cancel_and_wait(self._renewal)
        await self._close(self.driver.aclose)
        if self._history is not None:
            await self._close(self._history.aclose)
        if self._guard.off:
            await close(self._inner)
        await self._aside.aclose()
        await self._close(self._inner_session.aclose)

    async def _close(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as e:
            self._guard.failed(e)

    # --- the rest passes through

    @property
    def capabilities(self) -> llm.RealtimeCapabilities:
        return self._inner.capabilities

    @property
    def has_active_generation(self) -> bool:
        """Whether a response is alive below, or a turn still waits for one: a retry counts, so that who
        drains before a hand-off waits for it."""
        awaits = bool(self._guard.run(False, self._awaits))
        return awaits or bool(getattr(self._inner, "has_active_generation", False))

    def _awaits(self) -> bool:
        return any(not turn.generation_over for turn in self.driver.controller.turns)

    @property
    def chat_ctx(self) -> llm.ChatContext:
        history = self._history
        moving = None if history is None else self._guard.run(None, history.context)
        moving = self._aside.kept if moving is None else moving
        return self._inner.chat_ctx if moving is None else moving

    @property
    def tools(self) -> llm.ToolContext:
        return self._inner.tools

    async def update_instructions(self, instructions: str) -> None:
        self._guard.run(None, self._inner_session.note_instructions, instructions)
        await self._inner.update_instructions(instructions)

    async def update_chat_ctx(self, chat_ctx: llm.ChatContext) -> None:
        try:
            await self._push(chat_ctx)
        finally:
            if chat_ctx.items and isinstance(chat_ctx.items[-1], llm.FunctionCallOutput):
                # LiveKit goes on from here, without giving way, to the interrupt and the create
                # of the tool's reply.
                self._output_pushed = True
                asyncio.get_running_loop().call_soon(self._guard(self._gave_way))

    async def _push(self, chat_ctx: llm.ChatContext) -> None:
        history = self._history
        if history is not None and not self._guard.off:
            try:
                await history.push(chat_ctx)
                return
            except llm.RealtimeError:
                raise  # the inner session's
            except Exception as e:
                self._guard.failed(e)
                if history.pushed is chat_ctx:
                    return
        await self._aside.taken_over()
        await self._inner.update_chat_ctx(chat_ctx)
        if self._streams is not None:
            self._guard.run(None, self._streams.tool_reply.pushed, chat_ctx)

    def _gave_way(self) -> None:
        self._output_pushed = False

    async def _update_session(self, **changes: Any) -> None:
        """What LiveKit calls at a start and a handoff."""
        update = self._guard.run(None, own_update, self._inner)
        if update is None:
            await super()._update_session(**changes)
            return
        instructions, tools = changes.get("instructions"), changes.get("tools")
        if utils.is_given(instructions) and instructions is not None:
            self._guard.run(None, self._inner_session.note_instructions, instructions)
        if utils.is_given(tools) and tools is not None:
            self._guard.run(None, self._inner_session.note_tools, tools)
        chat_ctx: NotGivenOr[llm.ChatContext] = NOT_GIVEN
        if self._history is not None:  # the history is pushed by us
            chat_ctx = changes.pop("chat_ctx", NOT_GIVEN)
        await update(**changes)
        if utils.is_given(chat_ctx):
            await super()._update_session(chat_ctx=chat_ctx)

    async def update_tools(self, tools: list[llm.Tool]) -> None:
        self._guard.run(None, self._inner_session.note_tools, tools)
        await self._inner.update_tools(tools)

    def update_options(self, **options: Any) -> None:
        self._guard.run(None, self._inner_session.note_options, options)
        self._inner.update_options(**options)

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        self._inner_session.hear(lambda inner: inner.push_audio(frame))

    def push_video(self, frame: rtc.VideoFrame) -> None:
        self._inner_session.hear(lambda inner: inner.push_video(frame))

    def commit_audio(self) -> None:
        self._committed_at = asyncio.get_running_loop().time()
        self._inner_session.hear(lambda inner: inner.commit_audio())

    def clear_audio(self) -> None:
        self._inner_session.hear(lambda inner: inner.clear_audio())

    def start_user_activity(self) -> None:
        self._inner.start_user_activity()


def _asked_for(event: Any) -> ReplyRequest | None:
    """What a raw client event asks of the lane: nothing, unless it is a create for the default
    conversation."""
    frame = own_create(event)
    return None if frame is None else ReplyRequest(frame=frame)
