"""A provider with pending state of its own and no raw events, as Google's plugin: at most one request
waits for its generation, and a new one cancels the future of the one before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal

from livekit.agents import llm, utils

__all__ = ["Answers", "PendingProvider"]

Answers = Literal["speaks", "rate limit", "cancelled", "never", "empty"]

_CAPABILITIES = llm.RealtimeCapabilities(
    message_truncation=False,
    turn_detection=False,
    user_transcription=False,
    auto_tool_reply_generation=False,
    audio_output=False,
    manual_function_calls=False,
)


class PendingProvider(llm.RealtimeModel):
    """Answers the k-th request as the k-th of *answers* says, later ones by speaking.

    Attributes:
        futures: what each request was given.
        unsettled: for each request, how many earlier ones were not settled when it came.
    """

    def __init__(self, answers: Sequence[Answers]) -> None:
        super().__init__(capabilities=_CAPABILITIES)
        self.answers = list(answers)
        self.futures: list[asyncio.Future[llm.GenerationCreatedEvent]] = []
        self.unsettled: list[int] = []

    def session(self, *, turn_detection_disabled: bool = False) -> _Session:
        return _Session(self)

    async def aclose(self) -> None:
        pass


class _Session(llm.RealtimeSession[str]):
    def __init__(self, model: PendingProvider) -> None:
        super().__init__(model)
        self._provider = model
        self._pending: asyncio.Future[llm.GenerationCreatedEvent] | None = None

    @property
    def chat_ctx(self) -> llm.ChatContext:
        return llm.ChatContext.empty()

    @property
    def tools(self) -> llm.ToolContext:
        return llm.ToolContext.empty()

    def generate_reply(self, **_: Any) -> asyncio.Future[llm.GenerationCreatedEvent]:
        futures = self._provider.futures
        self._provider.unsettled.append(sum(not future.done() for future in futures))
        if self._pending is not None and not self._pending.done():
            self._pending.cancel("superseded by a new request")
        self._pending = future = asyncio.get_running_loop().create_future()
        futures.append(future)
        number = len(futures)
        answers = self._provider.answers
        answer = answers[number - 1] if number <= len(answers) else "speaks"
        actions: dict[Answers, Callable[[], object]] = {
            "speaks": lambda: self._speak(future, number, words=True),
            "empty": lambda: self._speak(future, number, words=False),
            "rate limit": lambda: future.set_exception(
                llm.RealtimeError("Too many requests.", code="rate_limit_exceeded")
            ),
            "cancelled": future.cancel,
        }
        if answer in actions:
            asyncio.get_running_loop().call_later(0.05, self._unless_done, future, actions[answer])
        return future

    @staticmethod
    def _unless_done(future: asyncio.Future[Any], action: Callable[[], object]) -> None:
        if not future.done():
            action()

    def _speak(
        self, future: asyncio.Future[llm.GenerationCreatedEvent], number: int, *, words: bool
    ) -> None:
        messages = utils.aio.Chan[llm.MessageGeneration]()
        calls = utils.aio.Chan[llm.FunctionCall]()
        future.set_result(
            llm.GenerationCreatedEvent(
                message_stream=messages,
                function_stream=calls,
                user_initiated=True,
                response_id=f"resp_{number}",
            )
        )
        if words:
            text = utils.aio.Chan[str]()
            audio = utils.aio.Chan[Any]()
            modalities: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            modalities.set_result(["text"])
            messages.send_nowait(
                llm.MessageGeneration(
                    message_id=f"item_{number}",
                    text_stream=text,
                    audio_stream=audio,
                    modalities=modalities,
                )
            )
            text.send_nowait("Good morning.")
            text.close()
            audio.close()
        messages.close()
        calls.close()

    async def update_instructions(self, instructions: str) -> None:
        pass

    async def update_chat_ctx(self, chat_ctx: llm.ChatContext) -> None:
        pass

    async def update_tools(self, tools: list[llm.Tool]) -> None:
        pass

    def update_options(self, **_: Any) -> None:
        pass

    def push_audio(self, frame: Any) -> None:
        pass

    def push_video(self, frame: Any) -> None:
        pass

    def commit_audio(self) -> None:
        pass

    def clear_audio(self) -> None:
        pass

    def interrupt(self) -> None:
        pass

    def truncate(self, **_: Any) -> None:
        pass

    async def aclose(self) -> None:
        pass
