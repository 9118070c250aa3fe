"""What can happen to a turn, to a response and to a message; and which part of a session says so.

The machines know of each other by these alone: a row of one table tells another machine (its column
``tells``), and that is an event there. `TOLD_BY` has the other sources; the picture of the whole is
drawn from both.
"""

from __future__ import annotations

from enum import Enum

from .connection import ConnectionEvent
from .states import Word


class TurnEvent(Word):
    """What can happen to a turn. The value says where it comes from."""

    LANE_FREE = "the lane is this turn's"
    RESPONSE_CREATED = "response.created"
    RESPONSE_ADOPTED = "response.created, of an attempt that was given up"
    ANSWER_REFUSED = "error: server VAD could not start the response that it owed"
    CREATE_CONFLICT = "error: conversation_already_has_active_response"
    CREATE_REFUSED = "error that answers the response.create"
    CREATE_DOUBTED = "timer: the response.create is unanswered for long"
    CREATE_TIMEOUT = "timer: the response.create stays unanswered"
    CREATE_STUCK = "timer: the response.create does not leave"
    ITEM_STARTED = "response.output_item.added, message or function call"
    OUTPUT_RECEIVED = "first delta of a message"
    CALL_RECEIVED = "response.output_item.done, function call"
    ACTION_STARTED = "response.output_item.added, something the server does by itself"
    RESPONSE_COMPLETED = "response.done, completed"
    RESPONSE_INCOMPLETE = "response.done, incomplete"
    RESPONSE_CANCELLED = "response.done, cancelled"
    RESPONSE_FAILED = "response.done, failed"
    RESPONSE_FORGOTTEN = "timer: the response's terminal never came"
    STALL_DOUBTED = "timer: nothing comes of a response that was handed out in part"
    STALLED = "timer: the server went silent within a response"
    CONNECTION_LOST = "the connection is gone or was replaced"
    CONNECTION_READY = "there is a connection"
    BACKOFF_OVER = "timer: the backoff is over and the lane is free"
    RECOVERY_DEADLINE = "timer: recovery has taken too long"
    LIMIT_TOLD = "rate_limits.updated: when the exhausted ones are reset"
    USER_SILENT = "the user's speech is dealt with"
    INTERRUPTED = "interrupt() or a cancelled future"
    SUPERSEDED = "a newer turn was asked"
    SPEECH_OVER = "the host is done with its speech"
    ANNOUNCEMENT_LOST = "the host does not read the generation it was told of"
    PLAYBACK_OVER = "every message handed out has its outcome"
    PLAYBACK_TIMEOUT = "timer: the sink's report is missing"
    CANCEL_TIMEOUT = "timer: the terminal or the sink's report is missing"
    SESSION_FAILED = "the session below is dead"
    CLOSED = "the host closes"


class ResponseEvent(Word):
    """What can happen to a response. The value says where it comes from."""

    LEFT = "its response.create is on the wire"
    NOT_SENT = "its response.create could not be sent"
    GIVEN_UP_BELOW = "what is below the driver cancels it, should it still come"
    QUEUE_LOST = "what its response.create was queued in is replaced"
    CREATED = "response.created"
    CONFLICT = "error: conversation_already_has_active_response, for its create"
    REFUSED = "error that answers its create"
    NOTHING_TO_CANCEL = "error: nothing to cancel, for its cancel or its probe"
    SUCCEEDED = "response.created: another has the slot"
    NAMED = "error: a conflict names it; or response.created once more"
    ITEM_STARTED = "response.output_item.added"
    OUTPUT_RECEIVED = "a delta of a message that was not handed out"
    STRAY_OUTPUT = "a delta of an item that was never added"
    LATE_OUTPUT = "a delta of a message that was handed out, of which nothing more is"
    CALL_RECEIVED = "response.output_item.done, function call"
    ACTION_STARTED = "response.output_item.added, something the server does by itself"
    ACTION_ENDED = "response.output_item.done of it"
    COMPLETED = "response.done, completed"
    INCOMPLETE = "response.done, incomplete"
    CANCELLED = "response.done, cancelled"
    FAILED = "response.done, failed"
    ABANDONED = "its turn waits for nothing of it any more"
    DEADLINE = "timer: its state lasts too long"
    CONNECTION_LOST = "the connection is gone or was replaced"
    CONNECTION_READY = "there is a connection"
    SESSION_FAILED = "the session below is dead"


class PlaybackEvent(Word):
    """What can happen to the playback of a message."""

    PULLED = "the host begins to forward it"
    STARTED = "playback_started"
    PAUSED = "the host pauses the sink: perhaps the user speaks"
    RESUMED = "the user did not mean it"
    REPORTED = "playback_finished"
    TRUNCATED = "the host cut it itself"
    NEXT_PULLED = "the host begins to forward the next one"
    SPEECH_OVER = "timer, or the host is done with the speech"


class Source(Enum):
    """Who tells the machines, besides each other."""

    HOST = "host"
    SINK = "sink"
    SERVER = "server"
    DRIVER = "driver"
    CONNECTION = "connection"
    SPEECH = "user's speech"
    LANE = "lane"
    TIMER = "timers"


_T, _R, _P, _S = TurnEvent, ResponseEvent, PlaybackEvent, Source

#: The events that come from outside the three machines.
TOLD_BY: dict[Source, tuple[Enum, ...]] = {
    _S.HOST: (
        *(_T.INTERRUPTED, _T.SPEECH_OVER, _T.ANNOUNCEMENT_LOST, _T.CLOSED),
        *(_P.PULLED, _P.NEXT_PULLED, _P.PAUSED, _P.RESUMED, _P.TRUNCATED),
    ),
    _S.SINK: (_P.STARTED, _P.REPORTED),
    _S.SERVER: (
        *(_T.LIMIT_TOLD, _T.ANSWER_REFUSED),
        *(_R.CREATED, _R.CONFLICT, _R.REFUSED, _R.NOTHING_TO_CANCEL),
        *(_R.NAMED, _R.SUCCEEDED, _R.ITEM_STARTED, _R.OUTPUT_RECEIVED),
        *(_R.STRAY_OUTPUT, _R.LATE_OUTPUT, _R.CALL_RECEIVED),
        *(_R.ACTION_STARTED, _R.ACTION_ENDED),
        *(_R.COMPLETED, _R.INCOMPLETE, _R.CANCELLED, _R.FAILED),
    ),
    _S.DRIVER: (_R.LEFT, _R.NOT_SENT, _R.GIVEN_UP_BELOW),
    _S.CONNECTION: (
        *(_T.CONNECTION_LOST, _T.CONNECTION_READY, _T.SESSION_FAILED),
        *(_R.CONNECTION_LOST, _R.CONNECTION_READY, _R.SESSION_FAILED, _R.QUEUE_LOST),
    ),
    _S.SPEECH: (_T.USER_SILENT,),
    _S.LANE: (_T.LANE_FREE, _T.BACKOFF_OVER, _T.SUPERSEDED),
    _S.TIMER: (
        *(
            _T.STALL_DOUBTED,
            _T.STALLED,
            _T.RECOVERY_DEADLINE,
            _T.PLAYBACK_TIMEOUT,
            _T.CANCEL_TIMEOUT,
        ),
        _R.DEADLINE,
    ),
}

__all__ = ["TOLD_BY", "ConnectionEvent", "PlaybackEvent", "ResponseEvent", "Source", "TurnEvent"]
