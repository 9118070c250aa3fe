"""Random histories of one controller: G1, G2, G3, G5, G7 hold, and every turn ends."""

from __future__ import annotations

from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import realtime_fsm as rf
from tests.core.harness import consistent

from .environment import Environment


class Calls(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.e = Environment()
        self.e.tell(rf.SessionConfigured(server_creates=True, server_interrupts=True))

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

    @rule(seconds=st.sampled_from([0.05, 0.2, 1.0, 2.5, 6.0]))
    def wait(self, seconds: float) -> None:
        self.e.wait(seconds)

    # --- the wire and the server

    @precondition(lambda self: self.e.outgoing and self.e.connected)
    @rule()
    def leave(self) -> None:
        self.e.leave()

    @precondition(lambda self: self.e.to_server)
    @rule(answer=st.sampled_from(["accept", "accept", "accept", "refuse", "lose"]))
    def serve(self, answer: str) -> None:
        self.e.serve(answer)

    @precondition(lambda self: self.e.to_client)
    @rule(count=st.integers(1, 4))
    def deliver(self, count: int) -> None:
        for _ in range(min(count, len(self.e.to_client))):
            self.e.deliver()

    @precondition(lambda self: self.e.active is not None)
    @rule(what=st.sampled_from(["message", "delta", "delta", "call"]))
    def generate(self, what: str) -> None:
        self.e.generate(what)

    @precondition(lambda self: self.e.active is not None)
    @rule(
        status=st.sampled_from(rf.ResponseStatus),
        code=st.sampled_from(["server_error", "rate_limit_exceeded", "who_knows"]),
    )
    def finish(self, status: rf.ResponseStatus, code: str) -> None:
        self.e.finish(status, code)

    @precondition(lambda self: self.e.connected)
    @rule()
    def server_vad_answers(self) -> None:
        self.e.vad()

    @precondition(lambda self: self.e.connected)
    @rule()
    def drop(self) -> None:
        self.e.drop()

    @precondition(lambda self: not self.e.connected)
    @rule()
    def reconnect(self) -> None:
        self.e.reconnect()

    # --- playback

    @precondition(lambda self: any(t.messages for t in self.e.c.turns))
    @rule(data=st.data())
    def pull(self, data: st.DataObject) -> None:
        items = [m.item_id for t in self.e.c.turns for m in t.messages if m.exposed]
        if items:
            self.e.tell(rf.MessagePulled(item_id=data.draw(st.sampled_from(items))))

    @rule(position=st.sampled_from([0.0, 250.0, 1e9, float("nan")]), cut=st.booleans())
    def playback_finished(self, position: float, cut: bool) -> None:
        self.e.tell(rf.PlaybackFinished(position_ms=position, interrupted=cut))

    @precondition(lambda self: self.e.c.turns)
    @rule(data=st.data(), cut=st.booleans())
    def speech_over(self, data: st.DataObject, cut: bool) -> None:
        turn = data.draw(st.sampled_from([t.id for t in self.e.c.turns]))
        self.e.tell(rf.SpeechOver(turn_id=turn, interrupted=cut))

    # --- what must not matter

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

    @invariant()
    def live_turns_are_the_ones_not_ended(self) -> None:
        live = {t.id for t in self.e.c.turns}
        for turn_id, turn in self.e.turns.items():
            assert (turn_id in live) == turn.live == (self.e.ended.get(turn_id, 0) == 0)

    @invariant()
    def states_and_outcomes_say_the_same(self) -> None:
        consistent(self.e.c)

    def teardown(self) -> None:
        try:
            self.e.fall_silent()
        except BaseException:
            note("\n".join(self.e.log))
            raise
        finally:
            # Shown for an example that fails, in whatever step: a case to paste into the corpus.
            note(self.e.c.case(id="X1", title="a random history", guarantees="G1 G2 G3 G5 G7"))


def _state(turn: rf.Turn) -> tuple[Any, ...]:
    return (turn.state, turn.attempts, turn.message_number, turn.outcome, tuple(turn.calls))


TestCalls = Calls.TestCase
