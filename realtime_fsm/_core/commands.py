"""What the driver must do, as typed frozen data. In order, and each exactly once."""

from __future__ import annotations

from dataclasses import dataclass

from .data import Data
from .errors import ErrorInfo
from .states import TurnOutcome, TurnState


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Command(Data):
    """Base of all commands. Not for subclassing outside this module."""


# --- to the server


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CreateResponse(Command):
    """Put this turn's ``response.create`` on the wire, then report `CreateSent`."""

    turn_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CancelResponse(Command):
    """Send ``response.cancel`` with this response id and this event id (G6)."""

    response_id: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CheckConnection(Command):
    """Send, with this event id, something that this server answers and that changes nothing: not a
    cancel, which could hit what is awaited. If nothing at all comes, report `ConnectionLost`."""

    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ProbeCancel(Command):
    """Send a bare ``response.cancel`` with this event id.

    The protocol is ordered, so the answer proves what became of an unacknowledged create:
    "nothing to cancel" means that it never became a response (G4).
    """

    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DeleteItem(Command):
    """Send ``conversation.item.delete``: nobody heard this item (G16)."""

    item_id: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TruncateItem(Command):
    """Send ``conversation.item.truncate``: the server made more of this message than was handed out, or
    was heard, and the host does not cut it (G15, G16). Report `ItemTruncated` once the server has
    done so."""

    item_id: str
    audio_end_ms: int
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RestoreItem(Command):
    """Let the present conversation have what was heard of a message, and nothing else of it (G16): the
    connection that held it was lost before that was known, or the server's item cannot be cut.
    `Message` has how much it was; report `ItemTruncated` once the server has it."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ReplaceConnection(Command):
    """Give the connection up and make a new one; then report `ConnectionReady`.

    A `CreateResponse` that has not left yet is dropped with it; nothing of it is to be reported.

    Attributes:
        reason: Why it cannot be used any more.
        wait: Seconds to wait before the new one is made.
    """

    reason: ErrorInfo
    wait: float


# --- to the application


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AnnounceTurn(Command):
    """Tell the host of a generation that no call of it waits for: it waits for it from here on, as it
    does in plain LiveKit. What follows goes into this generation, whichever attempt it is of. If
    the host does not take it, report `AnnouncementLost`."""

    turn_id: str
    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ExposeTurn(Command):
    """The first output is there, of this response: resolve ``generate_reply``."""

    turn_id: str
    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DeliverItem(Command):
    """Hand this message or function call of the current attempt downstream."""

    turn_id: str
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class EndAttempt(Command):
    """No more output comes for the messages handed out so far; others of the turn will."""

    turn_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class EndStreams(Command):
    """No more output comes for this turn: close what was handed out."""

    turn_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ReportFailure(Command):
    """The turn failed for good, or was cut short: make it visible (G8).

    Attributes:
        fatal: The session cannot be used any more.
        on_handle: The failure belongs to the speech handle too; not so when a tool was handed
            out whose reply will speak.
    """

    turn_id: str
    error: ErrorInfo
    fatal: bool
    on_handle: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ReportSession(Command):
    """The session cannot be used any more: one report, whether or not a turn was alive (G12)."""

    error: ErrorInfo


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Recovering(Command):
    """A retry is planned, or an attempt is doubted: the application may say "one moment".

    Attributes:
        attempt: Number of the attempt that failed, from 1; 0 where server VAD could not start its own.
        reason: Its code is ``slow`` while the attempt is only doubted, and may be answered yet;
            ``stalling`` while nothing more comes of one that spoke, and may.
        wait: Seconds until the next attempt at the earliest; until nothing more is waited for.
    """

    turn_id: str
    attempt: int
    reason: ErrorInfo
    wait: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TurnEnded(Command):
    """The turn reached ``done`` or ``failed``. Always its last command (G7)."""

    turn_id: str
    outcome: TurnOutcome
    error: ErrorInfo | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TurnMoved(Command):
    """A row of the table was taken. For logs, traces and pictures; nothing to do.

    Attributes:
        event: Name of the row's event.
        label: The state now, as people say it ("streaming message 2").
    """

    turn_id: str
    source: TurnState
    event: str
    dest: TurnState
    attempt: int
    label: str
