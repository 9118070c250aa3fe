"""Every guarantee has a test that bears its id, a check in the random histories, and a place in the docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import realtime_fsm as rf
from realtime_fsm.lab.explore import oracle
from realtime_fsm.lab.explore.oracle import Violation

from .environment import Environment
from .guarantees import GUARANTEES, Guarantee
from .page import named, page
from .watch import Watch

DOCS = Path(__file__).parents[2] / "docs"


def test_all_32_are_there() -> None:
    assert [g.id for g in GUARANTEES] == [f"G{n}" for n in range(1, 33)]
    assert all(g.watched or g.judged for g in GUARANTEES)


@pytest.mark.parametrize("g", GUARANTEES, ids=lambda g: g.id)
def test_each_has_a_named_test(g: Guarantee) -> None:
    assert named()[g.id], "no test has it in its name or docstring"


def test_each_that_a_controller_alone_can_show_is_watched_in_the_random_histories() -> None:
    here = Path(__file__).parent
    judges = [here / name for name in ("watch.py", "environment.py", "machine.py")]
    text = "".join(each.read_text("utf-8") for each in (*judges, Path(oracle.__file__)))
    assert set(re.findall(r'"(G\d+)[":]', text)) >= {g.id for g in GUARANTEES if g.watched}


def test_the_page_is_fresh() -> None:
    assert (DOCS / "guarantees.md").read_text("utf-8") == page()


# --- the oracle sees what it is told to see


def watched(*happened: rf.Event | rf.Command) -> None:
    w = Watch(rf.RetryPolicy(max_retry=1))
    w.told(rf.SessionConfigured(server_creates=True, server_interrupts=True), 0.0)
    w.asks("t")
    for what in happened:
        (w.told if isinstance(what, rf.Event) else w.said)(what, w.now)  # type: ignore[operator]


LOST = rf.error_info("lost", None, "")
CREATE = rf.CreateResponse(turn_id="t", attempt=1)
OTHER = rf.CreateResponse(turn_id="u", attempt=1)
SENT = rf.CreateSent(turn_id="t", attempt=1, event_id="e1")
CREATED = rf.ResponseCreated(response_id="r1", client_event_id="e1")
ITEM = rf.ItemStarted(response_id="r1", item_id="i1", kind=rf.ItemKind.MESSAGE)
SECOND = rf.ItemStarted(response_id="r1", item_id="i2", kind=rf.ItemKind.MESSAGE)
CALL = rf.ItemStarted(response_id="r1", item_id="f1", kind=rf.ItemKind.FUNCTION_CALL)
OUTPUT = rf.OutputReceived(response_id="r1", item_id="i1", audio_ms=1)
OUTPUT_2 = rf.OutputReceived(response_id="r1", item_id="i2", audio_ms=1)
EXPOSE = rf.ExposeTurn(turn_id="t", response_id="r1")
DELIVER = rf.DeliverItem(turn_id="t", item_id="i1")
CANCEL = rf.CancelResponse(response_id="r1", event_id="c1")
DONE = rf.ResponseDone(response_id="r1", status=rf.ResponseStatus.COMPLETED)
END = rf.EndStreams(turn_id="t")
ENDED = rf.TurnEnded(turn_id="t", outcome=rf.TurnOutcome.COMPLETED, error=None)
FAILED = rf.TurnEnded(turn_id="t", outcome=rf.TurnOutcome.FAILED, error=LOST)
REPORT = rf.ReportFailure(turn_id="t", error=LOST, fatal=False, on_handle=True)
AGAIN = rf.Recovering(turn_id="t", attempt=1, reason=LOST, wait=0.0)
FATAL = rf.ErrorReceived(error=rf.error_info("insufficient_quota", None, ""))
CONFLICT = rf.ErrorReceived(error=rf.error_info("response_cancel_not_active", None, ""))
GONE = rf.ConnectionLost(error=LOST)
READY = rf.ConnectionReady()
REPLACE = rf.ReplaceConnection(reason=LOST, wait=0.0)
UP = (CREATE, SENT, CREATED)

SEEN: dict[str, list[tuple[rf.Event | rf.Command, ...]]] = {
    "G1": [(CREATE, OTHER), (CREATE, SENT, OTHER), (*UP, OTHER)],
    "G2": [(*UP, DONE, CREATE)],
    "G3": [(*UP, DONE, EXPOSE), (*UP, ITEM, OUTPUT, DONE, DELIVER)],
    "G5": [(*UP, CANCEL, OTHER)],
    "G6": [(*UP, CANCEL, CANCEL), (*UP, DONE, CANCEL), (*UP, rf.ProbeCancel(event_id="p"))],
    "G7": [(END, ENDED, END), (END, END), (ENDED,), (*UP, EXPOSE, EXPOSE)],
    "G8": [(END, FAILED), (REPORT, END, ENDED), (*UP, CALL, rf.DeliverItem(turn_id="t", item_id="f1"), REPORT)],
    "G9": [(*UP, EXPOSE, AGAIN), (AGAIN, AGAIN), (*UP, EXPOSE, DONE, rf.CreateResponse(turn_id="t", attempt=2))],
    "G10": [(FATAL, CREATE), (FATAL, AGAIN), (FATAL, REPLACE)],
    "G11": [(GONE, READY, GONE, READY, GONE, REPLACE)],
    "G12": [(REPORT, REPORT)],
    "G13": [(*UP, ITEM, OUTPUT, DELIVER, DELIVER), (*UP, ITEM, SECOND, OUTPUT, OUTPUT_2, rf.DeliverItem(turn_id="t", item_id="i2"), DELIVER)],
    "G16": [(rf.DeleteItem(item_id="i1", event_id="d1"), rf.DeleteItem(item_id="i1", event_id="d2"))],
    "G17": [(*UP, CALL, rf.DeliverItem(turn_id="t", item_id="f1"), rf.DeliverItem(turn_id="t", item_id="f1"))],
    "G19": [(GONE, CREATE), (*UP, GONE, CANCEL)],
    "G20": [(CONFLICT, rf.ReportSession(error=LOST))],
    "G24": [(rf.SpeechStarted(), CREATE), (rf.SpeechStarted(), rf.SpeechStopped(), CREATE)],
    "G26": [(rf.ReportSession(error=LOST),)],
}  # fmt: skip


@pytest.mark.parametrize("guarantee", SEEN)
def test_what_breaks_a_guarantee_is_seen(guarantee: str) -> None:
    for happened in SEEN[guarantee]:
        with pytest.raises(Violation, match=f"^{guarantee}:"):
            watched(*happened)


def test_a_healthy_turn_breaks_none() -> None:
    watched(*UP, ITEM, OUTPUT, EXPOSE, DELIVER, DONE, END, ENDED)


def test_the_oracle_looks_at_the_turns_too() -> None:
    """G14, G15, G18, G22: broken on purpose in the data of a real controller."""
    e = Environment()
    e.c.playback_reported = True
    e.ask(rf.Origin.CLIENT)
    with pytest.raises(Violation, match="G18: hang"):
        e.watch.end(e.c)
    (turn,) = e.c.turns
    message = rf.Message(item_id="i1", number=1, received_ms=100, heard_ms=101)
    turn.messages += (message,)
    with pytest.raises(Violation, match="G15: i1: 101 ms heard"):
        e.watch.rest(e.c)
    message.heard_ms, message.outcome = 0, rf.MessageOutcome.SKIPPED
    with pytest.raises(Violation, match="G14: i1: two ends"):
        e.watch.rest(e.c)
    turn.messages = ()
    turn.state = rf.TurnState.CANCELLING
    e.watch.rest(e.c)
    e.c.ignored["BOOM in CREATED: no row"] += 1
    with pytest.raises(Violation, match="G25: an event without a rule"):
        e.watch.rest(e.c)
    assert Watch(rf.RetryPolicy()).turns == {}
