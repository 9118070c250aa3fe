"""What `receive` answers, and what is counted: whether an event concerned anything known here (G3)."""

from __future__ import annotations

import pytest

import realtime_fsm as rf

from .harness import Bench
from .test_rows import PLACES

LOST = rf.error_info("lost", None, "")
CALL = rf.ItemKind.FUNCTION_CALL
MESSAGE = rf.ItemKind.MESSAGE


def item(response_id: str, item_id: str, kind: rf.ItemKind = MESSAGE) -> rf.Event:
    return rf.ItemStarted(response_id=response_id, item_id=item_id, kind=kind)


def output(response_id: str, item_id: str) -> rf.Event:
    return rf.OutputReceived(response_id=response_id, item_id=item_id, audio_ms=10)


def done(response_id: str, **more: bool) -> rf.Event:
    return rf.ResponseDone(response_id=response_id, status=rf.ResponseStatus.COMPLETED, **more)  # type: ignore[arg-type]


#: Where the turn stands, the event, and why it is ignored; "": it is known.
KNOWN: list[tuple[str, rf.Event, str]] = [
    ("queued", rf.CreateSent(turn_id="turn_1", attempt=2, event_id="e"), "unknown attempt"),
    ("queued", rf.CreateSent(turn_id="turn_1", attempt=1, event_id="e"), ""),
    ("queued", rf.CreateNotSent(turn_id="turn_9", attempt=1, error=LOST), "unknown attempt"),
    ("queued", rf.CreateNotSent(turn_id="turn_1", attempt=1, error=LOST), ""),
    ("queued", rf.CreateGivenUp(turn_id="turn_1", attempt=1, error=LOST), "stale attempt"),
    ("sent", rf.CreateGivenUp(turn_id="turn_1", attempt=2, error=LOST), "stale attempt"),
    ("created", rf.CreateGivenUp(turn_id="turn_1", attempt=1, error=LOST), "stale attempt"),
    ("sent", rf.CreateGivenUp(turn_id="turn_1", attempt=1, error=LOST), ""),
    ("sent", rf.ResponseCreated(response_id="x", out_of_band=True), "out of band"),
    ("sent", rf.ResponseCreated(response_id="r9"), ""),
    ("created", rf.ResponseCreated(response_id="r1"), "repeated response.created"),
    ("heard", rf.ResponseCreated(response_id="x", client_event_id="create_1"), "repeated response.created"),
    ("retrying", rf.ResponseCreated(response_id="r1"), "stale response"),
    ("created", item("r1", "m9"), ""),
    ("created", item("r1", "m9", rf.ItemKind.OTHER), ""),
    ("created", item("r9", "m9"), "stale response"),
    ("item", item("r1", "m1"), "repeated item"),
    ("playing", item("r1", "m1"), "repeated item"),
    ("stopping", item("r1", "m9"), ""),
    ("item", output("r1", "m1"), ""),
    ("item", output("r1", "m9"), "output of an item that was not added"),
    ("item", output("r9", "m1"), "stale response"),
    ("item", rf.CallReceived(response_id="r1", item_id="f1"), ""),
    ("item", rf.CallReceived(response_id="r9", item_id="f1"), "stale response"),
    ("stopping", rf.CallReceived(response_id="r1", item_id="f1"), ""),
    ("item", rf.ResponseActivity(response_id="r1"), ""),
    ("item", rf.ResponseActivity(response_id="r9"), "stale response"),
    ("created", done("r1", out_of_band=True), "out of band"),
    ("created", done("r9"), "stale response"),
    ("created", done("r1"), ""),
    ("created", rf.ErrorReceived(error=LOST, event_id="somebody"), "error for somebody else"),
    ("sent", rf.ErrorReceived(error=LOST, event_id="create_1"), ""),
    ("sent", rf.SessionConfigured(server_creates=False, server_interrupts=False), ""),
    ("sent", rf.SpeechStarted(), ""),
    ("sent", rf.SpeechStopped(), "speech dropped before"),
    ("sent", rf.InputCleared(), ""),
    ("sent", rf.ConnectionLost(error=LOST), ""),
    ("sent", rf.ConnectionReady(), ""),
    ("sent", rf.SessionFailed(error=LOST), ""),
    ("sent", rf.RateLimitsUpdated(reset_after=1.0), ""),
    ("sent", rf.Unreadable(reason="malformed frame"), "malformed frame"),
    ("playing", rf.MessagePulled(item_id="m9"), "stale message"),
    ("playing", rf.MessagePulled(item_id="m1"), ""),
    ("playing", rf.PlaybackStarted(), ""),
    ("heard", rf.PlaybackStarted(), "surplus playback report"),
    ("playing", rf.PlaybackFinished(position_ms=1, interrupted=True), ""),
    ("heard", rf.PlaybackFinished(position_ms=1, interrupted=True), "surplus playback report"),
    ("playing", rf.PlaybackPaused(), ""),
    ("playing", rf.MessageTruncated(item_id="m1", audio_end_ms=3), ""),
    ("playing", rf.MessageTruncated(item_id="m9", audio_end_ms=3), "stale message"),
    ("playing", rf.MessageShown(item_id="m1", text="Hi"), ""),
    ("playing", rf.ItemTruncated(item_id="m1", audio_end_ms=3), ""),
    ("playing", rf.ItemDeleted(item_id="m1"), ""),
    ("playing", rf.SpeechOver(turn_id="turn_9", interrupted=False), "stale turn"),
    ("playing", rf.SpeechOver(turn_id="turn_1", interrupted=False), ""),
]  # fmt: skip


