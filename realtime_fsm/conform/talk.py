"""One connection to the server under test: sends, listens, and keeps what was found."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from aiohttp import WSMsgType

from ..simulator.directions import KEY
from ..simulator.rule import Rule
from .dialect import from_server, to_beta
from .frames import Seen, shown
from .known import Known, Unjudged
from .result import Answer, Value, Verdict
from .rules import KEPT_TOO
from .speech import BYTES_PER_MS, silence, speech

__all__ = ["ConnectionOver", "Heard", "Sent", "Talk", "error_of"]

_MOST_FRAMES = 20_000  # of one connection
_MOST_BYTES = 100 * 1024 * 1024
_CHUNK_MS = 40  # of audio in one append
_LOOKUP: dict[str, Any] = {
    "type": "function",
    "name": "lookup",
    "description": "Looks a text up.",
    "parameters": {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    },
}
_KINDS: dict[str, tuple[str, int]] = {
    "short": ("Say the word yes, and nothing else.", 60),
    "ten": ("Count aloud from one to ten, and say nothing else.", 200),
    "long": ("Count in words from one to three hundred, one after another. Do not stop.", 600),
    "call": ("Call the function lookup with the text yes.", 100),
    "long call": (
        "Call the function lookup; its text is a story of two hundred words about a harbor.",
        500,
    ),
    "two messages": ("Say one moment. Then, in a message of its own, say yes.", 100),
    "reason": ("Think about it, then say the word yes, and nothing else.", 200),
    "fail": ("Say the word yes, and nothing else.", 60),
    "fail in an item": ("Say the word yes, and nothing else.", 60),
}
LOOKUP: dict[str, Any] = {
    "tools": [_LOOKUP],
    "tool_choice": "required",
}
"""Parameters of a create that has to be answered by a function call."""

T = TypeVar("T")


class ConnectionOver(Unjudged):
    """The connection ended, or the server flooded it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that was sent: its id, and where in the frames it stands."""

    type: str
    event_id: str
    at: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What a server made of an event.

    Attributes:
        events: what came between it and the answer to what was sent after it.
        error: the error that answers it.
        closed: how the connection ended over it, if it did.
    """

    sent: Sent
    events: tuple[Mapping[str, Any], ...] = ()
    error: Mapping[str, Any] | None = None
    closed: str | None = None

    def first(self, *types: str) -> Mapping[str, Any] | None:
        """Return the first event of these types."""
        return next((event for event in self.events if event.get("type") in types), None)


