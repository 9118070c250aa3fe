"""What the servers of all transports share: connections that run, and what was seen."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Protocol, cast

from .config import ServerConfig
from .conversation import ItemSnapshot
from .core import ServerCore
from .faulty import FaultRun, FaultyCore
from .questions import Action, Answer, Replies
from .record import Direction, Record, without_audio
from .script import Accept, Refuse, Script
from .wire import Close, Drop, Frame, Ids, Send

__all__ = ["Connection", "Core", "Observed", "ObservedServer", "core_of"]


_AUDIO = "response.output_audio.delta"


class Core(Protocol):
    """The server's side of one connection, without sockets and clock."""

    @property
    def closed(self) -> bool: ...
    def connect(self, now: float) -> None: ...
    def receive(self, text: str, now: float) -> None: ...
    def take(self) -> list[Frame]: ...
    def next_deadline(self) -> float | None: ...
    def advance(self, now: float) -> None: ...
    def disconnected(self) -> None: ...


class Connection:
    """Drives one core on the running loop: frames in, timers, frames out in order.

    *send* takes each frame that goes out; it must not block.
    """

    def __init__(
        self, server: Observed, number: int, opening: Accept, send: Callable[[Frame], None]
    ) -> None:
        self.core: Core = server._new_core(number, opening)
        self._lost = False
        self._server = server
        self._number = number
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def half_open(self) -> bool:
        """Whether nothing arrives any more, in either direction."""
        return self._lost or (isinstance(self.core, FaultyCore) and self.core.half_open)

    @property
    def blocked(self) -> bool:
        """Whether what the client writes waits, for nobody reads it."""
        return isinstance(self.core, FaultyCore) and self.core.blocked

    def open(self) -> None:
        """The handshake is over."""
        self._server._opened(self.core)
        self._server._live.append(self)
        self.note("net", {"type": "accepted"})
        self.core.connect(self._loop.time())
        self.pump()

    def receive(self, text: str) -> None:
        """A text frame came in."""
        if self.core.closed or self._lost:
            return
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        self.note("client", event if isinstance(event, dict) else {"type": None, "text": text})
        self.core.receive(text, self._loop.time())
        self.pump()

    def pump(self) -> None:
        """Send the core's frames and set the timer for its next deadline."""
        for frame in self.core.take():
            self.put(frame)
        deadline = self.core.next_deadline()
        if self._timer is not None:
            if self._timer.when() == deadline and not self._timer.cancelled():
                return
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._tick)

    def put(self, frame: Frame) -> None:
        """Send one frame, or what it stands for."""
        if self._lost:
            return
        # Noted here rather than after the write, so that the record has the core's order of cause
        # and effect.
        if isinstance(frame, Send):
            self.note("server", frame.event)
        elif isinstance(frame, Close):
            self.note("net", {"type": "closed", "code": frame.code, "reason": frame.reason})
        else:
            self.note("net", {"type": "dropped"})
        self._send(frame)

    def lose(self) -> None:
        """Lose everything from now on, in both directions, without either side being told."""
        self._lost = True
        self.note("net", {"type": "half_open"})

    def closed(self, code: int | None) -> None:
        """The transport is gone."""
        if self not in self._server._live:
            return
        self._server._live.remove(self)
        self.core.disconnected()
        if self._timer is not None:
            self._timer.cancel()
        self.note("net", {"type": "disconnected", "code": code})

    def note(self, direction: Direction, event: dict[str, Any]) -> None:
        """Put it on record."""
        self._server._note(self._number, direction, event)

    def _tick(self) -> None:
        self._timer = None
        self.core.advance(self._loop.time())
        self.pump()


@dataclass(frozen=True, slots=True)
class Speech:
    """The user spoke, from *t* on, for *seconds*; *item_id* is what server VAD makes of it."""

    t: float
    seconds: float
    words: str
    item_id: str | None


