"""Random histories of one controller: the guarantees hold, and every turn ends."""

from __future__ import annotations

from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import realtime_fsm as rf

from .environment import Environment

POLICIES = [
    rf.RetryPolicy(),
    rf.RetryPolicy(max_retry=0),
    rf.RetryPolicy(max_retry=1, retry_interval=0.5, timeout=2.0),
    rf.RetryPolicy(after_exposure="regenerate"),
]
CODES = ["server_error", "rate_limit_exceeded", "who_knows", "insufficient_quota"]


class Calls(RuleBasedStateMachine):
    """G1 to G26, as far as a controller alone can keep or break them: see `guarantees.py`."""

    e: Environment

    @initialize(
        policy=st.sampled_from(POLICIES),
        vad=st.booleans(),
        playback=st.sampled_from(["sound", "sound", "text", "nothing"]),
    )
    def begin(self, policy: rf.RetryPolicy, vad: bool, playback: str) -> None:
        self.e = Environment(policy)
        self.e.c.playback_reported = playback != "nothing"
        self.e.c.audible = playback == "sound"
        self.e.tell(rf.SessionConfigured(server_creates=vad, server_interrupts=vad))

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

    # --- the wire and the server

    @precondition(lambda self: self.e.outgoing and self.e.connected)
    @rule(gone=st.sampled_from([False, False, False, True]))
    def leave(self, gone: bool) -> None:
        self.e.leave(gone)

    @precondition(lambda self: self.e.to_server)
    @rule(
        answer=st.sampled_from(
            [
                "accept",
                "accept",
                "accept",
                "accept",
                "lose",
                "done",
                "server_error",
                "invalid_value",
            ]
        )
    )
    def serve(self, answer: str) -> None:
        self.e.serve(answer)

    @precondition(lambda self: self.e.to_client)
    @rule(count=st.integers(1, 4))
    def deliver(self, count: int) -> None:
        for _ in range(count):
            if self.e.to_client:
                self.e.deliver()

    @precondition(lambda self: self.e.active is not None)
    @rule(what=st.sampled_from(["message", "delta", "delta", "call", "reasoning", "activity"]))
    def generate(self, what: str) -> None:
        self.e.generate(what)

    @precondition(lambda self: self.e.active is not None)
    @rule(status=st.sampled_from(rf.ResponseStatus), code=st.sampled_from([*CODES[:3], *CODES]))
    def finish(self, status: rf.ResponseStatus, code: str) -> None:
        self.e.finish(status, code)

    @precondition(lambda self: self.e.connected)
    @rule(what=st.sampled_from(["start", "stop", "stop", "cough", "answer", "answer", "fail"]))
    def speak(self, what: str) -> None:
        if self.e.watch.server_creates or what not in ("answer", "fail"):
            self.e.speak(what)

    @precondition(lambda self: self.e.connected and self.e.watch.server_creates)
    @rule()
    def server_vad_answers(self) -> None:
        self.e.vad()

    @precondition(lambda self: self.e.connected)
    @rule(for_good=st.sampled_from([False, False, True]))
    def drop(self, for_good: bool) -> None:
        self.e.drop(for_good=for_good)

    @rule(sure=st.integers(0, 5))
    def reconnect(self, sure: int) -> None:
        """Also a planned rollover, now and then."""
        if not self.e.connected or sure == 0:
            self.e.reconnect()

    @precondition(lambda self: self.e.connected)
    @rule(after=st.sampled_from([None, 0.5, 3.0, 100.0]))
    def rate_limits(self, after: float | None) -> None:
        self.e.to_client.append(rf.RateLimitsUpdated(reset_after=after))

    @rule(sure=st.integers(0, 20))
    def session_fails(self, sure: int) -> None:
        if sure == 0:
            self.e.tell(rf.SessionFailed(error=rf.error_info("gone", None, "")))

    # --- playback

    @precondition(lambda self: any(t.messages for t in self.e.c.turns))
    @rule(data=st.data())
    def pull(self, data: st.DataObject) -> None:
        items = [m.item_id for t in self.e.c.turns for m in t.messages if m.exposed]
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
        items = [m.item_id for t in self.e.c.turns for m in t.messages if m.exposed]
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
            self.e.fall_silent()
        except BaseException:
            note("\n".join(self.e.log))
            raise
        finally:
            # Shown for an example that fails, in whatever step: a case to paste into the corpus.
            note(self.e.c.case(id="X1", title="a random history", guarantees="G1"))


def _state(turn: rf.Turn) -> tuple[Any, ...]:
    return (turn.state, turn.attempts, turn.message_number, turn.outcome, tuple(turn.calls))


TestCalls = Calls.TestCase
