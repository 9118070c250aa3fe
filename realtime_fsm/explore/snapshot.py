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
* how many connections were lost is kept as long as one more can be: by a loss, or because a
  connection is silent, which only time shows.

`tests/explore/test_explore.py` walks with a controller that keeps all of its past and compares.

`unpack` builds the controller anew with ``now = 0``. A new field of `Turn`, `Attempt` or `Message`
that is no bool and no int has to be named here first; importing this module fails until it is.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Optional

from .._classify import is_rate_limit
from .._controller import TurnController
from .._core import Core
from .._errors import ErrorInfo
from .._policy import RetryPolicy
from .._states import ErrorKind, MessageOutcome, Origin, PlaybackState, TurnOutcome, TurnState
from .._turn import Attempt, Message, Turn

__all__ = ["PAST_RESPONSE", "Names", "pack", "relative", "unpack"]

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
    *("id", "state", "ending", "attempt", "messages", "calls"),
    *("error", "first_failure"),  # whether, not what
    *("recover_by", "retry_at", "deadline"),  # times
    *("origin", "outcome"),  # whether somebody waits for it; of a live turn always None
)
_ATTEMPT = _plain(
    Attempt,
    *("turn", "event_id", "response_id", "cancel_id", "probe_id", "unheard"),
    *("last_activity", "sent_at", "asked_at", "deadline"),  # times
)
_MESSAGE = _plain(
    Message,
    *("item_id", "state", "outcome", "received_ms", "started"),
    *("heard_ms", "shown", "remembered_ms", "transcript", "released"),  # of no consequence
)
_CORE = frozenset(
    (
        *("policy", "finished", "ignored", "epoch", "playback_reported", "audible", "live"),
        *("by_event", "by_response", "unsent", "messages", "seen", "lane", "playback", "out"),
        *(
            "_ended_messages",
            "stranded",
            "now",
            "dead",
            "closed",
            "machine",
            "_turn_count",
            "_id_count",
        ),
        *("cancelled", "last_frame", "losses", "limited_until", "_up_since", "_down"),
    )
)
_turn_of = attrgetter(*_TURN)
_attempt_of = attrgetter(*_ATTEMPT)
_message_of = attrgetter(*_MESSAGE)
_STATES = {s.value: s for s in TurnState}
_ENDINGS = {o.value: o for o in TurnOutcome}
_PLAYBACK = {s.value: s for s in PlaybackState}


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
    core = controller._core
    lane, now = core.lane, core.now
    # Speech that is going on will move these on; one that has passed before it is due after it.
    since = lane.speech_since
    passed = -1 if since is None else relative(since, now, -(10**9))
    assert passed is not None
    longest = -round(1000 * _longest(core.policy)) - 1
    attempts: list[Attempt] = []
    index: dict[int, int] = {}

    def add(attempt: Optional[Attempt]) -> Optional[int]:
        if attempt is None:
            return None
        number = index.get(id(attempt))
        if number is None:
            number = index[id(attempt)] = len(attempts)
            attempts.append(attempt)
        return number

    turns = []
    for turn in core.live.values():
        kept = [m for m in turn.messages if m.exposed or m.attempt == turn.attempts]
        ending = turn.ending
        turns.append(
            (
                names[turn.id],
                turn.state._value_,
                turn.origin is Origin.CLIENT,
                None if ending is None else ending._value_,
                add(turn.attempt),
                None if turn.error is None else _pack_cause(turn, turn.error, losing=losing),
                turn.first_failure is not None,
                relative(turn.recover_by, now, passed),
                relative(turn.retry_at, now, 0 if since is None else passed),
                relative(turn.deadline, now),
                _turn_of(turn),
                tuple([(_pack_message(m, names), add(core.messages[m.item_id][1])) for m in kept]),
                tuple([names[c] for c in turn.calls]),
            )
        )
    limits = losing or any(
        turn.replacing and turn.error is not None and is_rate_limit(turn.error)
        for turn in core.live.values()
    )
    holders = tuple([add(a) for a in lane.holders])
    unsent = tuple([(names[k[0]], k[1], add(a)) for k, a in core.unsent.items()])
    by_event = tuple([(names[k], add(a)) for k, a in core.by_event.items() if k in known])
    by_response = tuple([(names[k], add(a)) for k, a in core.by_response.items()])
    seen = tuple([(names[k], v) for k, v in core.seen.items() if k in known])
    cancelled = tuple([(names[k], names[v]) for k, v in core.cancelled.items() if k in known])
    dead: list[Turn] = []
    packed = tuple([_pack_attempt(a, core, names, dead, longest) for a in attempts])
    return (
        tuple(turns),
        packed,
        tuple([(names[t.id], index.get(id(t.attempt))) for t in dead]),
        holders,
        unsent,
        by_event,
        by_response,
        seen,
        cancelled,
        _pack_playback(core, names),
        (
            core.playback_reported,
            core.audible,
            lane.connected,
            lane.server_creates,
            lane.speaking,
            lane.owed,
            relative(lane.closed_until, now),
            relative(since, now, -(10**9)),
            core.dead is not None,
            *(
                (core.losses, relative(core._up_since, now, -_HEALTHY), core._down)
                if losing
                else (0, None, False)
            ),
            relative(core.limited_until, now, 0) if limits else 0,
            _pack_last_frame(core, attempts, longest),
        ),
    )