@pytest.mark.parametrize(("place", "event", "why"), KNOWN, ids=lambda v: str(v)[:50])
def test_g3_what_nobody_owns_is_counted_and_the_rest_is_known(
    place: str, event: rf.Event, why: str
) -> None:
    b = Bench(playback=True)
    PLACES[place](b)
    b.c.ignored.clear()
    assert b.got(event) == (not why)
    assert b.c.ignored == ({why: 1} if why else {})


#: Known, unknown, and not even counted: they answer nothing.
QUIET = [
    rf.InputCommitted(),
    rf.RateLimitsUpdated(reset_after=None),
    rf.PlaybackPaused(),
    rf.PlaybackResumed(),
    rf.MessageShown(item_id="m9", text=""),
    rf.ItemTruncated(item_id="m9", audio_end_ms=1),
    rf.ItemDeleted(item_id="m9"),
]


@pytest.mark.parametrize("event", QUIET, ids=lambda v: type(v).__name__)
def test_what_is_no_concern_is_not_known(event: rf.Event) -> None:
    b = Bench(playback=True)
    b.ask()
    assert not b.got(event)


def test_an_interrupt_of_a_strange_turn_is_refused() -> None:
    b, other = Bench(), Bench()
    turn = other.ask()
    with pytest.raises(rf.LocalProtocolError) as e:
        b.c.interrupt(turn, 0.0)
    assert str(e.value) == "interrupt: turn is 'turn_1', expected a turn of this controller"
    other.c.advance(5.0)
    with pytest.raises(rf.LocalProtocolError, match="interrupt: now is 1"):
        other.c.interrupt(turn, 1.0)


def test_what_a_driver_reads() -> None:
    b = Bench()
    turn = b.ask()
    b.created(turn, "r1")
    b.item("r1", "m1")
    assert b.c.find(turn.id) is turn
    assert b.c.find("turn_9") is None
    assert b.c.owner_of("r1") is turn.attempt
    assert b.c.owner_of("r9") is None
    assert b.c.withholds("m1")
    assert not b.c.withholds("m9")
    message = b.c.message("m1")
    assert message is turn.messages[0]
    assert (message.number, message.attempt) == (1, 1)
    assert b.c.message("m9") is None
    b.got(rf.OutputReceived(response_id="r1", item_id="m1", audio_ms=30))
    b.got(rf.OutputReceived(response_id="r1", item_id="m1", audio_ms=12))
    assert message.received_ms == 42
    assert not b.c.withholds("m1")
    assert b.c.epoch == 0
    for epoch in (1, 2, 3):
        b.got(rf.ConnectionReady())
        assert b.c.epoch == epoch


def test_the_events_of_our_own_have_ids_that_are_ours_and_not_twice_the_same() -> None:
    b = Bench(playback=True)
    for number in (1, 2):
        b.c.interrupt(b.speaking(response_id=f"r{number}"), b.now)
        b.done(f"r{number}", rf.ResponseStatus.CANCELLED)
        b.wait(20)
    b.interrupt(PLACES["sent"](b))
    b.wait(2)
    ids = [c.event_id for c in b.those(rf.CancelResponse)]
    ids += [c.event_id for c in b.those(rf.ProbeCancel)]
    assert ids[:2] == ["rfsm_cancel_1", "rfsm_cancel_2"]
    assert ids[2].startswith("rfsm_probe_")
    assert len(set(ids)) == len(ids)
