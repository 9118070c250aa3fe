"""The faults that a schedule can have: what goes wrong, and where. All times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

__all__ = [
    "AcceptThenClose",
    "At",
    "BreakConnection",
    "Double",
    "EventFault",
    "Fault",
    "Freeze",
    "HalfOpen",
    "HandshakeFault",
    "HangUp",
    "InjectError",
    "Insert",
    "Late",
    "Lose",
    "Malform",
    "RefuseHandshake",
    "Reorder",
    "Shape",
    "Silence",
    "check",
]

Side = Literal["server", "client"]
Shape = Literal["truncated", "wrong_types", "list", "null", "object"]


@dataclass(frozen=True, slots=True)
class At:
    """A place: the *number*-th *event* (from 1) that *side* sends.

    Attributes:
        event: its type; ``"*"`` counts all events of that side.
        number: counted over all connections of a server, or on *connection* alone if it is given.
        number: counted over all connections of a server, or on *connection* alone if it is given.
        side: ``server`` or ``client``.
        when: whether what happens comes ``before`` the event or ``after`` it; only for faults that
            add something or end something, the others do something to the event itself.
        question: counts only the events that are about this question (see :class:`Answer`) and
            *attempt*: those of its responses and their items, and the client's that name one; a
            ``response.create`` is about the attempt that it would be.
        attempt: from 1; 0 for the events about the question itself, such as the commit of what the
            user said.
    """

    event: str
    number: int = 1
    _: KW_ONLY
    side: Side = "server"
    when: Literal["before", "after"] = "after"
    connection: int | None = None
    question: str | None = None
    attempt: int = 1

    def __post_init__(self) -> None:
        if self.number < 1 or (self.connection is not None and self.connection < 1):
            raise ValueError("number and connection count from 1")
        if self.attempt < 0:
            raise ValueError("attempt counts from 1, and is 0 for the question itself")


@dataclass(frozen=True, slots=True)
class InjectError:
    """The server sends an ``error`` event.

    Attributes:
        code: any; the type and text are those of :data:`KNOWN_ERRORS`, if it knows the code.
        linked: whether the error names the client's event: the one at *at*, or the last one that
            had an id when *at* is an event of the server.
        instead: the event at *at* is dropped, so a client's event is refused.
    """

    at: At
    code: str | None = "server_error"
    _: KW_ONLY
    linked: bool = False
    instead: bool = False


@dataclass(frozen=True, slots=True)
class Lose:
    """The event never arrives."""

    at: At


@dataclass(frozen=True, slots=True)
class Late:
    """The event arrives *seconds* later, and with it all that follows (the transport keeps order)."""

    at: At
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Double:
    """The event arrives twice: at once, or of the server's events the second one *seconds* later,
    whatever was sent meanwhile.
    """

    at: At
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Reorder:
    """The server's event arrives after the next *behind* ones, or *within* seconds.

    A WebSocket keeps order, so this stands for other transports and for servers that send from
    several threads.
    """

    at: At
    behind: int = 1
    _: KW_ONLY
    within: float = 1.0


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing of the server arrives for *seconds*; then all that was held comes at once."""

    at: At
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class BreakConnection:
    """The TCP connection breaks, without a close frame; the next *refused* handshakes are answered
    with an HTTP *status*.
    """

    at: At
    _: KW_ONLY
    refused: int = 0
    status: int = 503


@dataclass(frozen=True, slots=True)
class HangUp:
    """The server closes the WebSocket, after an ``error`` event if *error* names a code."""

    at: At
    code: int = 1011
    _: KW_ONLY
    reason: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """From here on nothing arrives any more, in either direction, and nobody is told."""

    at: At


@dataclass(frozen=True, slots=True)
class Freeze:
    """The server's process stands still: from here on it reads nothing and sends nothing, nobody is
    told, and when *room* more bytes have been sent to it, the client's writes wait for ever. In
    memory; a socket has the room that the system gives it.
    """

    at: At
    room: int = 65_536


@dataclass(frozen=True, slots=True)
class Insert:
    """The server sends *frame* as it is, whatever it is; an ``event_id`` is filled in."""

    at: At
    frame: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Malform:
    """The event arrives as something else: JSON that ends half way, values of wrong types, ``[]``,
    ``null`` or ``{}``.
    """

    at: At
    shape: Shape = "truncated"


@dataclass(frozen=True, slots=True)
class RefuseHandshake:
    """The *attempt*-th handshake (from 1) is answered with an HTTP *status*."""

    attempt: int
    status: int = 503
    body: str = ""


@dataclass(frozen=True, slots=True)
class AcceptThenClose:
    """The *attempt*-th connection is closed after the first client event of type *on*; with
    ``on="connect"`` right after ``session.created``.
    """

    attempt: int
    code: int = 1011
    _: KW_ONLY
    on: str = "connect"


EventFault = (
    InjectError
    | Lose
    | Late
    | Double
    | Reorder
    | Silence
    | BreakConnection
    | HangUp
    | HalfOpen
    | Freeze
    | Insert
    | Malform
)
HandshakeFault = RefuseHandshake | AcceptThenClose
Fault = EventFault | HandshakeFault


def check(fault: Fault) -> None:
    """Raise ``ValueError`` for one that cannot happen."""
    if isinstance(fault, Reorder) and (fault.at.side != "server" or fault.behind < 1):
        raise ValueError("only the server's events are reordered, behind at least one other")
    if min(getattr(fault, "seconds", 0.0), getattr(fault, "within", 0.0)) < 0:
        raise ValueError(f"times are not below zero: {fault}")
    if getattr(fault, "attempt", 1) < 1:
        raise ValueError(f"attempts count from 1: {fault}")
