"""Every order of what can happen to two delegations, as far as a bound goes, and random longer ones."""

from __future__ import annotations

import copy
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_fsm._core.machine import Definition, arrows, check
from realtime_fsm.duplex import (
    ClientState,
    Delegation,
    DelegationState,
    DelegationTracker,
    Loss,
    LossKind,
    Moved,
    WatchPolicy,
    book,
)
from realtime_fsm.duplex.machines import CLIENT_DEFINITION, DELEGATION_DEFINITION

from . import frames as fr

FINAL = {s.name.lower() for d in (DELEGATION_DEFINITION, CLIENT_DEFINITION) for s in d.final}
UNTIMED = {DelegationState.REFUSED, ClientState.OVERDUE}
POLICY = WatchPolicy(storm_connections=2)
Act = Callable[[DelegationTracker, float], None]


def server(frame: Any) -> Act:
    return lambda tracker, now: tracker.received(frame, now)


def client(frame: Any) -> Act:
    return lambda tracker, now: tracker.sent(frame, now)


#: What can happen with two delegations to the backend, each with up to two responses.
BACKEND: dict[str, Act] = {
    **{f"delegated {d}": server(fr.delegated(d)) for d in "ab"},
    **{f"created {d} {r}": server(fr.created(d, f"{d}{r}")) for d in "ab" for r in "12"},
    **{f"call {d}": server(fr.call(d, f"k{d}")) for d in "ab"},
    **{f"completed {d} {r}": server(fr.ended(d, f"{d}{r}")) for d in "ab" for r in "12"},
    "another call a": server(fr.call("a", "kc")),
    "another result a": client(fr.result("kc", "ic")),
    "failed a": server(fr.ended("a", "a1", "failed")),
    "failed a2": server(fr.ended("a", "a2", "failed")),
    "incomplete a": server(fr.ended("a", "a1", "incomplete")),
    **{f"result {d}": client(fr.result(f"k{d}", f"i{d}")) for d in "ab"},
    "create": client(fr.create("c1")),
    "create again": client(fr.create("c2")),
    "refused": server(fr.error("c1")),
    "refused again": server(fr.error("c2")),
    "result refused": server(fr.error("ia")),
}
CLIENT: dict[str, Act] = {
    **{f"delegated {d}": server(fr.delegated(d, "client")) for d in "ab"},
    **{f"progress {d}": client(fr.append(d, "thinking", f"p{d}")) for d in "ab"},
    **{f"answer {d}": client(fr.append(d, event_id=f"a{d}")) for d in "ab"},
    **{f"taken {d}": server(fr.appended(f"a{d}", d)) for d in "ab"},
    **{f"refused {d}": server(fr.error(f"a{d}", "too_long")) for d in "ab"},
}
BOTH: dict[str, Act] = {
    "reconnected": lambda tracker, now: tracker.reconnected(now),
    "start": client(fr.start()),
    "closed": server(fr.closed("connection_lost")),
    "expired": server(fr.closed("expired")),
    "hangs up": client({"type": "session.close"}),
    "time": lambda tracker, now: tracker.advance(now + 10_000),
    "over": lambda tracker, now: tracker.close(now),
}


class Seen:
    """What was told of a delegation, for what must hold however it came about."""

    def __init__(self) -> None:
        self.final: set[int] = set()
        self.losses: Counter[tuple[int, LossKind]] = Counter()

    def take(self, tracker: DelegationTracker) -> None:
        for each in tracker.take():
            if isinstance(each, Moved):
                assert each.number not in self.final, "a final state has an exit"
                if each.dest in FINAL:
                    self.final.add(each.number)
                continue
            self.losses[each.number, each.kind] += 1
            if each.number:
                known = each.number in self.final
                ends = each.kind in (LossKind.RESULT_LOST, LossKind.BACKEND_FAILED)
                assert ends or not known, "something was told of what is over"
        for (_, kind), count in self.losses.items():
            assert kind is not LossKind.RESULT_LOST or count == 1
        for each_live in tracker.live:
            assert each_live.number not in self.final
            waits = each_live.state not in UNTIMED
            told = isinstance(each_live, Delegation) and (each_live.stalled or each_live.overdue)
            assert not waits or told or tracker.next_deadline() is not None, "a wait without end"


def snapshot(tracker: DelegationTracker) -> object:
    """Where everything stands, whatever the time."""

    def one(of: Any) -> object:
        if not isinstance(of, Delegation):
            return of.id, of.state, frozenset(of.answers)
        running = tuple((r, frozenset(c)) for r, c in of.running.items())
        rest = of.given, of.create_id, frozenset(of.results.items()), frozenset(of.overdue)
        return of.id, of.state, running, frozenset(of.open), rest, of.stalled

    names = tracker._book._named
    known = frozenset((wire, of.number if of in tracker.live else 0) for wire, of in names.items())
    connections = tracker.connections
    link = connections.started, connections.closing, connections.over, min(connections.number, 2)
    return tuple(map(one, tracker.live)), known, frozenset(tracker._calls), link, tracker._closed


