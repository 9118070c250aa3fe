"""A case from what happened: it can be pasted, and it comes out the same."""

from __future__ import annotations

import random

import pytest

import realtime_fsm as rf
from realtime_fsm.testing.corpus import RecordingController, notation, parse, run
from tests.properties.environment import Environment


@pytest.mark.parametrize("seed", range(40))
def test_any_history_is_a_case_that_comes_out_the_same(seed: int) -> None:
    e = lived_through(random.Random(seed))
    assert isinstance(e.c, RecordingController)
    text = e.c.case(id="X1", title="a random history", guarantees="G1 G5")
    (case,) = parse(text)
    result = run(case)
    assert result.holds, "\n".join([text, *result.problems, *result.log])


def lived_through(rng: random.Random) -> Environment:
    e = Environment()
    e.tell(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    for _ in range(rng.randint(3, 40)):
        step(e, rng)
    e.fall_silent()
    return e


def step(e: Environment, rng: random.Random) -> None:
    what = rng.choice(["user", "wire", "wire", "wire", "server", "net", "sink"])
    if what == "user":
        if e.turns and rng.random() < 0.4:
            e.interrupt(e.turns[rng.choice(sorted(e.turns))])
        else:
            e.ask(rng.choice([rf.Origin.CLIENT, rf.Origin.APPLICATION]))
    elif what == "wire":
        if e.outgoing and e.connected:
            e.leave()
        if e.to_server:
            e.serve(rng.choice(["accept", "accept", "refuse", "lose"]))
        if e.to_client:
            e.deliver()
        e.wait(rng.choice([0.0, 0.05, 0.2, 2.5, 6.0]))
    elif what == "server" and e.active is not None:
        if rng.random() < 0.6:
            e.generate(rng.choice(["message", "delta", "call"]))
        else:
            e.finish(rng.choice(list(rf.ResponseStatus)), rng.choice(["server_error", "who_knows"]))
    elif what == "net" and not e.connected:
        e.reconnect()
    elif what == "net" and rng.random() < 0.3:
        rng.choice([e.drop, e.vad])()
    elif what == "sink":
        items = [m.item_id for t in e.c.turns for m in t.messages if m.delivered]
        if items:
            e.tell(rf.MessagePulled(item_id=rng.choice(items)))
        position = rng.choice([0.0, 250.0, 1e9, float("nan")])
        e.tell(rf.PlaybackFinished(position_ms=position, interrupted=rng.random() < 0.5))


def test_a_case_reads_as_what_happened() -> None:
    c = RecordingController(rf.RetryPolicy(max_retry=1, timeout=0.5))
    c.playback_reported = True
    turn = c.request(0.0)
    c.commands()
    c.receive(rf.CreateSent(turn_id=turn.id, attempt=1, event_id="ev_9"), 0.0)
    c.receive(rf.ResponseCreated(response_id="r1", client_event_id="ev_9"), 0.25)
    c.interrupt(turn, 0.25)
    (cancel,) = [x for x in c.commands() if isinstance(x, rf.CancelResponse)]
    error = rf.error_info("response_cancel_not_active", None, "Cancellation failed")
    c.receive(rf.ErrorReceived(error=error, event_id=cancel.event_id), 0.25)
    c.receive(rf.ResponseDone(response_id="r1", status=rf.ResponseStatus.COMPLETED), 0.5)
    c.commands()
    assert c.case(id="X1", title="t", guarantees="G6", source="a/b#1") == (
        "id: X1\ntitle: t\nsource: a/b#1\nguarantees: G6\nlevel: exact\n"
        "setup: retry.max_retry 1\nsetup: retry.timeout 0.5s\n"
        "U plays text\n"
        "U asks turn_1\n"
        "C response.create turn_1\n"
        "T 0.25s\n"
        "S response.created r1 for turn_1#1\n"
        "U interrupts turn_1\n"
        "C response.cancel r1\n"
        "S error response_cancel_not_active for cancel:r1"
        ' message "Cancellation failed"\n'
        "T 0.25s\n"
        "S response.done r1 completed\n"
        "expect: turn_1 interrupted\n"
        "expect: session lives\n"
    )
    assert run(*parse(c.case(id="X1", title="t", guarantees="G6"))).holds


def test_every_event_has_a_line_and_every_command_is_of_one_kind() -> None:
    """What is added to the controller is added to the notation."""
    from realtime_fsm._core import commands, events
    from realtime_fsm.testing.corpus._events import EVENTS, WIRE

    assert {event for _, event, _ in EVENTS} == kinds_of(events.Event, vars(events))
    to_the_host = {
        rf.AnnounceTurn,
        rf.ExposeTurn,
        rf.DeliverItem,
        rf.EndAttempt,
        rf.EndStreams,
        rf.ReportFailure,
        rf.ReportSession,
        rf.Recovering,
        rf.TurnEnded,
        rf.TurnMoved,
    }
    assert kinds_of(commands.Command, vars(commands)) == {*WIRE, *to_the_host}


def kinds_of(base: type, names: dict[str, object]) -> set[type]:
    return {
        each
        for each in names.values()
        if isinstance(each, type) and issubclass(each, base) and each is not base
    }


def test_a_create_that_left_later_is_told_apart() -> None:
    c = RecordingController()
    turn = c.request(0.0)
    c.commands()
    c.receive(rf.CreateSent(turn_id=turn.id, attempt=1, event_id="ev_9"), 2.0)
    text = c.case(id="X1", title="t", guarantees="G1")
    assert "C response.create turn_1 queued\nT 2s\nC sent turn_1 1 turn_1#1\n" in text


def test_a_list_of_events_and_commands_is_enough() -> None:
    text = notation(
        [
            (0.0, rf.ResponseCreated(response_id="V")),
            (
                0.0,
                rf.TurnMoved(
                    turn_id="turn_1",
                    source=rf.TurnState.REQUESTED,
                    event="RESPONSE_CREATED",
                    dest=rf.TurnState.CREATED,
                    attempt=1,
                    label="created",
                ),
            ),
            (1.5, rf.ResponseDone(response_id="V", status=rf.ResponseStatus.INCOMPLETE)),
            (1.5, rf.TurnEnded(turn_id="turn_1", outcome=rf.TurnOutcome.INCOMPLETE, error=None)),
        ],
        id="X1",
        title="t",
        guarantees="G8",
    )
    assert text.endswith(
        "S response.created V\nT 1.5s\nS response.done V incomplete\n"
        "expect: V incomplete\nexpect: session lives\n"
    )
    assert run(*parse(text)).holds
