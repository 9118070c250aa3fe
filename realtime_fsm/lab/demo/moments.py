"""What an observer of a call is told, as it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

from ..._core import commands as cmd

__all__ = [
    "Asked",
    "Ended",
    "ErrorReported",
    "HandleDone",
    "HungUp",
    "Moment",
    "Moved",
    "Observer",
    "Recovers",
    "SoundEnded",
    "SoundStarted",
]


@dataclass(frozen=True, slots=True)
class Asked:
    """The caller asked question *number*, from 1."""

    number: int
    text: str
    barge_in: bool


@dataclass(frozen=True, slots=True)
class Moved:
    """Turn *turn*, from 1 in the order of their first move, took a row of the table."""

    turn: int
    move: cmd.TurnMoved


@dataclass(frozen=True, slots=True)
class Recovers:
    """A retry of turn *turn* is planned."""

    turn: int
    plan: cmd.Recovering


@dataclass(frozen=True, slots=True)
class Ended:
    """Turn *turn* is over."""

    turn: int
    end: cmd.TurnEnded


@dataclass(frozen=True, slots=True)
class SoundStarted:
    """The first sound of a message was heard."""


@dataclass(frozen=True, slots=True)
class SoundEnded:
    """A message is over, *seconds* of it were heard."""

    seconds: float
    cut: bool


@dataclass(frozen=True, slots=True)
class HandleDone:
    """The speech handle of question *number* is done, with this exception or None."""

    number: int
    exception: str | None
    interrupted: bool


@dataclass(frozen=True, slots=True)
class ErrorReported:
    """The AgentSession emitted ``error``."""

    text: str
    recoverable: bool


@dataclass(frozen=True, slots=True)
class HungUp:
    """The call is over."""


Moment = Union[
    Asked, Moved, Recovers, Ended, SoundStarted, SoundEnded, HandleDone, ErrorReported, HungUp
]
Observer = Callable[[float, Moment], None]
"""Called with the seconds since the call's first question, and what happened."""
