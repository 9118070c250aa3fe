"""What can happen, as typed frozen data. The controller takes these with a time.

Times are not part of an event: ``TurnController.receive(event, now)`` gets them. Ids are the
provider's strings. An event for an id the controller does not know is counted and ignored (G3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .data import Data
from .errors import ErrorInfo


class ResponseStatus(Enum):
    """``response.done.response.status``."""

    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    CANCELLED = "cancelled"
    FAILED = "failed"


class ItemKind(Enum):
    MESSAGE = "message"
    FUNCTION_CALL = "function_call"
    #: What the server does by itself: ``mcp_call``, ``mcp_approval_request``, a search, and any kind
    #: that nobody knows, since it may act (G28).
    ACTION = "action"
    #: Reasoning: never heard, never handed out, and it changes nothing.
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Event(Data):
    """Base of all events. Not for subclassing outside this module."""


# --- what we see ourselves put on the wire


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CreateSent(Event):
    """The ``response.create`` of this attempt left, under this client event id."""

    turn_id: str
    attempt: int
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CreateNotSent(Event):
    """The ``response.create`` of this attempt could not be sent and never will be."""

    turn_id: str
    attempt: int
    error: ErrorInfo


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CreateGivenUp(Event):
    """What is below the driver gave up on a create that was never acknowledged. Should its response
    still come, it is cancelled down there (G6: not a second time by us)."""

    turn_id: str
    attempt: int
    error: ErrorInfo


# --- the server


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SessionConfigured(Event):
    """``session.created`` / ``session.updated``: who starts and who stops responses (G24)."""

    server_creates: bool
    server_interrupts: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ResponseCreated(Event):
    """``response.created``.

    Attributes:
        client_event_id: ``response.metadata.client_event_id``, or None.
        out_of_band: The response is outside the default conversation.
        deltas_shown: Its deltas will be reported; without them silence proves nothing.
    """

    response_id: str
    client_event_id: str | None = None
    out_of_band: bool = False
    deltas_shown: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ItemStarted(Event):
    """``response.output_item.added``."""

    response_id: str
    item_id: str
    kind: ItemKind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class OutputReceived(Event):
    """A delta of audio, of its transcript, or of text.

    Attributes:
        audio_ms: Milliseconds of audio in it; 0 for text and transcripts.
    """

    response_id: str
    item_id: str
    audio_ms: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CallReceived(Event):
    """``response.output_item.done`` of a function call: its arguments are complete."""

    response_id: str
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ActionEnded(Event):
    """``response.output_item.done`` of what the server did by itself."""

    response_id: str
    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ItemActivity(Event):
    """An event of an item that names no response, such as ``response.mcp_call.in_progress``."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ResponseActivity(Event):
    """Any other event of a live response: it shows that the server is at work."""

    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ResponseDone(Event):
    """``response.done``.

    Attributes:
        error: Why, for any status but ``completed``; None if the server does not say.
        client_event_id: As in `ResponseCreated`; some servers send no ``created`` before it.
    """

    response_id: str
    status: ResponseStatus
    error: ErrorInfo | None = None
    client_event_id: str | None = None
    out_of_band: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ErrorReceived(Event):
    """``error``.

    Attributes:
        event_id: The client event it answers, or None.
    """

    error: ErrorInfo
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RateLimitsUpdated(Event):
    """``rate_limits.updated``.

    Attributes:
        reset_after: Seconds until the last of the exhausted limits is reset; None: none is.
    """

    reset_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SpeechStarted(Event):
    """``input_audio_buffer.speech_started``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SpeechStopped(Event):
    """``input_audio_buffer.speech_stopped``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ItemTruncated(Event):
    """``conversation.item.truncated``: the server keeps this much of it."""

    item_id: str
    audio_end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ItemDeleted(Event):
    """``conversation.item.deleted``: the server keeps nothing of it."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class InputCleared(Event):
    """``input_audio_buffer.cleared``: what the user was saying is dropped and gets no answer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class InputIdle(Event):
    """``input_audio_buffer.timeout_triggered``: the user was silent for so long that server VAD answers
    that. The silence is committed like speech."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class InputCommitted(Event):
    """``input_audio_buffer.committed``: what the user said is a turn, and wants an answer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Unreadable(Event):
    """A frame that is malformed, or of a type nobody knows: counted under this reason (G25).

    Attributes:
        response_id, item_id: What a frame of such a type names. If that is live it is a sign of its
            life, and never more.
    """

    reason: str
    response_id: str | None = None
    item_id: str | None = None


# --- the connection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ConnectionLost(Event):
    """The connection is gone; whatever ran on it is over.

    Attributes:
        for_good: What is below will not make another by itself.
    """

    error: ErrorInfo
    for_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ConnectionReady(Event):
    """A connection is usable. A second one without a loss before it is a planned rollover."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SessionFailed(Event):
    """The session below will not come back (fatal error, reconnects exhausted)."""

    error: ErrorInfo


# --- playback


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class MessagePulled(Event):
    """The host began to forward this message to the user; its turn to play has come."""

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PlaybackStarted(Event):
    """The sink plays the first frame of the message being forwarded. It carries no id."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PlaybackFinished(Event):
    """The sink is done with one message. It carries no id: pairing is serial (G14).

    Attributes:
        position_ms: Milliseconds of this message that were played.
        synchronized_transcript: The words that were played, where the sink knows them.
    """

    position_ms: float
    interrupted: bool
    synchronized_transcript: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PlaybackPaused(Event):
    """The host paused the sink: perhaps the user speaks."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PlaybackResumed(Event):
    """The host lets the sink play on: the interruption was a false one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class MessageTruncated(Event):
    """The host truncated this message itself, after this much of it was heard."""

    item_id: str
    audio_end_ms: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class MessageShown(Event):
    """The host entered this text of a message in the conversation it shows."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AnnouncementLost(Event):
    """The host does not read the generation that it was told of, and nothing of it was handed out:
    it is to be told of the next one."""

    turn_id: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SpeechOver(Event):
    """The host is done with the speech this turn belongs to: nothing of it plays any more."""

    turn_id: str
    interrupted: bool