def error_of(event: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the ``error`` of an error event, an empty one for what has none."""
    error = (event or {}).get("error")
    return error if isinstance(error, Mapping) else {"message": str(error)} if error else {}


@dataclass(slots=True)
class Talk:
    """A connection, from its first frame on; one question is asked on it.

    Attributes:
        frames: everything that was sent and received.
        over: how the connection ended, if it did.
        answers: what was found so far, by rule id.
    """

    ws: aiohttp.ClientWebSocketResponse[bool]
    known: Known
    frames: list[Seen] = field(default_factory=list)
    over: str | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    pongs: int = 0
    binary: int = 0
    session: dict[str, Any] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _reader: asyncio.Task[None] | None = None
    _ids: set[str] = field(default_factory=set)
    _bytes: int = 0
    _claimed: set[str] = field(default_factory=set)
    _fence: bool = False

    async def __aenter__(self) -> Talk:
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._reader is not None
        with contextlib.suppress(asyncio.TimeoutError, ConnectionError, RuntimeError):
            await asyncio.wait_for(self.ws.close(), 1.0)
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

    def _now(self) -> float:
        return time.monotonic() - self._began

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
            await asyncio.wait_for(self.ws.send_str(text), self.known.pace.patience)
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
        deadline = time.monotonic() + min(left, self.known.left())
        while True:
            if (value := found()) is not None:
                return value
            if self.over is not None:
                raise ConnectionOver(self.over)
            left = deadline - time.monotonic()
            if left <= 0:
                self.known.left()
                return None
            self._changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), left)

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

    def error_for(self, sent: Sent) -> Mapping[str, Any] | None:
        """Return the error that answers what was sent: one that names it, or else nothing of ours."""
        if (linked := self.linked_error(sent)) is not None:
            return linked
        errors = self.all("error", since=sent.at)
        return next((e for e in errors if error_of(e).get("event_id") not in self._ids), None)

    # --- asking ---

    async def ask(self, type: str, **fields: Any) -> Heard:
        """Send an event, and return what the server makes of it."""
        return await self.heard(await self.send(type, **fields))

    async def heard(self, sent: Sent) -> Heard:
        """Return what the server has made of an event, once it has answered a later one."""
        closed = None
        try:
            await self.fence()
        except ConnectionOver as over:
            closed = str(over)
        events = tuple(
            seen.event for seen in self.frames[sent.at :] if seen.by == "server" and not seen.fence
        )
        return Heard(sent, events, self.error_for(sent), closed)

    async def update(self, **session: Any) -> Heard:
        """Ask for a change of the session, and return the answer."""
        if "type" not in session:
            session["type"] = "realtime"
        sent = await self.send("session.update", session=session)
        try:
            answer = await self.until(
                lambda: self.find("session.updated", since=sent.at) or self.error_for(sent)
            )
            self.time_answer(sent, answer)
        except ConnectionOver as over:
            return Heard(sent, closed=str(over))
        events = tuple(seen.event for seen in self.frames[sent.at :] if seen.by == "server")
        return Heard(sent, events, self.error_for(sent))

    async def listen(self, **vad: Any) -> Heard:
        """Switch server VAD on for this connection."""
        audio = {"input": {"turn_detection": {"type": "server_vad", **vad}}}
        heard = await self.update(audio=audio)
        if heard.error is None:
            self.session = {**self.session, "audio": audio}
        return heard

    # --- responses ---

    async def create(self, kind: str, *, spoken: bool = False, **params: Any) -> Sent:
        """Ask for a response of that kind. Raises :class:`Unjudged` when there may be no more."""
        self.known.spend()
        text, tokens = _KINDS[kind]
        modalities = ["audio"] if spoken else ["text"]
        usual: dict[str, Any] = {
            "instructions": text,
            "max_output_tokens": tokens,
            "output_modalities": modalities,
        }
        made = {name: value for name, value in usual.items() if name in self.known.params}
        made.update(params)
        if self.known.directed:
            made["metadata"] = {**params.get("metadata", {}), KEY: kind}
        return await self.send("response.create", response=made)

    async def created(self, sent: Sent) -> str | None:
        """Return the id of the response that answers *sent*, None if none does."""

        def answer() -> Mapping[str, Any] | None:
            for event in self.all("response.created", since=sent.at):
                if (found := response_id(event)) and found not in self._claimed:
                    return event
            return self.error_for(sent)

        event = await self.until(answer)
        if event is None or event["type"] == "error":
            return None
        found = response_id(event)
        assert found is not None
        self._claimed.add(found)
        return found

    async def begun(self, kind: str, *, spoken: bool = False, **params: Any) -> str:
        """Ask for a response, and return its id. Raises :class:`Unjudged` when it is not created."""
        sent = await self.create(kind, spoken=spoken, **params)
        made = await self.created(sent)
        if made is None:
            error = error_of(self.error_for(sent))
            said = f": {error.get('message')}" if error else " in time"
            raise Unjudged(f"a response was asked for and not created{said}")
        return made

    def ended(self, answer_id: str) -> Mapping[str, Any] | None:
        """Return the response as its ``response.done`` has it, None while it has none."""
        for event in self.all("response.done"):
            if response_id(event) == answer_id:
                response: Mapping[str, Any] = event["response"]
                return response
        return None

    async def done(self, answer_id: str, patience: float | None = None) -> Mapping[str, Any] | None:
        """Wait for the end of a response, and return it; None when it does not come in time."""
        return await self.until(lambda: self.ended(answer_id), patience)

    def deltas(self, answer_id: str, since: int = 0) -> int:
        """How many deltas of a response came."""
        return sum(
            seen.by == "server" and seen.type.endswith(".delta") and seen.event.get("response_id") == answer_id
            for seen in self.frames[since:]
        )  # fmt: skip

    async def going(self, answer_id: str, *, more: int = 1) -> bool:
        """Wait for *more* deltas of a response; whether they came before its end."""
        since = self.mark()

        def moved() -> bool | None:
            if self.deltas(answer_id, since) >= more:
                return True
            return False if self.ended(answer_id) is not None else None

        return bool(await self.until(moved))

    async def finish(self) -> None:
        """Cancel what still runs, and give it a moment to end."""
        alive = [answer_id for event in self.all("response.created")
                 if (answer_id := response_id(event)) and self.ended(answer_id) is None]  # fmt: skip
        for answer_id in alive:
            await self.send("response.cancel", response_id=answer_id)
        if alive:
            await self.until(
                lambda: (
                    True if all(self.ended(answer_id) is not None for answer_id in alive) else None
                ),
                max(self.known.pace.quiet, 1.0),
            )

    def at_once(self, sent: Sent) -> bool:
        """Whether a create was answered as quickly as anything is: then nothing comes in between."""
        created = self.find("response.created", since=sent.at)
        took = self.when(created) - self.frames[sent.at].t
        return took < 1.2 * self.known.rtt + 0.01

    # --- the user ---

    async def play(self, audio: bytes, *, at_once: bool = False) -> None:
        """Append audio, as fast as it sounds or at once."""
        size = _CHUNK_MS * BYTES_PER_MS
        began = time.monotonic()
        for number, at in enumerate(range(0, len(audio), size), start=1):
            chunk = base64.b64encode(audio[at : at + size]).decode()
            await self.send("input_audio_buffer.append", audio=chunk, event_id=None)
            due = began + number * _CHUNK_MS / 1000 / self.known.pace.speech_rate
            if not at_once and (wait := due - time.monotonic()) > 0:
                await self.rest(wait)

    async def speak(self, until: Callable[[], object], *, silent_ms: int = 3000) -> bool:
        """Speak, then play silence until *until* gives something; whether it did."""
        await self.play(speech())
        for _ in range(0, silent_ms, 200):
            if until():
                return True
            await self.play(silence(200))
        return bool(await self.until(lambda: until() or None))

    # --- answers ---

    def judge(self, rule: Rule, verdict: Verdict, how: str, value: Value | None = None) -> None:
        """Keep an answer. A deviation is not replaced by a better verdict, only by another value."""
        before = self.answers.get(rule.id)
        if before is not None:
            value = before.value if value is None else value
            if before.verdict == "deviates":
                if verdict == "deviates" and how not in before.how:
                    how = f"{before.how}; {how}"
                elif verdict != "deviates":
                    verdict, how = before.verdict, before.how
        frames = shown(self.frames, self.known.secrets)
        self.answers[rule.id] = Answer(rule.id, verdict, self.known.plain(how), value, frames)

    def kept(self, rule: Rule, how: str) -> None:
        """The server does what the rule says."""
        self.judge(rule, "kept", how)

    def deviates(self, rule: Rule, how: str) -> None:
        """The server does something else."""
        self.judge(rule, "deviates", how)

    def unjudged(self, rule: Rule, why: str) -> None:
        """Nothing can be said."""
        self.judge(rule, "not judged", why)

    def found(self, rule: Rule, value: Value, how: str) -> None:
        """One of the rule's alternatives holds."""
        good = value in (rule.alternatives[0], *KEPT_TOO.get(rule.id, ()))
        self.judge(rule, "kept" if good else "deviates", how, value)

    def refused(self, rule: Rule, heard: Heard, what: str) -> bool:
        """Whether an event was answered by an error, as it should; else that is the answer."""
        if heard.closed is not None:
            self.deviates(rule, f"{what}: {heard.closed}")
        elif heard.error is None:
            if heard.first("response.created") is not None:
                self.deviates(rule, f"{what} is no error: a response was created")
                return False
            types = sorted({str(event.get("type")) for event in heard.events})
            said = f"answered by {', '.join(types)}" if types else "answered by nothing"
            self.deviates(rule, f"{what} is no error: {said}")
        elif is_unknown(heard.error, heard.sent.type):
            message = error_of(heard.error).get("message")
            self.unjudged(rule, f"the server does not know {heard.sent.type}: {message}")
        else:
            return True
        return False


def response_id(event: Mapping[str, Any]) -> str | None:
    """Return the id of the response that an event carries."""
    response = event.get("response")
    found = response.get("id") if isinstance(response, Mapping) else None
    return found if isinstance(found, str) else None


def is_unknown(event: Mapping[str, Any], type: str) -> bool:
    """Whether an error says that the server has no such event at all."""
    error = error_of(event)
    message = str(error.get("message")).lower()
    if error.get("param") == "type" or "unknown_event" in str(error.get("code")):
        return True
    said = ("not supported", "unsupported", "unknown event", "unknown type", "unknown message",
            "not implemented", "unrecognized", "invalid event type", "unexpected type")  # fmt: skip
    return any(one in message for one in said) and (type in message or "event" in message)


def describe(event: Mapping[str, Any] | None) -> str:
    """Return an error in a few words."""
    error = error_of(event)
    code = error.get("code") or error.get("type") or "error"
    return f"{code}: {error.get('message')}"
