"""The table: validated when built, total over all (state, event) pairs, every row reachable."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

import pytest

from realtime_fsm import TableError
from realtime_fsm._core import events as ev
from realtime_fsm._core.commands import CancelResponse
from realtime_fsm._core.connection import Connection
from realtime_fsm._core.errors import ErrorInfo
from realtime_fsm._core.lane import Lane
from realtime_fsm._core.machine import (
    PLAYBACK_DEFINITION,
    RESPONSE_DEFINITION,
    TURN_DEFINITION,
    Definition,
    Fired,
    arrows,
    fire,
)
from realtime_fsm._core.machine import build as build_definition
from realtime_fsm._core.machine import check as check_definition
from realtime_fsm._core.machine_events import (
    TOLD_BY,
    ConnectionEvent,
    PlaybackEvent,
    ResponseEvent,
    TurnEvent,
)
from realtime_fsm._core.playback_table import PLAYBACK_TABLE
from realtime_fsm._core.policy import RetryPolicy
from realtime_fsm._core.records import Message, Response, Turn
from realtime_fsm._core.response_table import RESPONSE_TABLE, ResponseRow
from realtime_fsm._core.response_table import TURN as SAME_TO_TURN
from realtime_fsm._core.retry_budget import MAX_CONFLICTS
from realtime_fsm._core.states import (
    FINAL,
    OVER,
    WANTED,
    ErrorKind,
    Generation,
    MessageOutcome,
    Origin,
    PlaybackState,
    ResponseState,
    TurnState,
)
from realtime_fsm._core.step import Report, Step
from realtime_fsm._core.turn_table import TABLE, TIMERS, Row
from realtime_fsm._core.user_speech import UserSpeech

S, E = TurnState, TurnEvent
DEFINITIONS = {
    "turn": TURN_DEFINITION,
    "response": RESPONSE_DEFINITION,
    "playback": PLAYBACK_DEFINITION,
}


def build(table: tuple[Row, ...]) -> Any:
    return build_definition(replace(TURN_DEFINITION, table=table))


def check_table(table: tuple[Row, ...]) -> None:
    check_definition(replace(TURN_DEFINITION, table=table))


def test_exactly_the_seven_states_of_the_design() -> None:
    assert [s.value for s in TurnState] == [
        "requested",
        "created",
        "streaming",
        "retry_wait",
        "cancelling",
        "done",
        "failed",
    ]


# --- build-time validation


def _with(*rows: Row) -> tuple[Row, ...]:
    return (*TABLE, *rows)


def _without(state: TurnState, *events: TurnEvent) -> tuple[Row, ...]:
    return tuple(Row(*a) for a in arrows(TABLE) if not (a.source is state and a.event in events))


BAD: list[tuple[str, tuple[Row, ...], str]] = [
    (
        "unknown source",
        _with(Row("speaking", E.CLOSED, S.DONE, None, None, None, "")),  # type: ignore[arg-type]
        "unknown source state 'speaking'",
    ),
    (
        "unknown dest",
        _with(Row(S.CREATED, E.CLOSED, "gone", None, None, None, "")),  # type: ignore[arg-type]
        "unknown destination state 'gone'",
    ),
    (
        "unknown event",
        _with(Row(S.CREATED, "boom", S.DONE, None, None, None, "")),  # type: ignore[arg-type]
        "unknown event 'boom'",
    ),
    (
        "dead row",
        _with(Row(S.CREATED, E.INTERRUPTED, S.DONE, None, None, None, "")),
        "dead row: CREATED --INTERRUPTED--> DONE",
    ),
    (
        "exit from a final state",
        _with(Row(S.DONE, E.CLOSED, S.FAILED, None, None, None, "")),
        "final state DONE has an exit",
    ),
    (
        "unreachable",
        tuple(Row(*a) for a in arrows(TABLE) if a.dest is not S.RETRY_WAIT),
        "state RETRY_WAIT is unreachable",
    ),
    (
        "no exit",
        tuple(Row(*a) for a in arrows(TABLE) if a.source is not S.RETRY_WAIT),
        "state RETRY_WAIT has no exit",
    ),
    (
        "no exit timer",
        _without(S.CANCELLING, *TIMERS),
        "state CANCELLING has no exit timer",
    ),
]


@pytest.mark.parametrize(("table", "problem"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_a_bad_table_is_refused_with_a_clear_error(table: tuple[Row, ...], problem: str) -> None:
    with pytest.raises(TableError) as e:
        build(table)
    assert any(problem in p for p in e.value.problems)
    assert problem in str(e.value)


def test_every_problem_is_named_at_once() -> None:
    rows = [
        Row(S.CREATED, E.INTERRUPTED, S.DONE, None, None, None, ""),
        Row(S.DONE, E.CLOSED, S.FAILED, None, None, None, ""),
    ]
    with pytest.raises(TableError) as e:
        check_table(_with(*rows))
    assert len(e.value.problems) == 2


def test_what_is_not_known_hides_no_other_problem() -> None:
    rows = [
        Row("speaking", E.CLOSED, S.DONE, None, None, None, ""),  # type: ignore[arg-type]
        Row(S.CREATED, E.INTERRUPTED, S.DONE, None, None, None, ""),
        Row(S.DONE, E.CLOSED, S.FAILED, "is_due", None, None, ""),  # type: ignore[arg-type]
        Row(S.CREATED, E.LIMIT_TOLD, None, None, 3, None, ""),  # type: ignore[arg-type]
        Row(S.CREATED, E.LIMIT_TOLD, None, None, None, "them", ""),  # type: ignore[arg-type]
        Row(S.CREATED, E.LIMIT_TOLD, None, None, None, E.CLOSED, ""),  # type: ignore[arg-type]
        Row(S.FAILED, E.CLOSED, S.DONE, None, None, None, ""),
    ]
    with pytest.raises(TableError) as e:
        check_table(_with(*rows))
    where = "in the row of TurnState.CREATED and TurnEvent.LIMIT_TOLD"
    assert e.value.problems == (
        "unknown source state 'speaking'",
        "guard 'is_due' cannot be called, in the row of TurnState.DONE and TurnEvent.CLOSED",
        f"effect 3 cannot be called, {where}",
        f"tells 'them', which nobody listens to, {where}",
        f"tells its own machine CLOSED, {where}",
        "dead row: CREATED --INTERRUPTED--> DONE stands behind an unguarded row",
        "final state FAILED has an exit: FAILED --CLOSED--> DONE",
    )


def test_an_event_that_means_nothing_to_the_turn_cannot_be_told_as_the_same() -> None:
    row = ResponseRow(R.QUEUED, RE.NAMED, None, None, None, SAME_TO_TURN, "")
    with pytest.raises(TableError, match=r"which nobody listens to, in the row of .*NAMED"):
        check_definition(replace(RESPONSE_DEFINITION, table=(*RESPONSE_TABLE, row)))


def test_only_a_deadline_of_a_response_doubts_the_connection() -> None:
    """So it is enough to look at what was told when one was fired."""
    rows = [a for d in DEFINITIONS.values() for a in arrows(d.table)]
    doubts = {a.event for a in rows if isinstance(a.tells, ConnectionEvent)}
    assert doubts == {RE.DEADLINE}


everywhere = pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=list(DEFINITIONS))


@everywhere
def test_no_wildcards_and_every_row_has_a_reason(definition: Definition) -> None:
    for arrow in arrows(definition.table):
        assert isinstance(arrow.source, definition.states)
        assert isinstance(arrow.event, definition.events)
        assert arrow.reason


@everywhere
def test_every_event_of_the_vocabulary_is_used(definition: Definition) -> None:
    assert {a.event for a in arrows(definition.table)} == set(definition.events)


@everywhere
def test_each_guard_says_what_it_asks(definition: Definition) -> None:
    for arrow in arrows(definition.table):
        if arrow.guard is not None:
            asked = (arrow.guard.__doc__ or "").split("\n\n")[0]
            assert "?" in asked, arrow.guard.__name__


def test_every_event_has_somebody_who_tells_it() -> None:
    """The machines know of each other by events alone: each comes from a row of another table, or from
    one of the sources outside."""
    told = {a.tells for d in DEFINITIONS.values() for a in arrows(d.table)} - {None}
    outside = [event for events in TOLD_BY.values() for event in events]
    assert len(outside) == len(set(outside))
    both = {event for event in outside if event in told}
    # Said by what runs on a connection, and by the connection to what waits for one; by the turn, when
    # its speech is over, and by a turn's end.
    assert both == {E.CONNECTION_LOST}
    assert set(outside) | told == {
        *TurnEvent,
        *ResponseEvent,
        *PlaybackEvent,
        *ConnectionEvent,
    }


# --- every (state, event) pair, against a plain interpreter of the same table


WRITTEN_OUT = {id(table): arrows(table) for table in (TABLE, RESPONSE_TABLE, PLAYBACK_TABLE)}


@functools.cache
def _found(number: int, state: Any, event: Any) -> list[Any]:
    return [a for a in WRITTEN_OUT[number] if a.source is state and a.event is event]


def rows_of(table: tuple[Any, ...], state: Any, event: Any) -> list[Any]:
    """Ours are looked through once for each pair: the tests below ask for each some thousand times."""
    return _found(id(table), state, event)


def interpret(table: tuple[Any, ...], model: Any, event: Any, step: Step) -> Fired:
    """A table without `transitions`: what the machine must do, in ten lines."""
    rows = rows_of(table, model.state, event)
    if not rows:
        return Fired.NO_ROW
    for row in rows:
        if row.guard is None or row.guard(model, step):
            model.state = row.dest or model.state
            if row.effect is not None:
                row.effect(model, step)
            step.taken = row
            return Fired.TAKEN
    return Fired.REFUSED


PAYLOADS: dict[TurnEvent, ev.Event] = {
    E.RESPONSE_CREATED: ev.ResponseCreated(response_id="r1", client_event_id="e1"),
    E.ITEM_STARTED: ev.ItemStarted(response_id="r1", item_id="m9", kind=ev.ItemKind.MESSAGE),
    E.OUTPUT_RECEIVED: ev.OutputReceived(response_id="r1", item_id="m1", audio_ms=100),
    E.CALL_RECEIVED: ev.CallReceived(response_id="r1", item_id="f1"),
    E.ACTION_STARTED: ev.ItemStarted(response_id="r1", item_id="a1", kind=ev.ItemKind.ACTION),
}
#: What a guard of a state's rows can see, one way or the other.
FLAGS: dict[TurnState, tuple[str, ...]] = {
    S.REQUESTED: (
        *("waiting", "failed", "fatal", "unattended"),
        *("conflicts", "unasked", "unnamed", "exposed"),
    ),
    S.RETRY_WAIT: ("exposed",),
    S.CREATED: ("exposed", "failed", "fatal", "unattended"),
    S.STREAMING: (
        *("exposed", "heard", "generated", "ends_failed", "fatal"),
        *("regenerate", "replacing", "unattended"),
    ),
    S.CANCELLING: ("exposed", "heard", "over"),
}


def circumstances(state: TurnState) -> Iterator[frozenset[str]]:
    """Every combination of the flags that a guard of this state's rows can see."""
    seen = FLAGS.get(state, ())
    for bits in itertools.product((False, True), repeat=len(seen)):
        yield frozenset(f for f, on in zip(seen, bits, strict=True) if on)


