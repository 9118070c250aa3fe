"""Recorded calls: what happened to the controller of a real session, replayed through a fresh one, and
through a plain interpreter of the tables, gives the same states and the same commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm._core import session as core_session
from realtime_fsm._core.machine import Fired, arrows
from realtime_fsm._core.playback_table import PLAYBACK_TABLE
from realtime_fsm._core.records import Message, Turn
from realtime_fsm._core.response_table import RESPONSE_TABLE
from realtime_fsm._core.turn_table import TABLE
from realtime_fsm.livekit import _driver
from realtime_fsm.testing.corpus import cases, run

#: Calls of every family: refusals, time-outs, failures, reconnects, cuts, tools, server VAD.
CALLS = ["A1", "A7", "B5", "C1", "C5", "C13", "D7", "E4", "F5", "H1"]
CASES = {case.id: case for case in cases() if case.level == "call"}


class Recorder(rf.TurnController):
    """Notes every call, what was answered, and where the turns stood then."""

    made: list[Recorder]

    def __init__(self, policy: rf.RetryPolicy | None = None, **more: Any) -> None:
        super().__init__(policy, **more)
        self.calls: list[tuple[str, tuple[Any, ...], Any]] = []
        self.made.append(self)

    def _called(self, name: str, *args: Any) -> None:
        self.calls.append((name, args, stand(self)))

    def request(
        self, now: float, *, origin: rf.Origin = rf.Origin.CLIENT, of_user: bool = True
    ) -> Turn:
        turn = super().request(now, origin=origin, of_user=of_user)
        self._called("request", now, origin, of_user)
        return turn

    def interrupt(self, turn: Turn, now: float) -> None:
        super().interrupt(turn, now)
        self._called("interrupt", turn.id, now)

    def receive(self, event: rf.Event, now: float) -> bool:
        known = super().receive(event, now)
        self._called("receive", event, now)
        return known

    def more_output(self, item_id: str, audio_ms: float, now: float) -> bool:
        return False  # the long way, which is noted

    def goes_on(self, response_id: str, item_id: str, now: float) -> bool:
        return False

    def advance(self, now: float) -> None:
        super().advance(now)
        self._called("advance", now)

    def frame_received(self, now: float) -> None:
        super().frame_received(now)
        self._called("frame_received", now)

    def close(self, now: float) -> None:
        super().close(now)
        self._called("close", now)

    def commands(self) -> list[rf.Command]:
        commands = super().commands()
        self._called("commands", *commands)
        return commands

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in ("playback_reported", "audible", "host_waits"):
            self._called("set", name, value)


def stand(c: rf.TurnController) -> Any:
    """Where everything stands: turns, messages, deadline."""
    turns = []
    for turn in (*c.finished, *c.turns):
        told = {n: getattr(turn, n) for n in Turn.__slots__ if n not in ("attempt", "messages")}
        messages = [[repr(getattr(m, n)) for n in Message.__slots__] for m in turn.messages]
        turns.append(repr((told, messages)))
    return turns, c.next_deadline(), c.activity, c.epoch, c.dead


def replay(recorded: Recorder) -> int:
    """Do it all again on a fresh controller. Returns how many calls were compared."""
    c = rf.TurnController(recorded.policy)
    turns: dict[str, Turn] = {}
    for name, args, stood in recorded.calls:
        if name == "request":
            c.request(args[0], origin=args[1], of_user=args[2])
        elif name == "interrupt":
            c.interrupt(turns[args[0]], args[1])
        elif name == "commands":
            assert c.commands() == list(args)
        elif name == "set":
            setattr(c, *args)
        else:
            getattr(c, name)(*args)
        turns |= {turn.id: turn for turn in c.turns}
        assert stand(c) == stood, (name, args)
    return len(recorded.calls)


def interpreted(machine: Any, model: Any, event: Enum, step: Any) -> Fired:
    """The tables without `transitions`, as in `tests/core/test_table.py`."""
    table: tuple[Any, ...] = PLAYBACK_TABLE
    if not isinstance(model, Message):
        table = TABLE if isinstance(model, Turn) else RESPONSE_TABLE
    rows = [a for a in arrows(table) if a.source is model.state and a.event is event]
    for row in rows:
        if row.guard is None or row.guard(model, step):
            model.state = row.dest or model.state
            if row.effect is not None:
                row.effect(model, step)
            step.taken = row
            return Fired.TAKEN
    return Fired.REFUSED if rows else Fired.NO_ROW


@contextmanager
def recording(patch: pytest.MonkeyPatch) -> Iterator[list[Recorder]]:
    Recorder.made = []
    patch.setattr(_driver, "TurnController", Recorder)
    yield Recorder.made


@pytest.mark.parametrize("name", CALLS)
def test_a_recorded_call_replayed_gives_the_same_states(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with recording(monkeypatch) as made:
        assert run(CASES[name]).holds == (CASES[name].status != "open")
    assert sum(replay(recorded) for recorded in made) > 20
    monkeypatch.setattr(core_session, "fire", interpreted)
    for recorded in made:
        replay(recorded)


def test_a_replay_that_differs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with recording(monkeypatch) as made:
        run(CASES["C1"])
    (recorded,) = made
    failed = next(
        n
        for n, (name, args, _) in enumerate(recorded.calls)
        if name == "receive" and isinstance(args[0], rf.ResponseDone)
    )
    del recorded.calls[failed]
    with pytest.raises(AssertionError):
        replay(recorded)
