"""Random calls through the adapter, in virtual time: a real session, and the oracle of the random
histories beside its controller."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import realtime_fsm as rf
from realtime_fsm.livekit import _driver
from realtime_fsm.testing import run_virtual, simulated_call
from realtime_fsm.testing.corpus import RecordingController
from realtime_fsm.testing.strategies import perform, scripts, sinks, user_actions

from .watch import Watch

#: Whole calls take long: few of them by default.
EXAMPLES = {"ci": 20, "nightly": 1_000}.get(os.environ.get("HYPOTHESIS_PROFILE", "dev"), 4)


class Watched(RecordingController):
    """A controller that is judged while it works."""

    made: list[Watched]

    def __init__(self, policy: rf.RetryPolicy | None = None, *, keep: int = 32) -> None:
        super().__init__(policy, keep=keep)
        self.watch = Watch(self.policy)
        self.broken: list[str] = []
        self.made.append(self)

    def _judge(self, call: str, *args: Any) -> None:
        try:
            getattr(self.watch, call)(*args)
        except AssertionError as error:
            self.broken.append(str(error))

    def request(
        self, now: float, *, origin: rf.Origin = rf.Origin.CLIENT, of_user: bool = True
    ) -> rf.Turn:
        self.watch.now = now
        turn = super().request(now, origin=origin, of_user=of_user)
        self._judge("asks", turn.id)
        return turn

    def interrupt(self, turn: rf.Turn, now: float) -> None:
        if turn.live:
            self._judge("interrupts", turn.id)
        super().interrupt(turn, now)

    def receive(self, event: rf.Event, now: float) -> bool:
        if isinstance(event, rf.SpeechOver) and event.interrupted and self.find(event.turn_id):
            self._judge("interrupts", event.turn_id)
        self._judge("told", event, now)
        return super().receive(event, now)

    def advance(self, now: float) -> None:
        self.watch.now = now
        super().advance(now)

    def commands(self) -> list[rf.Command]:
        commands = super().commands()
        for command in commands:
            self._judge("said", command, self.watch.now)
        return commands


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(
    script=scripts(tools=["look_up"]),
    actions=user_actions(max_actions=4),
    sink=sinks(),
    after_exposure=st.sampled_from(["stop", "regenerate"]),
)
def test_g1_to_g26_hold_in_any_call(
    script: Any, actions: Any, sink: Any, after_exposure: Any
) -> None:
    Watched.made = []
    policy = rf.RetryPolicy(after_exposure=after_exposure)

    async def one_call() -> None:
        async with simulated_call(script, sink=sink, policy=policy) as call:
            await perform(call, actions)
            await call.idle(timeout=300)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_driver, "TurnController", Watched)
        run_virtual(one_call)
    assert Watched.made
    for controller in Watched.made:
        note(controller.case(id="X1", title="a random call", guarantees="G1"))
        assert controller.broken == []
        assert controller.closed
