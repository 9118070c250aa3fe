"""Stepping aside: after an internal error of ours the session is plain LiveKit (G32).

What is under way is handed on: items that were taken from the inner session go to the host, requests that it
has are answered by it, and those that waited are made once nothing else runs. Nothing is repeated that
somebody may have heard.

This file trusts nothing of ours but data: it reads what driver and link hold, and calls none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping
from typing import Any
from weakref import ref

from livekit.agents import llm, utils

from .._core.errors import ErrorInfo
from .._core.states import ErrorKind, ResponseState
from ._driver import Driver
from ._emit import Emitter
from ._guard import Guard
from ._history import History
from ._inner_session import InnerSession, close
from ._link import Link, Source
from ._listener import GuardedEmitter, cheap
from ._log import get_logger
from ._reader import Reader
from ._reply_request import ReplyRequest
from ._turn_output import Item, TurnOutput

SERVER_EVENT = "openai_server_event_received"
CLIENT_EVENT = "openai_client_event_queued"
_RAW = (SERVER_EVENT, CLIENT_EVENT)
#: Commanded, and not on the wire.
_NOT_SENT = (ResponseState.QUEUED, ResponseState.WITHDRAWN)
_REMEMBERED = 64
#: Seconds that a request waits at most for what runs to end.
_PATIENCE = 10.0


class Way:
    """One turn's way to the host: its future, and its streams."""

    def __init__(
        self,
        output: TurnOutput | None,
        tell: Callable[[llm.GenerationCreatedEvent], None],
        told: Collection[int],
    ):
        self._tell = tell
        self._output = output
        self._messages = utils.aio.Chan[llm.MessageGeneration]()
        self._calls = utils.aio.Chan[llm.FunctionCall]()
        self.future: asyncio.Future[llm.GenerationCreatedEvent] | None = None
        #: What the host has of it.
        self.event: llm.GenerationCreatedEvent | None = None
        self.handed: dict[str, Item] = {}
        if output is not None:
            self._messages, self._calls = output.messages, output.calls
            self.future, self.event, self.handed = output.future, output.event, output.handed
            given = id(self.event) in told if self.future is None else self.future.done()
            if not given:
                self.event = None  # made, and that is all

    @property
    def over(self) -> bool:
        """Nobody waits for more of it."""
        future = self.future
        gone = future is not None and future.done() and self.event is None
        return self._messages.closed or gone or (future is not None and future.cancelled())

    def hand(self, item: Item) -> None:
        item_id = item.id if isinstance(item, llm.FunctionCall) else item.message_id
        if item_id in self.handed:
            return
        self.handed[item_id] = item
        with contextlib.suppress(utils.aio.ChanClosed):
            if isinstance(item, llm.FunctionCall):
                self._calls.send_nowait(item)
            else:
                self._messages.send_nowait(item)

    def announce(self, response_id: str | None) -> None:
        """Let the host have its streams, if it does not yet."""
        if self.event is not None:
            return
        self.event = llm.GenerationCreatedEvent(
            message_stream=self._messages,
            function_stream=self._calls,
            user_initiated=self.future is not None,
            response_id=response_id,
        )
        self._tell(self.event)
        if self.future is not None and not self.future.done():
            self.future.set_result(self.event)

    def close(self) -> None:
        self._messages.close()
        self._calls.close()
        self.fail(llm.RealtimeError("realtime session closed"))

    def fail(self, error: BaseException) -> None:
        if self.future is not None and not self.future.done():
            known = isinstance(error, llm.RealtimeError)
            self.future.set_exception(error if known else llm.RealtimeError(str(error)))
            self.future.exception()  # asyncio must not complain that nobody looked
        self._messages.close()
        self._calls.close()


