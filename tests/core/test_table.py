"""The table: validated when built, total over all (state, event) pairs, every row reachable."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from realtime_fsm import TableError
from realtime_fsm import _events as ev
from realtime_fsm import _rules as rules
from realtime_fsm._errors import ErrorInfo
from realtime_fsm._machine import (
    PLAYBACK_DEFINITION,
    TURN_DEFINITION,
    Fired,
    arrows,
    fire,
    fire_row,
)
from realtime_fsm._machine import build as build_definition
from realtime_fsm._machine import check as check_definition
from realtime_fsm._playback_table import PLAYBACK_TABLE, PlaybackEvent, Report
from realtime_fsm._policy import RetryPolicy
from realtime_fsm._states import (
    FINAL,
    ErrorKind,
    MessageOutcome,
    Origin,
    PlaybackState,
    TurnOutcome,
    TurnState,
)
from realtime_fsm._table import TABLE, TIMERS, Row, TurnEvent
from realtime_fsm._turn import Attempt, Message, Turn

S, E = TurnState, TurnEvent


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
        _with(Row("speaking", E.CLOSED, S.DONE, None, None, "")),  # type: ignore[arg-type]
        "unknown source state 'speaking'",
    ),
    (
        "unknown dest",
        _with(Row(S.CREATED, E.CLOSED, "gone", None, None, "")),  # type: ignore[arg-type]
        "unknown destination state 'gone'",
    ),
    (
        "unknown event",
        _with(Row(S.CREATED, "boom", S.DONE, None, None, "")),  # type: ignore[arg-type]
        "unknown event 'boom'",
    ),
    (
        "dead row",
        _with(Row(S.CREATED, E.INTERRUPTED, S.DONE, None, None, "")),
        "dead row: CREATED --INTERRUPTED--> DONE",
    ),
    (
        "exit from a final state",
        _with(Row(S.DONE, E.CLOSED, S.FAILED, None, None, "")),
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
        Row(S.CREATED, E.INTERRUPTED, S.DONE, None, None, ""),
        Row(S.DONE, E.CLOSED, S.FAILED, None, None, ""),
    ]
    with pytest.raises(TableError) as e:
        check_table(_with(*rows))
    assert len(e.value.problems) == 2


def test_no_wildcards_and_every_row_has_a_reason() -> None:
    for arrow in arrows():
        assert isinstance(arrow.source, TurnState)
        assert isinstance(arrow.event, TurnEvent)
        assert arrow.reason


def test_every_event_of_the_vocabulary_is_used() -> None:
    assert {a.event for a in arrows()} == set(TurnEvent)


# --- every (state, event) pair, against a plain interpreter of the same table


def interpret(turn: Turn, event: TurnEvent, step: rules.Step) -> Fired:
    """The table without `transitions`: what the machine must do, in ten lines."""
    rows = [a for a in arrows() if a.source is turn.state and a.event is event]
    if not rows:
        return Fired.NO_ROW
    for row in rows:
        if row.guard is None or row.guard(turn, step):
            turn.state = row.dest or turn.state
            if row.effect is not None:
                row.effect(turn, step)
            return Fired.TAKEN
    return Fired.REFUSED


PAYLOADS: dict[TurnEvent, ev.Event] = {
    E.RESPONSE_CREATED: ev.ResponseCreated(response_id="r1", client_event_id="e1"),
    E.ITEM_STARTED: ev.ItemStarted(response_id="r1", item_id="m9", kind=ev.ItemKind.MESSAGE),
    E.OUTPUT_RECEIVED: ev.OutputReceived(response_id="r1", item_id="m1", audio_ms=100),
    E.CALL_RECEIVED: ev.CallReceived(response_id="r1", item_id="f1"),
}
FLAGS = (
    *("exposed", "heard", "generated", "ends_failed", "over", "fatal", "waiting", "sent"),
    *("regenerate", "replacing"),
)
#: Only of consequence while nothing of the turn was told.
UNASKED = "unasked"


def circumstances(state: TurnState) -> Iterator[frozenset[str]]:
    """Every combination of the flags that a guard of this state's rows can see."""
    seen = FLAGS if state is S.STREAMING else () if state in FINAL else FLAGS[:-2]
    if state is S.REQUESTED:
        seen = (*seen, UNASKED)
    for bits in itertools.product((False, True), repeat=len(seen)):
        yield frozenset(f for f, on in zip(seen, bits, strict=True) if on)


def make(state: TurnState, flags: frozenset[str]) -> Turn:
    """A turn in a state, with what guards look at set one way or the other."""
    origin = Origin.SERVER_VAD if UNASKED in flags else Origin.CLIENT
    turn = Turn(id="turn_1", origin=origin, playback_reported=True, state=state)
    turn.waiting = "waiting" in flags
    turn.deadline, turn.attempts = 5.0, 1
    turn.attempt = Attempt(turn=turn, number=1, last_activity=0.0)
    turn.attempt.response_id = None if state is S.REQUESTED else "r1"
    turn.attempt.event_id = "e1" if "sent" in flags else None
    turn.attempt.over = "over" in flags
    turn.exposed = turn.attempt.exposed = "exposed" in flags
    turn.replacing = "replacing" in flags
    turn.speech_over = {"replacing", "waiting"} <= flags
    turn.generation_over = "generated" in flags
    turn.ending = TurnOutcome.FAILED if "ends_failed" in flags else TurnOutcome.COMPLETED
    message = Message(item_id="m1", number=1, exposed=turn.exposed)
    message.outcome = MessageOutcome.FULL if "heard" in flags else None
    turn.messages = [message]
    turn.error = ErrorInfo(kind=ErrorKind.TRANSIENT, code="earlier")
    return turn