class Observed(ABC):
    """What was seen on the connections of a server, whatever it speaks and whatever its transport.

    Attributes:
        record: everything that was sent and received, in order.
    """

    def __init__(self) -> None:
        self.record: list[Record] = []
        self._live: list[Connection] = []
        self._attempts = 0
        self._started_at = 0.0
        self._changed = asyncio.Event()

    # --- for the transports ---

    def _answer_handshake(self) -> tuple[int, Accept | Refuse]:
        """Return the number of the connection that is asked for, and how it is taken."""
        self._attempts += 1
        handshake = self._handshake(self._attempts)
        if isinstance(handshake, Refuse):
            self._note(self._attempts, "net", {"type": "refused", "status": handshake.status})
        return self._attempts, handshake

    @abstractmethod
    def _handshake(self, number: int) -> Accept | Refuse:
        """How the connection of that number is taken."""

    @abstractmethod
    def _new_core(self, number: int, opening: Accept) -> Core:
        """The server's side of it."""

    @abstractmethod
    def _opened(self, core: Core) -> None:
        """Its handshake is over."""

    def _note(self, connection: int, direction: Direction, event: dict[str, Any]) -> None:
        t = asyncio.get_running_loop().time() - self._started_at
        self.record.append(Record(t, connection, direction, _for_the_record(direction, event)))
        self._changed.set()

    def _newest(self) -> Connection:
        if not self._live:
            raise RuntimeError("nobody is connected")
        return self._live[-1]

    # --- what a test does ---

    def half_open(self) -> None:
        """Let the newest connection go half-open: from now on all frames vanish in both directions,
        and neither side is told. Raises ``RuntimeError`` when nobody is connected.
        """
        self._newest().lose()

    def drop(self) -> None:
        """Break the newest connection without a close frame. Raises ``RuntimeError`` when nobody is
        connected.
        """
        self._newest().put(Drop())

    def send_text(self, text: str) -> None:
        """Send *text* on the newest connection as it is, whether or not it is an event. Raises
        ``RuntimeError`` when nobody is connected.
        """
        self._newest().put(Send({"type": None, "text": text}, text))

    async def wait_for(
        self, type: str, *, direction: Direction = "client", count: int = 1, timeout: float = 10.0
    ) -> Record:
        """Return the *count*-th event of that type, as soon as there is one.

        Raises ``asyncio.TimeoutError`` after *timeout* seconds.
        """

        async def found() -> Record:
            seen, left = 0, count
            while True:
                for record in self.record[seen:]:
                    if record.direction == direction and record.type == type:
                        left -= 1
                        if left == 0:
                            return record
                seen = len(self.record)
                self._changed.clear()
                await self._changed.wait()

        return await asyncio.wait_for(found(), timeout)

    # --- what a test looks at ---

    def sent(self, type: str | None = None) -> list[dict[str, Any]]:
        """Return what clients sent, in order, on all connections."""
        return [record.event for record in self._find("client", type)]

    def received(self, type: str | None = None) -> list[dict[str, Any]]:
        """Return what the server sent to clients, in order, on all connections."""
        return [record.event for record in self._find("server", type)]

    def _find(self, direction: Direction, type: str | None) -> list[Record]:
        return [r for r in self.record if r.direction == direction and type in (None, r.type)]

    @property
    def connected(self) -> bool:
        """Whether a connection is up, and carries frames."""
        return bool(self._live) and not self._live[-1].half_open

    @property
    def started_at(self) -> float:
        """When it was started, on the loop's clock: the zero of the record's times."""
        return self._started_at

    @property
    def attempts(self) -> int:
        """How many handshakes were asked for, refused ones included."""
        return self._attempts


