"""The link to a session without raw events: any ``llm.RealtimeSession``.

What it cannot see it does without: a response counts as handed out when its first item is, an
unanswered create is cancelled instead of probed, cancels go to whatever runs, items of failed
attempts are left to LiveKit's own history sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Coroutine
from typing import Any

from livekit.agents import APIConnectionError, llm, utils

from .. import _events as ev
from .._classify import error_info
from .._errors import ErrorInfo
from .._states import ErrorKind
from ._ask import Ask
from ._driver import Driver
from ._log import get_logger
from ._outlet import Item
from ._tap import tapped

_FORWARDED = (
    "input_audio_transcription_completed",
    "metrics_collected",
    "remote_item_added",
)
#: Seconds that the error of a response may precede the end of its streams…
_FRESH = 0.2
#: …or follow it, where the inner session closes its socket in between.
_LATE = 2.0
_CANCELLED = ErrorInfo(kind=ErrorKind.TRANSIENT, code="request_cancelled")
_NOT_CREATED = ErrorInfo(kind=ErrorKind.CONFLICT, code="response_cancel_not_active")


class ReducedLink:
    """See `realtime_fsm.livekit._link.Link`."""

    def __init__(self, inner: llm.RealtimeSession[Any], driver: Driver) -> None:
        self._inner: Any = inner
        self._driver = driver
        self._log = get_logger()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending: dict[str, asyncio.Future[llm.GenerationCreatedEvent]] = {}
        self._cancelled: set[str] = set()
        #: Requests whose futures were cancelled from here.
        self._given_up: set[str] = set()
        self._count = 0
        #: The last recoverable error: why a response that ends empty did.
        self._error: ErrorInfo | None = None
        self._error_at = -math.inf
        #: The last turn whose response ended, and when.
        self._ended = ("", -math.inf)
        self._errs = asyncio.Event()
        self._handlers: dict[str, Any] = {
            "generation_created": self._on_generation,
            "input_speech_started": self._on_speech_started,
            "input_speech_stopped": self._on_speech_stopped,
            "session_reconnected": self._on_reconnected,
            "error": self._on_error,
        }
        for name in _FORWARDED:
            self._handlers[name] = self._forwarder(name)
        for name, handler in self._handlers.items():
            inner.on(name, handler)
        detects = bool(inner.capabilities.turn_detection)
        driver.receive(ev.SessionConfigured(server_creates=detects, server_interrupts=detects))

    # --- down

    def create(self, turn_id: str, attempt: int, ask: Ask) -> None:
        event_id = f"{turn_id}_{attempt}"
        self._error = None
        self._errs.clear()
        try:
            future = self._inner.generate_reply(**ask.arguments)
        except Exception as e:
            self._driver.not_sent(turn_id, attempt, e)
            return
        self._pending[event_id] = future
        # It counts as sent once this command is done: the driver is busy carrying it out.
        asyncio.get_running_loop().call_soon(
            lambda: self._driver.receive(
                ev.CreateSent(turn_id=turn_id, attempt=attempt, event_id=event_id)
            )
        )
        future.add_done_callback(lambda f: self._settled(event_id, f))

    def cancel(self, response_id: str, event_id: str) -> None:
        self._cancelled.add(response_id)
        self._inner.interrupt()

    def probe(self, event_id: str) -> None:
        for pending, future in list(self._pending.items()):
            self._given_up.add(pending)
            future.cancel()
        asyncio.get_running_loop().call_soon(
            lambda: self._driver.receive(ev.ErrorReceived(error=_NOT_CREATED, event_id=event_id))
        )

    def delete(self, item_id: str, event_id: str) -> None:
        pass

    def restore(self, item_id: str) -> None:
        pass

    def withheld(self, item_id: str, *, forward: bool) -> None:
        pass

    def outside(self, item_id: str) -> bool:
        return False

    def reading(self, turn_id: str) -> bool:
        return False  # an item is known here only once it was handed out

    def stop_reading(self, turn_id: str) -> None:
        pass  # the end of the streams is how the end of the response is known

    async def aclose(self) -> None:
        closing = asyncio.ensure_future(self._inner.aclose())
        await asyncio.gather(closing, return_exceptions=True)
        for name, handler in self._handlers.items():
            self._inner.off(name, handler)
        await utils.aio.cancel_and_wait(*self._tasks)

    # --- up

    def _settled(self, event_id: str, future: asyncio.Future[llm.GenerationCreatedEvent]) -> None:
        self._pending.pop(event_id, None)
        if future.cancelled():
            # A provider that keeps one pending request cancels it when it takes another.
            if event_id not in self._given_up:
                self._driver.receive(ev.ErrorReceived(error=_CANCELLED, event_id=event_id))
            self._given_up.discard(event_id)
            return
        error = future.exception()
        if error is None:
            self._follow(future.result(), event_id)
            return
        info = error_info(getattr(error, "code", None), None, str(error))
        self._driver.receive(ev.ErrorReceived(error=info, event_id=event_id))

    def _on_generation(self, generation: llm.GenerationCreatedEvent) -> None:
        if not generation.user_initiated:
            self._follow(generation, None)

    def _follow(self, generation: llm.GenerationCreatedEvent, event_id: str | None) -> None:
        self._count += 1
        response_id = generation.response_id or f"response_{self._count}"
        self._driver.receive(
            ev.ResponseCreated(
                response_id=response_id, client_event_id=event_id, deltas_shown=False
            )
        )
        attempt = self._driver.controller.owner_of(response_id)
        if attempt is None or attempt.turn is None:
            return
        self._spawn(self._read(attempt.turn.id, response_id, generation))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="realtime_fsm.read")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(
        self, turn_id: str, response_id: str, generation: llm.GenerationCreatedEvent
    ) -> None:
        counts = await asyncio.gather(
            self._read_messages(turn_id, response_id, generation),
            self._read_calls(turn_id, response_id, generation),
            return_exceptions=True,
        )
        for broken in [n for n in counts if isinstance(n, BaseException)]:
            self._error = ErrorInfo(kind=ErrorKind.TRANSIENT, message=type(broken).__name__)
        count = sum(n for n in counts if isinstance(n, int))
        if not count and self._error is None and response_id not in self._cancelled:
            # A fatal error is told after the streams ended.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._errs.wait(), _FRESH)
        status, error = ev.ResponseStatus.COMPLETED, None
        if response_id in self._cancelled:
            self._cancelled.discard(response_id)
            status = ev.ResponseStatus.CANCELLED
        elif self._error is not None and (not count or self._error_is_fresh()):
            status, error = ev.ResponseStatus.FAILED, self._error
        self._ended = (turn_id, asyncio.get_running_loop().time())
        self._driver.receive(ev.ResponseDone(response_id=response_id, status=status, error=error))

    async def _read_messages(
        self, turn_id: str, response_id: str, generation: llm.GenerationCreatedEvent
    ) -> int:
        count = 0
        async for message in generation.message_stream:
            count += 1
            item_id, message = message.message_id, tapped(message, self._spawn)
            self._hand_on(turn_id, response_id, item_id, message, ev.ItemKind.MESSAGE)
            self._driver.receive(ev.OutputReceived(response_id=response_id, item_id=item_id))
        return count

    async def _read_calls(
        self, turn_id: str, response_id: str, generation: llm.GenerationCreatedEvent
    ) -> int:
        count = 0
        async for call in generation.function_stream:
            count += 1
            self._hand_on(turn_id, response_id, call.id, call, ev.ItemKind.FUNCTION_CALL)
            self._driver.receive(ev.CallReceived(response_id=response_id, item_id=call.id))
        return count

    def _hand_on(
        self, turn_id: str, response_id: str, item_id: str, item: Item, kind: ev.ItemKind
    ) -> None:
        self._driver.generated(turn_id, item_id, item)
        self._driver.receive(ev.ItemStarted(response_id=response_id, item_id=item_id, kind=kind))

    def _error_is_fresh(self) -> bool:
        """What ends a response is told right before its streams end; anything older was about
        something else."""
        return asyncio.get_running_loop().time() - self._error_at < _FRESH

    def _on_speech_started(self, event: object) -> None:
        self._driver.receive(ev.SpeechStarted())
        self._driver.forward("input_speech_started", event)

    def _on_speech_stopped(self, event: object) -> None:
        self._driver.receive(ev.SpeechStopped())
        self._driver.forward("input_speech_stopped", event)

    def _on_reconnected(self, event: object) -> None:
        self._driver.receive(ev.ConnectionReady())
        self._driver.forward("session_reconnected", event)

    def _on_error(self, report: llm.RealtimeModelError) -> None:
        if not report.recoverable:
            self._driver.session_failed(report)
            return
        if isinstance(report.error, APIConnectionError):
            self._driver.forward("error", report)
            return
        self._error = ErrorInfo(kind=ErrorKind.TRANSIENT, message=str(report.error))
        self._error_at = asyncio.get_running_loop().time()
        self._errs.set()
        if all(turn.generation_over for turn in self._driver.controller.turns):
            turn_id, ended_at = self._ended
            if self._error_at - ended_at < _LATE:
                self._driver.failed_late(turn_id, self._error)
            self._driver.forward("error", report)

    def _forwarder(self, name: str) -> Any:
        def forward(event: object) -> None:
            self._driver.forward(name, event)

        return forward
