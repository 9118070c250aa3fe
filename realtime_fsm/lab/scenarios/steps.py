"""What happens in a call, one step after another, as data. All times are seconds."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, Union

__all__ = [
    "Again",
    "Ask",
    "HandleDone",
    "Heard",
    "Interrupt",
    "Run",
    "Say",
    "Step",
    "Wait",
]


@dataclass(frozen=True, slots=True)
class Ask:
    """The application asks for the user: ``generate_reply(user_input=words)``."""

    words: str = "Where is my parcel?"


@dataclass(frozen=True, slots=True)
class Again:
    """The application asks for another reply: ``generate_reply()``."""


@dataclass(frozen=True, slots=True)
class Run:
    """The application calls ``await session.run(user_input=words)``, as in tests of agents."""

    words: str = "Where is my parcel?"


@dataclass(frozen=True, slots=True)
class Say:
    """The user says *words* for *seconds*; who ends their turn is the scenario's ``turns``."""

    words: str = "Where is my parcel?"
    _: KW_ONLY
    seconds: float = 0.6


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing happens for *seconds*."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Heard:
    """Wait until *seconds* of the agent were heard in the call, or none of it for 20 s."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HandleDone:
    """Wait until speech *number* (from 1) is done, at most *timeout* seconds."""

    number: int
    _: KW_ONLY
    timeout: float = 20.0


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The application interrupts: ``session.interrupt()`` or, of the newest speech,
    ``handle.interrupt()``. *awaited*: until the session says that it is over."""

    by: Literal["session", "handle"] = "session"
    _: KW_ONLY
    awaited: bool = False


Step = Union[Ask, Again, Run, Say, Wait, Heard, HandleDone, Interrupt]