def make(state: TurnState, flags: frozenset[str]) -> Turn:
    """A turn in a state, with what guards look at set one way or the other."""
    origin = Origin.SERVER_VAD if "unasked" in flags else Origin.CLIENT
    turn = Turn(id="turn_1", origin=origin, playback_reported=True, state=state)
    turn.since, turn.attempts = 0.0, 1
    over = "over" in flags
    where = ResponseState.ENDED if over else ResponseState.ACTIVE
    if state is S.REQUESTED and not over:
        where = ResponseState.SENT
    turn.attempt = Response(turn=turn, number=1, state=where, last_activity=0.0)
    turn.attempt.response_id = None if state is S.REQUESTED else "r1"
    turn.attempt.has_output = "exposed" in flags
    if "waiting" in flags and state is S.REQUESTED:
        turn.attempt = None
    turn.announced = state not in (S.REQUESTED, S.CREATED) or bool(flags & {"exposed", "failed"})
    turn.speech_over = "unattended" in flags
    turn.first_failure = 0.0 if "failed" in flags else None
    turn.conflicts = MAX_CONFLICTS if "conflicts" in flags else 0
    if state is S.CANCELLING:
        turn.generation = Generation.INTERRUPTED
    elif "replacing" in flags:
        turn.generation = Generation.BROKEN
    elif "generated" in flags:
        failed = "ends_failed" in flags
        turn.generation = Generation.FAILED if failed else Generation.COMPLETED
    message = Message(item_id="m1", number=1, delivered="exposed" in flags)
    message.outcome = MessageOutcome.FULL if "heard" in flags else None
    turn.messages = (message,)
    turn.error = ErrorInfo(kind=ErrorKind.TRANSIENT, code="earlier")
    return turn


