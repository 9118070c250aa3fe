"""Lets a :class:`Schedule` of faults happen to a :class:`ServerCore`.

A :class:`FaultyCore` stands between a transport and a core, and has the core's own methods. It
reads no clock and draws no numbers: what it does follows from the schedule and the calls.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import Any

from . import faults as f
from .conversation import ItemSnapshot
from .core import ServerCore
from .errors import ErrorInfo
from .fault_kinds import EventFault, Side
from .malformed import as_event, malformed, malformed_frame
from .wire import Close, Drop, Frame, Send

__all__ = ["FaultRun", "FaultyCore"]

_NEVER = 1 << 62  # frames that go by first


class FaultRun:
    """How far a schedule has got. Shared by the connections of one server.

    Attributes:
        happened: the faults that did happen, in order.
        held_up: when frames stood still on their way, in either direction, by the loop's clock.
    """

    def __init__(self, schedule: f.Schedule) -> None:
        self._pending = list(schedule.event_faults)
        self._counts: Counter[tuple[object, ...]] = Counter()
        self._refused: list[int] = []
        self.happened: list[EventFault] = []
        self.held_up: list[tuple[float, float]] = []

    @property
    def asks_whose(self) -> bool:
        """Whether a fault waits for an event about a question."""
        return any(fault.at.question is not None for fault in self._pending)

    def at(
        self, connection: int, side: Side, event: str, about: tuple[str, int] = ("", 0)
    ) -> list[EventFault]:
        """Count an event *about* a question and an attempt at it, and return what happens there."""
        for scope in (None, connection):
            for name in {event, "*"}:
                self._counts[scope, side, name] += 1
                self._counts[scope, side, name, about] += 1
        found = [
            fault
            for fault in self._pending
            if self._is_here(fault.at, connection, side, event, about)
        ]
        for fault in found:
            self._pending.remove(fault)
            if isinstance(fault, f.BreakConnection):
                self._refused += [fault.status] * fault.refused
        self.happened += found
        return found

    def _is_here(
        self, at: f.At, connection: int, side: Side, event: str, about: tuple[str, int]
    ) -> bool:
        counted: tuple[object, ...] = (at.connection, side, at.event)
        if at.question is not None:
            counted = (*counted, (at.question, at.attempt))
        return (
            at.side == side
            and at.event in (event, "*")
            and at.connection in (None, connection)
            and at.question in (None, about[0])
            and (at.question is None or at.attempt == about[1])
            and self._counts[counted] == at.number
        )

    def refused(self) -> int | None:
        """Return the HTTP status with which a broken connection makes the next handshake be
        refused."""
        return self._refused.pop(0) if self._refused else None


class FaultyCore:
    """A :class:`ServerCore` behind a line on which things go wrong.

    Args:
        core: a fresh core, for connection number *connection* of its server.
        faults: a schedule, or the run of one that other connections take part in.
    """

    def __init__(
        self, core: ServerCore, faults: f.Schedule | FaultRun, *, connection: int = 1
    ) -> None:
        self._core = core
        self._run = FaultRun(faults) if isinstance(faults, f.Schedule) else faults
        self._number = connection
        self._now = 0.0
        self._seq = 0
        self._over = False
        self._dead = False
        self._room: int | None = None  # bytes that a frozen server's buffers still take
        # Frames on their way, by when they arrive; what left first arrives first.
        self._line: list[tuple[float, int, Frame]] = []
        self._quiet_until = 0.0
        self._held: list[tuple[int, float, Frame]] = []
        self._inbound: list[tuple[float, int, str | Mapping[str, Any]]] = []
        self._late_until = 0.0
        self._last_event_id: str | None = None
        self._out: list[Frame] = []

    # --- what the driver calls ---

    def connect(self, now: float) -> None:
        """See :meth:`ServerCore.connect`."""
        self._now = now
        self._core.connect(now)
        self._collect()

    def receive(self, event: str | Mapping[str, Any], now: float) -> None:
        """See :meth:`ServerCore.receive`."""
        self.advance(now)
        if self._room is not None:
            self._room -= len(event) if isinstance(event, str) else 0
        if self._over or self._dead:
            return
        parsed = as_event(event)
        event_id = parsed.get("event_id")
        self._last_event_id = event_id if isinstance(event_id, str) else self._last_event_id
        copies, delay = 1, 0.0
        after: list[EventFault] = []
        for fault in self._at("client", parsed):
            if isinstance(fault, f.Lose):
                copies = 0
            elif isinstance(fault, f.Double):
                copies *= 2
            elif isinstance(fault, f.Late):
                delay += fault.seconds
            elif isinstance(fault, f.Malform):
                event = malformed(parsed, fault.shape)
            elif isinstance(fault, f.InjectError) and fault.instead:
                copies = 0
                after.append(fault)
            elif fault.at.when == "before":
                self._strike(fault, event_id)
            else:
                after.append(fault)
        if copies == 0:
            self._core.passed_over(parsed, now)
        self._late_until = max(self._late_until, now + delay)
        if delay:
            self._run.held_up.append((now, self._late_until))
        for _ in range(copies):
            self._seq += 1
            heapq.heappush(self._inbound, (self._late_until, self._seq, event))
        self.advance(now)
        for fault in after:
            self._strike(fault, event_id)
        self._deliver()

    def user_speaks(
        self, now: float, seconds: float, transcript: str, item_id: str | None = None
    ) -> str | None:
        """See :meth:`ServerCore.user_speaks`. The user's voice is not on the faulty line."""
        self.advance(now)
        item = self._core.user_speaks(now, seconds, transcript, item_id)
        self._collect()
        return item

    def user_idles(self, now: float) -> str | None:
        """See :meth:`ServerCore.user_idles`."""
        self.advance(now)
        item = self._core.user_idles(now)
        self._collect()
        return item

    def advance(self, now: float) -> None:
        """See :meth:`ServerCore.advance`."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            self._now = max(self._now, deadline)
            while self._inbound and self._inbound[0][0] <= self._now:
                event = heapq.heappop(self._inbound)[2]
                self._core.receive(event, self._now)
                self._collect()
            self._core.advance(self._now)
            self._collect()
        self._now = max(self._now, now)

    def next_deadline(self) -> float | None:
        """See :meth:`ServerCore.next_deadline`."""
        if self._over or self._dead:
            return None
        due = [queue[0][0] for queue in (self._line, self._inbound) if queue]
        due += [within for _, within, _ in self._held]
        core = self._core.next_deadline()
        return min((*due, core) if core is not None else due, default=None)

    def take(self) -> list[Frame]:
        """See :meth:`ServerCore.take`."""
        out, self._out = self._out, []
        return out

    def disconnected(self) -> None:
        """See :meth:`ServerCore.disconnected`."""
        self._core.disconnected()
        self._over = True

    # --- the line ---

    def _at(self, side: Side, event: Mapping[str, Any]) -> list[EventFault]:
        about = self._core.about(event) if self._run.asks_whose else ("", 0)
        return self._run.at(self._number, side, str(event.get("type")), about)

    def _collect(self) -> None:
        for frame in self._core.take():
            self._send(frame)
        self._deliver()

    def _send(self, frame: Frame) -> None:
        if self._over or self._dead:
            return
        if not isinstance(frame, Send):
            self._put(frame)
            return
        copies, again = 1, list[float]()
        after: list[EventFault] = []
        hold: f.Reorder | None = None
        for fault in self._at("server", frame.event):
            if isinstance(fault, f.Lose):
                copies = 0
            elif isinstance(fault, f.Double) and fault.seconds:
                again.append(fault.seconds)
            elif isinstance(fault, f.Double):
                copies *= 2
            elif isinstance(fault, f.Late):
                self._quiet(fault.seconds)
            elif isinstance(fault, f.Malform):
                frame = malformed_frame(frame, fault.shape)
            elif isinstance(fault, f.Reorder):
                hold = fault
            elif isinstance(fault, f.InjectError) and fault.instead:
                copies = 0
                after.append(fault)
            elif fault.at.when == "before":
                self._strike(fault, None)
            else:
                after.append(fault)
        for _ in range(0 if self._over or self._dead else copies):
            if hold is not None:
                self._held.append((hold.behind, self._now + hold.within, frame))
            else:
                self._put(frame)
                self._pass()
        self._held += [(_NEVER, self._now + seconds, frame) for seconds in again]
        for fault in after:
            self._strike(fault, None)

    def _put(self, frame: Frame) -> None:
        self._seq += 1
        self._line.append((max(self._now, self._quiet_until), self._seq, frame))

    def _pass(self) -> None:
        """A frame has gone by those that are held back for a number of frames."""
        waiting = [(behind - 1, within, frame) for behind, within, frame in self._held]
        self._held = [held for held in waiting if held[0] > 0]
        for behind, _, frame in waiting:
            if behind <= 0:
                self._put(frame)

    def _quiet(self, seconds: float) -> None:
        self._quiet_until = max(self._quiet_until, self._now + seconds)
        self._run.held_up.append((self._now, self._quiet_until))

    def _strike(self, fault: EventFault, event_id: str | None) -> None:
        """Let happen what is not done to one event."""
        if self._over or self._dead:
            return
        if isinstance(fault, f.InjectError):
            named = self._last_event_id if fault.at.side == "server" else event_id
            named = named if fault.linked else None
            self._put(self._error(fault.code, named))
        elif isinstance(fault, f.Silence):
            self._quiet(fault.seconds)
        elif isinstance(fault, f.Insert):
            number = self._core.ids.next("event")
            self._put(Send({"event_id": number, **fault.frame}))
        elif isinstance(fault, (f.HalfOpen, f.Freeze)):
            self._deliver()
            self._dead = True
            if isinstance(fault, f.Freeze):
                self._room = fault.room
        elif isinstance(fault, (f.BreakConnection, f.HangUp)):
            # What is still on its way is lost, as it is when a connection breaks.
            self._deliver()
            if isinstance(fault, f.HangUp) and fault.error is not None:
                self._out.append(self._error(fault.error, None))
            last = Close(fault.code, fault.reason) if isinstance(fault, f.HangUp) else Drop()
            self._out.append(last)
            self._core.disconnected()
            self._over = True

    def _error(self, code: str | None, event_id: str | None) -> Send:
        body = {**ErrorInfo(code).body(), "param": None, "event_id": event_id}
        number = self._core.ids.next("event")
        return Send({"type": "error", "event_id": number, "error": body})

    def _deliver(self) -> None:
        """Hand out what has arrived by now."""
        if self._over or self._dead:
            return
        for held in [held for held in self._held if held[1] <= self._now]:
            self._held.remove(held)
            self._put(held[2])
        while self._line and self._line[0][0] <= self._now:
            frame = self._line.pop(0)[2]
            self._out.append(frame)
            if not isinstance(frame, Send):
                self._over = True
                return

    # --- what a test looks at ---

    @property
    def closed(self) -> bool:
        """Whether the connection is over. A half-open one is not: nobody knows."""
        return self._over

    @property
    def half_open(self) -> bool:
        """Whether nothing arrives any more, in either direction."""
        return self._dead

    @property
    def silent(self) -> bool:
        """Whether something that was sent has not arrived yet, in either direction."""
        return bool(self._line or self._inbound or self._held) and not self._over

    @property
    def blocked(self) -> bool:
        """Whether the client's writes wait: nobody reads them, and no buffer takes more."""
        return self._room is not None and self._room <= 0

    @property
    def active_response_id(self) -> str | None:
        """See :attr:`ServerCore.active_response_id`."""
        return self._core.active_response_id

    @property
    def collisions(self) -> int:
        """See :attr:`ServerCore.collisions`."""
        return self._core.collisions

    @property
    def vad_collisions(self) -> int:
        """See :attr:`ServerCore.vad_collisions`."""
        return self._core.vad_collisions

    @property
    def conversation(self) -> tuple[ItemSnapshot, ...]:
        """See :attr:`ServerCore.conversation`."""
        return self._core.conversation

    @property
    def session(self) -> dict[str, Any]:
        """See :attr:`ServerCore.session`."""
        return self._core.session

    @property
    def happened(self) -> tuple[EventFault, ...]:
        """The faults that did happen, over all connections of the server."""
        return tuple(self._run.happened)
