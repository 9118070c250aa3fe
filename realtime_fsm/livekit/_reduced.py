"""The link to a session without raw events: any ``llm.RealtimeSession``.

What it cannot see it does without: a response counts as handed out when its first item is, an
unanswered create is cancelled instead of probed, cancels go to whatever runs, items of failed
attempts are left to LiveKit's own history sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from livekit.agents import APIConnectionError, llm, utils

from .. import _events as ev
from .._classify import error_info
from .._errors import ErrorInfo
from .._states import ErrorKind
from ._ask import Ask
from ._below import close
from ._driver import Driver
from ._guard import Guard
from ._link import Source
from ._listener import cheap
from ._outlet import Item
from ._reader import Reader

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

    def __init__(self, inner: llm.RealtimeSession[Any], driver: Driver, guard: Guard) -> None:
        self._inner: Any = inner
        self._driver = driver
        self._guard = guard
        self.readers: dict[str, Source] = {}
        #: What is read, and how many items came of it.
        self._counts: dict[Reader, int] = {}
        self.held: Mapping[str, llm.RemoteItemAddedEvent] = {}
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
        self._handlers = {name: self._guarded(name, h) for name, h in self._handlers.items()}
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
        self._pending[event_id] = ask.request = future
        # It counts as sent once this command is done: the driver is busy carrying it out.
        self._receive_soon(ev.CreateSent(turn_id=turn_id, attempt=attempt, event_id=event_id))
        future.add_done_callback(lambda f: self._guard.run(None, self._settled, event_id, f))

    def cancel(self, response_id: str, event_id: str) -> None:
        self._cancelled.add(response_id)
        self._inner.interrupt()

    def probe(self, event_id: str) -> None:
        for pending, future in list(self._pending.items()):
            self._given_up.add(pending)
            future.cancel()
        self._receive_soon(ev.ErrorReceived(error=_NOT_CREATED, event_id=event_id))

    def _receive_soon(self, event: ev.Event) -> None:
        asyncio.get_running_loop().call_soon(self._guard(self._driver.receive), event)

    def delete(self, item_id: str, event_id: str) -> None:
        pass

    def restore(self, item_id: str) -> None:
        pass

    def withheld(self, item_id: str, *, forward: bool) -> None:
        pass

    def outside(self, item_id: str) -> bool:
        return False

    def veil(self, frame: dict[str, Any]) -> None:
        pass

    def reading(self, turn_id: str) -> bool:
        return False  # an item is known here only once it was handed out

    def stop_reading(self, turn_id: str) -> None:
        pass  # the end of the streams is how the end of the response is known

    async def aclose(self) -> None:
        await close(self._inner)
        for name, handler in self._handlers.items():
            self._inner.off(name, handler)
        reading = [task for reader in self._counts for task in reader.tasks]
        await utils.aio.cancel_and_wait(*self._tasks, *reading)

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
        turn_id = attempt.turn.id
        deliver = functools.partial(self._hand_on, turn_id, response_id)
        reader = Reader(
            generation,
            lambda item_id, item: deliver(reader, item_id, item),
            lambda: self._spawn(self._end(turn_id, response_id, reader)),
            self._guard,
        )
        find = self._driver.controller.find
        for ended in [t for t, r in self.readers.items() if r.over and find(t) is None]:
            del self.readers[ended]
        self._counts[reader] = 0
        self.readers[turn_id] = reader

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="realtime_fsm.end")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, turn_id: str, response_id: str, reader: Reader) -> None:
        """A response is over: why, and what of it."""
        count = self._counts.pop(reader)
        if reader.broken:
            self._error = ErrorInfo(kind=ErrorKind.TRANSIENT, message="its stream broke")
        if not count and self._error is None and response_id not in self._cancelled:
            # A fatal error is told after the streams ended.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._errs.wait(), _FRESH)
        self._guard.run(None, self._ended_with, turn_id, response_id, count)

    def _ended_with(self, turn_id: str, response_id: str, count: int) -> None:
        status, error = ev.ResponseStatus.COMPLETED, None
        if response_id in self._cancelled:
            self._cancelled.discard(response_id)
            status = ev.ResponseStatus.CANCELLED
        elif self._error is not None and (not count or self._error_is_fresh()):
            status, error = ev.ResponseStatus.FAILED, self._error
        self._ended = (turn_id, asyncio.get_running_loop().time())
        self._driver.receive(ev.ResponseDone(response_id=response_id, status=status, error=error))

    def _hand_on(
        self, turn_id: str, response_id: str, reader: Reader, item_id: str, item: Item
    ) -> None:
        self._counts[reader] += 1
        call = isinstance(item, llm.FunctionCall)
        kind = ev.ItemKind.FUNCTION_CALL if call else ev.ItemKind.MESSAGE
        self._driver.generated(turn_id, item_id, item)
        self._driver.receive(ev.ItemStarted(response_id=response_id, item_id=item_id, kind=kind))
        if call:
            self._driver.receive(ev.CallReceived(response_id=response_id, item_id=item_id))
        else:
            self._driver.receive(ev.OutputReceived(response_id=response_id, item_id=item_id))

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

    def _guarded(self, name: str, handler: Callable[[Any], None]) -> Callable[..., None]:
        guard = self._guard

        def guarded(event: Any = None, *_: object) -> None:
            if not guard.off:
                try:
                    handler(event)
                    return
                except Exception as e:
                    guard.failed(e)
            guard.plain(name, event)

        return cheap(guarded)

    def _forwarder(self, name: str) -> Any:
        def forward(event: object) -> None:
            self._driver.forward(name, event)

        return forward
