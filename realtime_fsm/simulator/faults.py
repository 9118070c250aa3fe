"""What goes wrong between a server and its clients, as data.

A :class:`Schedule` is a list of faults. Each fault happens once, at a place: before or after the
k-th event of a type, in either direction, of the whole call or of one attempt at a question. The
same schedule on the same script gives the same run; faults at questions strike the same question
in two runs that have not the same number of responses::

    Schedule([
        Late(At("response.created"), seconds=3.0),
        Lose(At("response.create", 2, side="client")),
        InjectError(At("response.output_item.added"), code="server_error"),
        RefuseHandshake(attempt=2, status=503),
    ])

All times are seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, get_args

from .errors import ERROR_CLASSES
from .script import Accept, Closed, Handshake, Refuse

__all__ = [
    "AcceptThenClose",
    "At",
    "BreakConnection",
    "Double",
    "Fault",
    "Freeze",
    "HalfOpen",
    "HangUp",
    "InjectError",
    "Insert",
    "Late",
    "Lose",
    "Malform",
    "Profile",
    "RefuseHandshake",
    "Reorder",
    "Schedule",
    "Silence",
]

Side = Literal["server", "client"]
Profile = Literal["none", "mild", "rough", "hostile"]
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


@dataclass(frozen=True, slots=True)
class Schedule:
    """What goes wrong. *seed* says where a random schedule came from; None for a written one.

    Raises ``ValueError`` for a fault that cannot happen: of a client's event that is reordered, and
    of times below zero.
    """

    faults: Sequence[Fault] = ()
    seed: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "faults", tuple(self.faults))
        for fault in self.faults:
            if isinstance(fault, Reorder) and (fault.at.side != "server" or fault.behind < 1):
                raise ValueError(
                    "only the server's events are reordered, behind at least one other"
                )
            if min(getattr(fault, "seconds", 0.0), getattr(fault, "within", 0.0)) < 0:
                raise ValueError(f"times are not below zero: {fault}")
            if getattr(fault, "attempt", 1) < 1:
                raise ValueError(f"attempts count from 1: {fault}")

    @property
    def event_faults(self) -> tuple[EventFault, ...]:
        """Those that happen at an event."""
        return tuple(
            f for f in self.faults if not isinstance(f, (RefuseHandshake, AcceptThenClose))
        )

    def handshake(self, attempt: int) -> Handshake | None:
        """Return how that attempt to connect is taken, None if nothing is wrong with it."""
        for fault in self.faults:
            if isinstance(fault, RefuseHandshake) and fault.attempt == attempt:
                return Refuse(fault.status, fault.body)
            if isinstance(fault, AcceptThenClose) and fault.attempt == attempt:
                return Accept(Closed(fault.code), on=fault.on)
        return None

    def to_json(self) -> str:
        """Return the schedule as JSON, one fault a line; :meth:`from_json` reads it back."""
        from .schedule_json import dump

        return dump(self)

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """Return the schedule that *text* describes. Raises :class:`InputError`."""
        from .schedule_json import load

        return load(text)

    @classmethod
    def random(cls, seed: int, profile: Profile = "mild") -> Schedule:
        """Draw a schedule; the same seed and profile give the same one.

        ``mild`` is a slow network and a transient error, ``rough`` adds losses and broken
        connections, ``hostile`` adds malformed frames, reordering, half-open sockets, and errors of
        every class. Raises ``ValueError`` for an unknown profile.
        """
        if profile not in _PROFILES:
            raise ValueError(f"profile is one of {', '.join(_PROFILES)}, not {profile!r}")
        rng = random.Random(f"{profile}:{seed}")
        low, high, kinds = _PROFILES[profile]
        count = rng.randint(low, high)
        return cls([rng.choice(kinds)(rng) for _ in range(count)], seed)


# --- drawing ---

_SERVER_EVENTS = (
    "response.created", "response.output_item.added", "conversation.item.added",
    "response.content_part.added", "response.output_audio.delta", "response.output_item.done",
    "response.done", "session.updated", "error",
)  # fmt: skip
_CLIENT_EVENTS = (
    "response.create", "response.create", "response.cancel", "conversation.item.create",
    "conversation.item.truncate", "session.update",
)  # fmt: skip

Draw = Callable[[random.Random], Fault]


def _server(rng: random.Random) -> At:
    when = rng.choice(("before", "after"))
    number = rng.randint(1, 3)
    event = rng.choice(_SERVER_EVENTS)
    return At(event, number, when="before" if when == "before" else "after")


def _client(rng: random.Random) -> At:
    return At(rng.choice(_CLIENT_EVENTS), rng.randint(1, 3), side="client")


def _seconds(rng: random.Random, most: float) -> float:
    return round(rng.uniform(0.05, most), 3)


def _refusal(rng: random.Random) -> Fault:
    at = At("response.create", rng.randint(1, 3), side="client")
    code = rng.choice(ERROR_CLASSES["transient"])
    return InjectError(at, code, linked=rng.random() < 0.8, instead=True)


def _any_error(rng: random.Random) -> Fault:
    code = rng.choice(ERROR_CLASSES[rng.choice(sorted(ERROR_CLASSES))])
    return InjectError(_server(rng), code, linked=rng.random() < 0.5)


def _malformed(rng: random.Random) -> Fault:
    return Malform(_server(rng), rng.choice(get_args(Shape)))


_MILD: tuple[Draw, ...] = (
    lambda rng: Late(_server(rng), _seconds(rng, 1.0)),
    lambda rng: Silence(_server(rng), _seconds(rng, 1.0)),
    _refusal,
)
_ROUGH: tuple[Draw, ...] = (
    *_MILD,
    lambda rng: Late(_server(rng), _seconds(rng, 6.0)),
    lambda rng: Late(_client(rng), _seconds(rng, 2.0)),
    lambda rng: Silence(_server(rng), _seconds(rng, 6.0)),
    lambda rng: Lose(_client(rng)),
    lambda rng: Lose(_server(rng)),
    lambda rng: BreakConnection(_server(rng)),
    lambda rng: HangUp(_server(rng), rng.choice((1000, 1001, 1011, 1012))),
    lambda rng: RefuseHandshake(rng.randint(2, 4), rng.choice((429, 500, 502, 503))),
)
_HOSTILE: tuple[Draw, ...] = (
    *_ROUGH,
    _any_error,
    _malformed,
    lambda rng: Malform(_client(rng), rng.choice(get_args(Shape))),
    lambda rng: Double(_server(rng)),
    lambda rng: Double(_client(rng)),
    lambda rng: Reorder(_server(rng), rng.randint(1, 3)),
    lambda rng: HalfOpen(_server(rng)),
    lambda rng: AcceptThenClose(rng.randint(1, 3), on=rng.choice(("connect", "session.update"))),
)
_PROFILES: dict[str, tuple[int, int, tuple[Draw, ...]]] = {
    "none": (0, 0, _MILD),
    "mild": (1, 2, _MILD),
    "rough": (2, 4, _ROUGH),
    "hostile": (3, 7, _HOSTILE),
}