POLICIES = {after: RetryPolicy(after_exposure=after) for after in ("stop", "regenerate")}


def lane() -> Lane:
    return Lane(Connection(), UserSpeech(POLICIES["stop"]), {})


def make_step(event: TurnEvent, flags: frozenset[str]) -> Step:
    kind = ErrorKind.FATAL if "fatal" in flags else ErrorKind.TRANSIENT
    payload = PAYLOADS.get(event)
    if event is E.RESPONSE_CREATED and "unnamed" in flags:
        payload = ev.ResponseCreated(response_id="r1")
    return Step(
        now=1.0,
        policy=POLICIES["regenerate" if "regenerate" in flags else "stop"],
        out=[],
        new_event_id=lambda what: what,
        lane=lane(),
        event=payload,
        failure=ErrorInfo(kind=kind, code="x"),
        response=Response(None, 1, ResponseState.ACTIVE, 1.0, response_id="r1"),
    )


_turn = attrgetter(*(n for n in Turn.__slots__ if n not in ("attempt", "messages")))
_message = attrgetter(*Message.__slots__)
#: Of a response. No value of it is changed in place.
record = attrgetter(*(n for n in Response.__slots__ if n != "turn"))


def snapshot(turn: Turn) -> tuple[Any, ...]:
    attempt = None if turn.attempt is None else record(turn.attempt)
    return _turn(turn), [_message(m) for m in turn.messages], attempt


