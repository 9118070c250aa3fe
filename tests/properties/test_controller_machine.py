"""Random histories of one controller: the guarantees hold, and every turn ends."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

import realtime_fsm as rf

from .environment import Environment
from .machine import POLICIES, Histories

CODES = ["server_error", "rate_limit_exceeded", "who_knows", "insufficient_quota"]


class Calls(Histories):
    """G1 to G26, as far as a controller alone can keep or break them: see `guarantees.py`."""

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

    # --- the server

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
    @rule(after=st.sampled_from([None, 0.5, 3.0, 100.0]))
    def rate_limits(self, after: float | None) -> None:
        self.e.to_client.append(rf.RateLimitsUpdated(reset_after=after))


TestCalls = Calls.TestCase
