"""What the simulated server will do, as plain data.

A :class:`Script` lists the replies that the server gives to the responses it is asked for. A
:class:`Reply` reads as three questions: how is the ``response.create`` answered (``ack``), what is
generated (``items``), and how does it end, and where (``end``)::

    Reply([Message("Good morning.", seconds=1.5)])
    Reply(ack=Rejected("server_error"))
    Reply([Message("Good morning.", seconds=2.0)], end=Failed("server_error", at=audio_ms(500)))
    Reply([FunctionCall("get_weather", {"city": "Oslo"})])
    Reply([Message("Hello.")], end=Dropped(at=CREATED))

All times are seconds, except where a name ends in ``_ms``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal

from .errors import ErrorInfo

__all__ = [
    "BEFORE_CREATED",
    "CREATED",
    "END",
    "ITEM_ADDED",
    "Accept",
    "Ack",
    "Cancelled",
    "Closed",
    "Completed",
    "Created",
    "DoneLost",
    "Dropped",
    "End",
    "Failed",
    "FunctionCall",
    "Handshake",
    "Incomplete",
    "Message",
    "Output",
    "Point",
    "Reasoning",
    "Refuse",
    "Rejected",
    "Reply",
    "Script",
    "ServerCall",
    "Stalled",
    "Unanswered",
    "audio_ms",
    "item_added",
]


@dataclass(frozen=True, slots=True)
class Point:
    """A moment in the life of a response. Use the constants and functions below instead of building
    one.

    ``value`` is the item's number (from 1) for ``item_added`` and milliseconds for ``audio``.
    """

    stage: Literal["before_created", "created", "item_added", "audio", "end"]
    value: int = 0


BEFORE_CREATED = Point("before_created")
"""The create was accepted, ``response.created`` is not out and never comes."""
CREATED = Point("created")
"""Right after ``response.created``, before any output."""
END = Point("end")
"""All items are finished; only ``response.done`` is missing."""


def item_added(number: int) -> Point:
    """Return the point where item *number* (from 1) was added and is still empty."""
    return Point("item_added", number)


ITEM_ADDED = item_added(1)
"""The first item was added and is still empty."""


def audio_ms(ms: int) -> Point:
    """Return the point where exactly *ms* milliseconds of audio, over all messages, were generated.

    In a text-only response the messages' ``seconds`` count just the same.
    """
    return Point("audio", ms)


# --- items ---


@dataclass(frozen=True, slots=True)
class Message:
    """An assistant message: *text* spoken during *seconds*, added *after* seconds of thinking, and
    marked with *phase* (``commentary``, ``final_answer``) where that is given.

    Raises ``ValueError`` unless *seconds* is at least one millisecond.
    """

    text: str
    _: KW_ONLY
    seconds: float = 1.0
    after: float = 0.0
    phase: str | None = None

    def __post_init__(self) -> None:
        if round(self.seconds * 1000) < 1:
            raise ValueError(f"a message lasts at least 1 ms, not {self.seconds} s")


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function call with JSON *arguments* (a mapping is encoded; a string is sent as it is).

    *call_id* is generated when it is None. *after*: seconds of thinking before the item is added.
    """

    name: str
    arguments: Mapping[str, Any] | str = "{}"
    _: KW_ONLY
    call_id: str | None = None
    after: float = 0.0

    @property
    def arguments_json(self) -> str:
        """The arguments as they are sent."""
        return (
            self.arguments if isinstance(self.arguments, str) else json.dumps(dict(self.arguments))
        )


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The model reasons for *seconds* and bills *tokens*. Whether an item shows it is
    ``ServerConfig.reasoning_items``. *after*: seconds before it starts.
    """

    seconds: float = 1.0
    _: KW_ONLY
    tokens: int = 50
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class ServerCall:
    """Something that the server does itself, as an item of its own: it runs a tool of an MCP server,
    searches, asks for approval.

    Attributes:
        name: of the tool.
        kind: the type of the item; any, as servers have more than the types know.
        arguments: of an ``mcp_call`` or a request for approval, as JSON.
        seconds: how long it takes.
        fails: whether an ``mcp_call`` comes to nothing.
        outlives: whether it goes on beside what follows in the response, and beyond its end.
        after: seconds of thinking before the item is added.
    """

    name: str
    _: KW_ONLY
    kind: str = "mcp_call"
    arguments: str = "{}"
    seconds: float = 1.0
    fails: bool = False
    outlives: bool = False
    after: float = 0.0


Output = Message | FunctionCall | Reasoning | ServerCall


# --- answers to response.create ---


@dataclass(frozen=True, slots=True)
class Created:
    """Answer with ``response.created`` *after* so many seconds.

    None means ``ServerConfig.create_delay``. The slot is taken meanwhile, so ``Created(after=11)``
    is a create that is acknowledged too late.
    """

    after: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected(ErrorInfo):
    """Answer with an ``error`` event and nothing else; the slot stays free.

    *linked* says whether the error carries the ``event_id`` of the create.
    """

    _: KW_ONLY
    linked: bool = True


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Never answer.

    With *holds_slot* the response sits in its slot for ever; without it the server never saw the
    create.
    """

    holds_slot: bool = False