@pytest.mark.parametrize("state", list(TurnState), ids=lambda s: s.value)
def test_every_pair_does_what_the_table_says(state: TurnState) -> None:
    """The machine and the interpreter agree on state, data and commands, for every event and
    every combination of what guards look at; and a refused or unknown event changes nothing."""
    machine = build(TABLE)
    for event in TurnEvent:
        for flags in circumstances(state):
            mine, theirs = make(state, flags), make(state, flags)
            step, other = make_step(event, flags), make_step(event, flags)
            before = snapshot(mine)
            result = fire(machine, mine, event, step)
            assert result is interpret(TABLE, theirs, event, other), (state, event, flags)
            assert snapshot(mine) == snapshot(theirs), (state, event, flags)
            assert (step.out, step.taken) == (other.out, other.taken), (state, event, flags)
            if result is not Fired.TAKEN:
                assert snapshot(mine) == before
            if state in FINAL:
                assert result is Fired.NO_ROW


@pytest.mark.parametrize("state", [s for s in TurnState if s not in FINAL], ids=lambda s: s.value)
def test_g7_every_live_state_ends_on_close_and_on_session_failure(state: TurnState) -> None:
    machine = build(TABLE)
    for event in (E.CLOSED, E.SESSION_FAILED):
        turn = make(state, frozenset())
        assert fire(machine, turn, event, make_step(event, frozenset())) is Fired.TAKEN
        assert turn.state in FINAL
        assert turn.outcome is not None


# --- reachability: every row can be taken


def test_every_row_can_be_taken() -> None:
    """For each arrow there are circumstances in which it is the first whose guard holds."""
    taken: set[int] = set()
    rows = arrows()
    for state, event in itertools.product(TurnState, TurnEvent):
        for flags in circumstances(state):
            turn, step = make(state, flags), make_step(event, flags)
            taken |= _first(rows, turn, event, step)
    assert [rows[i] for i in range(len(rows)) if i not in taken] == []


def _first(rows: Sequence[Any], model: Any, event: Any, step: Step) -> set[int]:
    for i, row in enumerate(rows):
        mine = row.source is model.state and row.event is event
        if mine and (row.guard is None or row.guard(model, step)):
            return {i}
    return set()


def test_removing_or_redirecting_a_row_is_noticed() -> None:
    """Mutated tables differ from the real one in what some pair does (or do not build)."""
    rows, ours = arrows(), build(TABLE)
    for i, row in enumerate(rows):
        other = S.FAILED if row.dest is not S.FAILED else S.DONE
        without, redirected = rows[:i] + rows[i + 1 :], list(rows)
        redirected[i] = row._replace(dest=other)
        for mutant in (without, redirected):
            try:
                machine = build(tuple(Row(*a) for a in mutant))
            except TableError:
                continue
            assert _differs(ours, machine, row.source, row.event), row