class ObservedServer(Observed):
    """What tests do with a server and look at, whatever its transport.

    Attributes:
        record: everything that was sent and received, in order.
        speech: what the user said, as :meth:`user_speaks` was told.
        provider: whose protocol it speaks; its record is in OpenAI's terms in any case.
    """

    provider: ClassVar[str] = "openai"

    def __init__(
        self,
        script: Script | None = None,
        *,
        config: ServerConfig | None = None,
        ids: Ids | None = None,
        like: ObservedServer | None = None,
    ) -> None:
        super().__init__()
        self.speech: list[Speech] = []
        self._config = config or ServerConfig()
        self._replies: Replies = Replies(script or Script(), like._replies if like else None)
        self._ids = ids or Ids()
        faults = self._config.faults
        self._faults = FaultRun(faults) if faults is not None and faults.event_faults else None
        self._cores: list[ServerCore | FaultyCore] = []

    # --- for the transports ---

    def _handshake(self, number: int) -> Accept | Refuse:
        handshake = self._config.handshake(number)
        if self._faults is not None and (status := self._faults.refused()) is not None:
            return Refuse(status)
        return handshake

    def _new_core(self, number: int, opening: Accept) -> ServerCore | FaultyCore:
        core = ServerCore(
            self._replies, self._config, ids=self._ids, opening=opening, connection=number
        )
        if self._faults is None:
            return core
        return FaultyCore(core, self._faults, connection=number)

    def _opened(self, core: Core) -> None:
        self._cores.append(cast("ServerCore | FaultyCore", core))

    # --- what a test does ---

    async def user_speaks(
        self, transcript: str, *, seconds: float = 1.0, item_id: str | None = None
    ) -> str | None:
        """Let the user start to speak on the newest connection, see :meth:`ServerCore.user_speaks`.

        Returns at once, not when the user stops. Raises ``RuntimeError`` when nobody is connected.
        """
        connection = self._newest()
        now = asyncio.get_running_loop().time()
        item = core_of(connection).user_speaks(now, seconds, transcript, item_id)
        self.speech.append(Speech(now - self._started_at, seconds, transcript, item))
        connection.pump()
        return item

    async def user_idles(self) -> str | None:
        """Let the user have been silent for long, see :meth:`ServerCore.user_idles`. Raises
        ``RuntimeError`` when nobody is connected."""
        connection = self._newest()
        item = core_of(connection).user_idles(asyncio.get_running_loop().time())
        connection.pump()
        return item

    # --- what a test looks at ---

    @property
    def creates(self) -> int:
        """How many ``response.create`` clients sent."""
        return len(self.sent("response.create"))

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The responses that were asked for, in order, each with its question; times are those of
        the record.
        """
        zero = self._started_at
        return tuple(replace(each, t=each.t - zero) for each in self._replies.answers)

    def question_of_output(self, call_id: str) -> str:
        """Return the question that the output of a tool call is: ``"<question> > <tool>"``."""
        return self._replies.of_output(call_id)

    def answered_by(self, item_id: str) -> tuple[str, int]:
        """Return the question that an item of the model answers, and the attempt; of an item of the
        user, the question that it is, and 0.
        """
        return self._replies.of_item(item_id)

    def known_as(self, item_id: str) -> str:
        """Return the id by which LiveKit knows an item of the model: here the same."""
        return item_id

    @property
    def actions(self) -> tuple[Action, ...]:
        """What the server did itself, in order; times are those of the record."""
        zero = self._started_at
        return tuple(replace(each, t=each.t - zero) for each in self._replies.actions)

    @property
    def held_up(self) -> tuple[tuple[float, float], ...]:
        """When a fault let frames stand still on their way, from and until; times are those of the
        record."""
        zero = self._started_at
        spans = () if self._faults is None else self._faults.held_up
        return tuple((begin - zero, end - zero) for begin, end in spans)

    @property
    def collisions(self) -> int:
        """How many creates of clients met a taken slot."""
        return sum(core.collisions for core in self._cores)

    @property
    def vad_collisions(self) -> int:
        """How many creates of server VAD met a taken slot."""
        return sum(core.vad_collisions for core in self._cores)

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        return len(self._cores)

    @property
    def silent(self) -> bool:
        """Whether something that was sent on a connection that is up has not arrived yet."""
        core = self._live[-1].core if self.connected else None
        return isinstance(core, FaultyCore) and core.silent

    @property
    def active_response_id(self) -> str | None:
        """The response in the default conversation's slot of the newest connection, if it is up."""
        return core_of(self._live[-1]).active_response_id if self._live else None

    @property
    def conversation(self) -> tuple[ItemSnapshot, ...]:
        """What the model of the newest connection remembers, even after that connection is over."""
        return self._cores[-1].conversation if self._cores else ()


def core_of(connection: Connection) -> ServerCore | FaultyCore:
    """The core of a connection of an `ObservedServer`."""
    return cast("ServerCore | FaultyCore", connection.core)


def _for_the_record(direction: Direction, event: dict[str, Any]) -> dict[str, Any]:
    # The server's audio is one string over and over, which need not be decoded each time.
    if (
        direction == "server"
        and event.get("type") == _AUDIO
        and isinstance(event.get("delta"), str)
    ):
        return {**event, "delta": _measured(event["delta"])}
    return without_audio(event)


@lru_cache(maxsize=64)
def _measured(delta: str) -> Any:
    return without_audio({"type": _AUDIO, "delta": delta})["delta"]