def explored(acts: dict[str, Act], depth: int, *first: str) -> tuple[int, set[tuple[Any, ...]]]:
    """Take every sequence of acts up to a length, each state once, after those that come first. Returns
    how many states there are, and the rows that were taken."""
    taken: set[tuple[Any, ...]] = set()
    fire = book.fire

    def watched(machine: Any, of: Any, event: Any, step: Any) -> Any:
        fired = fire(machine, of, event, step)
        if step.taken is not None:
            row = step.taken
            taken.add((row.source, row.event, row.dest, row.guard))
        return fired

    book.fire = watched  # type: ignore[assignment]
    try:
        begun, seen = DelegationTracker(POLICY), Seen()
        begun.sent(fr.start(), 0.0)
        for name in first:
            acts[name](begun, 1.0)
            seen.take(begun)
        todo = deque([(begun, seen, 0)])
        known = {snapshot(begun)}
        while todo:
            tracker, seen, length = todo.popleft()
            for act in acts.values():
                other, told = copy.deepcopy((tracker, seen))
                act(other, float(length + 2))
                told.take(other)
                at = snapshot(other)
                if at not in known:
                    known.add(at)
                    if length + 1 < depth:
                        todo.append((other, told, length + 1))
    finally:
        book.fire = fire
    return len(known), taken


def rows(definition: Definition) -> Iterator[tuple[Any, ...]]:
    for row in arrows(definition.table):
        yield row.source, row.event, row.dest, row.guard


def test_work_of_the_application_in_every_order() -> None:
    states, taken = explored(CLIENT | BOTH, 5)
    assert states > 500
    assert set(rows(CLIENT_DEFINITION)) <= taken


_OWES = ("delegated a", "created a 1", "call a", "completed a 1")
_READY = (*_OWES, "result a")
_SENT = (*_READY, "create")
_BOTH_OWE = (*_OWES, "delegated b", "created b 1", "call b", "completed b 1")
_BOTH_SENT = (*_BOTH_OWE, "result a", "result b", "create")
#: Moments in the middle of a delegation's life, each with how many more events are tried.
MOMENTS: dict[str, tuple[tuple[str, ...], int]] = {
    "the beginning": ((), 3),
    "it runs": (("delegated a", "created a 1"), 3),
    "a call": (("delegated a", "created a 1", "call a"), 2),
    "two responses": (("delegated a", "created a 1", "call a", "created a 2"), 2),
    "older calls": ((*_OWES, "created a 2"), 2),
    "an early result": (("delegated a", "created a 1", "call a", "result a"), 2),
    "calls are owed": (_OWES, 2),
    "two calls are owed": ((*_OWES[:3], "another call a", "completed a 1"), 3),
    "ready": (_READY, 2),
    "create sent": (_SENT, 3),
    "refused": ((*_SENT, "refused"), 2),
    "both owe": (_BOTH_OWE, 2),
    "one create for both": (_BOTH_SENT, 2),
    "seen late": (("delegated a", "call a"), 2),
}


def test_backend_work_in_every_order() -> None:
    """Every sequence of events from each of these moments on; each row of the table is taken."""
    found = [explored(BACKEND | BOTH, depth, *first) for first, depth in MOMENTS.values()]
    assert sum(states for states, _ in found) > 3000
    missing = set(rows(DELEGATION_DEFINITION)) - set().union(*(taken for _, taken in found))
    assert not missing, [(s.name, e.name, getattr(g, "__name__", "")) for s, e, _, g in missing]


ALL = BACKEND | CLIENT | BOTH


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(ALL)), st.floats(0, 50)), max_size=60))
def test_whatever_comes_nothing_raises_and_nothing_is_told_twice(
    history: list[tuple[str, float]],
) -> None:
    tracker, seen, now = DelegationTracker(POLICY), Seen(), 0.0
    for name, later in history:
        now += later
        tracker.advance(now)
        ALL[name](tracker, now)
        seen.take(tracker)
    tracker.close(now)
    seen.take(tracker)
    assert not tracker.live
    assert tracker.next_deadline() is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
KINDS = st.sampled_from(
    ["session.delegation.created", "response.event", "session.closed", "error", "session.start",
     "session.commentary.appended", "response.create", "response.item.create", "session.x"]
)  # fmt: skip
KEYS = st.sampled_from(
    ["delegation", "event", "error", "delegation_id", "item", "reason", "response"]
)
FRAMES = JSON | st.builds(
    lambda kind, fields: {"type": kind, **fields}, KINDS, st.dictionaries(KEYS, JSON, max_size=4)
)


@settings(max_examples=300, deadline=None)
@given(st.lists(FRAMES, max_size=15))
def test_no_json_raises(frames: list[Any]) -> None:
    """G25."""
    tracker = DelegationTracker()
    for frame in frames:
        tracker.received(frame, 0.0)
        tracker.sent(frame, 0.0)
    assert all(isinstance(each, (Loss, Moved)) for each in tracker.take())


@pytest.mark.parametrize("definition", [DELEGATION_DEFINITION, CLIENT_DEFINITION])
def test_the_tables_are_sound_and_say_why(definition: Definition) -> None:
    check(definition)
    assert all(row.reason for row in definition.table)
    assert len({row.reason for row in definition.table}) > len(definition.table) / 2