def _pack_last_frame(core: Core, attempts: list[Attempt], longest: int) -> Optional[int]:
    """It is only compared with the times at which something was asked, past and future ones."""
    last = core.last_frame
    if last is None or last == core.now:
        return relative(last, core.now)
    before = [a.asked_at for a in attempts if a.asked_at <= last]
    return relative(max(before, default=-math.inf), core.now, longest)


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
    return (
        names[message.item_id],
        message.state._value_,
        # What was heard of it matters as far as it was: an unheard one is deleted at the end.
        None if outcome is None else outcome is MessageOutcome.SKIPPED,
        0 if over else int(message.received_ms),
        False if over else message.started,
        _message_of(message),
    )


def _pack_attempt(
    attempt: Attempt, core: Core, names: Names, dead: list[Turn], longest: int
) -> tuple[Any, ...]:
    turn = attempt.turn
    if turn is not None and turn.id not in core.live and turn not in dead:
        dead.append(turn)
    return (
        None if turn is None else names[turn.id],
        names.of(attempt.event_id),
        names.of(attempt.response_id),
        names.of(attempt.cancel_id),
        names.of(attempt.probe_id),
        relative(attempt.last_activity, core.now, longest),
        relative(attempt.sent_at, core.now, longest),
        relative(attempt.asked_at, core.now, longest),
        relative(attempt.deadline, core.now),
        _attempt_of(attempt),
        tuple([names[u] for u in attempt.unheard]),
    )


def _pack_playback(core: Core, names: Names) -> Optional[tuple[str, str]]:
    turn, message = core.playback._turn, core.playback._message
    if turn is None or message is None or message.item_id not in core.messages:
        return None
    return names[turn.id], names[message.item_id]


def unpack(data: tuple[Any, ...], policy: RetryPolicy, machine: Any, used: int) -> TurnController:
    """A controller with this data, at ``now = 0``.

    Args:
        used: How many numbers are taken by ids.
    """
    turns, attempts, dead, holders, unsent, by_event, by_response, seen, *rest_of = data
    cancelled, playback, flags = rest_of
    controller = TurnController(policy, keep=4)
    core = controller._core
    core.machine = machine
    core.now = 0.0
    core._turn_count = core._id_count = used
    known: dict[str, Turn] = {}
    for name, _ in dead:
        known[name] = gone = _new_turn(name)
        gone.state = TurnState.DONE
    for name, state, asked, ending, _, error, failed, recover_by, *rest in turns:
        known[name] = core.live[name] = turn = _new_turn(name)
        turn.state = _STATES[state]
        turn.origin = Origin.CLIENT if asked else Origin.SERVER_VAD
        turn.ending = None if ending is None else _ENDINGS[ending]
        turn.error = None if error is None else _unpack_cause(*error)
        turn.first_failure = 0.0 if failed else None
        turn.recover_by = _time(recover_by)
        turn.retry_at = rest[0] / 1000
        turn.deadline = _time(rest[1])
        _set(turn, _TURN, rest[2])
        turn.calls = list(rest[4])
    made = [_new_attempt(a, known) for a in attempts]
    for name, _, _, _, number, *_, messages, _ in turns:
        turn = known[name]
        turn.attempt = None if number is None else made[number]
        for packed, owner in messages:
            message = _new_message(packed)
            turn.messages.append(message)
            core.messages[message.item_id] = (turn, made[owner], message)
    for name, number in dead:
        known[name].attempt = None if number is None else made[number]
    core.lane.holders = [made[n] for n in holders]
    core.unsent = OrderedDict(((t, n), made[a]) for t, n, a in unsent)
    core.by_event = OrderedDict((k, made[a]) for k, a in by_event)
    core.by_response = {k: made[a] for k, a in by_response}
    core.seen = OrderedDict(seen)
    core.seen[PAST_RESPONSE] = True
    core.cancelled = OrderedDict(cancelled)
    if playback is not None:
        turn_id, item_id = playback
        core.playback._turn = known[turn_id]
        core.playback._message = core.messages[item_id][2]
    lane = core.lane
    core.playback_reported, core.audible, lane.connected, lane.server_creates = flags[:4]
    lane.speaking, lane.owed = flags[4:6]
    lane.closed_until, lane.speech_since = _time(flags[6]), _time(flags[7])
    core.dead = _WHY if flags[8] else None
    core.losses, core._up_since, core._down = flags[9], _time(flags[10]), flags[11]
    core.limited_until, core.last_frame = flags[12] / 1000, _time(flags[13])
    return controller


def _set(of: object, names: Iterable[str], values: Iterable[Any]) -> None:
    for name, value in zip(names, values, strict=True):
        setattr(of, name, value)


def _new_turn(name: str) -> Turn:
    return Turn(name, Origin.CLIENT, True)


def _new_message(data: tuple[Any, ...]) -> Message:
    item_id, state, skipped, received, started, rest = data
    message = Message(item_id, 0, received_ms=float(received), started=started)
    message.state = _PLAYBACK[state]
    if skipped is not None:
        message.outcome = MessageOutcome.SKIPPED if skipped else MessageOutcome.FULL
    _set(message, _MESSAGE, rest)
    return message


def _new_attempt(data: tuple[Any, ...], turns: dict[str, Turn]) -> Attempt:
    turn, event_id, response_id, cancel_id, probe_id, *times, rest, unheard = data
    last, sent, asked, deadline = times
    attempt = Attempt(None if turn is None else turns[turn], 0, last / 1000)
    attempt.sent_at, attempt.asked_at = sent / 1000, asked / 1000
    attempt.event_id, attempt.response_id = event_id, response_id
    attempt.cancel_id, attempt.probe_id = cancel_id, probe_id
    attempt.deadline = _time(deadline)
    _set(attempt, _ATTEMPT, rest)
    attempt.unheard = list(unheard)
    return attempt
