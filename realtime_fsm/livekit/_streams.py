"""The link to a session that shows no raw events: any ``llm.RealtimeSession``, by its family's traits.

Requests go down as calls, and what the plugin announces is matched to them by what the family says; the
streams of a response are read to their end by a `realtime_fsm.livekit._reading.Reading`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from livekit.agents import llm, utils

from .._core import events as ev
from .._core.error_kinds import error_info
from .._core.errors import ErrorInfo
from .._core.policy import RetryPolicy
from .._core.session import remember
from .._core.states import ErrorKind
from ._driver import Driver
from ._foreign import Foreign
from ._guard import Guard
from ._inner_session import close
from ._link import Source
from ._listener import cheap
from ._log import get_logger
from ._reading import Reading, Response
from ._reply_request import ReplyRequest
from ._requests import Request, Requests
from ._streamed_words import StreamedWords
from ._tool_reply import ToolReply
from ._turn_output import Item
from .providers import Family

_FORWARDED = ("remote_item_added",)
#: What frames tell besides, and that names no response.
_OF_NO_RESPONSE = (ev.SessionConfigured, ev.InputCommitted, ev.InputCleared, ev.ItemActivity)
#: Seconds that the error of a response may precede the end of its streams…
_FRESH = 0.2
#: …or follow it, where the inner session closes its socket in between.
_LATE = 2.0
#: Streams that are remembered.
_REMEMBERED = 64

_WITHDRAWN = ErrorInfo(kind=ErrorKind.CLIENT_BUG, code="withdrawn")
#: Seconds until it is asked for again: the user goes on, and is done, or it was empty.
_USER_MAY_GO_ON = 2.0
_PERHAPS_CUT = ErrorInfo(
    kind=ErrorKind.EMPTY,
    code="empty_response",
    message="the response completed without output",
    retry_after=_USER_MAY_GO_ON,
)
_NOTHING = ErrorInfo(kind=ErrorKind.CONFLICT, code="response_cancel_not_active")


class StreamLink:
    """See `realtime_fsm.livekit._link.Link`."""

    def __init__(
        self,
        inner: llm.RealtimeSession[Any],
        driver: Driver,
        family: Family,
        policy: RetryPolicy,
        guard: Guard,
    ) -> None:
        self._inner: Any = inner
        self._driver = driver
        self._family = family
        self._policy = policy
        self._guard = guard
        #: A way to the wire past the plugin, None: it has none.
        self._sends = family.sends(inner)
        #: What went that way. Only we are told of its refusal.
        self._sent: OrderedDict[str, None] = OrderedDict()
        #: A frame tells such a refusal: so does the error of this moment.
        self._refused = False
        self._loop = asyncio.get_running_loop()
        self.readers: dict[str, Source] = {}
        self.held: Mapping[str, llm.RemoteItemAddedEvent] = {}
        #: A generation of which the host is being told, and that nobody reads yet.
        self.beginning: object = None
        #: The host interrupts, and the plugin was told.
        self.interrupted_below = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._requests = Requests(family)
        #: Those that are not over, by id.
        self._responses: dict[str, Response] = {}
        #: What reads a stream of messages, None: the host. The stream is kept, so that its id is
        #: not used again.
        self._known: OrderedDict[int, tuple[object, Reading | None]] = OrderedDict()
        self.words = StreamedWords(driver.controller)
        self._saying: set[asyncio.Future[llm.GenerationCreatedEvent]] = set()
        #: Announced while something is being said, which may be what was announced.
        self._announced: list[llm.GenerationCreatedEvent] = []
        self._count = 0
        #: False from a lost connection until the plugin has another.
        self._up = True
        #: Connections lost in a row that brought nothing.
        self._losses = 0
        self._back_by: asyncio.TimerHandle | None = None
        self.tool_reply = ToolReply(driver, family, policy, guard)
        #: The user began to speak, or a reply does: told in a moment.
        self._speech: object = None
        #: The last recoverable error: why a response that ends empty did.
        self._error: ErrorInfo | None = None
        self._error_at = -math.inf
        #: What was told of it, unless a turn tells.
        self._report: llm.RealtimeModelError | None = None
        self._errs = asyncio.Event()
        #: How responses ended, by the plugin's names for them, where its frames tell.
        self._ends: OrderedDict[str, ev.ResponseDone] = OrderedDict()
        #: A frame tells the end of the response without a name: what is announced in this moment is that.
        self._trails = False
        #: The response that began last, and the one before.
        self._newest: Response | None = None
        self._before: Response | None = None
        #: The newest began in this step of the loop.
        self._begins = False
        #: The last turn whose response ended, and when.
        self._ended = ("", -math.inf)
        self._handlers: dict[str, Callable[..., None]] = {
            "generation_created": self._on_generation,
            "input_audio_transcription_completed": self._on_transcript,
            "input_speech_started": self._on_speech_started,
            "input_speech_stopped": self._on_speech_stopped,
            "session_reconnected": self._on_reconnected,
            "metrics_collected": self._on_metrics,
            "error": self._on_error,
        }
        for name in _FORWARDED:
            self._handlers[name] = functools.partial(driver.forward, name)
        if family.shows:
            self._handlers[family.shows] = self._on_frame
        self._handlers = {name: self._guarded(name, h) for name, h in self._handlers.items()}
        for name, handler in self._handlers.items():
            inner.on(name, handler)
        detects = bool(inner.capabilities.turn_detection)
        self.receive(ev.SessionConfigured(server_creates=detects, server_interrupts=detects))

    def _guarded(self, name: str, handler: Callable[..., None]) -> Callable[..., None]:
        guard = self._guard

        def guarded(event: Any = None, *_: object) -> None:
            if not guard.off:
                try:
                    handler(event)
                    if event is None or self.beginning is not event:
                        return
                except Exception as e:
                    guard.failed(e)
            guard.plain(name, event)

        return cheap(guarded)

    def receive(self, event: ev.Event) -> None:
        self._driver.receive(event)

    def _soon(self, work: Callable[..., None], *args: Any) -> None:
        self._loop.call_soon(self._guard(work), *args)

    # --- down: requests

    def create(self, turn_id: str, attempt: int, ask: ReplyRequest) -> None:
        self.tool_reply.settle()
        request = Request(turn_id, attempt, ask)
        self._requests.add(request)
        if self._up:
            self._make(request)

    def _make(self, request: Request) -> None:
        self._error = None
        self._errs.clear()
        try:
            future = self._inner.generate_reply(**request.ask.arguments)
        except Exception as e:
            self._requests.settle(request)
            self._driver.not_sent(request.turn_id, request.attempt, e)
            return
        request.future = request.ask.request = future
        sent = ev.CreateSent(
            turn_id=request.turn_id, attempt=request.attempt, event_id=request.event_id
        )
        # It counts as sent once this command is done: the driver is busy carrying it out.
        self._soon(self.receive, sent)
        future.add_done_callback(self._guard(functools.partial(self._answered, request)))

    def withdraw(self, turn_id: str) -> None:
        """As a host that cancels the future."""
        for request in self._requests.of_turn(turn_id):
            self._requests.settle(request)
            request.withdrawn = True
            if request.future is not None:
                request.future.cancel()
            self._settle_soon(request, _WITHDRAWN)

    def check(self, event_id: str) -> None:
        pass  # nothing can be asked

    def probe(self, event_id: str) -> None:
        for request in self._requests.made():
            self._requests.settle(request)
            if self._family.withdraws and request.future is not None:
                request.future.cancel()
        self._soon(self.receive, ev.ErrorReceived(error=_NOTHING, event_id=event_id))

    def _settle_soon(self, request: Request, error: ErrorInfo) -> None:
        self._soon(self.receive, ev.ErrorReceived(error=error, event_id=request.event_id))

    # --- down: responses

    @property
    def names_cancels(self) -> bool:
        """Whether the plugin need not be told that the host interrupts."""
        return self._sends is not None

    def cancel(self, response_id: str, event_id: str) -> None:
        response = self._responses.get(response_id)
        attempt = self._driver.controller.owner_of(response_id)
        interrupted = attempt is None or attempt.turn is None or attempt.turn.interrupted
        if response is not None:
            response.unwanted = interrupted
            if interrupted and response.error is not None:
                self._tell_report()  # no turn will
        if self._sends is None or (response is not None and not response.given_id):
            if self._family.cancels and not self.interrupted_below:
                self._inner.interrupt()
        elif response is not None:
            self._send("response.cancel", event_id, response_id=response.given_id)
        told = self._family.cancels or self.interrupted_below
        if not (self._family.interrupt_ends and told):
            # Nothing ends it, and nothing waits for its end.
            self._soon(self._over, response_id, ev.ResponseStatus.CANCELLED, None)

    def _send(self, kind: str, event_id: str, **fields: str) -> None:
        if self._sends is not None:
            remember(self._sent, event_id, None)
            self._sends({"type": kind, "event_id": event_id, **fields})

    def delete(self, item_id: str, event_id: str) -> None:
        self._send("conversation.item.delete", event_id, item_id=item_id)

    def truncate(self, item_id: str, audio_end_ms: int, event_id: str) -> None:
        pass

    def restore(self, item_id: str) -> None:
        pass

    def withheld(self, item_id: str, *, forward: bool) -> None:
        pass

    def say_nothing_more(self) -> None:
        pass

    def outside(self, item_id: str) -> bool:
        return False

    @property
    def may_be_replaced(self) -> bool:
        return False

    @property
    def holds_a_question(self) -> bool:
        return False

    @property
    def spoken(self) -> Sequence[Foreign]:
        return ()

    def veil(self, frame: dict[str, Any]) -> None:
        pass

    def replace(self, item_id: str) -> bool:
        return False

    def reading(self, turn_id: str) -> bool:
        return False  # an item is known here only once it was handed out

    def stop_reading(self, turn_id: str) -> None:
        pass  # the end of the streams is how the end of the response is known

    async def aclose(self) -> None:
        self.tool_reply.settle()
        if self._back_by is not None:
            self._back_by.cancel()
        await close(self._inner)
        for name, handler in self._handlers.items():
            self._inner.off(name, handler)
        await utils.aio.cancel_and_wait(*self._tasks)

    # --- what the host does past us

    def saying(self, future: asyncio.Future[llm.GenerationCreatedEvent]) -> None:
        """The plugin is to say something. The host reads its streams, and its announcement answers
        no request."""
        self._saying.add(future)
        future.add_done_callback(self._guard(self._said))

    def _said(self, future: asyncio.Future[llm.GenerationCreatedEvent]) -> None:
        self._saying.discard(future)
        if not future.cancelled() and future.exception() is None:
            self._remember(future.result(), None)
        announced, self._announced = self._announced, []
        for generation in announced:
            self._on_generation(generation)

    # --- up: what answers a request

    def _answered(
        self, request: Request, future: asyncio.Future[llm.GenerationCreatedEvent]
    ) -> None:
        error = None if future.cancelled() else future.exception()
        if request not in self._requests.made():
            if not future.cancelled() and error is None:
                self._came_anyway(request, future.result())
            return
        if not future.cancelled() and error is None:
            generation = future.result()
            if id(generation.message_stream) in self._known:
                self._announced_again(generation)
            else:
                self._requests.settle(request)
                self._follow(generation, request)
            return
        if error is not None and self._family.patience and "timed out" in str(error):
            request.late = True  # until the create times out: it may still be answered
            return
        self._requests.settle(request)
        if error is None:
            # A plugin that keeps one request cancels it when it takes another, or restarts.
            info = self._failure("request_cancelled", "the plugin gave the request up")
        else:
            info = self._refusal(error)
        self.receive(ev.ErrorReceived(error=info, event_id=request.event_id))

    def _came_anyway(self, request: Request, generation: llm.GenerationCreatedEvent) -> None:
        """It was given up, asked again, or answered by what was announced."""
        if request.answered:
            return
        if not request.withdrawn:  # the host wants to hear what comes
            self._on_generation(dataclasses.replace(generation, user_initiated=False))
        elif id(generation.message_stream) not in self._known:
            self._remember(generation, None)

    def _refusal(self, error: BaseException) -> ErrorInfo:
        info = error_info(getattr(error, "code", None), None, str(error))
        if self._family.repeats or info.kind is ErrorKind.FATAL:
            return _of_turn(info)
        return self._failure(info.code or "request_failed", str(error))

    def _failure(self, code: str | None, message: str) -> ErrorInfo:
        """Why something failed, and whether asking again is of any use."""
        kind = ErrorKind.TRANSIENT if self._family.repeats else ErrorKind.CLIENT_BUG
        return ErrorInfo(kind=kind, code=code, message=message)

    def _on_generation(self, generation: llm.GenerationCreatedEvent) -> None:
        if id(generation.message_stream) in self._known:
            self._announced_again(generation)
        elif generation.user_initiated:
            request = self._requests.answered_by(generation)
            if request is not None:  # now: what its frames tell comes before the future's callbacks
                self._requests.settle(request)
                self._follow(generation, request)
        elif self._trails:
            self._remember(generation, None)
        elif self._saying:
            self._announced.append(generation)
        else:
            self.tool_reply.settle()
            request = self._requests.expected()
            if request is not None:
                self._speech = None  # the plugin's, for the reply that begins
                self._requests.settle(request)
            self._follow(generation, request)

    def _announced_again(self, generation: llm.GenerationCreatedEvent) -> None:
        """A plugin that keeps one generation puts the answer to the next request into it."""
        _, reading = self._known[id(generation.message_stream)]
        request = self._requests.expected()
        if reading is not None and reading.response.over and request is not None:
            self._requests.settle(request)
            reading.response = self._begin(request, generation.response_id)
            self.readers[reading.response.turn_id] = reading

    def _remember(self, generation: llm.GenerationCreatedEvent, reading: Reading | None) -> None:
        stream = generation.message_stream
        self._known[id(stream)] = (stream, reading)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    # --- up: responses

    def _follow(self, generation: llm.GenerationCreatedEvent, request: Request | None) -> None:
        self.beginning = generation
        response = self._begin(request, generation.response_id)
        if self._guard.off:
            return  # what the host did when it was told went wrong
        reading = Reading(self, response, generation, self._guard, self._policy.stall_timeout)
        self._remember(generation, reading)
        find = self._driver.controller.find
        for ended in [t for t, r in self.readers.items() if r.over and find(t) is None]:
            del self.readers[ended]
        # Nothing of ours may come between: what is read has a reader that is known.
        task = asyncio.create_task(self._read(reading), name="realtime_fsm.read")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.readers[response.turn_id] = reading
        self.beginning = None

    def _begin(self, request: Request | None, given_id: str | None = None) -> Response:
        self._count += 1
        response_id = f"{given_id or 'response'}_{self._count}"
        event_id = None if request is None else request.event_id
        self.receive(ev.ResponseCreated(response_id=response_id, client_event_id=event_id))
        attempt = self._driver.controller.owner_of(response_id)
        turn = attempt.turn if attempt is not None and attempt.wanted else None
        response = Response(response_id, "" if turn is None else turn.id, given_id or "")
        after_tool = self.tool_reply.begins()
        response.asked = request is not None
        response.of_user = not (response.asked or after_tool)
        self._responses[response_id] = response
        self._before, self._newest, self._begins = self._newest, response, True
        self._soon(self._begun)
        return response

    def _begun(self) -> None:
        self._begins = False

    def revive(self) -> Response:
        """There is output of a response that had gone silent. The plugin may have put the answer to
        what was asked since into the same streams."""
        request = self._requests.newest()
        if request is not None:
            self._requests.settle(request)
        silent = self._newest
        response = self._begin(request)
        response.has_words = silent is not None and silent.has_words
        return response

    def item(self, response: Response, item_id: str, item: Item, kind: ev.ItemKind) -> None:
        """A response has this item, and output in it."""
        self._losses = 0
        if kind is ev.ItemKind.MESSAGE:
            self.tool_reply.spoke()
        self._driver.generated(response.turn_id, item_id, item)
        self.receive(ev.ItemStarted(response_id=response.id, item_id=item_id, kind=kind))

    async def _read(self, reading: Reading) -> None:
        broken = await reading.run()
        response = reading.response
        known = response.items or broken or response.error or response.unwanted or response.over
        if not (known or response.given_id in self._ends or self._goes_on_in_another(response)):
            # A fatal error is told after the streams ended.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._errs.wait(), _FRESH)
        self._guard.run(None, self._ended_by_itself, response, broken)

    def _ended_by_itself(self, response: Response, broken: str | None) -> None:
        """As its frames say. Elsewhere, as an error says that was told right before; anything older was
        about something else."""
        told = self._ends.pop(response.given_id, None)
        if told is not None and broken is None and not response.unwanted:
            error = None if told.error is None else _of_turn(told.error)
            self._over(response.id, told.status, error)
            return
        if broken is not None:
            response.error = self._failure("stream_broke", broken)
        fresh = self._loop.time() - self._error_at < _FRESH
        error = response.error or (self._error if fresh or not response.items else None)
        status = ev.ResponseStatus.COMPLETED
        if response.unwanted or (response.cut_by_user and not response.items):
            status, error = ev.ResponseStatus.CANCELLED, None
        elif error is not None:
            status = ev.ResponseStatus.FAILED
        elif not response.items and (
            self._may_be_silent(response) or self._goes_on_in_another(response)
        ):
            status = ev.ResponseStatus.CANCELLED
        elif not response.items and not self._family.repeats:
            status = ev.ResponseStatus.FAILED
            error = self._failure("empty_response", "the response completed without output")
        elif not response.items and not self._family.cuts_show:
            status, error = ev.ResponseStatus.FAILED, _PERHAPS_CUT
        self._over(response.id, status, error)

    def _may_be_silent(self, response: Response) -> bool:
        """Whether nothing is owed where a response has no output."""
        return not self._family.answers_all or (response.of_user and not self._family.cuts_show)

    def _goes_on_in_another(self, response: Response) -> bool:
        """Whether the plugin opened a response that nobody asked for, with a tool's output say, and put
        another in its place when the answer began."""
        opened = not (self._family.repeats or response.asked or response.items)
        return opened and self._newest is not response

    def _over(self, response_id: str, status: ev.ResponseStatus, error: ErrorInfo | None) -> None:
        response = self._responses.pop(response_id, None)
        if response is not None:
            response.over = True
            self._ended = (response.turn_id, self._loop.time())
            done = ev.ResponseDone(response_id=response_id, status=status, error=error)
            self.receive(done)

    # --- up: what its frames tell besides

    def _on_frame(self, raw: object) -> None:
        self._trails = self._refused = False  # several may come in one step of the loop
        try:
            told = self._family.reads(raw)
        except Exception as e:  # whatever a server sends (G25)
            kind = type(raw).__name__
            get_logger().debug("frame ignored", reason=type(e).__name__, type=kind)
            return
        if isinstance(told, ev.ResponseDone):
            if told.response_id and self._named(told.response_id) is None:
                # Somebody asked below us: a request that collided with it is made now (G20).
                self.receive(dataclasses.replace(told, status=ev.ResponseStatus.CANCELLED))
            elif told.response_id:
                remember(self._ends, told.response_id, told)
            else:
                self._trails = True
                self._soon(self._read_on)
        elif isinstance(told, ev.ErrorReceived):
            self._refused = told.event_id in self._sent
            self._soon(self._read_on)
        elif isinstance(told, _OF_NO_RESPONSE):
            self.receive(told)
        elif isinstance(told, (ev.ActionEnded, ev.ResponseActivity)) or _acts(told):
            response = self._named(told.response_id)
            if response is not None:
                self.receive(dataclasses.replace(told, response_id=response.id))

    def _named(self, given_id: str) -> Response | None:
        """The response that runs under this name."""
        for response in reversed(self._responses.values()):
            if response.given_id == given_id:
                return response
        return None

    def _read_on(self) -> None:
        self._trails = self._refused = False

    # --- up: what else the plugin tells

    def _on_transcript(self, event: llm.InputTranscriptionCompleted) -> None:
        self._driver.forward("input_audio_transcription_completed", event)
        self._losses = 0
        response, before = self._newest, self._before
        if response is None or event.is_final:
            return  # the final one comes again with the end of a response
        if not response.items:  # the user still speaks: nobody is silent (G27)
            self.receive(ev.ResponseActivity(response_id=response.id))
        if not self._family.words_begin:
            return
        late = before is not None and before.of_user and not before.has_words
        if before is not None and late and self._begins and response.of_user:
            # The words of what was answered already: nothing more is due.
            before.has_words, response.of_user = True, False
            self._over(response.id, ev.ResponseStatus.CANCELLED, None)
        else:
            response.has_words = True

    def _on_speech_started(self, event: object) -> None:
        self._speech = event
        if self._family.tells_of_user or self._requests.expected() is None:
            self._tell_speech()
        else:
            # Perhaps the reply begins that is still awaited, which must not interrupt itself.
            self._soon(self._tell_speech)

    def _tell_speech(self) -> None:
        event, self._speech = self._speech, None
        if event is None:
            return
        self.tool_reply.settle()
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
            self._soon(self._back)

    def _on_reconnected(self, event: object) -> None:
        if not self._family.resends:  # what was asked went with the connection
            self.receive(ev.ConnectionReady())
        self._driver.forward("session_reconnected", event)
        self._back()

    def _on_error(self, report: llm.RealtimeModelError) -> None:
        if not report.recoverable:
            self._driver.session_failed(report)
            return
        lost = self._family.tells_loss(report)
        if self._refused and not lost:
            return  # what it was to end or to delete is gone: nobody's failure (G6)
        self._losses += lost
        self._error = self._failure("connection_lost" if lost else None, str(report.error))
        survives = self._family.losses
        if lost and survives is not None and 2 * self._losses > survives:
            self._error = dataclasses.replace(self._error, kind=ErrorKind.CLIENT_BUG)
        self._error_at = self._loop.time()
        self._errs.set()
        under_way = any(not t.generation_over for t in self._driver.controller.turns)
        for response in self._responses.values():
            response.error = self._error
        if lost and not self._family.resends:
            self._lost(self._error)
        if under_way:
            self._report = report  # the turn tells of it, if it comes to nothing
            return
        turn_id, ended_at = self._ended
        if turn_id and self._error_at - ended_at < _LATE:
            self._driver.failed_late(turn_id, self._error)
        self._driver.forward("error", report)

    def _tell_report(self) -> None:
        report, self._report = self._report, None
        if report is not None:
            self._driver.forward("error", report)

    def _lost(self, error: ErrorInfo) -> None:
        """What was asked is asked again once the plugin is back."""
        self._up = False
        if self._back_by is None:
            # Without word from the plugin, it gets what there is to ask all the same.
            back = self._guard(self._back)
            self._back_by = self._loop.call_later(self._policy.recovery_deadline, back)
        self.tool_reply.settle()  # a new connection may not know of the call, and make it again
        for request in self._requests.made():
            self._requests.settle(request)
            self.receive(ev.ErrorReceived(error=error, event_id=request.event_id))

    def _back(self) -> None:
        self._up = True
        if self._back_by is not None:
            self._back_by.cancel()
            self._back_by = None
        for request in self._requests.waiting():
            self._make(request)


def _of_turn(error: ErrorInfo) -> ErrorInfo:
    """Asking again is of no use, and the session goes on: a plugin whose session ends says so itself."""
    if error.kind is not ErrorKind.FATAL:
        return error
    return ErrorInfo(kind=ErrorKind.CLIENT_BUG, code="permanent", message=str(error))


def _acts(told: ev.Event | None) -> TypeGuard[ev.ItemStarted]:
    """Whether the server does something by itself, which must not be asked for again (G28)."""
    return isinstance(told, ev.ItemStarted) and told.kind is ev.ItemKind.ACTION