def _differs(ours: Any, machine: Any, state: TurnState, event: TurnEvent) -> bool:
    for flags in circumstances(state):
        a, b = make(state, flags), make(state, flags)
        step, other = make_step(event, flags), make_step(event, flags)
        same = fire(ours, a, event, step) is fire(machine, b, event, other)
        if not same or snapshot(a) != snapshot(b) or step.out != other.out:
            return True
        if step.taken is not None and step.taken.tells is not other.taken.tells:
            return True
    return False


# --- the response machine

R, RE = ResponseState, ResponseEvent
RESPONSE_PAYLOADS: dict[ResponseEvent, ev.Event] = {
    RE.LEFT: ev.CreateSent(turn_id="turn_1", attempt=1, event_id="e1"),
    RE.CREATED: ev.ResponseCreated(response_id="r1", client_event_id="e1"),
    RE.ITEM_STARTED: ev.ItemStarted(response_id="r1", item_id="m9", kind=ev.ItemKind.MESSAGE),
    RE.OUTPUT_RECEIVED: ev.OutputReceived(response_id="r1", item_id="m1"),
    RE.LATE_OUTPUT: ev.OutputReceived(response_id="r1", item_id="m1", audio_ms=100),
    RE.STRAY_OUTPUT: ev.OutputReceived(response_id="r1", item_id="m8"),
    RE.CALL_RECEIVED: ev.CallReceived(response_id="r1", item_id="f1"),
    RE.ACTION_STARTED: ev.ItemStarted(response_id="r1", item_id="a1", kind=ev.ItemKind.ACTION),
    RE.ACTION_ENDED: ev.ActionEnded(response_id="r1", item_id="a1"),
} | {
    done: ev.ResponseDone(response_id="r1", status=ev.ResponseStatus.FAILED)
    for done in (RE.COMPLETED, RE.INCOMPLETE, RE.CANCELLED, RE.FAILED)
}
RESPONSE_FLAGS = (
    "cancelled",
    "rumour",
    "asked",
    "silent",
    "alone",
    "old",
    "named",
    "vad",
    "young",
    "wants",
    "stuck",
)


def some_response(state: R, flags: frozenset[str]) -> Response:
    named = "named" in flags or state in (R.ACTIVE, R.CANCELLING)
    vad = Turn(id="turn_1", origin=Origin.SERVER_VAD, playback_reported=True)
    if "wants" not in flags:
        vad.state = S.CREATED
    return Response(
        turn=vad if "vad" in flags else None,
        number=1,
        state=state,
        last_activity=-100.0 if "old" in flags else 9.5,
        event_id="e1",
        sent_at=9.0 if "young" in flags else 0.0,
        response_id="r1" if named else None,
        cancel_id="c1" if "cancelled" in flags else None,
        probe_id="p1" if state is R.PROBED or "asked" in flags else None,
        asked_at=(0.0 if "old" in flags else 9.0) if "asked" in flags else -100.0,
        deadline=10.0,
        undelivered=() if "vad" in flags else ("m1",),
        denied="old" in flags,
        stuck="stuck" in flags,
    )


def response_step(event: ResponseEvent, flags: frozenset[str]) -> Step:
    where = lane()
    where.connection.last_frame = -200.0 if "silent" in flags else 9.9
    where.connection.at_stake = "wants" in flags
    if "alone" not in flags:
        where.holders.append(Response(None, 0, R.ACTIVE, 0.0))
        where.turns = {"t9": Turn(id="t9", origin=Origin.CLIENT, playback_reported=False)}
    rumour = Response(None, 0, R.RUMOURED, 0.0, cancel_id="c0", asked_at=3.0)
    payload = RESPONSE_PAYLOADS.get(event)
    if event is RE.CREATED and "vad" in flags:
        payload = ev.ResponseCreated(response_id="r1")
    return Step(
        now=10.0,
        policy=POLICIES["stop"],
        out=[],
        new_event_id=lambda what: what,
        lane=where,
        event=payload,
        rumour=rumour if "rumour" in flags else None,
    )


def response_circumstances() -> Iterator[frozenset[str]]:
    for bits in itertools.product((False, True), repeat=len(RESPONSE_FLAGS)):
        yield frozenset(f for f, on in zip(RESPONSE_FLAGS, bits, strict=True) if on)


