"""A connection to the server under test: what is sent and received, and waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from aiohttp import WSMsgType

from .dialect import from_server, to_beta
from .errors import error_of
from .frames import Seen
from .known import Known, Unjudged
from .speech import BYTES_PER_MS

__all__ = ["ConnectionOver", "Sent", "Wire", "within"]

_MOST_FRAMES = 20_000  # of one connection
_EARLY = 1e-6  # seconds by which a timer of the loop may be early
_MOST_BYTES = 100 * 1024 * 1024

T = TypeVar("T")
W = TypeVar("W", bound="Wire")


async def within(seconds: float, what: Awaitable[T]) -> T:
    """Await *what* for that long; then asyncio.TimeoutError.

    Unlike asyncio.wait_for before Python 3.12 it never takes a result for a cancellation that came
    at the same time (python/cpython#86296): a run that is told to stop stops.
    """
    task = asyncio.ensure_future(what)
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        task.add_done_callback(lambda t: t.cancelled() or t.exception())
        raise
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if task.cancelled():
        raise asyncio.TimeoutError
    return task.result()


class ConnectionOver(Unjudged):
    """The connection ended, or the server flooded it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that was sent: its id, and where in the frames it stands."""

    type: str
    event_id: str
    at: int


@dataclass(slots=True)
class Wire:
    """A connection, from its first frame on.

    Attributes:
        frames: everything that was sent and received.
        over: how the connection ended, if it did.
        session: what an update repeats, to see what came before it.
    """

    ws: aiohttp.ClientWebSocketResponse[bool]
    known: Known
    frames: list[Seen] = field(default_factory=list)
    over: str | None = None
    pongs: int = 0
    binary: int = 0
    session: dict[str, Any] = field(default_factory=dict)
    _began: float = 0.0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _reader: asyncio.Task[None] | None = None
    _ids: set[str] = field(default_factory=set)
    _bytes: int = 0
    _fence: bool = False

    async def __aenter__(self: W) -> W:
        self._began = self.now()
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._reader is not None
        with contextlib.suppress(asyncio.TimeoutError, ConnectionError, RuntimeError):
            await within(1.0, self.ws.close())
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    # --- frames in ---

    async def _read(self) -> None:
        while self.over is None:
            message = await self.ws.receive()
            if message.type is WSMsgType.TEXT:
                self._take(message.data)
            elif message.type is WSMsgType.BINARY:
                self.binary += 1
                self._take(message.data.decode("utf-8", "replace"))
            elif message.type is WSMsgType.PING:
                with contextlib.suppress(ConnectionError):
                    await self.ws.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self.pongs += 1
            else:
                self._ended(message)
            if len(self.frames) > _MOST_FRAMES or self._bytes > _MOST_BYTES:
                self.over = f"the server floods the connection ({len(self.frames)} frames)"
            self._changed.set()

    def _take(self, text: str) -> None:
        self._bytes += len(text)
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            parsed = None
        if not isinstance(parsed, dict):
            stray = {"type": None, "text": text[:300]}
            self.frames.append(Seen(self._now(), "server", stray, stray))
            return
        self.known.names.add(str(parsed.get("type"))[:80])
        event = from_server(parsed)
        ms = 0.0
        if event["type"] == "response.output_audio.delta":
            ms = len(str(event.get("delta"))) * 3 / 4 / BYTES_PER_MS
        if event["type"] == "response.done" and isinstance(event.get("response"), Mapping):
            usage = event["response"].get("usage")
            total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
            self.known.tokens += total if isinstance(total, int) else 0
        fence = self._fence and event["type"] == "session.updated"
        self._fence = self._fence and not fence
        self.frames.append(Seen(self._now(), "server", event, parsed, fence, ms))

    def _ended(self, message: Any) -> None:
        code = self.ws.close_code
        if message.type is WSMsgType.CLOSE:
            why = f"{message.data} {str(message.extra or '')[:200]}".strip()
            self.over = f"the server closed the connection ({why})"
        elif code == 1009:
            self.over = "the server sent a frame of more than 32 MiB"
        else:
            self.over = "the connection broke"
        event = {"type": "closed", "text": self.over}
        self.frames.append(Seen(self._now(), "net", event, event))

    def now(self) -> float:
        """The time of the loop, in seconds."""
        return asyncio.get_running_loop().time()

    def _now(self) -> float:
        return self.now() - self._began

    # --- frames out ---

    async def send(self, type: str, *, fence: bool = False, **fields: Any) -> Sent:
        """Send an event with an id of its own. Raises :class:`ConnectionOver`."""
        event_id = f"conform_{len(self.frames)}"
        event = {"type": type, "event_id": event_id, **fields}
        if event["event_id"] is None:
            del event["event_id"]
        self._ids.add(event_id)
        raw = to_beta(event) if self.known.dialect == "beta" else event
        sent = Sent(type, event_id, len(self.frames))
        self.frames.append(Seen(self._now(), "client", event, raw, fence))
        await self._write(json.dumps(raw))
        return sent

    async def send_text(self, text: str) -> Sent:
        """Send a frame as it is."""
        stray = {"type": None, "text": text[:300]}
        sent = Sent("", "", len(self.frames))
        self.frames.append(Seen(self._now(), "client", stray, stray))
        await self._write(text)
        return sent

    async def _write(self, text: str) -> None:
        if self.over is not None:
            raise ConnectionOver(self.over)
        try:
            await within(self.known.pace.patience, self.ws.send_str(text))
        except asyncio.TimeoutError:
            raise ConnectionOver("the server takes no more frames") from None
        except (ConnectionError, RuntimeError):
            await asyncio.sleep(0)
            raise ConnectionOver(self.over or "the connection broke") from None

    # --- waiting ---

    def mark(self) -> int:
        """Return where the frames are now."""
        return len(self.frames)

    async def until(self, found: Callable[[], T | None], patience: float | None = None) -> T | None:
        """Wait until *found* returns something; None when patience is over.

        Raises :class:`ConnectionOver` when the connection ends first.
        """
        left = self.known.pace.patience if patience is None else patience
        deadline = self.now() + min(left, self.known.left())
        while True:
            if (value := found()) is not None:
                return value
            if self.over is not None:
                raise ConnectionOver(self.over)
            left = deadline - self.now()
            if left < _EARLY:
                self.known.left()
                return None
            self._changed.clear()
            timer = asyncio.get_running_loop().call_later(left, self._changed.set)
            try:
                await self._changed.wait()
            finally:
                timer.cancel()

    async def rest(self, seconds: float) -> None:
        """Let that time pass. Raises :class:`ConnectionOver` when the connection ends."""
        await self.until(lambda: None, seconds)

    async def quiet(self) -> None:
        """Wait as long as something may follow."""
        await self.rest(self.known.pace.quiet)

    async def fence(self) -> None:
        """Wait until the server has answered something that is sent now."""
        if not self.known.fences:
            await self.quiet()
            return
        at, self._fence = self.mark(), True
        sent = await self.send("session.update", fence=True, session=self.session)
        answered = await self.until(
            lambda: self.find("session.updated", since=at) or self.linked_error(sent)
        )
        self._fence = False
        self.time_answer(sent, answered)
        if answered is None:
            self.known.fences = False
            self.known.note("session.update is not always answered: absence is judged by time")
        await self.rest(self.known.pace.settle)

    def time_answer(self, sent: Sent, answer: Mapping[str, Any] | None) -> None:
        """Learn from an answer how quick the server can be."""
        if answer is not None:
            took = self.when(answer) - self.frames[sent.at].t
            self.known.rtt = min(self.known.rtt or took, took)

    # --- looking ---

    def all(self, *types: str, since: int = 0) -> list[Mapping[str, Any]]:
        """Return the server's events of these types."""
        return [s.event for s in self.frames[since:] if s.by == "server" and s.type in types]

    def find(self, *types: str, since: int = 0, **fields: Any) -> Mapping[str, Any] | None:
        """Return the first of the server's events of these types with these fields."""
        return next(
            (
                event
                for event in self.all(*types, since=since)
                if all(event.get(name) == value for name, value in fields.items())
            ),
            None,
        )

    def when(self, event: Mapping[str, Any] | None) -> float:
        """Return when an event came, in seconds; never is infinity."""
        return next((seen.t for seen in self.frames if seen.event is event), float("inf"))

    def linked_error(self, sent: Sent) -> Mapping[str, Any] | None:
        """Return the error that names what was sent."""
        errors = self.all("error", since=sent.at)
        return next((e for e in errors if error_of(e).get("event_id") == sent.event_id), None)

    def is_ours(self, event_id: object) -> bool:
        """Whether an id is that of an event that was sent."""
        return event_id in self._ids

    def error_for(self, sent: Sent) -> Mapping[str, Any] | None:
        """Return the error that answers what was sent: one that names it, or else nothing of ours."""
        if (linked := self.linked_error(sent)) is not None:
            return linked
        errors = self.all("error", since=sent.at)
        return next((e for e in errors if error_of(e).get("event_id") not in self._ids), None)
