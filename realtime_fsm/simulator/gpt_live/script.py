"""What the service does of itself: how backend work goes, and how sessions end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from ..script import Accept, Refuse

__all__ = ["Backend", "Call", "CloseReason", "LiveConfig"]

CloseReason = Literal["close_requested", "expired", "content", "remote_hangup", "connection_lost"]
_REASONS = ("close_requested", "expired", "content", "remote_hangup", "connection_lost")


@dataclass(frozen=True, slots=True)
class Call:
    """A function call of the backend.

    Attributes:
        name: the tool's.
        arguments: JSON.
        call_id: by default one that is new.
    """

    name: str = "look_up"
    arguments: str = "{}"
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """One response of the backend.

    Attributes:
        calls: what it asks the application for.
        ends: how it ends; None: never.
        code: of the error, or the reason why it is incomplete.
        seconds: how long it runs.
        says: what the voice model says of it, if it is the answer.
    """

    calls: tuple[Call, ...] = ()
    ends: Literal["completed", "failed", "incomplete"] | None = "completed"
    code: str = "server_error"
    seconds: float = 0.2
    says: str = ""


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """How a service behaves. Times are seconds.

    Attributes:
        duration: the longest that a session lasts; None: as long as it likes.
        ends: why the session of the connection of that number is closed as soon as it has started;
            None: it is not.
        handshake: how the connection of that number is taken.
        ack_delay: until an append is confirmed.
        names_commands: whether events name the client's event that they answer.
        stream_ms: the model's audio comes all the time, silence too, in frames of so many milliseconds;
            0: there is none unless it speaks.

    Raises:
        ValueError: a time below zero, or a duration that is zero.
    """

    duration: float | None = None
    ends: Callable[[int], CloseReason | None] = field(default=lambda number: None)
    handshake: Callable[[int], Accept | Refuse] = field(default=lambda number: Accept())
    ack_delay: float = 0.05
    names_commands: bool = True
    stream_ms: int = 0

    def __post_init__(self) -> None:
        if self.duration is not None and self.duration <= 0:
            raise ValueError(f"duration must be above 0, got {self.duration!r}")
        for name in ("ack_delay", "stream_ms"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)!r}")


def known_reason(reason: Any) -> CloseReason:
    """Raises:
    ValueError: it is no reason that a session ends for.
    """
    if reason not in _REASONS:
        raise ValueError(f"reason must be one of {', '.join(_REASONS)}, got {reason!r}")
    found: CloseReason = reason
    return found
