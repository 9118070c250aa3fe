"""A controller as plain data, and back: what is left of its past is what can matter for its future.

`pack` is the abstraction of the search. Two controllers with equal data behave alike from here on:

* ids are numbered in the order in which they are met, so a name never tells two states apart;
* times are milliseconds from now. One that has passed is only "passed", unless user speech may
  still move it;
* what only tells of the past is dropped: finished turns, counters, what was shown, how
  much was heard of a finished message, what a new connection is owed of the conversation;
* why an attempt failed is dropped, too, except where it decides about the next one: it is kept of
  a turn that is asked for again once it has played, and where the end of a rate limit may be told;
* a message that was never handed out is dropped with its attempt;
* of what is remembered by id, what the environment can still mention is kept. That includes the
  create of a live turn: what is below gives it up by turn and attempt;
* that the server announced the end of a connection is told with its loss here, so it is never kept;
* how many connections were lost is kept as long as one more can be: by a loss, or because a
  connection is silent, which only time shows.

`tests/explore/test_explore.py` walks with a controller that keeps all of its past and compares.

`unpack` builds the controller anew with ``now = 0``. A new field of `Turn`, `Response` or `Message`
that is no bool and no int has to be named here first; importing this module fails until it is.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Optional

from ..._core.controller import TurnController
from ..._core.error_kinds import is_rate_limit
from ..._core.errors import ErrorInfo
from ..._core.machine import Machines
from ..._core.policy import RetryPolicy
from ..._core.records import Message, Response, Turn
from ..._core.session import Session
from ..._core.states import (
    ConnectionState,
    Correction,
    ErrorKind,
    Generation,
    MessageOutcome,
    Origin,
    PlaybackState,
    ResponseState,
    SpeechState,
    TurnState,
)
from ..._core.timers import playback_deadline

__all__ = ["PAST_RESPONSE", "Names", "forget", "pack", "relative", "unpack"]

#: A response whose terminal was seen long ago: in every state, for what comes too late.
PAST_RESPONSE = "resp_past"
#: Milliseconds after which a connection has proven itself: older ones are all alike.
_HEALTHY = 60_000
_WHY = ErrorInfo(kind=ErrorKind.TRANSIENT, code="why", message="")


def _plain(of: type, *named: str) -> tuple[str, ...]:
    """The fields that are kept as they are: every bool and int that is not named elsewhere."""
    found = []
    for field in fields(of):
        if field.name in named:
            continue
        if field.type not in ("bool", "int"):
            raise TypeError(
                f"{of.__name__}.{field.name} is {field.type}: say in {__name__} how it is kept"
            )
        found.append(field.name)
    return tuple(found)


_TURN = _plain(
    Turn,
    *("id", "state", "generation", "attempt", "messages", "calls"),
    "actions",
    *("error", "first_failure"),  # whether, not what
    *("recover_by", "retry_at", "since"),  # times
    "origin",  # whether somebody waits for it
    *("of_user", "ahead"),  # every request of a search is of the user's
)
_RESPONSE = _plain(
    Response,
    *("turn", "state", "event_id", "response_id", "cancel_id", "probe_id", "undelivered"),
    "acting",
    *("last_activity", "sent_at", "asked_at", "deadline"),  # times
)
_MESSAGE = _plain(
    Message,
    *("item_id", "state", "outcome", "received_ms", "late_ms", "started", "correction"),
    "moved_at",  # in the deadline of its turn
    *("heard_ms", "shown", "remembered_ms", "transcript"),  # of no consequence
)
_SESSION = frozenset(
    (
        *("policy", "finished", "ignored", "playback_reported", "audible", "live", "out", "now"),
        *("connection", "speech", "lane", "by_event", "past", "unsent", "messages", "playback"),
        *("limited_until", "closed", "machines", "stranded", "_ended_messages"),
        "by_id",  # follows from the lane
        "host_waits",  # a retry that says nothing ends by the same timer, sooner
        *("_told", "_over", "doubts"),  # empty between two events
        *("_turn_count", "_id_count"),
    )
)
_turn_of = attrgetter(*_TURN)
_response_of = attrgetter(*_RESPONSE)
_message_of = attrgetter(*_MESSAGE)


class Names(dict[str, str]):
    """Numbers ids in the order in which they are met: ``turn_7`` becomes ``turn_0``."""

    def __missing__(self, name: str) -> str:
        new = name.rstrip("0123456789") + str(len(self))
        self[name] = new
        return new

    def of(self, name: Optional[str]) -> Optional[str]:
        return None if name is None else self[name]


def relative(time: Optional[float], now: float, least: int = -1) -> Optional[int]:
    """Milliseconds from now, at least *least*."""
    if time is None:
        return None
    return least if time == -math.inf else max(round((time - now) * 1000), least)


def _time(ms: Optional[int]) -> Optional[float]:
    return None if ms is None else ms / 1000


def pack(
    controller: TurnController, names: Names, known: Collection[str], *, losing: bool = True
) -> tuple[Any, ...]:
    """The data of a controller.

    Args:
        names: Where ids get their numbers; shared with the environment.
        known: The event ids and response ids that the environment can still mention.
        losing: The connection can still be lost, so its past matters (G11).
    """
    session = controller._session
    lane, speech, now = session.lane, session.speech, session.now
    # Speech that is going on will move these on; one that has passed before it is due after it.
    since = speech.since
    passed = -1 if since is None else relative(since, now, -(10**9))
    assert passed is not None
    longest = -round(1000 * _longest(session.policy)) - 1
    responses: list[Response] = []
    index: dict[int, int] = {}

    def add(response: Optional[Response]) -> Optional[int]:
        if response is None:
            return None
        number = index.get(id(response))
        if number is None:
            number = index[id(response)] = len(responses)
            responses.append(response)
        return number

    turns = []
    for turn in session.live.values():
        kept = [m for m in turn.messages if m.delivered or m.attempt == turn.attempts]
        turns.append(
            (
                names[turn.id],
                turn.state._value_,
                turn.origin is Origin.CLIENT,
                turn.generation._value_,
                add(turn.attempt),
                None if turn.error is None else _pack_cause(turn, turn.error, losing=losing),
                turn.first_failure is not None,
                relative(turn.recover_by, now, passed),
                relative(turn.retry_at, now, 0 if since is None else passed),
                relative(_last_wait(turn, session.policy), now),
                _turn_of(turn),
                tuple(
                    [(_pack_message(m, names), add(session.messages[m.item_id][1])) for m in kept]
                ),
                tuple([names[c] for c in turn.calls]),
                tuple([names[a] for a in turn.actions]),
            )
        )
    limits = losing or any(
        turn.replacing and turn.error is not None and is_rate_limit(turn.error)
        for turn in session.live.values()
    )
    holders = tuple([add(r) for r in lane.holders])
    unsent = tuple([(names[k[0]], k[1], add(r)) for k, r in session.unsent.items()])
    by_event = tuple([(names[k], add(r)) for k, r in session.by_event.items() if k in known])
    past = tuple([(names[k], add(r)) for k, r in session.past.items() if k in known])
    dead: list[Turn] = []
    packed = tuple([_pack_response(r, session, names, dead, longest) for r in responses])
    connection = session.connection
    return (
        tuple(turns),
        packed,
        tuple([(names[t.id], index.get(id(t.attempt)), t.origin is Origin.CLIENT) for t in dead]),
        holders,
        unsent,
        by_event,
        past,
        _pack_playback(session, names),
        (
            session.playback_reported,
            session.audible,
            speech.server_answers,
            speech.state._value_,
            relative(speech.until, now),
            relative(since, now, -(10**9)),
            connection.state._value_,
            *(
                (
                    min(connection.losses, session.policy.max_reconnect + 1),
                    relative(connection.up_since, now, -_HEALTHY),
                )
                if losing
                else (0, None)
            ),
            relative(session.limited_until, now, 0) if limits else 0,
            _pack_last_frame(session, responses, longest),
        ),
    )


def _last_wait(turn: Turn, policy: RetryPolicy) -> Optional[float]:
    """When a turn ends at the latest that only waits for playback or its terminal; of one whose
    response is silent, when that was told."""
    if turn.state is TurnState.CANCELLING:
        return turn.since + policy.cancel_timeout
    if turn.state is not TurnState.STREAMING:
        return None
    if turn.generation is not Generation.RUNNING:
        return playback_deadline(turn, policy)
    told = turn.attempt is not None and turn.since > turn.attempt.last_activity
    return turn.since if told else None


def _pack_last_frame(session: Session, responses: list[Response], longest: int) -> Optional[int]:
    """It is only compared with the times at which something was asked, past and future ones."""
    last, now = session.connection.last_frame, session.now
    if last is None or last == now:
        return relative(last, now)
    before = [r.asked_at for r in responses if r.asked_at <= last and not r.over]
    return relative(max(before, default=-math.inf), now, longest)


def _pack_cause(turn: Turn, error: ErrorInfo, *, losing: bool) -> tuple[Any, ...]:
    """Why an attempt failed matters if it is asked for again only once it has played; before
    that, and before a retry, the end of a rate limit may be told."""
    limited = is_rate_limit(error)
    hint = error.retry_after
    if turn.replacing:
        ms = None if hint is None else round(hint * 1000)
        return error.kind._value_, error.code if limited else None, ms
    waits = turn.state is TurnState.RETRY_WAIT and losing
    return _WHY.kind._value_, error.code if limited and waits and hint is None else None, None


def _unpack_cause(kind: str, code: Optional[str], hint: Optional[int]) -> ErrorInfo:
    return ErrorInfo(kind=ErrorKind(kind), code=code, retry_after=_time(hint))


def _longest(policy: RetryPolicy) -> float:
    return max(policy.first_output_timeout, policy.stall_timeout, policy.cancel_timeout)


def _pack_message(message: Message, names: Names) -> tuple[Any, ...]:
    outcome = message.outcome
    over = outcome is not None
    cut = outcome is MessageOutcome.PARTIAL
    if cut and (message.cut or message.heard_ms is None or message.remembered_ms is not None):
        outcome, cut = MessageOutcome.FULL, False
    return (
        names[message.item_id],
        message.state._value_,
        # What was heard of it matters as far as it is corrected still.
        None if outcome is None else outcome._value_,
        0 if over and not (message.late_ms or cut) else int(message.received_ms),
        message.late_ms,
        # A correction of what a lost connection held is not asked of the next one.
        not over and message.remembered_ms is not None,
        False if over else message.started,
        message.correction._value_,
        _message_of(message),
    )


def _pack_response(
    response: Response, session: Session, names: Names, dead: list[Turn], longest: int
) -> tuple[Any, ...]:
    turn, now = response.turn, session.now
    if turn is not None and turn.id not in session.live and turn not in dead:
        dead.append(turn)
    awaited = response.state in (ResponseState.SENT, ResponseState.DOUBTED)
    sent_at = response.sent_at if awaited else -math.inf
    # What the server does by itself has its own time.
    acting = -round(1000 * session.policy.action_timeout) - 1
    quiet = min(longest, acting) if response.acting else longest
    times = (response.last_activity, quiet), (sent_at, longest), (response.asked_at, longest)
    return (
        None if turn is None else names[turn.id],
        response.state._value_,
        names.of(response.event_id),
        names.of(response.response_id),
        response.cancel_id and names[response.cancel_id],
        names.of(response.probe_id),
        # Of one that is over nothing is timed any more; when it left matters until it is given up.
        *[longest if response.over else relative(t, now, least) for t, least in times],
        None if response.over else relative(response.deadline, now),
        _response_of(response),
        tuple([names[u] for u in response.undelivered]),
        tuple([names[a] for a in response.acting]),
    )


def _pack_playback(session: Session, names: Names) -> Optional[tuple[str, str]]:
    turn, message = session.playback.turn, session.playback.message
    if turn is None or message is None or message.item_id not in session.messages:
        return None
    return names[turn.id], names[message.item_id]


def unpack(
    data: tuple[Any, ...], policy: RetryPolicy, machines: Machines, used: int
) -> TurnController:
    """A controller with this data, at ``now = 0``.

    Args:
        used: How many numbers are taken by ids.
    """
    turns, responses, dead, holders, unsent, by_event, past, playback, flags = data
    controller = TurnController(policy, keep=16)
    session = controller._session
    session.machines = machines
    session.now = 0.0
    session._turn_count = session._id_count = used
    known: dict[str, Turn] = {}
    for name, _, asked in dead:
        known[name] = gone = _new_turn(name)
        gone.origin = Origin.CLIENT if asked else Origin.SERVER_VAD
        gone.state = TurnState.DONE
        session.finished.append(gone)
    for name, state, asked, generation, _, error, failed, recover_by, retry_at, _, *rest in turns:
        known[name] = session.live[name] = turn = _new_turn(name)
        turn.state = TurnState(state)
        turn.origin = Origin.CLIENT if asked else Origin.SERVER_VAD
        turn.generation = Generation(generation)
        turn.error = None if error is None else _unpack_cause(*error)
        turn.first_failure = 0.0 if failed else None
        turn.recover_by = _time(recover_by)
        turn.retry_at = retry_at / 1000
        _set(turn, _TURN, rest[0])
        turn.calls, turn.actions = tuple(rest[2]), tuple(rest[3])
    made = [_new_response(r, known) for r in responses]
    for name, _, _, _, number, *_, last_wait, _, messages, _, _ in turns:
        turn = known[name]
        turn.attempt = None if number is None else made[number]
        for packed, owner in messages:
            message = _new_message(packed)
            turn.messages += (message,)
            session.messages[message.item_id] = (turn, made[owner], message)
        if last_wait is not None:
            turn.since = 0.0
            at = _last_wait(turn, policy)
            assert at is not None
            turn.since = last_wait / 1000 - at
    for name, number, _ in dead:
        known[name].attempt = None if number is None else made[number]
    for number in holders:
        session.begin(made[number])
    session.unsent = OrderedDict(((t, n), made[r]) for t, n, r in unsent)
    session.by_event = OrderedDict((k, made[r]) for k, r in by_event)
    session.past = OrderedDict((k, made[r]) for k, r in past)
    forget(session, PAST_RESPONSE)
    if playback is not None:
        turn_id, item_id = playback
        session.playback.turn = known[turn_id]
        session.playback.message = session.messages[item_id][2]
    session.playback_reported, session.audible = flags[:2]
    speech, connection = session.speech, session.connection
    speech.server_answers, speech.state = flags[2], SpeechState(flags[3])
    speech.until, speech.since = _time(flags[4]), _time(flags[5])
    connection.state = ConnectionState(flags[6])
    connection.failure = _WHY if connection.dead else None
    connection.losses, connection.up_since = flags[7], _time(flags[8])
    session.limited_until, connection.last_frame = flags[9] / 1000, _time(flags[10])
    return controller


def forget(session: Session, name: str) -> None:
    """A response of this id is over since long."""
    session.past[name] = Response(None, 0, ResponseState.ENDED, -math.inf, response_id=name)


def _set(of: object, names: Iterable[str], values: Iterable[Any]) -> None:
    for name, value in zip(names, values, strict=True):
        setattr(of, name, value)


def _new_turn(name: str) -> Turn:
    return Turn(name, Origin.CLIENT, True)


def _new_message(data: tuple[Any, ...]) -> Message:
    item_id, state, outcome, received, late, settled, started, correction, rest = data
    message = Message(item_id, 0, received_ms=float(received), late_ms=late, started=started)
    message.state = PlaybackState(state)
    message.outcome = None if outcome is None else MessageOutcome(outcome)
    message.correction = Correction(correction)
    message.remembered_ms = 0 if settled else None
    if message.outcome is MessageOutcome.PARTIAL:
        message.heard_ms = 1
    _set(message, _MESSAGE, rest)
    return message


def _new_response(data: tuple[Any, ...], turns: dict[str, Turn]) -> Response:
    turn, state, event_id, response_id, cancel_id, probe_id, *times, rest, undelivered, acting = (
        data
    )
    last, sent, asked, deadline = times
    response = Response(
        turn=None if turn is None else turns[turn],
        number=0,
        state=ResponseState(state),
        last_activity=last / 1000,
        event_id=event_id,
        sent_at=sent / 1000,
        response_id=response_id,
        cancel_id=cancel_id,
        probe_id=probe_id,
        asked_at=asked / 1000,
        deadline=_time(deadline),
        undelivered=tuple(undelivered),
        acting=tuple(acting),
    )
    _set(response, _RESPONSE, rest)
    return response