class Aside:
    """Takes over when something of ours raised.

    Args:
        session: Where the host listens.
        model: Where the application listens.
    """

    def __init__(
        self,
        session: GuardedEmitter[Any],
        model: Emitter,
        inner_session: InnerSession,
        guard: Guard,
    ) -> None:
        self._session = session
        self._model = model
        self._inner_session = inner_session
        self._guard = guard
        guard.failed, guard.plain = self.step, self.heard
        self.driver: Driver | None = None
        self.history: History | None = None
        #: What the inner session that takes over will have, until it has it.
        self.kept: llm.ChatContext | None = None
        self._why: ErrorInfo | None = None
        #: Another inner session takes the place of the one before, and nothing of ours hears it yet.
        self.deaf = False
        #: Requests that wait until nothing else runs.
        self._waiting: deque[tuple[Way, Mapping[str, Any]]] = deque()
        #: Announced already; their generations come next.
        self._expected: dict[str, Way] = {}
        self._ways: list[Way] = []
        self._readers: list[Reader] = []
        #: Generations of which the host was told last. They hold all streams of a turn, and are not kept by this.
        self._told: deque[ref[object]] = deque(maxlen=_REMEMBERED)
        self._timer: asyncio.TimerHandle | None = None
        self._reopening: asyncio.Task[None] | None = None
        #: What is hidden from the inner session is hidden on.
        self._veiled = True
        #: A response is asked for or alive, as far as is known. What the inner session takes for one may be
        #: a request that was refused and that nobody told it of.
        self._taken = True

    @property
    def _inner(self) -> Any:
        return self._inner_session.session

    def step(self, error: Exception) -> None:
        """Something of ours raised: from now on the session is the inner one."""
        if self._guard.off:
            return
        self._guard.off = True
        for work in (self._look_at_the_lane, self._hand_everything_on, self._reopen):
            self._try(work)
        with contextlib.suppress(Exception):  # as much of it as still works
            self._end_records()
        self._why = report_step(self._model, error)
        if self.driver is not None:
            self.driver.controller.stepped_aside = self._why

    def tells(self, generation: object) -> None:
        """The host is told of this one."""
        self._told.append(ref(generation))

    def drives(self, driver: Driver) -> None:
        """From now on this is the driver. It may be one whose making failed."""
        self.driver = driver
        if self._why is not None:
            driver.controller.stepped_aside = self._why

    def _try(self, work: Callable[..., object], *args: Any) -> None:
        try:
            work(*args)
        except Exception:
            get_logger().exception("not handed on")

    # --- what is under way

    def _look_at_the_lane(self) -> None:
        if self.driver is not None:
            holders = self.driver.controller._session.lane.holders
            self._taken = any(each.state not in _NOT_SENT for each in holders)

    def _hand_everything_on(self) -> None:
        driver = self.driver
        if driver is None:
            return
        link = driver.link
        readers: Mapping[str, Source] = {} if link is None else link.readers
        # In the order they were asked for.
        for turn_id in dict.fromkeys([*driver._asks, *driver._outputs, *readers]):
            self._try(self._take_over, driver, turn_id, readers.get(turn_id))
        for announcement in [] if link is None else [*link.held.values()]:
            self._try(self._session.emit, "remote_item_added", announcement)
        self._end_spoken(link, every=False)
        if driver.failures.final is not None and not driver.failures.final_told:
            self._try(self._session.emit, "error", driver.failures.final)

    def _take_over(self, driver: Driver, turn_id: str, reader: Source | None) -> None:
        output, ask = driver._outputs.get(turn_id), driver._asks.get(turn_id)
        if ask is not None and ask.frame is not None and not ask.left:
            ask.left = True
            self._inner.send_event(ask.frame)  # what follows is a generation of its own
            return
        ended = turn_id not in driver.controller._session.live
        if output is None and (reader is None or reader.over) and (ask is None or ended):
            return
        way = self._way(output)
        if output is None and ask is not None:
            way.future = ask.future
        if way.over:
            return
        if output is not None:
            for item in output.kept.values():
                way.hand(item)
        if reader is not None and not reader.over:
            way.announce(reader.response_id)
            reader.bypass, reader.bypass_over = way.hand, way.close
        elif way.handed or (output is not None and output.ending):
            if way.handed:
                way.announce(None)
            way.close()
        else:
            self._answer(way, ask, reader)

    def _answer(self, way: Way, ask: ReplyRequest | None, reader: Source | None) -> None:
        """Nothing of this turn was handed on, and nothing is being read for it."""
        request = None if ask is None else ask.request
        read = None if reader is None else reader.generation
        if request is not None and not request.done():
            self._bind(way, request)
        elif request is not None and _result(request) not in (None, read):
            self._feed(way, request.result())
        elif request is None and read is None and (ask is None or ask.frame is not None):
            # The server's own, announced when it was created: the generation comes right after.
            if way.event is not None and way.event.response_id is not None:
                self._expected[way.event.response_id] = way
                asyncio.get_running_loop().call_soon(self._still_missing, way)
        elif ask is not None and ask.frame is not None:
            way.close()  # the application asks again itself, if it wants to
        else:
            self._ask(way, {} if ask is None else ask.arguments)

    def _still_missing(self, way: Way) -> None:
        for response_id, expected in list(self._expected.items()):
            if expected is way:
                del self._expected[response_id]
                self._ask(way, {})

    def answer(self, ask: ReplyRequest) -> asyncio.Future[llm.GenerationCreatedEvent]:
        """The future of a request that ours did not get to, or did not finish."""
        driver = self.driver
        if ask.future is not None and driver is not None and ask in driver._asks.values():
            return ask.future  # among what was handed on
        if ask.future is None:
            return self._inner.generate_reply(**ask.arguments)  # type: ignore[no-any-return]
        way = self._way(None)
        way.future = ask.future
        self._answer(way, ask, None)
        return ask.future

    def _way(self, output: TurnOutput | None) -> Way:
        told = [id(event()) for event in self._told]
        way = Way(output, lambda event: self._session.emit("generation_created", event), told)
        self._ways.append(way)
        return way

    def _end_spoken(self, link: Link | None, *, every: bool) -> None:
        """Nothing more comes of what was made from frames, and its streams are open yet."""
        for response in [] if link is None else link.spoken:
            if response.streams is not None and (every or response.over):
                for message in response.messages.values():
                    message.text.close()
                    message.audio.close()
                response.streams.messages.close()
                response.streams.calls.close()

    # --- requests

    def _ask(self, way: Way, arguments: Mapping[str, Any]) -> None:
        self._waiting.append((way, arguments))
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_PATIENCE, self._flush, True)
        self._flush()

    @property
    def _busy(self) -> bool:
        return self._taken and bool(getattr(self._inner, "has_active_generation", False))

    def _flush(self, anyway: bool = False) -> None:
        """Make what waits, one after another: two at once the server refuses."""
        while self._waiting and (anyway or not self._busy):
            way, arguments = self._waiting.popleft()
            if not way.over:
                self._taken = True
                try:
                    self._bind(way, self._inner.generate_reply(**arguments))
                except Exception as e:
                    way.fail(e)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush_soon(self) -> None:
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)

    def interrupted(self) -> None:
        """The host interrupts, or the user speaks: what it was told of already and waits is over."""
        for waiting in [w for w in self._waiting if w[0].future is None]:
            self._waiting.remove(waiting)
            waiting[0].close()

    def _bind(self, way: Way, request: asyncio.Future[llm.GenerationCreatedEvent]) -> None:
        """The inner session answers."""

        def interrupted(future: asyncio.Future[llm.GenerationCreatedEvent]) -> None:
            if future.cancelled():
                request.cancel()  # as the host does with the inner session's own

        if way.future is not None:
            way.future.add_done_callback(interrupted)
        request.add_done_callback(lambda answer: self._try(self._answered, way, answer))

    def _answered(self, way: Way, answer: asyncio.Future[llm.GenerationCreatedEvent]) -> None:
        if answer.cancelled():
            way.close()
        elif (error := answer.exception()) is not None:
            way.fail(error)
            self._flush_soon()
        else:
            self._feed(way, answer.result())

    def _feed(self, way: Way, generation: llm.GenerationCreatedEvent) -> None:
        """The inner session's generation is this turn's."""
        if way.event is None and way.future is not None and not way.future.done():
            way.event = generation
            way.future.set_result(generation)
            return
        way.announce(generation.response_id)
        reader = Reader(generation, lambda item_id, item: None, lambda: None, self._guard)
        reader.bypass, reader.bypass_over = way.hand, way.close
        self._readers.append(reader)

    # --- what the inner session tells from now on

    def heard(self, name: str, event: Any) -> None:
        """One of its events, which nothing else of ours looks at any more."""
        if name == SERVER_EVENT:
            self._try(self._see, event)
        elif name == "generation_created":
            way = self._expected_of(event)
            if way is not None and not event.user_initiated:
                self._try(self._feed, way, event)
            else:
                self._session.emit(name, event)
        elif name == CLIENT_EVENT:
            self._taken = self._taken or _asks(event)
        else:
            if name == "input_speech_started":
                self.interrupted()
            elif name == "session_reconnected":
                self._flush_soon()
            self._session.emit(name, event)

    def _expected_of(self, generation: llm.GenerationCreatedEvent) -> Way | None:
        link = None if self.driver is None else self.driver.link
        if self._expected and link is not None and link.beginning is generation:
            return self._expected.popitem()[1]  # under an id of ours
        return self._expected.pop(str(generation.response_id), None)

    def _see(self, frame: Any) -> None:
        link = None if self.driver is None else self.driver.link
        if link is not None and isinstance(frame, dict):
            self._veil(link, frame)
            kind = frame.get("type")
            if kind == "response.created":
                self._taken = True
            elif kind == "response.done":
                self._taken = False
                self._flush_soon()

    def _veil(self, link: Link, frame: dict[str, Any]) -> None:
        if self._veiled:
            try:
                link.veil(frame)
            except Exception:
                self._veiled = False
                self._end_spoken(link, every=True)

    # --- the rest

    def _end_records(self) -> None:
        """Nothing of the controller goes on; who follows its turns learns that they are over."""
        driver = self.driver
        if driver is None:
            return
        driver.end_records()

    def _reopen(self) -> None:
        """Another inner session was to take the place of this one: let it do so."""
        before = self._inner_session.retired
        if before is not None:
            self.kept = kept = self._conversation_of(before)
            work = self._take_its_place(before, kept)
            self._reopening = asyncio.get_running_loop().create_task(work)

    def _conversation_of(self, before: llm.RealtimeSession[Any]) -> llm.ChatContext:
        """What the inner session before had, and what the host made of it since."""
        items = before.chat_ctx.items
        kept = llm.ChatContext(items if self.history is None else self.history.meant(items))
        return kept.copy(exclude_instructions=True, exclude_empty_message=True)

    async def taken_over(self) -> None:
        """Wait until the inner session has the conversation: a push is of what it has."""
        if self._reopening is not None and not self._reopening.done():
            await asyncio.wait({self._reopening})

    async def _take_its_place(
        self, before: llm.RealtimeSession[Any], kept: llm.ChatContext
    ) -> None:
        try:
            inner = self._inner_session.open() if self._inner is before else self._inner
        except Exception as e:
            self._inner_session.resume()
            self._session.emit("error", failure(before, e))
            return
        if self.deaf:
            for name in (*_EVENTS, *_RAW):
                inner.on(name, self._listener(name))
        await self._inner_session.repeat()
        with contextlib.suppress(llm.RealtimeError):
            await inner.update_chat_ctx(kept)
        self.kept = None
        self._inner_session.resume()
        self._session.emit("session_reconnected", llm.RealtimeSessionReconnectedEvent())
        await close(before)

    def _listener(self, name: str) -> Callable[..., None]:
        def listen(event: Any = None, *_: Any) -> None:
            if name in _RAW:
                self._inner_session.listeners.show(name, event)
            self.heard(name, event)

        return cheap(listen)

    async def aclose(self) -> None:
        """End what was handed on. Never raises."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = [task for reader in self._readers for task in reader.tasks]
        if self._reopening is not None:
            tasks.append(self._reopening)
        await utils.aio.cancel_and_wait(*tasks)
        for way in self._ways:
            way.close()


def failure(session: llm.RealtimeSession[Any], error: Exception) -> llm.RealtimeModelError:
    """What ends an AgentSession: there is no inner session any more."""
    label = session.realtime_model.label
    return llm.RealtimeModelError(
        timestamp=time.time(), label=label, error=error, recoverable=False
    )


def report_step(
    model: Emitter, error: Exception, what: str = "plain LiveKit from here on"
) -> ErrorInfo:
    """The one report. What is returned says it wherever somebody asks."""
    name = type(error).__name__
    get_logger().error(f"stepped aside: {what}", error=name, exc_info=error)
    info = ErrorInfo(kind=ErrorKind.UNKNOWN, code="internal_error", message=name)
    model.emit("stepped_aside", info)
    return info


_EVENTS = (
    "input_speech_started",
    "input_speech_stopped",
    "input_audio_transcription_completed",
    "generation_created",
    "session_reconnected",
    "metrics_collected",
    "remote_item_added",
    "error",
)


def _asks(frame: Any) -> bool:
    """Whether this asks for a response in the default conversation."""
    if not isinstance(frame, dict) or frame.get("type") != "response.create":
        return False
    response = frame.get("response")
    return not (isinstance(response, dict) and response.get("conversation") == "none")


def _result(
    request: asyncio.Future[llm.GenerationCreatedEvent],
) -> llm.GenerationCreatedEvent | None:
    return None if request.cancelled() or request.exception() else request.result()
