"""What an observer is told of real sessions, and that it cannot hurt them."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm.livekit import ControlledRealtimeModel, TurnObserver
from realtime_fsm.livekit.telemetry import AttemptOutcome, Correction
from realtime_fsm.simulator import (
    Created,
    Dropped,
    Failed,
    Message,
    Rejected,
    Reply,
    ServerConfig,
    Unanswered,
)
from realtime_fsm.testing import virtual_time

from ..livekit.call import HELLO, TWO, VAD, call
from ..livekit.test_turns import QUICK
from .notes import HOOKS, Notes

NO_TURN = ("event_ignored", "history_corrected")


@virtual_time
async def test_a_healthy_turn_in_order() -> None:
    notes = Notes()
    async with call([HELLO], observers=[notes]) as c:
        await c.session.generate_reply(user_input="Hello?")
    told = [hook for hook in notes.hooks() if hook not in NO_TURN]
    assert [hook for hook in told if hook != "turn_moved"] == [
        "turn_started",
        "attempt_started",
        "output_started",
        "reading_started",
        "attempt_ended",
        "turn_ended",
    ]
    ((turn,),) = notes.of("turn_started")
    assert (turn.origin, turn.id) == (rf.Origin.CLIENT, c.ended[0].turn_id)
    assert turn.session.model == c.inner.model
    assert [m for _, m, _ in notes.of("turn_moved")] == c.moves
    ((attempt, end),) = notes.of("attempt_ended")
    assert (attempt.turn, attempt.number) == (turn, 1)
    assert (end.outcome, end.orphaned) == (AttemptOutcome.COMPLETED, False)
    responses = [r.event["response"]["id"] for r in c.server.record if r.type == "response.created"]
    assert [end.response_id] == responses
    ((_, ended, seconds),) = notes.of("turn_ended")
    assert ended == c.ended[0]
    assert seconds >= end.seconds > 0


@pytest.mark.parametrize(
    ("broken", "outcome", "orphaned"),
    [
        (Reply(end=Failed("server_error")), AttemptOutcome.FAILED, False),
        (Reply(ack=Rejected("server_error")), AttemptOutcome.REFUSED, False),
        (Reply(ack=Unanswered()), AttemptOutcome.TIMED_OUT, True),
        (Reply(end=Dropped()), AttemptOutcome.CONNECTION_LOST, False),
    ],
    ids=lambda x: getattr(x, "value", None),
)
@virtual_time
async def test_a_failed_attempt_and_its_recovery(
    broken: Reply, outcome: AttemptOutcome, orphaned: bool
) -> None:
    notes = Notes()
    async with call([broken, HELLO], retry=QUICK, observers=[notes]) as c:
        await c.session.generate_reply(user_input="Hello?")
    ends = [(a.number, e.outcome, e.orphaned) for a, e in notes.of("attempt_ended")]
    assert ends == [(1, outcome, orphaned), (2, AttemptOutcome.COMPLETED, False)]
    ((turn, recovering),) = notes.of("recovering")
    assert [recovering] == c.recovering
    ((recovered_turn, seconds, recovered),) = notes.of("recovery_ended")
    assert (recovered_turn, recovered) == (turn, True)
    assert recovering.wait <= seconds < 2.0
    assert [a.number for a, _ in notes.of("output_started")] == [2]


@virtual_time
async def test_a_turn_that_fails_for_good() -> None:
    notes = Notes()
    failed = Reply(end=Failed("server_error"))
    policy = rf.RetryPolicy(max_retry=1, retry_interval=0.05)
    async with call([failed, failed], retry=policy, observers=[notes]) as c:
        await c.session.generate_reply(user_input="Hello?")
    ((_, _, recovered),) = notes.of("recovery_ended")
    assert not recovered
    ((_, ended, _),) = notes.of("turn_ended")
    assert ended.outcome is rf.TurnOutcome.FAILED
    assert notes.hooks()[-1] == "turn_ended" or notes.hooks()[-1] in NO_TURN


@virtual_time
async def test_a_conflict_with_a_turn_of_server_vad() -> None:
    """The turn that the server began is told as it is, the one that waits when it is asked."""
    notes = Notes()
    async with call([TWO, HELLO], turn_detection=VAD, observers=[notes]) as c:
        await c.server.user_speaks("Hello?", seconds=0.3)
        await c.until(lambda: notes.of("output_started"))
        handle = c.session.generate_reply(user_input="And?")
        await c.until(lambda: len(notes.of("turn_ended")) == 2)
        await handle
    origins = [turn.origin for (turn,) in notes.of("turn_started")]
    assert origins == [rf.Origin.SERVER_VAD, rf.Origin.CLIENT]
    assert len(notes.of("attempt_started")) == len(notes.of("attempt_ended")) == 2


@virtual_time
async def test_g16_a_message_cut_and_one_never_heard_are_corrected() -> None:
    notes = Notes()
    async with call([TWO], config=ServerConfig(pace=0.002), observers=[notes]) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.turn.generation_over and c.turn.messages[0].started)
        await asyncio.sleep(0.05)
        await c.session.interrupt()
        await handle
        await c.until(lambda: c.server.sent("conversation.item.delete"))
    corrections = {correction for _, correction in notes.of("history_corrected")}
    assert corrections == {Correction.TRUNCATED, Correction.DELETED}


@virtual_time
async def test_what_is_ignored_is_told_with_its_reason() -> None:
    notes = Notes()
    late = Reply([Message("late", seconds=0.3)], ack=Created(after=0.6))
    config = ServerConfig(cancel_before_created=False)
    async with call([late, HELLO], retry=QUICK, config=config, observers=[notes]) as c:
        await c.session.generate_reply(user_input="Hello?")
        c.controller.receive(rf.MessagePulled(item_id="unknown"), asyncio.get_running_loop().time())
        await c.session.generate_reply(user_input="And now?")
        told = {reason: 0 for _, reason, _ in notes.of("event_ignored")}
        for _, reason, count in notes.of("event_ignored"):
            told[reason] += count
        assert told == dict(c.controller.ignored)
        assert told["stale message"] == 1


@virtual_time
async def test_a_closed_session_ends_what_was_told() -> None:
    notes = Notes()
    async with call([Reply(ack=Unanswered())], observers=[notes]) as c:
        c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: notes.of("attempt_started"))
    assert [e.outcome for _, e in notes.of("attempt_ended")] == [AttemptOutcome.GIVEN_UP]
    assert len(notes.of("turn_started")) == len(notes.of("turn_ended")) == 1


class Broken(TurnObserver):
    """Raises whatever it is told."""


def _raising(self: Broken, *told: Any) -> None:
    raise RuntimeError("broken on purpose")


for _hook in HOOKS:
    setattr(Broken, _hook, _raising)


@virtual_time
async def test_a_broken_observer_hurts_no_turn_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notes = Notes()
    replies = [Reply(end=Failed("server_error")), HELLO, HELLO]
    with caplog.at_level(logging.WARNING, "realtime_fsm"):
        async with call(replies, retry=QUICK, observers=[Broken(), notes]) as c:
            handle = c.session.generate_reply(user_input="Hello?")
            await handle
            await c.session.generate_reply(user_input="Again?")
            assert handle.exception() is None
            assert c.sink.heard_seconds == pytest.approx(1.2, abs=0.01)
    assert len(notes.of("turn_ended")) == 2, "the next observer is told all the same"
    (line,) = [r for r in caplog.records if r.getMessage() == "observer failed"]
    assert (line.levelname, vars(line)["observer"]) == ("ERROR", "Broken")


@virtual_time
async def test_observers_change_nothing_on_the_wire() -> None:
    seen = []
    for observers in ([], [Notes()]):
        async with call([TWO, HELLO], observers=observers) as c:
            await c.session.generate_reply(user_input="Hello?")
            await c.session.generate_reply(user_input="And?")
            seen.append(c.wire())
    assert seen[0] == seen[1]


@virtual_time
async def test_what_is_no_observer_is_refused() -> None:
    async with call([HELLO]) as c:
        with pytest.raises(TypeError, match=r"observers must be TurnObserver, got 'loud'"):
            ControlledRealtimeModel(c.inner, observers=["loud"])  # type: ignore[list-item]
