"""Frames that are not what they should be (G25): each field of each event of a real call, in turn.

:func:`frames_of_a_call` records the frames of a healthy call; :func:`mutations` names what may be wrong with
them; :func:`run_mutation` plays the call again with one of them wrong, and says what became of it.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from aiohttp import WSMessage, WSMsgType
from livekit.agents import Agent, function_tool

from ... import RetryPolicy
from ...simulator.memory import InMemoryServer
from ...simulator.script import Failed, FunctionCall, Message, Reply, Script
from ...testing import SimulatedCall, run_virtual, simulated_call
from ...testing.clock import VirtualTimeError
from .run import collect_complaints
from .words import ANSWER, LATER_TEXT, OTHER, long

__all__ = ["Kind", "Mutation", "Verdict", "frames_of_a_call", "mutations", "run_mutation"]

Path = tuple[str | int, ...]
Kind = Literal["goes on", "ends visibly", "silent", "hang", "escaped"]

_MISSING = object()
_WHOLE: dict[str, str | None] = {
    "truncated JSON": None, "no JSON": "not json", "null": "null", "list": "[]", "object": "{}",
    "number": "7",
}  # fmt: skip
#: What a field of that JSON type is replaced by.
_WRONG: dict[type, dict[str, Any]] = {
    str: {"missing": _MISSING, "null": None, "number": 7, "list": [], "object": {}, "empty": ""},
    int: {
        "missing": _MISSING,
        "null": None,
        "text": "x",
        "negative": -1,
        "huge": 10**30,
        "list": [],
    },
    float: {"missing": _MISSING, "null": None, "text": "x", "negative": -1.5, "huge": 1e300},
    bool: {"missing": _MISSING, "null": None, "text": "x", "number": 7},
    list: {"missing": _MISSING, "null": None, "text": "x", "object": {}, "of nulls": [None]},
    dict: {"missing": _MISSING, "null": None, "text": "x", "list": [], "number": 7},
    type(None): {"missing": _MISSING, "text": "x", "number": 7, "list": [], "object": {}},
}
_DEEP = 4  # levels of a frame that are looked into
_PATIENCE = 90.0  # seconds until a call counts as hung
_POLICY = RetryPolicy(retry_interval=0.2, stall_timeout=3.0, first_output_timeout=6.0)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One thing wrong with the *number*-th frame of type *event* (from 1).

    Attributes:
        event: the type.
        path: the field; empty for the whole frame.
        wrong: what it is instead.
        number: which of the frames of this type.
    """

    event: str
    path: Path
    wrong: str
    number: int = 1

    def __str__(self) -> str:
        field = ".".join(map(str, self.path)) or "frame"
        return f"{self.event}#{self.number} {field}: {self.wrong}"

    def apply(self, event: dict[str, Any], seen: Mapping[str, list[str]]) -> str:
        """Return the text that arrives instead of *event*. *seen*: the ids so far, by field."""
        if not self.path:
            text = json.dumps(event)
            return _WHOLE[self.wrong] or text[: len(text) // 2]
        changed = copy.deepcopy(event)
        parent: Any = changed
        for key in self.path[:-1]:
            parent = parent[key]
        key = self.path[-1]
        if self.wrong == "duplicate":
            known = seen.get(str(key), ["item_001"])
            parent[key] = known[0]
        elif self.wrong == "missing":
            del parent[key]
        else:
            parent[key] = _WRONG[type(parent[key])][self.wrong]
        return json.dumps(changed)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a call: *why* in words."""

    kind: Kind
    why: str = ""


class _Line:
    """An HTTP session whose sockets show the client something else than the server sent."""

    def __init__(self, server: InMemoryServer, mutation: Mutation | None) -> None:
        self.closed = False
        self.frames: list[dict[str, Any]] = []
        self.happened = False
        self._session: Any = server.http_session
        self._mutation = mutation
        self._count = 0
        self._seen: dict[str, list[str]] = {}

    async def ws_connect(self, url: Any, **options: Any) -> _Socket:
        """See ``aiohttp.ClientSession``."""
        return _Socket(await self._session.ws_connect(url, **options), self)

    async def close(self) -> None:
        self.closed = True

    def pass_on(self, text: str) -> str:
        """What arrives of a frame."""
        event = json.loads(text)
        self.frames.append(event)
        wrong = self._mutation
        if wrong is not None and event["type"] == wrong.event:
            self._count += 1
            if self._count == wrong.number:
                self.happened = True
                return wrong.apply(event, self._seen)
        for key, value in event.items():
            if key.endswith("id") and isinstance(value, str):
                self._seen.setdefault(key, []).append(value)
        for key in ("response", "item"):
            inner = event.get(key)
            if isinstance(inner, dict) and isinstance(inner.get("id"), str):
                self._seen.setdefault("id", []).append(inner["id"])
        return text


class _Socket:
    def __init__(self, inner: Any, line: _Line) -> None:
        self._inner = inner
        self._line = line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def receive(self, *args: Any, **options: Any) -> WSMessage:
        message: WSMessage = await self._inner.receive(*args, **options)
        if message.type is not WSMsgType.TEXT:
            return message
        return WSMessage(WSMsgType.TEXT, self._line.pass_on(message.data), None)


class _Agent(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def look_up(self, what: str) -> str:
        """Look something up."""
        return f"Found {what}."


def _script() -> Script:
    called: list[Message | FunctionCall] = [
        Message("Let me see what there is.", seconds=0.4),
        FunctionCall("look_up", {"what": "it"}),
    ]
    return Script(
        [
            Reply(called),
            ANSWER,
            Reply([long()], pace=0.05),
            Reply(end=Failed("server_error")),
            OTHER,
        ],
        default=Reply([Message(LATER_TEXT, seconds=0.5)]),
    )


@cache
def frames_of_a_call() -> tuple[dict[str, Any], ...]:
    """The frames that the server sends in the call, as long as nothing is wrong with them."""
    line = run_virtual(lambda: _play(None))[1]
    return tuple(line.frames)


def mutations() -> Iterator[Mutation]:
    """All that may be wrong, in the order of the call: the first frame of each type."""
    known: set[str] = set()
    for frame in frames_of_a_call():
        if frame["type"] in known:
            continue
        known.add(frame["type"])
        for wrong in _WHOLE:
            yield Mutation(frame["type"], (), wrong)
        for path, value in _fields(frame):
            for wrong in _WRONG[type(value)]:
                yield Mutation(frame["type"], path, wrong)
            if str(path[-1]).endswith("id") and isinstance(value, str):
                yield Mutation(frame["type"], path, "duplicate")


def _fields(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    pairs: Any = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value[:1])
    for key, inner in pairs:
        yield (*path, key), inner
        if len(path) + 1 < _DEEP:
            yield from _fields(inner, (*path, key))


def run_mutation(mutation: Mutation) -> Verdict:
    """Play the call with that wrong, in virtual time."""
    with collect_complaints() as complaints:
        try:
            verdict, line = run_virtual(lambda: _play(mutation), limit=1800.0)
        except VirtualTimeError as error:
            return Verdict("hang", str(error).splitlines()[0])
        except Exception as error:
            return Verdict("escaped", f"{type(error).__name__}: {error}")
    if not line.happened:
        return Verdict("escaped", "the frame was never sent")
    if complaints:
        return Verdict("escaped", complaints[0])
    return verdict


async def _play(mutation: Mutation | None) -> tuple[Verdict, _Line]:
    async with InMemoryServer(_script()) as server:
        line = _Line(server, mutation)
        async with simulated_call(
            agent=_Agent(), policy=_POLICY, server=server, http_session=line, check=False
        ) as call:
            try:
                verdict = await asyncio.wait_for(_talk(call), 10 * _PATIENCE)
            except asyncio.TimeoutError as error:
                verdict = Verdict("hang", str(error))
    return verdict, line


async def _talk(call: SimulatedCall) -> Verdict:
    session = call.session
    try:
        # A connection that died while it was set up is being replaced.
        await call.until(lambda: _connected(call) or call.closed, timeout=_PATIENCE)
        await call.say("Where is my parcel?", 0.3)
        await call.idle(timeout=_PATIENCE)
        first = session.generate_reply(user_input="Tell me everything.")
        heard = call.heard
        await call.until(lambda: call.heard > heard + 0.3 or first.done(), timeout=_PATIENCE)
        session.interrupt()
        await call.idle(timeout=_PATIENCE)
        session.generate_reply(user_input="And who brings it?")
        await call.idle(timeout=_PATIENCE)
        heard = call.heard
        last = session.generate_reply(user_input="Are you still there?")
        await call.until(last.done, timeout=_PATIENCE)
        await call.idle(timeout=_PATIENCE)
    except RuntimeError as error:
        return _closed(call, str(error))
    except asyncio.TimeoutError as error:
        return Verdict("hang", str(error))
    if not all(handle.done() for handle in call.speeches):
        return Verdict("hang", "a speech is never done")
    if call.closed:
        return _closed(call, "the session is closed")
    if call.heard > heard:
        return Verdict("goes on")
    if last.exception() is not None:
        return Verdict("ends visibly", str(last.exception()))
    return Verdict("silent", "the last question has no answer")


def _connected(call: SimulatedCall) -> bool:
    ups = [r.type for r in call.server.record if r.direction == "net"]
    return bool(ups) and ups[-1] == "accepted"


def _closed(call: SimulatedCall, why: str) -> Verdict:
    told = call.closed and any(not e.error.recoverable for e in call.errors)
    return Verdict("ends visibly" if told else "silent", why)
