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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from .errors import ERROR_CLASSES
from .fault_kinds import (
    AcceptThenClose,
    At,
    BreakConnection,
    Double,
    EventFault,
    Fault,
    Freeze,
    HalfOpen,
    HangUp,
    InjectError,
    Insert,
    Late,
    Lose,
    Malform,
    RefuseHandshake,
    Reorder,
    Shape,
    Silence,
    check,
)
from .schedule_json import dump, load
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

Profile = Literal["none", "mild", "rough", "hostile"]


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
            check(fault)

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
        return dump(self.faults, self.seed)

    @classmethod
    def from_json(cls, text: str) -> Schedule:
        """Return the schedule that *text* describes. Raises :class:`InputError`."""
        return cls(*load(text))

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
