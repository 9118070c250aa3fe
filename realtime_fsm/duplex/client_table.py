"""The machine of work that the model hands to the application: one per delegation. Every rule of it.

It sends nothing. The answer is ``session.commentary.append`` with the delegation's id; that the service
took it is what ``session.commentary.appended`` says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Optional, Union

from .records import ClientDelegation, Step
from .states import ClientEvent, ClientState, LossKind

S = ClientState
E = ClientEvent
L = LossKind


def note_answer(delegation: ClientDelegation, step: Step) -> None:
    delegation.answers.add(step.event_id)


def drop_answer(delegation: ClientDelegation, step: Step) -> None:
    delegation.answers.discard(step.event_id)


Effect = Callable[[ClientDelegation, Step], None]


class ClientRow(NamedTuple):
    """One rule, or several that differ only in source."""

    source: Union[S, tuple[S, ...]]
    event: E
    dest: Optional[S]
    guard: None
    effect: Optional[Effect]
    tells: Optional[L]
    reason: str


_LIVE = (S.CREATED, S.WORKING, S.OVERDUE)
_LATER = (S.WORKING, S.OVERDUE)

R = ClientRow
# fmt: off
CLIENT_TABLE: tuple[ClientRow, ...] = (
    # source                    event              dest         guard  effect        tells                   reason
    R(S.CREATED,                E.PROGRESS_SENT,   S.WORKING,   None,  None,         None,                   "the application is at it"),
    R(S.CREATED,                E.ANSWER_SENT,     S.WORKING,   None,  note_answer,  None,                   "an answer that the service has not taken yet"),
    R(_LATER,                   E.PROGRESS_SENT,   None,        None,  None,         None,                   "the application is at it"),
    R(_LATER,                   E.ANSWER_SENT,     None,        None,  note_answer,  None,                   "an answer may come in parts"),
    R(_LATER,                   E.ANSWER_TAKEN,    S.ANSWERED,  None,  drop_answer,  None,                   "the service has it"),
    R(_LATER,                   E.ANSWER_REFUSED,  None,        None,  drop_answer,  L.CONTINUATION_REFUSED, "nobody sends it again"),
    R((S.CREATED, S.WORKING),   E.OVERDUE,         S.OVERDUE,   None,  None,         L.CALL_OPEN,            "the user waits"),
    R(_LIVE,                    E.CONNECTION_LOST, S.LOST,      None,  None,         L.RESULT_LOST,          "the next session does not know its id"),
    R(_LIVE,                    E.CLOSED,          S.LOST,      None,  None,         None,                   "the application hung up: nobody waits for it"),
)
# fmt: on

#: Events that a timer fires.
TIMERS = frozenset({E.OVERDUE})
#: The application was told, and what comes of it is the application's.
UNTIMED = frozenset({S.OVERDUE})
FINAL = frozenset({S.ANSWERED, S.LOST})
