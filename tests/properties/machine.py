"""What the machines of a controller have in common: the host, playback, the wire, and junk."""

from __future__ import annotations

from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

import realtime_fsm as rf

from .environment import Environment

POLICIES = [
    rf.RetryPolicy(),
    rf.RetryPolicy(max_retry=0),
    rf.RetryPolicy(max_retry=1, retry_interval=0.5, timeout=2.0),
    rf.RetryPolicy(after_exposure="regenerate"),
]


class Histories(RuleBasedStateMachine):
    """Subclasses bring the server."""

    e: Environment

    # --- the host and the user

    @rule(origin=st.sampled_from([rf.Origin.CLIENT, rf.Origin.APPLICATION]))
    def ask(self, origin: rf.Origin) -> None:
        self.e.ask(origin)

    @precondition(lambda self: self.e.turns)
    @rule(data=st.data())
    def interrupt(self, data: st.DataObject) -> None:
        """G23: also a turn that ended long ago."""
        turn = self.e.turns[data.draw(st.sampled_from(sorted(self.e.turns)))]
        self.e.interrupt(turn)

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0, 2.5, 6.0, 30.0]))
    def wait(self, seconds: float) -> None:
        self.e.wait(seconds)

    # --- the wire

    @precondition(lambda self: self.e.outgoing and self.e.connected)
    @rule(gone=st.sampled_from([False, False, False, True]))
    def leave(self, gone: bool) -> None:
        self.e.leave(gone)

    @precondition(lambda self: self.e.connected)
    @rule(for_good=st.sampled_from([False, False, True]))
    def drop(self, for_good: bool) -> None:
        self.e.drop(for_good=for_good)

    @rule(sure=st.integers(0, 5))
    def reconnect(self, sure: int) -> None:
        """Also a planned rollover, now and then."""
        if not self.e.connected or sure == 0:
            self.e.reconnect()

    @rule(sure=st.integers(0, 20))
    def session_fails(self, sure: int) -> None:
        if sure == 0:
            self.e.tell(rf.SessionFailed(error=rf.error_info("gone", None, "")))

    # --- playback

    @precondition(lambda self: any(t.messages for t in self.e.c.turns))
    @rule(data=st.data())
    def pull(self, data: st.DataObject) -> None:
        items = [m.item_id for t in self.e.c.turns for m in t.messages if m.delivered]
        if items:
            self.e.tell(rf.MessagePulled(item_id=data.draw(st.sampled_from(items))))

    @rule(
        event=st.sampled_from([rf.PlaybackStarted(), rf.PlaybackPaused(), rf.PlaybackResumed()]),
    )
    def playback(self, event: rf.Event) -> None:
        self.e.tell(event)

    @rule(position=st.sampled_from([0.0, 250.0, 1e9, float("nan"), -5.0]), cut=st.booleans())
    def playback_finished(self, position: float, cut: bool) -> None:
        """Also a surplus one."""
        self.e.tell(rf.PlaybackFinished(position_ms=position, interrupted=cut))

    @precondition(lambda self: any(t.messages for t in self.e.c.turns))
    @rule(data=st.data(), ms=st.sampled_from([0.0, 50.0, 1e6]))
    def truncated(self, data: st.DataObject, ms: float) -> None:
        items = [m.item_id for t in self.e.c.turns for m in t.messages if m.delivered]
        if items:
            item = data.draw(st.sampled_from(items))
            self.e.tell(rf.MessageTruncated(item_id=item, audio_end_ms=ms))

    @precondition(lambda self: self.e.c.turns)
    @rule(data=st.data(), cut=st.booleans())
    def speech_over(self, data: st.DataObject, cut: bool) -> None:
        turn = data.draw(st.sampled_from([t.id for t in self.e.c.turns]))
        if cut:
            self.e.watch.interrupts(turn)
        self.e.tell(rf.SpeechOver(turn_id=turn, interrupted=cut))

    # --- what must not matter

    @rule(frame=st.sampled_from([None, [], {}, {"type": "response.done"}, {"type": "brand.new"}]))
    def junk(self, frame: Any) -> None:
        """G25: it is counted, and nothing else."""
        event = rf.parse(frame)
        assert isinstance(event, rf.Unreadable)
        before = [_state(t) for t in self.e.turns.values()]
        assert not self.e.tell(event)
        assert [_state(t) for t in self.e.turns.values()] == before

    @precondition(lambda self: self.e.past)
    @rule(data=st.data())
    def stale_events_change_nothing(self, data: st.DataObject) -> None:
        """G3: doubled and late events of a response that ended."""
        rid = data.draw(st.sampled_from(self.e.past[-5:]))
        stale: list[rf.Event] = [
            rf.ResponseCreated(response_id=rid),
            rf.ItemStarted(response_id=rid, item_id="stale", kind=rf.ItemKind.MESSAGE),
            rf.OutputReceived(response_id=rid, item_id="stale", audio_ms=100),
            rf.CallReceived(response_id=rid, item_id="stale"),
            rf.ResponseDone(response_id=rid, status=rf.ResponseStatus.FAILED),
        ]
        before = [_state(t) for t in self.e.turns.values()]
        assert not self.e.tell(data.draw(st.sampled_from(stale)))
        assert [_state(t) for t in self.e.turns.values()] == before

    def teardown(self) -> None:
        try:
            self.e.tell(rf.PlaybackResumed())  # no host pauses for ever: LiveKit's time-out
            self.e.fall_silent()
        except BaseException:
            note("\n".join(self.e.log))
            raise
        finally:
            # Shown for an example that fails, in whatever step: a case to paste into the corpus.
            note(self.e.c.case(id="X1", title="a random history", guarantees="G1"))


def _state(turn: rf.Turn) -> tuple[Any, ...]:
    return (turn.state, turn.attempts, turn.message_number, turn.outcome, tuple(turn.calls))
