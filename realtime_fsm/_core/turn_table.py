"""The turn machine: every rule about where a turn can go, and nothing else.

Theory of operation
-------------------

One turn is one thing the assistant was asked, or decided by server VAD, to say. What the server says
goes to the response that owns it (G3, `realtime_fsm._core.response_table`), whose rows tell the turn; what the
sink says goes to a message (`realtime_fsm._core.playback_table`), whose rows tell it when playback is over.
So generation and playback may end at different times.

Rows are tried in order; the first whose guard holds is taken. ``dest=None`` is internal: the state
stays, the effect runs. ``tells`` is an event for another machine: the response of the turn's present
attempt, or its messages. It is applied when the row is done. A (state, event) without a row cannot
happen here; the session counts it and goes on (G25).

What is not in the tables: who gets the lane, when a deadline is due, who owns an id. That is the
session's, and none of it moves anything by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Optional, Union

from . import turn_effects as X
from . import turn_guards as G
from .machine_events import PlaybackEvent, ResponseEvent, TurnEvent
from .records import Turn
from .states import TurnState as S
from .step import Step

E = TurnEvent

TIMERS = frozenset(
    {
        E.CREATE_DOUBTED,
        E.CREATE_TIMEOUT,
        E.CREATE_STUCK,
        E.STALL_DOUBTED,
        E.STALLED,
        E.BACKOFF_OVER,
        E.RECOVERY_DEADLINE,
        E.PLAYBACK_TIMEOUT,
        E.CANCEL_TIMEOUT,
    }
)

Guard = Callable[[Turn, Step], bool]
Effect = Callable[[Turn, Step], None]


class Row(NamedTuple):
    """One rule, or several that differ only in source or event."""

    source: Union[S, tuple[S, ...]]
    event: Union[E, tuple[E, ...]]
    dest: Optional[S]
    guard: Optional[Guard]
    effect: Optional[Effect]
    tells: Union[ResponseEvent, PlaybackEvent, None]
    reason: str


INITIAL = S.REQUESTED

#: Nothing of the attempt is waited for any more.
DROP = ResponseEvent.ABANDONED
#: Nothing of the turn plays any more.
HUSH = PlaybackEvent.SPEECH_OVER

#: Ways an acknowledged attempt ends that are worth another one; completed if it was empty.
CUT = (E.RESPONSE_FAILED, E.STALLED, E.CONNECTION_LOST)
BROKE = (*CUT, E.RESPONSE_COMPLETED)
#: Ways an unacknowledged one does; some servers send ``response.done`` without ``created``.
UNHEEDED = (E.CREATE_REFUSED, E.CREATE_TIMEOUT, E.RESPONSE_FAILED, E.RESPONSE_COMPLETED)
#: The last word on a cancelled response, whichever it is.
SETTLED = (
    E.RESPONSE_COMPLETED, E.RESPONSE_INCOMPLETE, E.RESPONSE_CANCELLED, E.RESPONSE_FAILED,
    E.RESPONSE_FORGOTTEN, E.CONNECTION_LOST,
)  # fmt: skip
#: The create came to nothing.
NEVER = (E.CREATE_REFUSED, E.CREATE_CONFLICT)

# fmt: off
TABLE: tuple[Row, ...] = (
    # source        event                   dest           guard              effect                 tells  reason
    Row(S.REQUESTED,  E.LANE_FREE,            None,          G.is_waiting,      X.send_create,         None, "one response.create alive (G1)"),
    Row(S.REQUESTED,  E.RESPONSE_CREATED,     S.CREATED,     G.is_awaited_below, X.take_over,          None, "asked for below us: say()"),
    Row(S.REQUESTED,  E.RESPONSE_CREATED,     S.CREATED,     G.is_waiting,      X.take_over_and_announce, None, "the server began it: the host waits from here on (G27)"),
    Row(S.REQUESTED,  E.RESPONSE_CREATED,     S.CREATED,     G.nobody_asked,    X.announce,            None, "no call of the host waits: it does from here on (G27)"),
    Row(S.REQUESTED,  E.RESPONSE_CREATED,     S.CREATED,     None,              X.note_created,        None, "matched by client event id, never by order (G3)"),
    Row(S.REQUESTED,  E.CREATE_DOUBTED,       None,          None,              X.tell_doubt,          None, "the application may say so (G4)"),
    Row(S.REQUESTED,  E.CREATE_CONFLICT,      None,          G.may_ask_again,   X.keep_request,        None, "our picture was stale; keep the request (G20)"),
    Row(S.REQUESTED,  E.CREATE_CONFLICT,      S.FAILED,      None,              X.end_failed,          None, "the lane never becomes ours"),
    Row(S.REQUESTED,  E.CREATE_STUCK,         S.FAILED,      None,              X.end_failed,          None, "it may still leave: a second one would collide with it"),
    Row(S.REQUESTED,  UNHEEDED,               S.RETRY_WAIT,  G.may_retry,       X.schedule_retry,      None, "nothing was handed out (G9)"),
    Row(S.REQUESTED,  UNHEEDED,               S.FAILED,      None,              X.end_failed,          None, "fatal, or the budget is spent (G10)"),
    Row(S.REQUESTED,  E.ANSWER_REFUSED,       S.RETRY_WAIT,  G.may_retry,       X.schedule_retry,      None, "the answer is owed: we ask for it (G18)"),
    Row(S.REQUESTED,  E.ANSWER_REFUSED,       S.FAILED,      None,              X.end_failed,          None, "fatal, or there is no budget (G10)"),
    Row(S.REQUESTED,  E.RESPONSE_INCOMPLETE,  S.DONE,        None,              X.end_incomplete,      None, "response.done without created"),
    Row(S.REQUESTED,  E.RESPONSE_CANCELLED,   S.DONE,        None,              X.end_interrupted,     None, "response.done without created"),
    Row(S.REQUESTED,  E.CONNECTION_LOST,      None,          G.is_waiting,      X.start_clock,         None, "nothing is lost, but the wait for a new one ends"),
    Row(S.REQUESTED,  E.CONNECTION_LOST,      S.RETRY_WAIT,  G.may_retry,       X.schedule_retry,      None, "what a reconnect discards is re-issued (G19)"),
    Row(S.REQUESTED,  E.CONNECTION_LOST,      S.FAILED,      None,              X.end_failed,          None, "the budget is spent"),
    Row(S.REQUESTED,  E.CONNECTION_READY,     None,          None,              X.stop_clock,          None, "it waits for the lane now"),
    Row(S.REQUESTED,  E.RECOVERY_DEADLINE,    S.FAILED,      None,              X.fail_late,           DROP, "the speech queue waits no longer"),
    Row(S.REQUESTED,  E.INTERRUPTED,          S.DONE,        G.is_waiting,      X.end_interrupted,     None, "never asked for"),
    Row(S.REQUESTED,  E.INTERRUPTED,          S.CANCELLING,  None,              X.begin_cancelling,    DROP, "its response may still come (G4)"),
    Row(S.REQUESTED,  E.SPEECH_OVER,          S.FAILED,      G.has_failed,      X.fail_late,           DROP, "nobody listens any more to the retry"),
    Row(S.REQUESTED,  E.SPEECH_OVER,          S.DONE,        G.is_waiting,      X.end_interrupted,     None, "nobody listens any more; never asked for"),
    Row(S.REQUESTED,  E.SPEECH_OVER,          S.CANCELLING,  None,              X.begin_cancelling,    DROP, "nobody listens any more; its response may still come"),
    Row(S.REQUESTED,  E.SUPERSEDED,           S.DONE,        G.failed_for_the_user, X.end_superseded, DROP, "one question, one answer: server VAD came first (G9)"),
    Row(S.REQUESTED,  E.SUPERSEDED,           None,          None,              None,                  None, "what was asked for is owed"),
    Row(S.REQUESTED,  E.RESPONSE_ADOPTED,     S.CREATED,     None,              X.adopt,               DROP, "what comes late is heard; what was asked since is given up (G4)"),

    Row(S.CREATED,    E.ITEM_STARTED,         S.STREAMING,   None,              X.begin_item,          None, "first output item"),
    Row(S.CREATED,    E.CALL_RECEIVED,        S.STREAMING,   None,              X.hand_out_call,       None, "its response.output_item.added was lost"),
    Row(S.CREATED,    E.ACTION_STARTED,       S.STREAMING,   None,              X.note_action,         None, "the server acts: never asked for twice (G28)"),
    Row(S.CREATED,    BROKE,                  S.RETRY_WAIT,  G.may_retry,       X.schedule_retry,      DROP, "nothing was handed out (G9)"),
    Row(S.CREATED,    BROKE,                  S.FAILED,      None,              X.end_failed,          DROP, "fatal, or the budget is spent (G10)"),
    Row(S.CREATED,    E.RESPONSE_INCOMPLETE,  S.DONE,        None,              X.end_incomplete,      DROP, "the provider's limit; no retry, visible (G8)"),
    Row(S.CREATED,    E.RESPONSE_CANCELLED,   S.DONE,        None,              X.end_interrupted,     DROP, "the server cancelled it (turn_detected)"),
    Row(S.CREATED,    E.INTERRUPTED,          S.CANCELLING,  None,              X.begin_cancelling,    DROP, "cancel by id, once (G6)"),
    Row(S.CREATED,    E.SPEECH_OVER,          S.FAILED,      G.has_failed,      X.fail_late,           DROP, "nobody listens any more to the retry"),
    Row(S.CREATED,    E.SPEECH_OVER,          S.CANCELLING,  None,              X.begin_cancelling,    DROP, "nobody listens any more"),

    Row(S.STREAMING,  E.ITEM_STARTED,         None,          None,              X.begin_item,          None, "message N+1 of the same response (G13)"),
    Row(S.STREAMING,  E.OUTPUT_RECEIVED,      None,          None,              X.deliver_message,     None, "from here it cannot be taken back"),
    Row(S.STREAMING,  E.CALL_RECEIVED,        None,          None,              X.hand_out_call,       None, "each call once (G17)"),
    Row(S.STREAMING,  E.ACTION_STARTED,       None,          None,              X.note_action,         None, "the server acts: never asked for twice (G28)"),
    Row(S.STREAMING,  E.STALL_DOUBTED,        None,          None,              X.tell_stall,          None, "it may go on: plain LiveKit waits as well (G27)"),
    Row(S.STREAMING,  E.RESPONSE_COMPLETED,   S.DONE,        G.spoke_and_heard, X.end_completed,       None, "generation and playback are over"),
    Row(S.STREAMING,  E.RESPONSE_COMPLETED,   None,          G.spoke,           X.end_completed,       None, "playback goes on"),
    Row(S.STREAMING,  BROKE,                  S.RETRY_WAIT,  G.may_retry,       X.schedule_retry,      DROP, "items, but nothing in them was handed out (G9)"),
    Row(S.STREAMING,  CUT,                    S.RETRY_WAIT,  G.may_regenerate_now, X.schedule_retry,   DROP, "heard to the end already: go on from there"),
    Row(S.STREAMING,  CUT,                    None,          G.may_regenerate,  X.play_out,            DROP, "what was received plays out, then the rest is asked for"),
    Row(S.STREAMING,  CUT,                    None,          G.still_playing,   X.end_failed,          DROP, "what was received plays out"),
    Row(S.STREAMING,  BROKE,                  S.FAILED,      None,              X.end_failed,          DROP, "nothing plays any more"),
    Row(S.STREAMING,  E.RESPONSE_INCOMPLETE,  S.DONE,        G.heard,           X.end_incomplete,      DROP, "the provider's limit, visible (G8)"),
    Row(S.STREAMING,  E.RESPONSE_INCOMPLETE,  None,          None,              X.end_incomplete,      DROP, "what was received plays out"),
    Row(S.STREAMING,  E.RESPONSE_CANCELLED,   S.DONE,        G.heard,           X.end_interrupted,     DROP, "the server cancelled it (turn_detected)"),
    Row(S.STREAMING,  E.RESPONSE_CANCELLED,   None,          None,              X.end_interrupted,     DROP, "what was received plays out"),
    Row(S.STREAMING,  E.SPEECH_OVER,          None,          None,              X.end_speech,          HUSH, "what was not reported is not waited for (G14)"),
    Row(S.STREAMING,  E.PLAYBACK_OVER,        S.RETRY_WAIT,  G.replaces_in_time, X.regenerate,         None, "heard to the end: go on from there"),
    Row(S.STREAMING,  E.PLAYBACK_OVER,        S.FAILED,      G.replaces,        X.fail_late,           None, "nobody listens any more"),
    Row(S.STREAMING,  E.PLAYBACK_OVER,        S.FAILED,      G.ends_failed,     None,                  None, "the failure was reported when it happened"),
    Row(S.STREAMING,  E.PLAYBACK_OVER,        S.DONE,        G.generated,       None,                  None, "generation and playback are over"),
    Row(S.STREAMING,  E.PLAYBACK_OVER,        None,          None,              None,                  None, "more is being generated"),
    Row(S.STREAMING,  E.PLAYBACK_TIMEOUT,     S.FAILED,      G.replaces,        X.fail_late,           None, "the sink never reported (G14)"),
    Row(S.STREAMING,  E.PLAYBACK_TIMEOUT,     S.FAILED,      G.ends_failed,     None,                  None, "the sink never reported (G14)"),
    Row(S.STREAMING,  E.PLAYBACK_TIMEOUT,     S.DONE,        None,              None,                  None, "the sink never reported (G14)"),
    Row(S.STREAMING,  E.SESSION_FAILED,       None,          G.generated_and_playing, None,            None, "it is all here and plays out"),
    Row(S.STREAMING,  E.SESSION_FAILED,       None,          G.still_playing,   X.end_failed,          DROP, "what was received plays out"),
    Row(S.STREAMING,  E.INTERRUPTED,          S.CANCELLING,  None,              X.begin_cancelling,    DROP, "cancel by id, once (G6)"),

    Row(S.RETRY_WAIT, E.RESPONSE_ADOPTED,     S.CREATED,     None,              X.adopt,               None, "what comes late is heard (G4)"),
    Row(S.RETRY_WAIT, E.BACKOFF_OVER,         S.REQUESTED,   None,              None,                  None, "the same turn, the same handle"),
    Row(S.RETRY_WAIT, E.LIMIT_TOLD,           None,          None,              X.heed_limit,          None, "a failure without a hint has one now"),
    Row(S.RETRY_WAIT, E.USER_SILENT,          None,          None,              X.run_clocks,          None, "they stood still while the user spoke"),
    Row(S.RETRY_WAIT, E.RECOVERY_DEADLINE,    S.FAILED,      None,              X.fail_late,           None, "the speech queue waits no longer"),
    Row(S.RETRY_WAIT, E.INTERRUPTED,          S.DONE,        None,              X.end_interrupted,     None, "nothing is alive"),
    Row(S.RETRY_WAIT, E.SPEECH_OVER,          S.FAILED,      None,              X.fail_late,           None, "nobody listens any more to the retry"),
    Row(S.RETRY_WAIT, E.SUPERSEDED,           S.DONE,        None,              X.end_superseded,      None, "one reply, to the latest turn"),

    Row(S.CANCELLING, E.RESPONSE_CREATED,     None,          None,              X.wait_for_terminal,   None, "late: it is cancelled by id, the rest swallowed (G4)"),
    Row(S.CANCELLING, E.ITEM_STARTED,         None,          None,              X.begin_item,          None, "a message that nobody is given"),
    Row(S.CANCELLING, SETTLED,                S.DONE,        G.heard,           None,                  None, "terminal and playback are in"),
    Row(S.CANCELLING, SETTLED,                None,          None,              None,                  None, "the sink has still to report"),
    Row(S.CANCELLING, NEVER,                  S.DONE,        None,              None,                  None, "never a response; what plays was over before it was asked"),
    Row(S.CANCELLING, E.SPEECH_OVER,          None,          None,              X.end_speech,          HUSH, "what was not reported is not waited for (G14)"),
    Row(S.CANCELLING, E.PLAYBACK_OVER,        S.DONE,        G.response_over,   None,                  None, "terminal and playback are in"),
    Row(S.CANCELLING, E.PLAYBACK_OVER,        None,          None,              None,                  None, "the terminal has still to come (G5)"),
    Row(S.CANCELLING, E.INTERRUPTED,          None,          None,              None,                  None, "a second interrupt changes nothing (G6)"),
    Row(S.CANCELLING, E.CANCEL_TIMEOUT,       S.DONE,        None,              None,                  None, "nothing may hang"),
    Row(S.CANCELLING, E.SESSION_FAILED,       S.DONE,        None,              None,                  None, "no terminal will come"),
    Row(S.CANCELLING, E.CLOSED,               S.DONE,        None,              None,                  None, "no stream, future or timer outlives the session (G7)"),

    Row((S.REQUESTED, S.CREATED, S.STREAMING, S.RETRY_WAIT, S.CANCELLING),
                      E.ANNOUNCEMENT_LOST,    None,          G.has_no_output, X.forget_announcement, None, "the host is told of the next one"),
    Row((S.REQUESTED, S.CREATED, S.STREAMING, S.RETRY_WAIT, S.CANCELLING),
                      E.ANNOUNCEMENT_LOST,    None,          None,              None,                  None, "the host has what was handed out"),
    Row((S.CREATED, S.STREAMING),
                      E.SESSION_FAILED,       S.FAILED,      None,              X.end_failed,          DROP, "no attempt can succeed (G10)"),
    Row((S.REQUESTED, S.RETRY_WAIT),
                      E.SESSION_FAILED,       S.FAILED,      None,              X.end_failed,          None, "no attempt can succeed (G10)"),
    Row((S.CREATED, S.STREAMING),
                      E.CLOSED,               S.DONE,        None,              X.end_interrupted,     DROP, "no stream, future or timer outlives the session (G7)"),
    Row((S.REQUESTED, S.RETRY_WAIT),
                      E.CLOSED,               S.DONE,        None,              X.end_interrupted,     None, "no stream, future or timer outlives the session (G7)"),
)
# fmt: on
