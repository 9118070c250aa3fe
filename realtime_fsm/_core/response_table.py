"""The response machine: every rule about one response, from its create to its proven terminal.

It answers three questions. May anything be sent: the lane is held while any response holds it (G1). Is
a cancel owed, and out already (G5, G6). Is its terminal proven, or was it only waited for long enough
(G4). What is said of a response comes here, by its id (G3), and the rows tell its turn, if that still
hears of it (`Turn.hears`).

As in the turn table rows are tried in order, ``dest=None`` stays, and ``tells`` is applied when the row
is done: to the turn, or to the connection. `TURN` is the turn's event of the same meaning.

A response begins in one of three ways (`BIRTHS`): we ask for it, the server starts it by itself, or a
conflict tells of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Optional, Union

from . import response_effects as X
from . import response_guards as G
from .machine_events import ConnectionEvent, ResponseEvent, TurnEvent
from .records import Response
from .states import ResponseState as S
from .step import Step

E, T, C = ResponseEvent, TurnEvent, ConnectionEvent

Guard = Callable[[Response, Step], bool]
Effect = Callable[[Response, Step], None]
Tells = Union[None, TurnEvent, ConnectionEvent, Mapping[ResponseEvent, TurnEvent]]


class ResponseRow(NamedTuple):
    """One rule, or several that differ only in source or event."""

    source: Union[S, tuple[S, ...]]
    event: Union[ResponseEvent, tuple[ResponseEvent, ...]]
    dest: Optional[S]
    guard: Optional[Guard]
    effect: Optional[Effect]
    tells: Tells
    reason: str


BIRTHS = (S.QUEUED, S.ACTIVE, S.RUMOURED)
TIMERS = frozenset({E.DEADLINE})
#: The turn's own timers watch the first; in the others nothing waits.
UNTIMED = frozenset({S.ACTIVE, S.ENDED, S.FORGOTTEN})

#: What each event means to the turn.
TURN: dict[ResponseEvent, TurnEvent] = {
    E.NOT_SENT: T.CREATE_REFUSED,
    E.QUEUE_LOST: T.CREATE_REFUSED,
    E.REFUSED: T.CREATE_REFUSED,
    E.NOTHING_TO_CANCEL: T.CREATE_REFUSED,
    E.CONFLICT: T.CREATE_CONFLICT,
    E.CREATED: T.RESPONSE_CREATED,
    E.ITEM_STARTED: T.ITEM_STARTED,
    E.OUTPUT_RECEIVED: T.OUTPUT_RECEIVED,
    E.CALL_RECEIVED: T.CALL_RECEIVED,
    E.ACTION_STARTED: T.ACTION_STARTED,
    E.COMPLETED: T.RESPONSE_COMPLETED,
    E.INCOMPLETE: T.RESPONSE_INCOMPLETE,
    E.CANCELLED: T.RESPONSE_CANCELLED,
    E.FAILED: T.RESPONSE_FAILED,
    E.CONNECTION_LOST: T.CONNECTION_LOST,
}

#: ``response.done``, whatever it says.
DONE = (E.COMPLETED, E.INCOMPLETE, E.CANCELLED, E.FAILED)
#: The create comes to nothing.
NEVER = (E.NOT_SENT, E.QUEUE_LOST)
#: It left, nobody waits for it, and it is not answered.
ASKED_AFTER = (S.UNANSWERED, S.PROBED)
ON_WIRE = (S.SENT, S.DOUBTED, S.UNANSWERED, S.PROBED)
#: It left, and its turn waits for the answer.
AWAITED = (S.SENT, S.DOUBTED)
GONE = (S.ENDED, S.FORGOTTEN)

_ = ResponseRow

# fmt: off
RESPONSE_TABLE: tuple[ResponseRow, ...] = (
    # source         event                  dest           guard             effect                  tells                 reason
    _(S.QUEUED,      E.LEFT,                S.SENT,        None,             X.note_sent,            None,                 "its client event id correlates the rest (G3)"),
    _(S.QUEUED,      E.ABANDONED,           S.WITHDRAWN,   None,             X.wait_for_answer,      None,                 "it may still leave (G4)"),
    _(S.QUEUED,      E.DEADLINE,            S.WITHDRAWN,   None,             X.time_out_queued,      T.CREATE_STUCK,       "nothing leaves"),
    _(S.QUEUED,      E.CONNECTION_LOST,     None,          None,             X.wait_to_leave,        None,                 "it leaves with the next connection (G19)"),
    _(S.QUEUED,      E.CONNECTION_READY,    None,          None,             None,                   None,                 "its time to do so began with the loss"),

    _(S.WITHDRAWN,   E.LEFT,                S.UNANSWERED,  None,             X.note_sent,            None,                 "given up, and now on the wire"),
    _(S.WITHDRAWN,   E.DEADLINE,            None,          None,             X.stop_waiting,         C.STUCK,              "it holds the lane until it leaves"),
    _(S.WITHDRAWN,   E.CONNECTION_LOST,     None,          None,             None,                   None,                 "it may leave with the next connection"),
    _(S.WITHDRAWN,   E.CONNECTION_READY,    None,          None,             X.wait_for_answer,      None,                 "and has its time to do so"),
    _((S.QUEUED, S.WITHDRAWN),
                     NEVER,                 S.ENDED,       None,             None,                   TURN,                 "it never reached the server"),

    _(AWAITED,       E.CREATED,             S.ACTIVE,      None,             X.acknowledge,          TURN,                 "matched by its client event id (G3)"),
    _(AWAITED,       E.ABANDONED,           S.UNANSWERED,  None,             X.wait_a_moment,        None,                 "the lane stays closed (G4)"),
    _(AWAITED,       E.GIVEN_UP_BELOW,      S.UNANSWERED,  None,             X.leave_cancel_below,   T.CREATE_TIMEOUT,     "its response is cancelled below, should it come"),
    _(S.SENT,        E.DEADLINE,            S.DOUBTED,     G.has_time_left,  X.doubt,                T.CREATE_DOUBTED,     "asked by nothing that could cancel what is awaited (G4)"),
    _(AWAITED,       E.DEADLINE,            S.PROBED,      G.may_probe,      X.time_out_and_probe,   T.CREATE_TIMEOUT,     "an ordered wire: the answer proves what became of it"),
    _(AWAITED,       E.DEADLINE,            S.UNANSWERED,  None,             X.time_out,             T.CREATE_TIMEOUT,     "a bare cancel could hit another response (G6)"),
    _(ON_WIRE,       (E.REFUSED, E.CONFLICT), S.ENDED,     None,             None,                   TURN,                 "it settles exactly once (G2)"),
    _(ON_WIRE,       DONE,                  S.ENDED,       None,             X.note_id,              TURN,                 "some servers send no response.created"),
    _(ON_WIRE,       E.CONNECTION_LOST,     S.ENDED,       None,             None,                   TURN,                 "nothing crosses a reconnect (G19)"),

    _(ASKED_AFTER,   E.CREATED,             S.CANCELLING,  G.cancel_is_out,  X.acknowledge_late,     TURN,                 "late, and cancelled once already (G6)"),
    _(ASKED_AFTER,   E.CREATED,             S.ACTIVE,      G.is_missed,      X.adopt,                T.RESPONSE_ADOPTED,   "late, and its turn has nothing better (G4)"),
    _(ASKED_AFTER,   E.CREATED,             S.CANCELLING,  None,             X.cancel_late,          TURN,                 "late: cancel by id, swallow the rest (G4)"),
    _(ASKED_AFTER,   E.GIVEN_UP_BELOW,      None,          None,             X.note_cancel_below,    None,                 "its response is cancelled below, should it come"),
    _(S.UNANSWERED,  E.DEADLINE,            S.PROBED,      G.may_probe,      X.probe,                None,                 "an ordered wire: the answer proves what became of it"),
    _(S.UNANSWERED,  E.DEADLINE,            None,          None,             X.wait_for_answer,      None,                 "a bare cancel could hit another response (G6)"),
    _(S.PROBED,      E.NOTHING_TO_CANCEL,   S.ENDED,       None,             None,                   TURN,                 "it never became a response"),
    _(S.PROBED,      E.DEADLINE,            None,          G.is_missing,     None,                   C.SILENT,             "every server answers a cancel"),
    _(S.PROBED,      E.DEADLINE,            None,          G.nothing_came,   X.wait_for_a_sign,      None,                 "nobody waits: it may only be held up (G27)"),
    _(S.PROBED,      E.DEADLINE,            None,          G.probe_is_young, X.wait_for_probe,       None,                 "its answer may still come"),
    _(S.PROBED,      E.DEADLINE,            S.FORGOTTEN,   None,             None,                   T.RESPONSE_FORGOTTEN, "no answer; should it come, it is cancelled (G4)"),

    _(S.ACTIVE,      E.ITEM_STARTED,        None,          None,             X.note_item,            TURN,                 "the server keeps it from now on"),
    _(S.ACTIVE,      E.OUTPUT_RECEIVED,     None,          None,             X.note_delivery,        TURN,                 "it is handed out"),
    _(S.ACTIVE,      E.CALL_RECEIVED,       None,          None,             X.note_delivery,        TURN,                 "it is handed out"),
    _(S.ACTIVE,      E.ACTION_STARTED,      None,          None,             X.note_action,          TURN,                 "the server acts: that cannot be taken back (G28)"),
    _(S.ACTIVE,      E.ACTION_ENDED,        None,          None,             X.note_action_end,      None,                 "what follows has its time"),
    _(S.ACTIVE,      E.STRAY_OUTPUT,        None,          None,             X.note_item,            None,                 "nobody below can hand it out, but the server keeps it"),
    _(S.ACTIVE,      E.CANCELLED,           S.ENDED,       G.was_probed,     X.blame_probe,          T.RESPONSE_FAILED,    "our own probe hit it: it is asked for again"),
    _(S.ACTIVE,      DONE,                  S.ENDED,       None,             None,                   TURN,                 "its own terminal"),
    _(S.ACTIVE,      E.ABANDONED,           S.CANCELLING,  G.cancel_is_out,  X.wait_for_terminal,    None,                 "cancelled when a conflict named it: once is enough (G6)"),
    _(S.ACTIVE,      E.ABANDONED,           S.CANCELLING,  None,             X.cancel,               None,                 "cancel by id, once (G5, G6)"),
    _(S.ACTIVE,      E.NAMED,               None,          None,             None,                   None,                 "a conflict says what is known"),
    _(S.ACTIVE,      E.NOTHING_TO_CANCEL,   None,          None,             None,                   None,                 "it was not there yet when a conflict named it"),
    _(S.ACTIVE,      E.CONNECTION_LOST,     S.ENDED,       None,             None,                   TURN,                 "nothing crosses a reconnect (G19)"),
    _(S.ACTIVE,      E.CONNECTION_READY,    None,          None,             None,                   None,                 "the connection was taken for stuck, and is not"),

    _(S.CANCELLING,  E.ITEM_STARTED,        None,          None,             X.note_item,            TURN,                 "to be deleted: the server keeps it (G16)"),
    _(S.CANCELLING,  E.STRAY_OUTPUT,        None,          None,             X.note_item,            None,                 "to be deleted: the server keeps it (G16)"),
    _(S.CANCELLING,  (E.OUTPUT_RECEIVED, E.CALL_RECEIVED, E.ACTION_STARTED, E.ACTION_ENDED),
                                            None,          None,             None,                   None,                 "output of a cancelled response"),
    _(S.CANCELLING,  E.LATE_OUTPUT,         None,          None,             X.note_late,            None,                 "what was heard stays; this is cut off with its terminal (G16)"),
    _(S.CANCELLING,  DONE,                  S.ENDED,       None,             X.correct_memory,       TURN,                 "the barrier opens (G5)"),
    _(S.CANCELLING,  E.NOTHING_TO_CANCEL,   None,          None,             X.expect_terminal,      None,                 "the cancel raced its terminal, due at once or lost (G6)"),
    _(S.CANCELLING,  E.SUCCEEDED,           S.FORGOTTEN,   G.was_dropped,     None,                   T.RESPONSE_CANCELLED, "talked over and dropped: one slot (livekit/agents#6729)"),
    _(S.CANCELLING,  E.SUCCEEDED,           None,          None,             None,                   None,                 "it spoke, or was not server VAD's: it has its terminal"),
    _(S.CANCELLING,  E.NAMED,               None,          None,             X.note_activity,        None,                 "a conflict says that it lives (G20)"),
    _(S.CANCELLING,  E.ABANDONED,           None,          None,             None,                   None,                 "given up before"),
    _(S.CANCELLING,  E.DEADLINE,            None,          G.costs_a_question, X.wait_for_words,     None,                 "the question would be lost with the connection (G27)"),
    _(S.CANCELLING,  E.DEADLINE,            S.ENDED,       G.is_stuck,       X.correct_memory,       C.CONTRADICTED,       "nothing goes on here"),
    _(S.CANCELLING,  E.DEADLINE,            None,          G.is_missing,     None,                   C.SILENT,             "every server answers a cancel"),
    _(S.CANCELLING,  E.DEADLINE,            None,          G.nothing_came,   X.wait_for_a_sign,      None,                 "nobody waits: it may only be held up (G27)"),
    _(S.CANCELLING,  E.DEADLINE,            None,          G.may_still_end,  X.wait_to_end,            None,                 "its terminal may still come"),
    _(S.CANCELLING,  E.DEADLINE,            S.FORGOTTEN,   None,             X.correct_memory,       T.RESPONSE_FORGOTTEN, "the terminal never came"),
    _(S.CANCELLING,  E.CONNECTION_LOST,     S.ENDED,       None,             X.correct_memory,       TURN,                 "nothing crosses a reconnect (G19)"),
    _(S.CANCELLING,  E.CONNECTION_READY,    None,          None,             X.wait_for_answer,      None,                 "the connection was taken for stuck, and is not"),

    _(S.RUMOURED,    E.CREATED,             S.CANCELLING,  G.was_given_up_unseen, X.wait_for_terminal, None,                "one round trip too late: what comes is cut, and asked for anew (G27)"),
    _(S.RUMOURED,    (E.CREATED, *DONE),    S.ENDED,       None,             None,                   None,                 "it shows itself: its own record takes over"),
    _(S.RUMOURED,    (E.ITEM_STARTED, E.STRAY_OUTPUT, E.CALL_RECEIVED, E.ACTION_STARTED, E.ACTION_ENDED, E.NAMED),
                                            None,          None,             None,                   None,                 "nobody here asked for it"),
    _(S.RUMOURED,    E.NOTHING_TO_CANCEL,   S.CANCELLING,  G.was_denied,     X.note_stuck,           None,                 "it has the slot, and does not run"),
    _(S.RUMOURED,    E.NOTHING_TO_CANCEL,   S.FORGOTTEN,   None,             X.note_denial,        None,                 "not there yet, or not any more: this was not its one cancel"),
    _(S.RUMOURED,    E.DEADLINE,            S.ENDED,       G.is_missing,     None,                   C.SILENT,             "every server answers a cancel"),
    _(S.RUMOURED,    E.DEADLINE,            None,          G.may_still_show, X.wait_to_show,         None,                 "it may still show itself"),
    _(S.RUMOURED,    E.DEADLINE,            None,          G.may_be_cancelled, X.cancel,               None,                 "it may be stuck on the server"),
    _(S.RUMOURED,    E.DEADLINE,            S.FORGOTTEN,   None,             None,                   None,                 "nothing shows it"),
    _(S.RUMOURED,    E.CONNECTION_LOST,     S.ENDED,       None,             None,                   None,                 "nothing crosses a reconnect (G19)"),
    _(S.RUMOURED,    E.CONNECTION_READY,    None,          None,             X.wait_for_answer,      None,                 "the connection was taken for stuck, and is not"),

    _((S.QUEUED, S.SENT, S.DOUBTED, S.ACTIVE, S.WITHDRAWN, S.UNANSWERED, S.PROBED, S.CANCELLING, S.RUMOURED),
                     E.SESSION_FAILED,      S.ENDED,       None,             None,                   None,                 "what still comes of it is nobody's (G16)"),

    _(GONE,          E.CREATED,             S.CANCELLING,  G.cancel_is_out,  X.acknowledge_late,     None,                 "it lives, and is cancelled below (G6)"),
    _(GONE,          E.CREATED,             S.ACTIVE,      G.is_missed,      X.adopt,                T.RESPONSE_ADOPTED,   "the probe is no proof, and its turn has nothing better (G4)"),
    _(GONE,          E.CREATED,             S.CANCELLING,  None,             X.cancel_late,          None,                 "the probe is no proof (livekit/agents#6223)"),
    _(S.ENDED,       E.ABANDONED,           None,          None,             X.correct_memory,       None,                 "what nobody was given is not remembered (G16)"),
    _(S.FORGOTTEN,   E.LATE_OUTPUT,         None,          None,             X.note_late,            None,                 "it lives: what was heard of it stays"),
    _(S.FORGOTTEN,   E.ABANDONED,           None,          None,             None,                   None,                 "given up before"),
    _(GONE,          E.GIVEN_UP_BELOW,      None,          None,             X.note_cancel_below,    None,                 "its response is cancelled below, should it come"),
    _(S.ENDED,       E.LEFT,                None,          None,             X.note_sent_late,       None,                 "the session failed while it was queued"),
    _(S.ENDED,       E.NOT_SENT,            None,          None,             None,                   None,                 "the same, and it never leaves"),
    _(S.ENDED,       DONE,                  None,          None,             X.note_id,              None,                 "it was taken for over before"),
    _(S.FORGOTTEN,   DONE,                  S.ENDED,       None,             X.end_late,             None,                 "proof, late"),
    _(S.FORGOTTEN,   E.NAMED,               S.CANCELLING,  G.outlives_cancel, X.note_stuck,          None,                 "nothing ends it, and another cancel is not sent (G6)"),
    _(S.FORGOTTEN,   E.NAMED,               S.CANCELLING,  G.cancel_is_out,  X.note_outlived,        None,                 "it lives: its one cancel is waited for anew (G1, G6)"),
    _(S.FORGOTTEN,   E.NAMED,               S.RUMOURED,    None,             X.note_named,           None,                 "a conflict tells of it again (G20)"),
)
# fmt: on
