"""Random histories of one controller and the simulator's protocol core, which keeps the rules."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

import realtime_fsm as rf
from realtime_fsm.simulator import Schedule, Script, ServerConfig
from realtime_fsm.testing.strategies import schedules, scripts

from .machine import POLICIES, Histories
from .protocol import ProtocolEnvironment

CONFIGS = [
    ServerConfig(),
    ServerConfig(create_delay=0.3, vad_create_delay=0.4, cancel_delay=0.3),
    ServerConfig(cancel_before_created=True, conflict_event_id="null", commit_delay=0.2),
    ServerConfig(slot_taken="created", vad_conflict="silent", rate_limits="after_created"),
    ServerConfig(interrupted_before_created="created_and_done", reasoning_items="item"),
]


class Connections(Histories):
    """G1 to G26, as far as a controller alone can keep or break them: see `guarantees.py`."""

    e: ProtocolEnvironment

    @initialize(
        policy=st.sampled_from(POLICIES),
        vad=st.booleans(),
        playback=st.sampled_from(["sound", "sound", "text", "nothing"]),
        script=scripts(tools=["look_up"], max_seconds=1.0),
        config=st.sampled_from(CONFIGS),
        faults=st.one_of(
            schedules("none"), schedules("mild"), schedules("rough"), schedules("hostile")
        ),
    )
    def begin(
        self,
        policy: rf.RetryPolicy,
        vad: bool,
        playback: str,
        script: Script,
        config: ServerConfig,
        faults: Schedule,
    ) -> None:
        self.e = ProtocolEnvironment(policy, script, config, faults, vad=vad)
        self.e.c.playback_reported = playback != "nothing"
        self.e.c.audible = playback == "sound"
        self.e.open()

    @precondition(lambda self: self.e.connected)
    @rule(seconds=st.sampled_from([0.1, 0.6]))
    def the_user_speaks(self, seconds: float) -> None:
        self.e.speaks(seconds)

    @rule(seconds=st.sampled_from([0.01, 0.03, 0.3]))
    def a_moment_passes(self, seconds: float) -> None:
        """As long as the server's steps take."""
        self.e.wait(seconds)


TestConnections = Connections.TestCase
