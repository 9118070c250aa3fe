"""The link to a session that shows no raw events: any ``llm.RealtimeSession``, by its family's traits.

Requests go down as calls, and what the plugin announces is matched to them by what the family says; the
streams of a response are read to their end by a `realtime_fsm.livekit._reading.Reading`.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
from collections import OrderedDict
from collections.abc import AsyncIterable, Iterator
from typing import Any

from livekit.agents import llm, utils

from .. import _events as ev
from .._classify import error_info
from .._errors import ErrorInfo
from .._policy import RetryPolicy
from .._states import ErrorKind, MessageOutcome, Origin
from ._ask import Ask
from ._driver import Driver
from ._history import share_of_words
from ._outlet import Item
from ._reading import Reading, Response
from .providers import Family

_FORWARDED = ("input_audio_transcription_completed", "remote_item_added")
#: Seconds that the error of a response may precede the end of its streams…
_FRESH = 0.2
#: …or follow it, where the inner session closes its socket in between.
_LATE = 2.0
#: Streams that are remembered: a plugin may announce one more than once.
_REMEMBERED = 64

_SUPERSEDED = "request_cancelled"
_WITHDRAWN = ErrorInfo(kind=ErrorKind.CLIENT_BUG, code="withdrawn")
_NOTHING = ErrorInfo(kind=ErrorKind.CONFLICT, code="response_cancel_not_active")


class _Request:
    """One attempt's request to the plugin."""

    def __init__(self, turn_id: str, attempt: int, ask: Ask) -> None:
        self.turn_id = turn_id
        self.attempt = attempt
        self.ask = ask
        self.event_id = f"{turn_id}_{attempt}"
        #: None while the plugin is not connected.
        self.future: asyncio.Future[llm.GenerationCreatedEvent] | None = None
        #: The plugin gave up; what comes is still the answer.
        self.late = False