def make_step(event: TurnEvent, flags: frozenset[str]) -> rules.Step:
    kind = ErrorKind.FATAL if "fatal" in flags else ErrorKind.TRANSIENT
    return rules.Step(
        now=1.0,
        policy=RetryPolicy(after_exposure="regenerate" if "regenerate" in flags else "stop"),
        out=[],
        new_event_id=lambda what: what,
        event=PAYLOADS.get(event),
        failure=ErrorInfo(kind=kind, code="x"),
    )


def snapshot(turn: Turn) -> dict[str, Any]:
    data = {name: getattr(turn, name) for name in Turn.__slots__ if name != "attempt"}
    data["messages"] = [
        tuple(getattr(m, name) for name in Message.__slots__) for m in turn.messages
    ]
    if turn.attempt is not None:
        names = [n for n in Attempt.__slots__ if n != "turn"]
        data["attempt"] = tuple(repr(getattr(turn.attempt, n)) for n in names)
    return data


@pytest.mark.parametrize("state", list(TurnState), ids=lambda s: s.value)
def test_every_pair_does_what_the_table_says(state: TurnState) -> None:
    """The machine and the interpreter agree on state, data and commands, for every event and
    every combination of what guards look at; and a refused or unknown event changes nothing."""
    from realtime_fsm import TurnMoved

    for event in TurnEvent:
        for flags in circumstances(state):
            mine, theirs = make(state, flags), make(state, flags)
            step, other = make_step(event, flags), make_step(event, flags)
            before = snapshot(mine)
            result = fire(mine, event, step)
            assert result is interpret(theirs, event, other), (state, event, flags)
            assert snapshot(mine) == snapshot(theirs), (state, event, flags)
            commands = [c for c in step.out if not isinstance(c, TurnMoved)]
            assert commands == other.out, (state, event, flags)
            assert (result is Fired.TAKEN) == (len(step.out) - len(commands) == 1)
            if result is not Fired.TAKEN:
                assert snapshot(mine) == before
            if state in FINAL:
                assert result is Fired.NO_ROW


@pytest.mark.parametrize("state", [s for s in TurnState if s not in FINAL], ids=lambda s: s.value)
def test_g7_every_live_state_ends_on_close_and_on_session_failure(state: TurnState) -> None:
    for event in (E.CLOSED, E.SESSION_FAILED):
        turn = make(state, frozenset())
        assert fire(turn, event, make_step(event, frozenset())) is Fired.TAKEN
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
            if "ends_failed" in flags and event is E.CREATE_CONFLICT:
                turn.conflicts = rules.MAX_CONFLICTS
            for i, row in enumerate(rows):
                mine = row.source is state and row.event is event
                if mine and (row.guard is None or row.guard(turn, step)):
                    taken.add(i)
                    break
    assert [rows[i] for i in range(len(rows)) if i not in taken] == []


def test_removing_or_redirecting_a_row_is_noticed() -> None:
    """Mutated tables differ from the real one in what some pair does (or do not build)."""
    rows = arrows()
    for i, row in enumerate(rows):
        other = S.FAILED if row.dest is not S.FAILED else S.DONE
        without, redirected = rows[:i] + rows[i + 1 :], list(rows)
        redirected[i] = row._replace(dest=other)
        for mutant in (without, redirected):
            table = tuple(Row(*a) for a in mutant)
            try:
                machine = build(table)
            except TableError:
                continue
            assert _differs(machine, row.source, row.event), row


def _differs(machine: Any, state: TurnState, event: TurnEvent) -> bool:
    for flags in circumstances(state):
        a, b = make(state, flags), make(state, flags)
        for turn in (a, b):
            if "ends_failed" in flags and event is E.CREATE_CONFLICT:
                turn.conflicts = rules.MAX_CONFLICTS
        step, other = make_step(event, flags), make_step(event, flags)
        same = fire(a, event, step) is fire(b, event, other, machine)
        if not same or snapshot(a) != snapshot(b) or step.out != other.out:
            return True
    return False


# --- the playback machine


def test_the_playback_table_builds_and_every_message_ends_once() -> None:
    """G14: every state has a way out by the watchdog; a finished message takes nothing more."""
    machine = build_definition(PLAYBACK_DEFINITION)
    for state, event in itertools.product(PlaybackState, PlaybackEvent):
        message = Message(item_id="m1", number=1, state=state, received_ms=1000, started=True)
        result = fire_row(machine, message, event, Report(position_ms=400, interrupted=True))
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