Ack = Created | Rejected | Unanswered


# --- ends ---


@dataclass(frozen=True, slots=True)
class Completed:
    """Status ``completed`` after all items. Without items: a completed, empty response."""

    @property
    def at(self) -> Point:
        """Always :data:`END`."""
        return END


@dataclass(frozen=True, slots=True)
class Failed(ErrorInfo):
    """Status ``failed`` with an error. ``at=BEFORE_CREATED`` is a done without a created."""

    _: KW_ONLY
    at: Point = CREATED


@dataclass(frozen=True, slots=True)
class Incomplete:
    """Status ``incomplete``."""

    reason: Literal["max_output_tokens", "content_filter"]
    _: KW_ONLY
    at: Point = CREATED


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Status ``cancelled`` that no client asked for."""

    reason: Literal["turn_detected", "client_cancelled"] = "turn_detected"
    _: KW_ONLY
    at: Point = CREATED


@dataclass(frozen=True, slots=True)
class Stalled:
    """The server falls silent. The response stays alive until it is cancelled."""

    _: KW_ONLY
    at: Point = CREATED


@dataclass(frozen=True, slots=True)
class DoneLost:
    """Everything is generated, but ``response.done`` is never sent.

    *frees_slot* says whether the server takes the response for ended.
    """

    frees_slot: bool = True

    @property
    def at(self) -> Point:
        """Always :data:`END`."""
        return END


@dataclass(frozen=True, slots=True)
class Dropped:
    """The TCP connection breaks, without a close frame."""

    _: KW_ONLY
    at: Point = CREATED


@dataclass(frozen=True, slots=True)
class Closed:
    """The server closes the WebSocket with *code*, after an ``error`` event if *error* is given."""

    code: int = 1011
    _: KW_ONLY
    reason: str = ""
    error: ErrorInfo | None = None
    at: Point = CREATED


End = Completed | Failed | Incomplete | Cancelled | Stalled | DoneLost | Dropped | Closed


# --- replies ---


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server does with one response.

    Attributes:
        items: messages, function calls, reasoning and what the server does itself, in order.
        ack: how the create is answered.
        end: how, and where, the response ends.
        pace: seconds between two 100 ms deltas (None: ``ServerConfig.pace``).
        done_delay: seconds between the last output and the end.
        status_details: sent as a plain string in place of the object, as some compatible servers
            do.

    Raises ``ValueError`` when *end* is at a point that the items never reach.
    """

    items: Sequence[Output] = ()
    _: KW_ONLY
    ack: Ack = field(default_factory=Created)
    end: End = field(default_factory=Completed)
    pace: float | None = None
    done_delay: float = 0.0
    status_details: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))
        point = self.end.at
        generated = sum(round(i.seconds * 1000) for i in self.items if isinstance(i, Message))
        if point.stage == "audio" and not 0 < point.value <= generated:
            raise ValueError(
                f"the reply generates {generated} ms of audio, it never reaches {point.value} ms"
            )
        if point.stage == "item_added" and not 0 < point.value <= len(self.items):
            raise ValueError(
                f"the reply has {len(self.items)} items, there is no item {point.value}"
            )


@dataclass(frozen=True, slots=True)
class Script:
    """What the server replies.

    Attributes:
        replies: the k-th response that the server accepts takes the k-th of these, later ones take
            *default*. Responses that server VAD and clients start count alike, over all
            connections.
        answers: by what is asked: the k-th attempt at a question takes the k-th of its replies,
            later ones the last. So a call in which a turn is tried again, and one in which it is
            not, have the same reply to the same question. A question without an entry takes from
            *replies*. What a question is: :class:`Answer`.

    A create that a rule refuses (invalid, slot taken) takes none.
    """

    replies: Sequence[Reply] = ()
    _: KW_ONLY
    default: Reply = field(default_factory=lambda: Reply([Message("All right.", seconds=0.5)]))
    answers: Mapping[str, Sequence[Reply]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "replies", tuple(self.replies))
        answers = {question: tuple(replies) for question, replies in self.answers.items()}
        object.__setattr__(self, "answers", answers)


# --- connections ---


@dataclass(frozen=True, slots=True)
class Accept:
    """Accept the connection. If *then* is given, end it after the first client event of type *on*.

    ``on="connect"`` ends it right after ``session.created``.
    """

    then: Closed | Dropped | None = None
    _: KW_ONLY
    on: str = "connect"


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the handshake with an HTTP *status* and *body*."""

    status: int
    body: str = ""


Handshake = Accept | Refuse
