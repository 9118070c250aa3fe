"""The realtime session that an AgentSession talks to."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterable, Callable, Sequence
from typing import Any, Literal, Optional

from livekit import rtc
from livekit.agents import NOT_GIVEN, NotGivenOr, llm, utils

from .._policy import RetryPolicy
from .._states import Origin
from ._ask import Ask
from ._below import Below
from ._driver import Driver
from ._emit import Emitter
from ._history import History, share_of_words
from ._listener import GuardedEmitter
from ._log import get_logger
from ._private import own_update
from ._raw import CLIENT_EVENT, SERVER_EVENT, RawLink, own_create
from ._speech import Speeches
from ._streams import StreamLink
from .providers import Family
from .telemetry._observer import SessionInfo, TurnObserver
from .telemetry._reporter import Reporter

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
        speeches: Speeches,
        observer: Emitter,
        observers: Sequence[TurnObserver] = (),
    ) -> None:
        super().__init__(model)
        self._below = Below(inner, open_inner)
        self._speeches = speeches
        self._history: History | None = None
        self._renewal: asyncio.Task[None] | None = None
        #: A tool's output was pushed, and the loop has not run since.
        self._output_pushed = False
        policy = family.policy(policy)
        self.driver = Driver(
            policy, speeches, session=self, model=observer, label=inner.realtime_model.label
        )
        if observers:
            info = SessionInfo(
                id=utils.shortuuid("rfsm_session_"),
                provider=inner.realtime_model.provider,
                model=inner.realtime_model.model,
            )
            loop = asyncio.get_running_loop()
            self.driver.reporter = Reporter(observers, info, self.driver.controller, loop.time)
        if family.control == "full":
            self._history = History(inner, self.driver.controller)
            self._below.heard = frozenset({SERVER_EVENT, CLIENT_EVENT})
            self.driver.link = RawLink(inner, self.driver, self._history, self._below.listeners)
            self.driver.replace = self._replace
            speeches.heard_text = self._history.heard_text
        else:
            self.driver.link = link = StreamLink(inner, self.driver, family, policy)
            speeches.heard_text = link.heard_text
            get_logger().info(
                "controlled by its streams", inner=type(inner).__qualname__, family=family.name
            )

    @property
    def _inner(self) -> llm.RealtimeSession[Any]:
        return self._below.session

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
        self._below.on(event, callback)
        return callback

    def off(self, event: str, callback: Callable[..., Any]) -> None:
        if event in _KNOWN:
            super().off(event, callback)
        else:
            self._below.off(event, callback)

    # --- responses

    def generate_reply(
        self,
        *,
        instructions: NotGivenOr[str] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        tools: NotGivenOr[list[llm.Tool]] = NOT_GIVEN,
    ) -> asyncio.Future[llm.GenerationCreatedEvent]:
        """Ask for a reply. The future resolves with the first output of whichever attempt
        speaks; it fails only with `llm.RealtimeError`; cancelling it cancels the turn."""
        given = {"instructions": instructions, "tool_choice": tool_choice, "tools": tools}
        arguments = {name: value for name, value in given.items() if utils.is_given(value)}
        return self.driver.ask(Ask(arguments=arguments), Origin.CLIENT)

    def send_event(self, event: Any) -> None:
        """Send a raw client event. A ``response.create`` for the default conversation waits for
        the lane like any other; everything else leaves at once."""
        frame = own_create(event)
        if frame is None:
            self._inner.send_event(event)  # type: ignore[attr-defined]
        else:
            self.driver.ask(Ask(frame=frame), Origin.APPLICATION)

    def interrupt(self) -> None:
        link = self.driver.link
        with link.interrupting() if link is not None else contextlib.nullcontext():
            self.driver.interrupt(before_tool_reply=self._output_pushed)

    def truncate(
        self,
        *,
        message_id: str,
        modalities: list[Literal["text", "audio"]],
        audio_end_ms: int,
        audio_transcript: NotGivenOr[str] = NOT_GIVEN,
    ) -> None:
        if self.driver.link is not None and self.driver.link.outside(message_id):
            return
        at = self.driver.truncating(message_id, audio_end_ms)
        if at is None:
            return
        if self._history is not None and "audio" in modalities:
            if self._speeches.attached and self._history.cut(message_id):
                return  # the controller sees to it: this connection holds no audio of it
            self._history.heard(message_id, self._heard_text(message_id, at, audio_transcript))
        elif self._history is not None and utils.is_given(audio_transcript):
            self._history.shown(message_id, audio_transcript)
        self._inner.truncate(
            message_id=message_id,
            modalities=modalities,
            audio_end_ms=at,
            audio_transcript=audio_transcript,
        )

    def _heard_text(self, item_id: str, heard_ms: int, transcript: NotGivenOr[str]) -> str:
        """A transcript synchronised with playback says it; without one LiveKit passes all that
        was forwarded."""
        message = self.driver.controller.message(item_id)
        if self._speeches.synchronised and utils.is_given(transcript):
            return transcript
        received = message.received_ms if message is not None else 0.0
        text = transcript if utils.is_given(transcript) else ""
        return share_of_words(text, heard_ms, received)

    def say(self, text: str | AsyncIterable[str]) -> asyncio.Future[llm.GenerationCreatedEvent]:
        link = self.driver.link
        return self._inner.say(text) if link is None else link.say(text)

    def _replace(self, wait: float) -> None:
        """The connection below cannot be used any more: another inner session takes over."""
        if isinstance(self.driver.link, RawLink):
            self.driver.link.detach()
        if self._renewal is not None:
            self._renewal.cancel()
        self._below.retire()
        self._renewal = asyncio.create_task(self._renew(wait), name="realtime_fsm.renew")

    async def _renew(self, wait: float) -> None:
        await asyncio.sleep(wait)
        before = self.driver.link
        assert isinstance(before, RawLink)
        assert self._history is not None
        try:
            inner = self._below.open()
        except Exception as e:
            self.driver.unopened(e)
            return
        link = RawLink(inner, self.driver, self._history, self._below.listeners, before.unwanted)
        self.driver.link = link
        await self._below.repeat()
        await self._history.replay(inner, link.unwanted)
        self.emit("session_reconnected", llm.RealtimeSessionReconnectedEvent())

    async def aclose(self) -> None:
        """Close the inner session and everything of ours. Never raises."""
        if self._renewal is not None:
            await utils.aio.cancel_and_wait(self._renewal)
        await self.driver.aclose()
        if self._history is not None:
            await self._history.aclose()
        await self._below.aclose()

    # --- the rest passes through

    @property
    def capabilities(self) -> llm.RealtimeCapabilities:
        return self._inner.capabilities

    @property
    def chat_ctx(self) -> llm.ChatContext:
        return self._inner.chat_ctx

    @property
    def tools(self) -> llm.ToolContext:
        return self._inner.tools

    async def update_instructions(self, instructions: str) -> None:
        await self._below.update_instructions(instructions)

    async def update_chat_ctx(self, chat_ctx: llm.ChatContext) -> None:
        try:
            if self._history is None:
                await self._inner.update_chat_ctx(chat_ctx)
                if isinstance(self.driver.link, StreamLink):
                    self.driver.link.pushed(chat_ctx)
            else:
                await self._history.push(chat_ctx)
        finally:
            if chat_ctx.items and isinstance(chat_ctx.items[-1], llm.FunctionCallOutput):
                # LiveKit goes on from here, without giving way, to the interrupt and the create
                # of the tool's reply.
                self._output_pushed = True
                asyncio.get_running_loop().call_soon(self._gave_way)

    def _gave_way(self) -> None:
        self._output_pushed = False

    async def _update_session(self, **changes: Any) -> None:
        """What LiveKit calls at a start and a handoff."""
        if own_update(self._inner) is None:
            await super()._update_session(**changes)
            return
        chat_ctx: NotGivenOr[llm.ChatContext] = NOT_GIVEN
        if self._history is not None:  # the history is pushed by us
            chat_ctx = changes.pop("chat_ctx", NOT_GIVEN)
        await self._below.update_session(changes)
        if utils.is_given(chat_ctx):
            await super()._update_session(chat_ctx=chat_ctx)

    async def update_tools(self, tools: list[llm.Tool]) -> None:
        await self._below.update_tools(tools)

    def update_options(self, **options: Any) -> None:
        self._below.update_options(**options)

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        self._inner.push_audio(frame)

    def push_video(self, frame: rtc.VideoFrame) -> None:
        self._inner.push_video(frame)

    def commit_audio(self) -> None:
        self._inner.commit_audio()

    def clear_audio(self) -> None:
        self._inner.clear_audio()

    def start_user_activity(self) -> None:
        self._inner.start_user_activity()
