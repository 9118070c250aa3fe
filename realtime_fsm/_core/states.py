"""The words for where a turn, a message and an error stand. Plain data."""

from __future__ import annotations

from enum import Enum


class Word(Enum):
    """An `Enum` whose members are hashed as they are compared, by identity: `Enum` hashes their
    names, in Python, and there are many of them in a turn."""

    __hash__ = object.__hash__


class TurnState(Word):
    """Where one response turn stands. Exactly seven, in the order of a turn's life."""

    #: Wants a response: first waiting for the lane, then its ``response.create`` is out.
    REQUESTED = "requested"
    #: The server acknowledged the response; no output item yet.
    CREATED = "created"
    #: Message N is being generated, played, or both. N is data on the turn.
    STREAMING = "streaming"
    #: The attempt failed recoverably; waits for the backoff and the lane.
    RETRY_WAIT = "retry_wait"
    #: An interrupt was asked; waits for the server's terminal and for playback to report.
    CANCELLING = "cancelling"
    #: Final. `TurnOutcome` says how.
    DONE = "done"
    #: Final. ``turn.error`` says why.
    FAILED = "failed"


FINAL = frozenset({TurnState.DONE, TurnState.FAILED})
LIVE = tuple(s for s in TurnState if s not in FINAL)


class TurnOutcome(Enum):
    """How a turn ended. Set exactly once, with the final state."""

    COMPLETED = "completed"
    INTERRUPTED = "interrupted"
    #: The provider cut it (``max_output_tokens``, ``content_filter``); ``turn.error`` says which.
    INCOMPLETE = "incomplete"
    #: A newer turn took its place while it waited for a retry.
    SUPERSEDED = "superseded"
    FAILED = "failed"


class Generation(Word):
    """Where the generation of a turn stands: whether more output may come, and what follows."""

    #: More output may come.
    RUNNING = "running"
    #: It broke off after some of it was handed out; once that has played it is asked for again.
    BROKEN = "broken"
    #: No more comes. The turn ends so once playback is over.
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    INTERRUPTED = "interrupted"
    SUPERSEDED = "superseded"
    FAILED = "failed"


class ResponseState(Word):
    """Where one response stands, from its ``response.create`` to its proven terminal.

    It may outlive its turn (G4). All but the last two hold the lane (G1).
    """

    #: Commanded, and not on the wire yet.
    QUEUED = "queued"
    #: Its ``response.create`` left; the server has not answered.
    SENT = "sent"
    #: The same, for long: the server was asked whether it lives.
    DOUBTED = "doubted"
    #: The server acknowledged it, and its turn waits for its output.
    ACTIVE = "active"
    #: Given up before it left. It may still leave.
    WITHDRAWN = "withdrawn"
    #: Given up, and its ``response.create`` is not answered.
    UNANSWERED = "unanswered"
    #: The same, and a bare cancel asks what became of it.
    PROBED = "probed"
    #: Given up, and it lives: its cancel is out.
    CANCELLING = "cancelling"
    #: A conflict told of it; it has not shown itself.
    RUMOURED = "rumoured"
    #: It is over: its terminal was seen, or it is proven that none comes.
    ENDED = "ended"
    #: Waited for long enough, without proof. It may show itself again.
    FORGOTTEN = "forgotten"


#: Their turn waits for what comes of them.
WANTED = frozenset(
    {ResponseState.QUEUED, ResponseState.SENT, ResponseState.DOUBTED, ResponseState.ACTIVE}
)
#: The server named them, and their terminal was not seen.
RUNNING = frozenset({ResponseState.ACTIVE, ResponseState.CANCELLING})
#: On the wire, and not answered.
PENDING = frozenset(
    {
        ResponseState.SENT,
        ResponseState.DOUBTED,
        ResponseState.UNANSWERED,
        ResponseState.PROBED,
    }
)
#: The lane is free of them.
OVER = frozenset({ResponseState.ENDED, ResponseState.FORGOTTEN})


class ConnectionState(Word):
    """Where the connection stands, as far as evidence goes."""

    UP = "up"
    #: A create did not leave in time; until something passes nothing is sent.
    UNPROVEN = "unproven"
    #: Its loss was told.
    DOWN = "down"
    #: The session below cannot be used any more. Final.
    DEAD = "dead"


class SpeechState(Word):
    """Where the user's speech stands, and what server VAD owes for it (G18, G24)."""

    #: Nothing was heard of it so far: the server may not tell.
    UNHEARD = "unheard"
    SILENT = "silent"
    SPEAKING = "speaking"
    #: The same, and an earlier committed turn is not answered yet.
    SPEAKING_OWED = "speaking, an answer owed"
    #: For longer than is waited for; its end may come yet.
    SPEAKING_ON = "speaking on"
    #: It ended: the server may answer.
    ANSWER_DUE = "answer due"
    #: It ended and was committed: the server owes an answer.
    ANSWER_OWED = "answer owed"
    #: The answer did not come in time. It may yet, and nothing waits for it.
    ANSWER_MISSED = "answer missed"


class PlaybackState(Word):
    """Where the playback of one message stands."""

    #: Handed out, its turn to play has not come.
    WAITING = "waiting"
    #: The host forwards it to the user.
    PLAYING = "playing"
    #: The host paused the sink within it.
    PAUSED = "paused"
    #: Final. `MessageOutcome` says what was heard.
    FINISHED = "finished"


class MessageOutcome(Enum):
    """What the user heard of one message."""

    FULL = "full"
    PARTIAL = "partial"
    SKIPPED = "skipped"


class Correction(Enum):
    """What was done about the server's memory of a message."""

    NONE = "none"
    #: The server was asked to cut it.
    CUT = "cut"
    #: The server was asked to delete it.
    REMOVED = "removed"
    #: The host had it deleted: nothing more is made of what the server keeps of it. Final.
    RELEASED = "released"


class Origin(Enum):
    """Who asked for the response."""

    #: ``generate_reply()``.
    CLIENT = "client"
    #: The server's own voice activity detection.
    SERVER_VAD = "server_vad"
    #: The application put a ``response.create`` on the wire itself (``send_event``).
    APPLICATION = "application"


class Activity(Enum):
    """What a session is doing, as seen from outside."""

    #: No turn is alive.
    IDLE = "idle"
    #: A turn wants a response and has none yet.
    REQUESTED = "requested"
    #: A response was acknowledged, nothing of it is heard yet.
    THINKING = "thinking"
    #: A message is being played.
    SPEAKING = "speaking"
    #: A turn failed and is tried again.
    RECOVERING = "recovering"


class ErrorKind(Enum):
    """What an error means for a turn. See `realtime_fsm.classify`."""

    TRANSIENT = "transient"
    FATAL = "fatal"
    CONFLICT = "conflict"
    CLIENT_BUG = "client_bug"
    SESSION_END = "session_end"
    #: A normal end that is not a completion: ``max_output_tokens``, ``content_filter``.
    NORMAL = "normal"
    #: ``completed`` without any output.
    EMPTY = "empty"
    UNKNOWN = "unknown"