@pytest.mark.parametrize("state", list(ResponseState), ids=lambda s: s.value)
def test_every_pair_of_the_response_table_does_what_it_says(state: R) -> None:
    """G6: and where a cancel is out, no row sends another."""
    machine = build_definition(RESPONSE_DEFINITION)
    for event in ResponseEvent:
        known = bool(rows_of(RESPONSE_TABLE, state, event))
        # Without a row nothing is asked: one circumstance is as good as all.
        for flags in itertools.islice(response_circumstances(), None if known else 1):
            mine, theirs = some_response(state, flags), some_response(state, flags)
            step, other = response_step(event, flags), response_step(event, flags)
            before = record(mine)
            result = fire(machine, mine, event, step)
            assert result is interpret(RESPONSE_TABLE, theirs, event, other), (state, event)
            assert record(mine) == record(theirs), (state, event, flags)
            assert (step.out, step.taken) == (other.out, other.taken), (state, event, flags)
            assert result is not Fired.REFUSED, "the last row of a pair has no guard"
            if result is Fired.NO_ROW:
                assert record(mine) == before
            if "cancelled" in flags:
                assert not any(isinstance(c, CancelResponse) for c in step.out), (state, event)


def test_every_row_of_the_response_table_can_be_taken() -> None:
    for state, event in itertools.product(ResponseState, ResponseEvent):
        rows, taken = rows_of(RESPONSE_TABLE, state, event), set[int]()
        for flags in response_circumstances():
            if len(taken) < len(rows):  # else all of them were
                model, step = some_response(state, flags), response_step(event, flags)
                taken |= _first(rows, model, event, step)
        assert [row for i, row in enumerate(rows) if i not in taken] == []


def test_g1_the_states_of_a_response_say_what_the_lane_asks() -> None:
    """Held, wanted or over: every state is one of them, and only what holds the lane is timed."""
    assert not OVER & WANTED
    timed = {a.source for a in arrows(RESPONSE_TABLE) if a.event is RE.DEADLINE}
    assert timed == set(ResponseState) - OVER - {R.ACTIVE}


@pytest.mark.parametrize("state", [s for s in ResponseState if s not in OVER])
def test_g10_nothing_holds_the_lane_of_a_session_that_failed(state: R) -> None:
    machine = build_definition(RESPONSE_DEFINITION)
    model = some_response(state, frozenset())
    fire(machine, model, RE.SESSION_FAILED, response_step(RE.SESSION_FAILED, frozenset()))
    assert model.state is R.ENDED


def test_a_bad_response_table_is_refused_too() -> None:
    """A state that holds the lane needs a timer: one that leaves it, or tells the connection."""
    rows = tuple(
        ResponseRow(*a)
        for a in arrows(RESPONSE_TABLE)
        if not (a.source is R.WITHDRAWN and a.event is RE.DEADLINE)
    )
    with pytest.raises(TableError, match="state WITHDRAWN has no exit timer"):
        check_definition(replace(RESPONSE_DEFINITION, table=rows))
    begins = replace(RESPONSE_DEFINITION, initial=(R.QUEUED, R.ACTIVE))
    with pytest.raises(TableError, match="RUMOURED is unreachable from QUEUED, ACTIVE"):
        check_definition(
            replace(begins, table=tuple(r for r in RESPONSE_TABLE if r.dest is not R.RUMOURED))
        )


# --- the playback machine


def test_the_playback_table_builds_and_every_message_ends_once() -> None:
    """G14: every state has a way out by the watchdog; a finished message takes nothing more."""
    machine = build_definition(PLAYBACK_DEFINITION)
    for state, event in itertools.product(PlaybackState, PlaybackEvent):
        message = Message(item_id="m1", number=1, state=state, received_ms=1000, started=True)
        step = make_step(E.PLAYBACK_OVER, frozenset())
        step.report = Report(position_ms=400, interrupted=True)
        result = fire(machine, message, event, step)
        expected = [a for a in arrows(PLAYBACK_TABLE) if (a.source, a.event) == (state, event)]
        assert (result is Fired.TAKEN) == bool(expected), (state, event)
        dest = expected[0].dest if expected else None
        assert message.state is (dest or state)
        assert (message.outcome is not None) == (
            message.state is PlaybackState.FINISHED and state is not PlaybackState.FINISHED
        )


def test_a_bad_playback_table_is_refused_too() -> None:
    rows = tuple(r for r in PLAYBACK_TABLE if r.event is not PlaybackEvent.SPEECH_OVER)
    with pytest.raises(TableError, match="state PLAYING has no exit timer"):
        check_definition(replace(PLAYBACK_DEFINITION, table=rows))
