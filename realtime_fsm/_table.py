"""The turn machine: every rule about where a turn can go, and nothing else.

Theory of operation
-------------------

One turn is one thing the assistant was asked, or decided by server VAD, to say. The controller
turns what it receives into the events below and fires them at the turn that owns the response
(G3). Rows are tried in order; the first whose guard holds is taken. ``dest=None`` is internal:
the state stays, the effect runs. A (state, event) without a row cannot happen here; the
controller counts it and goes on (G25).

Generation (the server's side) and playback (the user's side) end at different times. Playback
has its own small record per message (`realtime_fsm._playback`); it reaches this table as
PLAYBACK_OVER and through the guard ``heard``.

What is not in the table: who gets the lane, when a deadline is due, which turn owns an id. That is
the controller's, and none of it moves a turn by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Optional, Union

from . import _rules as R
from ._states import TurnState as S
from ._turn import Turn


class TurnEvent(Enum):
    """What can happen to a turn. The value says where it comes from."""

    LANE_FREE = "the lane is this turn's"
    RESPONSE_CREATED = "response.created"
    CREATE_CONFLICT = "error: conversation_already_has_active_response"
    CREATE_REFUSED = "error that answers the response.create"
    CREATE_TIMEOUT = "timer: the response.create stays unanswered"
    ITEM_STARTED = "response.output_item.added, message or function call"
    OUTPUT_RECEIVED = "first delta of a message"
    CALL_RECEIVED = "response.output_item.done, function call"
    RESPONSE_COMPLETED = "response.done, completed"
    RESPONSE_INCOMPLETE = "response.done, incomplete"
    RESPONSE_CANCELLED = "response.done, cancelled"
    RESPONSE_FAILED = "response.done, failed"
    STALLED = "timer: the server went silent within a response"
    CONNECTION_LOST = "the connection is gone or was replaced"
    BACKOFF_OVER = "timer: the backoff is over and the lane is free"
    RECOVERY_DEADLINE = "timer: recovery has taken too long"
    INTERRUPTED = "interrupt() or a cancelled future"
    SUPERSEDED = "a newer turn was asked"
    PLAYBACK_OVER = "every message handed out has its outcome"
    PLAYBACK_TIMEOUT = "timer: the sink's report is missing"
    CANCEL_TIMEOUT = "timer: the terminal or the sink's report is missing"
    SESSION_FAILED = "the session below is dead"
    CLOSED = "the host closes"


E = TurnEvent

TIMERS = frozenset(
    {
        E.CREATE_TIMEOUT,
        E.STALLED,
        E.BACKOFF_OVER,
        E.RECOVERY_DEADLINE,
        E.PLAYBACK_TIMEOUT,
        E.CANCEL_TIMEOUT,
    }
)

Guard = Callable[[Turn, R.Step], bool]
Effect = Callable[[Turn, R.Step], None]


class Row(NamedTuple):
    """One rule, or several that differ only in source or event."""

    source: Union[S, tuple[S, ...]]
    event: Union[E, tuple[E, ...]]
    dest: Optional[S]
    guard: Optional[Guard]
    effect: Optional[Effect]
    reason: str


INITIAL = S.REQUESTED

#: Ways an acknowledged attempt ends that are worth another one; completed if it was empty.
CUT = (E.RESPONSE_FAILED, E.STALLED, E.CONNECTION_LOST)
BROKE = (*CUT, E.RESPONSE_COMPLETED)
#: Ways an unacknowledged one does; some servers send ``response.done`` without ``created``.
UNHEEDED = (E.CREATE_REFUSED, E.CREATE_TIMEOUT, E.RESPONSE_FAILED, E.RESPONSE_COMPLETED)
#: The server's last word on a cancelled response, whichever it is.
SETTLED = (
    E.RESPONSE_COMPLETED, E.RESPONSE_INCOMPLETE, E.RESPONSE_CANCELLED, E.RESPONSE_FAILED,
    E.CREATE_REFUSED, E.CONNECTION_LOST,
)  # fmt: skip
LATE = (E.OUTPUT_RECEIVED, E.CALL_RECEIVED)

# fmt: off
TABLE: tuple[Row, ...] = (
    # source        event                   dest           guard              effect                 reason
    Row(S.REQUESTED,  E.LANE_FREE,            None,          R.is_waiting,      R.send_create,         "one response.create alive (G1)"),
    Row(S.REQUESTED,  E.RESPONSE_CREATED,     S.CREATED,     R.nobody_awaits,   R.adopt_and_announce,  "nobody asked: the host waits from here on (G27)"),
    Row(S.REQUESTED,  E.RESPONSE_CREATED,     S.CREATED,     None,              R.adopt_response,      "matched by client event id, never by order (G3)"),
    Row(S.REQUESTED,  E.CREATE_CONFLICT,      None,          R.may_ask_again,   R.keep_request,        "our picture was stale; keep the request (G20)"),
    Row(S.REQUESTED,  E.CREATE_CONFLICT,      S.FAILED,      None,              R.fail,                "the lane never becomes ours"),
    Row(S.REQUESTED,  UNHEEDED,               S.RETRY_WAIT,  R.may_retry,       R.schedule_retry,      "nothing was handed out (G9)"),
    Row(S.REQUESTED,  UNHEEDED,               S.FAILED,      None,              R.fail,                "fatal, or the budget is spent (G10)"),
    Row(S.REQUESTED,  E.RESPONSE_INCOMPLETE,  S.DONE,        None,              R.finish_incomplete,   "response.done without created"),
    Row(S.REQUESTED,  E.RESPONSE_CANCELLED,   S.DONE,        None,              R.finish_interrupted,  "response.done without created"),
    Row(S.REQUESTED,  E.CONNECTION_LOST,      None,          R.not_sent,        R.wait_for_connection, "not on the wire yet: nothing is lost (G19)"),
    Row(S.REQUESTED,  E.CONNECTION_LOST,      S.RETRY_WAIT,  R.may_retry,       R.schedule_retry,      "what a reconnect discards is re-issued (G19)"),
    Row(S.REQUESTED,  E.CONNECTION_LOST,      S.FAILED,      None,              R.fail,                "the budget is spent"),
    Row(S.REQUESTED,  E.RECOVERY_DEADLINE,    S.FAILED,      None,              R.fail_late,           "the speech queue waits no longer"),
    Row(S.REQUESTED,  E.INTERRUPTED,          S.DONE,        R.is_waiting,      R.finish_interrupted,  "never asked for"),
    Row(S.REQUESTED,  E.INTERRUPTED,          S.CANCELLING,  None,              R.cancel,              "its response may still come (G4)"),

    Row(S.CREATED,    E.ITEM_STARTED,         S.STREAMING,   None,              R.begin_item,          "first output item"),
    Row(S.CREATED,    BROKE,                  S.RETRY_WAIT,  R.may_retry,       R.schedule_retry,      "nothing was handed out (G9)"),
    Row(S.CREATED,    BROKE,                  S.FAILED,      None,              R.fail,                "fatal, or the budget is spent (G10)"),
    Row(S.CREATED,    E.RESPONSE_INCOMPLETE,  S.DONE,        None,              R.finish_incomplete,   "the provider's limit; no retry, visible (G8)"),
    Row(S.CREATED,    E.RESPONSE_CANCELLED,   S.DONE,        None,              R.finish_interrupted,  "the server cancelled it (turn_detected)"),
    Row(S.CREATED,    E.INTERRUPTED,          S.CANCELLING,  None,              R.cancel,              "cancel by id, once (G6)"),

    Row(S.STREAMING,  E.ITEM_STARTED,         None,          None,              R.begin_item,          "message N+1 of the same response (G13)"),
    Row(S.STREAMING,  E.OUTPUT_RECEIVED,      None,          None,              R.expose_message,      "from here it cannot be taken back"),
    Row(S.STREAMING,  E.CALL_RECEIVED,        None,          None,              R.hand_out_call,       "each call once (G17)"),
    Row(S.STREAMING,  E.RESPONSE_COMPLETED,   S.DONE,        R.spoke_and_heard, R.finish_completed,    "generation and playback are over"),
    Row(S.STREAMING,  E.RESPONSE_COMPLETED,   None,          R.spoke,           R.end_completed,       "playback goes on"),
    Row(S.STREAMING,  BROKE,                  S.RETRY_WAIT,  R.may_retry,       R.schedule_retry,      "items, but nothing in them was handed out (G9)"),
    Row(S.STREAMING,  CUT,                    S.RETRY_WAIT,  R.may_regenerate_now, R.schedule_retry,   "heard to the end already: go on from there"),
    Row(S.STREAMING,  CUT,                    None,          R.may_regenerate,  R.play_out,            "what was received plays out, then the rest is asked for"),
    Row(S.STREAMING,  CUT,                    None,          R.still_playing,   R.end_failed,          "what was received plays out"),
    Row(S.STREAMING,  BROKE,                  S.FAILED,      None,              R.fail,                "nothing plays any more"),
    Row(S.STREAMING,  E.RESPONSE_INCOMPLETE,  S.DONE,        R.heard,           R.finish_incomplete,   "the provider's limit, visible (G8)"),
    Row(S.STREAMING,  E.RESPONSE_INCOMPLETE,  None,          None,              R.end_incomplete,      "what was received plays out"),
    Row(S.STREAMING,  E.RESPONSE_CANCELLED,   S.DONE,        R.heard,           R.finish_interrupted,  "the server cancelled it (turn_detected)"),
    Row(S.STREAMING,  E.RESPONSE_CANCELLED,   None,          None,              R.end_interrupted,     "what was received plays out"),
    Row(S.STREAMING,  E.PLAYBACK_OVER,        S.RETRY_WAIT,  R.replaces_in_time, R.regenerate,         "heard to the end: go on from there"),
    Row(S.STREAMING,  E.PLAYBACK_OVER,        S.FAILED,      R.replaces,        R.fail_late,           "nobody listens any more"),
    Row(S.STREAMING,  E.PLAYBACK_OVER,        S.FAILED,      R.ends_failed,     R.fail,                "the failure was reported when it happened"),
    Row(S.STREAMING,  E.PLAYBACK_OVER,        S.DONE,        R.generated,       R.finish,              "generation and playback are over"),
    Row(S.STREAMING,  E.PLAYBACK_OVER,        None,          None,              None,                  "more is being generated"),
    Row(S.STREAMING,  E.PLAYBACK_TIMEOUT,     S.FAILED,      R.replaces,        R.fail_late,           "the sink never reported (G14)"),
    Row(S.STREAMING,  E.PLAYBACK_TIMEOUT,     S.FAILED,      R.ends_failed,     R.fail,                "the sink never reported (G14)"),
    Row(S.STREAMING,  E.PLAYBACK_TIMEOUT,     S.DONE,        None,              R.finish,              "the sink never reported (G14)"),
    Row(S.STREAMING,  E.SESSION_FAILED,       None,          R.generated_and_playing, None,             "it is all here and plays out"),
    Row(S.STREAMING,  E.SESSION_FAILED,       None,          R.still_playing,   R.end_failed,          "what was received plays out"),
    Row(S.STREAMING,  E.INTERRUPTED,          S.CANCELLING,  None,              R.cancel,              "cancel by id, once (G6)"),

    Row(S.RETRY_WAIT, E.BACKOFF_OVER,         S.REQUESTED,   None,              R.ask_again,           "the same turn, the same handle"),
    Row(S.RETRY_WAIT, E.RECOVERY_DEADLINE,    S.FAILED,      None,              R.fail_late,           "the speech queue waits no longer"),
    Row(S.RETRY_WAIT, E.INTERRUPTED,          S.DONE,        None,              R.finish_interrupted,  "nothing is alive"),
    Row(S.RETRY_WAIT, E.SUPERSEDED,           S.DONE,        None,              R.finish_superseded,   "one reply, to the latest turn"),

    Row(S.CANCELLING, E.RESPONSE_CREATED,     None,          None,              R.adopt_and_cancel,    "late: cancel by id, swallow the rest (G4)"),
    Row(S.CANCELLING, E.ITEM_STARTED,         None,          None,              R.begin_item,          "to be deleted: the server keeps it (G16)"),
    Row(S.CANCELLING, LATE,                   None,          None,              None,                  "output of a cancelled response"),
    Row(S.CANCELLING, SETTLED,                S.DONE,        R.heard,           R.finish_interrupted,  "terminal and playback are in"),
    Row(S.CANCELLING, SETTLED,                None,          None,              None,                  "the sink has still to report"),
    Row(S.CANCELLING, E.CREATE_CONFLICT,      S.DONE,        None,              R.finish_interrupted,  "never a response; what plays was over before it was asked"),
    Row(S.CANCELLING, E.PLAYBACK_OVER,        S.DONE,        R.attempt_over,    R.finish_interrupted,  "terminal and playback are in"),
    Row(S.CANCELLING, E.PLAYBACK_OVER,        None,          None,              None,                  "the terminal has still to come (G5)"),
    Row(S.CANCELLING, E.INTERRUPTED,          None,          None,              None,                  "a second interrupt changes nothing (G6)"),
    Row(S.CANCELLING, E.CANCEL_TIMEOUT,       S.DONE,        None,              R.finish_interrupted,  "nothing may hang"),
    Row(S.CANCELLING, E.SESSION_FAILED,       S.DONE,        None,              R.finish_interrupted,  "no terminal will come"),

    Row((S.REQUESTED, S.CREATED, S.STREAMING, S.RETRY_WAIT),
                      E.SESSION_FAILED,       S.FAILED,      None,              R.fail,                "no attempt can succeed (G10)"),
    Row((S.REQUESTED, S.CREATED, S.STREAMING, S.RETRY_WAIT, S.CANCELLING),
                      E.CLOSED,               S.DONE,        None,              R.finish_interrupted,  "no stream, future or timer outlives the session (G7)"),
)
# fmt: on
