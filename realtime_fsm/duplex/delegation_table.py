"""The machine of backend work: one per delegation. Every rule of it.

It sends nothing: its events are the frames that the plugin sends and receives by itself. As in the
other tables rows are tried in order, ``dest=None`` stays; ``tells`` is what the application is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Optional, Union

from .records import Delegation, Step
from .states import DelegationEvent, DelegationState, LossKind

S = DelegationState
E = DelegationEvent
L = LossKind

# --- guards: they change nothing


def others_run(delegation: Delegation, step: Step) -> bool:
    return len(delegation.running) > 1


def calls_owed(delegation: Delegation, step: Step) -> bool:
    """Calls without a result, once the response is complete."""
    return bool(delegation.open or delegation.running.get(_ended(delegation, step)))


def older_calls_owed(delegation: Delegation, step: Step) -> bool:
    """The same once the response failed: the service discards the calls of that one."""
    return bool(delegation.open)


def results_given(delegation: Delegation, step: Step) -> bool:
    return delegation.given


def last_result(delegation: Delegation, step: Step) -> bool:
    return set(delegation.open) <= {step.call_id}


def told_already(delegation: Delegation, step: Step) -> bool:
    return step.told


def nobody_owes(delegation: Delegation, step: Step) -> bool:
    """No other delegation holds it up: one ``response.create`` continues all, once no call is open."""
    return not step.owed


# --- effects


def begin_response(delegation: Delegation, step: Step) -> None:
    delegation.running[step.response_id] = {}
    delegation.given = False
    delegation.create_id = None
    delegation.results.clear()


def end_response(delegation: Delegation, step: Step) -> None:
    delegation.open.update(delegation.running.pop(_ended(delegation, step), {}))


def drop_response(delegation: Delegation, step: Step) -> None:
    delegation.running.pop(_ended(delegation, step), None)


def note_call(delegation: Delegation, step: Step) -> None:
    # The event names no response: it belongs to the newest (livekit/agents#7266).
    calls = delegation.running[next(reversed(delegation.running))] if delegation.running else None
    (delegation.open if calls is None else calls)[step.call_id] = step.now


def take_result(delegation: Delegation, step: Step) -> None:
    for calls in (delegation.open, *delegation.running.values()):
        calls.pop(step.call_id, None)
    delegation.given = True
    delegation.results[step.event_id] = step.call_id


def send_create(delegation: Delegation, step: Step) -> None:
    delegation.create_id = step.event_id
    delegation.given = False


def reopen_call(delegation: Delegation, step: Step) -> None:
    # It was told: no timer tells it again.
    delegation.overdue.add(step.call_id)
    delegation.open[step.call_id] = step.now


def forget_create(delegation: Delegation, step: Step) -> None:
    delegation.create_id = None


def note_overdue(delegation: Delegation, step: Step) -> None:
    delegation.overdue.add(step.call_id)


def note_stalled(delegation: Delegation, step: Step) -> None:
    delegation.stalled = True


def _ended(delegation: Delegation, step: Step) -> str:
    """The response that ended: by its id, or the oldest where the service tells none."""
    if step.response_id in delegation.running or not delegation.running:
        return step.response_id
    return next(iter(delegation.running))


Guard = Callable[[Delegation, Step], bool]
Effect = Callable[[Delegation, Step], None]


class DelegationRow(NamedTuple):
    """One rule, or several that differ only in source or event."""

    source: Union[S, tuple[S, ...]]
    event: Union[E, tuple[E, ...]]
    dest: Optional[S]
    guard: Optional[Guard]
    effect: Optional[Effect]
    tells: Optional[L]
    reason: str


_BROKE_OFF = (E.RESPONSE_FAILED, E.RESPONSE_INCOMPLETE)
_BEFORE = (S.CREATED, S.CREATE_SENT)
_WAITS = (S.OWING, S.READY)
_LIVE = (S.CREATED, S.RUNNING, S.OWING, S.READY, S.CREATE_SENT)

R = DelegationRow
# fmt: off
DELEGATION_TABLE: tuple[DelegationRow, ...] = (
    # source         event                  dest           guard             effect          tells                   reason
    R(S.CREATED,     E.RESPONSE_CREATED,    S.RUNNING,     None,             begin_response, None,                   "the backend begins"),
    R(S.CREATED,     E.CALL_RECEIVED,       S.OWING,       None,             note_call,      None,                   "the beginning was not seen; the plugin runs the call all the same"),
    R(_BEFORE,       E.RESPONSE_COMPLETED,  S.COMPLETED,   None,             None,           None,                   "its beginning was not seen"),
    R(_BEFORE,       E.RESPONSE_FAILED,     S.FAILED,      None,             None,           L.BACKEND_FAILED,       "it failed before it began; LiveKit writes a log line"),
    R(_BEFORE,       E.RESPONSE_INCOMPLETE, S.INCOMPLETE,  None,             None,           L.BACKEND_FAILED,       "the same, cut short"),

    R(S.RUNNING,     E.CALL_RECEIVED,       None,          None,             note_call,      None,                   "the tool runs while the response goes on"),
    R(S.RUNNING,     E.RESULT_SENT,         None,          None,             take_result,    None,                   "a quick tool: the plugin asks when the response is complete"),
    R(S.RUNNING,     E.RESPONSE_CREATED,    None,          None,             begin_response, None,                   "a second response under one delegation (livekit/agents#7266)"),
    R(S.RUNNING,     E.RESPONSE_COMPLETED,  None,          others_run,       end_response,   None,                   "the other one goes on"),
    R(S.RUNNING,     E.RESPONSE_COMPLETED,  S.OWING,       calls_owed,       end_response,   None,                   "the service waits for every result (livekit/agents#7266)"),
    R(S.RUNNING,     E.RESPONSE_COMPLETED,  S.READY,       results_given,    end_response,   None,                   "the results came before its end"),
    R(S.RUNNING,     E.RESPONSE_COMPLETED,  S.COMPLETED,   None,             end_response,   None,                   "no calls: that was the answer, which the voice model speaks"),
    R(S.RUNNING,     _BROKE_OFF,            None,          others_run,       drop_response,  L.BACKEND_FAILED,       "the other one goes on; LiveKit writes a log line"),
    R(S.RUNNING,     _BROKE_OFF,            S.OWING,       older_calls_owed, drop_response,  L.BACKEND_FAILED,       "its calls are discarded, those before it are not"),
    R(S.RUNNING,     _BROKE_OFF,            S.READY,       results_given,    drop_response,  L.BACKEND_FAILED,       "results were sent, which the plugin continues with"),
    R(S.RUNNING,     E.RESPONSE_FAILED,     S.FAILED,      None,             drop_response,  L.BACKEND_FAILED,       "LiveKit writes a log line, and nobody asks again"),
    R(S.RUNNING,     E.RESPONSE_INCOMPLETE, S.INCOMPLETE,  None,             drop_response,  L.BACKEND_FAILED,       "the same, cut short"),
    R(S.RUNNING,     E.RESULT_REFUSED,      None,          None,             reopen_call,    L.CONTINUATION_REFUSED, "the result is not sent again"),

    R(S.OWING,       E.CALL_RECEIVED,       None,          None,             note_call,      None,                   "of a response whose beginning was not seen"),
    R(S.OWING,       E.RESULT_SENT,         S.READY,       last_result,      take_result,    None,                   "every call has its result"),
    R(S.OWING,       E.RESULT_SENT,         None,          None,             take_result,    None,                   "another call is open: a partial batch would be refused"),
    R(_WAITS,        E.RESPONSE_CREATED,    S.RUNNING,     None,             begin_response, None,                   "the service goes on by itself"),
    R(_WAITS,        E.CREATE_SENT,         S.CREATE_SENT, None,             send_create,    None,                   "the continuation is asked for"),
    R(_WAITS,        E.RESULT_REFUSED,      S.REFUSED,     None,             reopen_call,    L.CONTINUATION_REFUSED, "the result is not sent again"),

    R(S.CREATE_SENT, E.RESPONSE_CREATED,    S.RUNNING,     None,             begin_response, None,                   "the continuation begins"),
    R(S.CREATE_SENT, E.CONTINUED_TOGETHER,  S.COMPLETED,   None,             None,           None,                   "one create continues every answered call of the session"),
    R(S.CREATE_SENT, E.RESULT_SENT,         None,          None,             take_result,    None,                   "a call was open when the continuation was asked for"),
    R(S.CREATE_SENT, E.CREATE_REFUSED,      S.REFUSED,     told_already,     forget_create,  None,                   "one create, one refusal, one word of it"),
    R(S.CREATE_SENT, E.CREATE_REFUSED,      S.REFUSED,     None,             forget_create,  L.CONTINUATION_REFUSED, "the plugin does not send it again"),
    R(S.CREATE_SENT, E.RESULT_REFUSED,      S.REFUSED,     None,             reopen_call,    L.CONTINUATION_REFUSED, "so its create will be refused as well"),

    R(S.REFUSED,     E.CREATE_REFUSED,      None,          None,             forget_create,  None,                   "told already: the same root"),
    R(S.REFUSED,     E.RESULT_REFUSED,      None,          None,             reopen_call,    None,                   "told already: the same root"),
    R(S.REFUSED,     E.RESULT_SENT,         None,          None,             take_result,    None,                   "the application, or another tool, tries again"),
    R(S.REFUSED,     E.CREATE_SENT,         S.CREATE_SENT, None,             send_create,    None,                   "it is asked for again"),
    R(S.REFUSED,     E.RESPONSE_CREATED,    S.RUNNING,     None,             begin_response, None,                   "it goes on after all"),

    R((S.RUNNING, S.OWING), E.CALL_OVERDUE, None,          None,             note_overdue,   L.CALL_OPEN,            "an open call holds up every later one"),
    R((S.CREATED, S.RUNNING, S.CREATE_SENT), E.STALLED, None, None,          note_stalled,   L.STALLED,              "the service owes a word"),
    R(S.READY,       E.STALLED,             None,          nobody_owes,      note_stalled,   L.STALLED,              "the plugin owes the continuation"),
    R(_LIVE,         E.CONNECTION_LOST,     S.LOST,        None,             None,           L.RESULT_LOST,          "the next session knows nothing of it"),
    R(S.REFUSED,     E.CONNECTION_LOST,     S.LOST,        None,             None,           None,                   "told when it was refused"),
    R((*_LIVE, S.REFUSED), E.CLOSED,        S.LOST,        None,             None,           None,                   "the application hung up: nobody waits for it"),
)
# fmt: on

#: Events that a timer fires.
TIMERS = frozenset({E.CALL_OVERDUE, E.STALLED})
#: The application was told, and what comes of it is the application's.
UNTIMED = frozenset({S.REFUSED})
#: It is announced, or seen when it runs already.
BIRTHS = (S.CREATED, S.RUNNING, S.CREATE_SENT)
FINAL = frozenset({S.COMPLETED, S.FAILED, S.INCOMPLETE, S.LOST})