class StreamLink:
    """See `realtime_fsm.livekit._link.Link`."""

    def __init__(
        self,
        inner: llm.RealtimeSession[Any],
        driver: Driver,
        family: Family,
        policy: RetryPolicy,
    ) -> None:
        self._inner: Any = inner
        self._driver = driver
        self._family = family
        self._policy = policy
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests: dict[str, _Request] = {}
        self._responses: dict[str, Response] = {}
        #: What reads a stream of messages, None: the host. The stream is kept, so that its id is
        #: not used again.
        self._known: OrderedDict[int, tuple[object, Reading | None]] = OrderedDict()
        #: The words of messages, as they came.
        self._words: OrderedDict[str, list[str]] = OrderedDict()
        self._saying: set[asyncio.Future[llm.GenerationCreatedEvent]] = set()
        #: Announced while something is being said, which may be what was announced.
        self._held: list[llm.GenerationCreatedEvent] = []
        self._count = 0
        #: False from a lost connection until the plugin has another.
        self._up = True
        self._back_by: asyncio.TimerHandle | None = None
        #: A tool's output went out; until then the model is to answer it.
        self._owed_by: asyncio.TimerHandle | None = None
        self._told_below = False
        #: The user began to speak, or a reply does: told in a moment.
        self._speech: object = None
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
            "metrics_collected": self._on_metrics,
            "error": self._on_error,
        }
        for name in _FORWARDED:
            self._handlers[name] = functools.partial(driver.forward, name)
        for name, handler in self._handlers.items():
            inner.on(name, handler)
        detects = bool(inner.capabilities.turn_detection)
        self.receive(ev.SessionConfigured(server_creates=detects, server_interrupts=detects))

    # --- down

    def create(self, turn_id: str, attempt: int, ask: Ask) -> None:
        self._not_owed()
        request = _Request(turn_id, attempt, ask)
        self._requests[request.event_id] = request
        if self._up:
            self._send(request)

    def _send(self, request: _Request) -> None:
        self._error = None
        self._errs.clear()
        try:
            future = self._inner.generate_reply(**request.ask.arguments)
        except Exception as e:
            del self._requests[request.event_id]
            self._driver.not_sent(request.turn_id, request.attempt, e)
            return
        request.future = future
        # It counts as sent once this command is done: the driver is busy carrying it out.
        self._loop.call_soon(
            self.receive,
            ev.CreateSent(
                turn_id=request.turn_id, attempt=request.attempt, event_id=request.event_id
            ),
        )
        future.add_done_callback(functools.partial(self._answered, request))

    def cancel(self, response_id: str, event_id: str) -> None:
        response = self._responses.get(response_id)
        attempt = self._driver.controller.owner_of(response_id)
        interrupted = attempt is None or attempt.turn is None or attempt.turn.interrupted
        if response is not None:
            response.unwanted = interrupted
        if self._family.cancels and not self._told_below:
            self._inner.interrupt()
        if not (self._family.interrupt_ends and (self._family.cancels or self._told_below)):
            # Nothing ends it, and nothing waits for its end.
            self._loop.call_soon(self._over, response_id, ev.ResponseStatus.CANCELLED, None)

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """The host interrupts, which the plugin hears as in plain LiveKit, whatever comes of it."""
        self._inner.interrupt()
        self._told_below = True
        try:
            yield
        finally:
            self._told_below = False

    def withdraw(self, turn_id: str) -> None:
        """Nobody waits for what was asked for this turn: as a host that cancels the future."""
        for request in [r for r in self._requests.values() if r.turn_id == turn_id]:
            del self._requests[request.event_id]
            if request.future is not None:
                request.future.cancel()
            self._loop.call_soon(
                self.receive, ev.ErrorReceived(error=_WITHDRAWN, event_id=request.event_id)
            )

    def probe(self, event_id: str) -> None:
        for request in list(self._requests.values()):
            if request.future is not None:
                del self._requests[request.event_id]
                if self._family.withdraws:
                    request.future.cancel()
        self._loop.call_soon(self.receive, ev.ErrorReceived(error=_NOTHING, event_id=event_id))

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

    def say(self, text: str | AsyncIterable[str]) -> asyncio.Future[llm.GenerationCreatedEvent]:
        """The plugin speaks this; the host reads its streams, and its announcement is no answer."""
        future: asyncio.Future[llm.GenerationCreatedEvent] = self._inner.say(text)
        self._saying.add(future)
        future.add_done_callback(self._said)
        return future

    def pushed(self, chat_ctx: llm.ChatContext) -> None:
        """The host pushed its history. A tool's output in it is to be answered."""
        last = chat_ctx.items[-1] if chat_ctx.items else None
        if not self._family.owes_replies or not isinstance(last, llm.FunctionCallOutput):
            return
        if getattr(last, "reply_required", True):
            self._not_owed()
            self._owed_by = self._loop.call_later(self._policy.timeout, self._ask_what_is_owed)

    async def aclose(self) -> None:
        self._not_owed()
        if self._back_by is not None:
            self._back_by.cancel()
        closing = asyncio.ensure_future(self._inner.aclose())
        await asyncio.gather(closing, return_exceptions=True)
        for name, handler in self._handlers.items():
            self._inner.off(name, handler)
        await utils.aio.cancel_and_wait(*self._tasks)

    # --- requests

    def _answered(
        self, request: _Request, future: asyncio.Future[llm.GenerationCreatedEvent]
    ) -> None:
        error = None if future.cancelled() else future.exception()
        if self._requests.get(request.event_id) is not request:
            return  # given up, asked again, or answered by what was announced
        if not future.cancelled() and error is None:
            if id(future.result().message_stream) in self._known:
                self._announced_again(future.result())
            else:
                del self._requests[request.event_id]
                self._follow(future.result(), request.event_id)
            return
        if error is not None and self._family.patience and "timed out" in str(error):
            request.late = True  # until the create times out: it may still be answered
            return
        del self._requests[request.event_id]
        if future.cancelled():
            # A plugin that keeps one request cancels it when it takes another, or restarts.
            info = self._failure(_SUPERSEDED, "the plugin gave the request up")
        else:
            info = self._refusal(error)
        self.receive(ev.ErrorReceived(error=info, event_id=request.event_id))

    def _refusal(self, error: BaseException | None) -> ErrorInfo:
        info = error_info(getattr(error, "code", None), None, str(error))
        if self._family.repeats or info.kind is ErrorKind.FATAL:
            return info
        return self._failure(info.code or "request_failed", str(error))

    def _failure(self, code: str | None, message: str) -> ErrorInfo:
        """Why something failed, and whether asking again is of any use."""
        kind = ErrorKind.TRANSIENT if self._family.repeats else ErrorKind.CLIENT_BUG
        return ErrorInfo(kind=kind, code=code, message=message)

    def _pending(self) -> _Request | None:
        """The request that a reply nobody else asked for answers."""
        for request in reversed(list(self._requests.values())):
            if request.late or (self._family.announces and request.future is not None):
                return request
        return None

    # --- responses

    def _on_generation(self, generation: llm.GenerationCreatedEvent) -> None:
        if id(generation.message_stream) in self._known:
            self._announced_again(generation)
            return
        if generation.user_initiated:
            return  # its future has it
        if self._saying:
            self._held.append(generation)
            return
        self._not_owed()
        request = self._pending()
        if request is not None:
            self._speech = None  # the plugin's, for the reply that begins
            del self._requests[request.event_id]
        self._follow(generation, None if request is None else request.event_id)

    def _announced_again(self, generation: llm.GenerationCreatedEvent) -> None:
        """A plugin that keeps one generation puts the answer to the next request into it."""
        _, reading = self._known[id(generation.message_stream)]
        request = self._pending()
        if reading is not None and reading.response.over and request is not None:
            del self._requests[request.event_id]
            reading.response = self.begin(request.event_id, generation.response_id)

    def _said(self, future: asyncio.Future[llm.GenerationCreatedEvent]) -> None:
        self._saying.discard(future)
        if not future.cancelled() and future.exception() is None:
            self._remember(future.result(), None)
        held, self._held = self._held, []
        for generation in held:
            self._on_generation(generation)

    def _remember(self, generation: llm.GenerationCreatedEvent, reading: Reading | None) -> None:
        stream = generation.message_stream
        self._known[id(stream)] = (stream, reading)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _follow(self, generation: llm.GenerationCreatedEvent, event_id: str | None) -> None:
        response = self.begin(event_id, generation.response_id)
        reading = Reading(self, response, generation)
        self._remember(generation, reading)
        task = asyncio.create_task(self._read(reading), name="realtime_fsm.read")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def begin(self, event_id: str | None, given_id: str | None = None) -> Response:
        """There is a response, to this request or to none of ours."""
        self._count += 1
        response_id = f"{given_id or 'response'}_{self._count}"
        self.receive(ev.ResponseCreated(response_id=response_id, client_event_id=event_id))
        attempt = self._driver.controller.owner_of(response_id)
        turn = None if attempt is None or attempt.abandoned else attempt.turn
        response = Response(response_id, "" if turn is None else turn.id)
        self._responses[response_id] = response
        return response

    def revive(self) -> Response:
        """There is output of a response that had gone silent. The plugin may have put the answer to
        what was asked since into the same streams."""
        asked = [request for request in self._requests.values() if request.future is not None]
        if asked:
            del self._requests[asked[-1].event_id]
        return self.begin(asked[-1].event_id if asked else None)

    def item(self, response: Response, item_id: str, item: Item, kind: ev.ItemKind) -> None:
        """A response has this item, and output in it."""
        self._driver.generated(response.turn_id, item_id, item)
        self.receive(ev.ItemStarted(response_id=response.id, item_id=item_id, kind=kind))

    def words(self, item_id: str, piece: str) -> None:
        """A message has these words too."""
        self._words.setdefault(item_id, []).append(piece)
        while len(self._words) > _REMEMBERED:
            self._words.popitem(last=False)

    def heard_text(self, item_id: str) -> str | None:
        """What was heard of a message that was cut, perhaps nothing; None of any other."""
        message = self._driver.controller.message(item_id)
        if message is None or message.outcome in (None, MessageOutcome.FULL):
            return None
        if message.outcome is MessageOutcome.SKIPPED:
            return ""
        if message.heard_ms is None or message.transcript is not None:
            return message.transcript
        text = "".join(self._words.get(item_id, ()))
        return share_of_words(text, message.heard_ms, message.received_ms)

    def receive(self, event: ev.Event) -> None:
        self._driver.receive(event)

    async def _read(self, reading: Reading) -> None:
        try:
            await reading.run()
        except Exception as e:
            reading.response.error = self._failure("stream_broke", type(e).__name__)
        response = reading.response
        if not (response.items or response.error or response.unwanted or response.over):
            # A fatal error is told after the streams ended.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._errs.wait(), _FRESH)
        self._over(response.id, *self._how_it_ended(response))

    def _how_it_ended(self, response: Response) -> tuple[ev.ResponseStatus, ErrorInfo | None]:
        """As an error says that was told right before; anything older was about something else."""
        fresh = self._loop.time() - self._error_at < _FRESH
        error = response.error or (self._error if fresh or not response.items else None)
        if response.unwanted or (response.cut_by_user and not response.items):
            return ev.ResponseStatus.CANCELLED, None
        if error is not None:
            return ev.ResponseStatus.FAILED, error
        if not response.items and not self._family.repeats:
            info = self._failure("empty_response", "the response completed without output")
            return ev.ResponseStatus.FAILED, info
        return ev.ResponseStatus.COMPLETED, None

    def _over(self, response_id: str, status: ev.ResponseStatus, error: ErrorInfo | None) -> None:
        response = self._responses.pop(response_id, None)
        if response is None:
            return
        response.over = True
        self._ended = (response.turn_id, self._loop.time())
        self.receive(ev.ResponseDone(response_id=response_id, status=status, error=error))

    # --- what the plugin tells

    def _on_speech_started(self, event: object) -> None:
        if not self._family.tells_of_user and self._pending() is not None:
            # Perhaps the reply begins that is still awaited, which must not interrupt itself.
            self._speech = event
            self._loop.call_soon(self._tell_speech)
        else:
            self._speech = event
            self._tell_speech()

    def _tell_speech(self) -> None:
        event, self._speech = self._speech, None
        if event is None:
            return
        self._not_owed()
        for response in self._responses.values():
            response.cut_by_user = True
        if self._family.tells_of_user:
            self.receive(ev.SpeechStarted())
        self._driver.forward("input_speech_started", event)

    def _on_speech_stopped(self, event: object) -> None:
        if self._family.tells_of_user:
            self.receive(ev.SpeechStopped())
        self._driver.forward("input_speech_stopped", event)

    def _on_metrics(self, metrics: Any) -> None:
        self._driver.forward("metrics_collected", metrics)
        if getattr(metrics, "acquire_time", 0) and not self._up:
            # The plugin has a connection. What it is about to put on it goes first.
            self._loop.call_soon(self._back)

    def _on_reconnected(self, event: object) -> None:
        self.receive(ev.ConnectionReady())
        self._driver.forward("session_reconnected", event)
        self._back()

    def _on_error(self, report: llm.RealtimeModelError) -> None:
        if not report.recoverable:
            self._driver.session_failed(report)
            return
        lost = self._family.tells_loss(report)
        code = "connection_lost" if lost else None
        self._error = self._failure(code, str(report.error))
        self._error_at = self._loop.time()
        self._errs.set()
        under_way = any(not t.generation_over for t in self._driver.controller.turns)
        for response in self._responses.values():
            response.error = self._error
        if lost:
            self._lost(self._error)
        if under_way:
            return  # the turn tells of it, if it comes to nothing
        turn_id, ended_at = self._ended
        if turn_id and self._error_at - ended_at < _LATE:
            self._driver.failed_late(turn_id, self._error)
        self._driver.forward("error", report)

    def _lost(self, error: ErrorInfo) -> None:
        """What was asked is asked again once the plugin is back."""
        if self._family.resends:
            return
        self._up = False
        if self._back_by is None:
            # Without word from the plugin, it gets what there is to ask all the same.
            self._back_by = self._loop.call_later(self._policy.recovery_deadline, self._back)
        asked = [request for request in self._requests.values() if request.future is not None]
        for request in asked:
            del self._requests[request.event_id]
            self.receive(ev.ErrorReceived(error=error, event_id=request.event_id))
        self._not_owed()  # a new connection may not know of the call, and make it again

    def _back(self) -> None:
        self._up = True
        if self._back_by is not None:
            self._back_by.cancel()
            self._back_by = None
        for request in [r for r in self._requests.values() if r.future is None]:
            self._send(request)

    def _ask_what_is_owed(self) -> None:
        """A tool's output was not answered."""
        self._not_owed()
        if not self._driver.controller.turns:
            self._driver.ask(Ask(), Origin.APPLICATION)

    def _not_owed(self) -> None:
        if self._owed_by is not None:
            self._owed_by.cancel()
            self._owed_by = None
