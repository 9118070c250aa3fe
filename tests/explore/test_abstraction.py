"""What the search drops of the past does not matter: the proof of its abstraction, by trial.

A walk keeps one controller with all of its past, and makes another anew from the data at each step.
Both must go the same way. Where they do not, the search looks at less than it says.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from realtime_fsm import RetryPolicy, TurnController
from realtime_fsm._core import commands as cmd
from realtime_fsm._core.connection import Connection
from realtime_fsm._core.lane import Lane
from realtime_fsm._core.user_speech import UserSpeech
from realtime_fsm.lab.explore import Bound, acts, parts
from realtime_fsm.lab.explore import snapshot as snapshots
from realtime_fsm.lab.explore.acts import late
from realtime_fsm.lab.explore.rows import Rules
from realtime_fsm.lab.explore.server import Response
from realtime_fsm.lab.explore.world import Action, World

#: More of everything, and all of it together, than a part of the search has.
WIDE = Bound(
    turns=3,
    vad_turns=2,
    interrupts=2,
    drops=3,
    oddities=4,
    timeouts=6,
    audible=True,
    frames=True,
    # Not the 60 s after which a connection has proven itself: rounding would decide.
    policy=RetryPolicy(max_retry=2, speech_timeout=61.0),
)
#: A user who speaks again and again, and a server that takes its time.
SLOW = replace(
    WIDE, turns=1, messages=1, vad_turns=4, drops=0, oddities=1, timeouts=9, frames=False
)
BOUNDS = {
    **parts(Bound()),
    "wide": WIDE,
    "wide, no sink": replace(WIDE, sink=False, audible=False),
    "slow": SLOW,
}
#: Walks for each bound and each policy; `make properties` takes more, with 2000 it is some minutes.
SEEDS = int(os.environ.get("WALKS", "30"))
#: What uses up the bound or ends the walk is rare, or no walk gets anywhere. Others: 1.
WEIGHTS = {
    **dict.fromkeys(("leave", "item", "output"), 3.0),
    **dict.fromkeys(("accept",), 5.0),
    **dict.fromkeys(("done", "speech", "pause", "interrupt"), 0.5),
    **dict.fromkeys(("give_up", "limited", "truncate", "refuse_fatal", "failed_fatal"), 0.2),
    **dict.fromkeys(("tick", "drop", "deafen", "not_sent"), 0.06),
    **dict.fromkeys(("over_cut", "over_done", "rollover", "close", "session_failed"), 0.03),
}


class Walk:
    """One way through a bound, at random."""

    def __init__(self, bound: Bound, rules: Rules, seed: int) -> None:
        self.bound, self.rules = bound, rules
        self.whole = World(bound, rules)
        self.path: list[Action] = []
        self._random = random.Random(seed)
        self._likes: dict[str, float] = {}
        self._over: list[Response] = []

    def run(self) -> None:
        for _ in range(60):
            actions = acts.actions(self.whole)
            if not actions:
                break
            self._step(self._choice(actions), actions)

    def _choice(self, actions: list[Action]) -> Action:
        """Each walk likes other things, so that all of them go everywhere."""
        kinds = sorted({action[0] for action in actions})
        kind = self._random.choices(kinds, [self._weight(kind) for kind in kinds])[0]
        of_kind = [action for action in actions if action[0] == kind]
        return self._random.choices(of_kind, [WEIGHTS.get(str(a[-1]), 1.0) for a in of_kind])[0]

    def _weight(self, kind: str) -> float:
        likes = self._likes.setdefault(kind, 10 ** self._random.uniform(-1.5, 1.0))
        return WEIGHTS.get(kind, 1.0) * likes

    def _step(self, action: Action, actions: list[Action]) -> None:
        self.path.append(action)
        whole, before = self.whole, self.whole.pack()
        anew = World.unpack(before, self.bound, self.rules)
        assert anew.pack() == before
        assert acts.actions(anew) == actions
        active = whole.server.active
        whole.answers = []
        acts.apply(whole, action)
        acts.apply(anew, action)
        assert anew.pack() == whole.pack()
        assert _said(anew) == _said(whole)
        late.check_stale(World.unpack(whole.pack(), self.bound, self.rules))
        # G3: to the search all responses that are over are one.
        seen = action[0] in ("serve", "done", "speech", "limited") and action[-1] != "unsaid"
        if active is not None and whole.server.active is not active and seen:
            self._over.append(active)
        if self._over:
            late.echo(whole, self._random.choice(self._over))


def _said(world: World) -> list[str]:
    """Without what a new connection is owed of the conversation: the search does not look at it."""
    return [type(c).__name__ for c in world.answers if not isinstance(c, cmd.RestoreItem)]


@pytest.mark.parametrize("after_exposure", ["stop", "regenerate"])
def test_what_is_dropped_of_the_past_does_not_matter(after_exposure: str) -> None:
    rules, steps = Rules(), 0
    for name, bound in BOUNDS.items():
        policy = replace(bound.policy, after_exposure=after_exposure)
        for seed in range(SEEDS):
            walk = Walk(replace(bound, policy=policy), rules, seed)
            try:
                walk.run()
            except Exception as e:
                raise AssertionError(f"{name}, seed {seed}: {walk.path}") from e
            steps += len(walk.path)
    # Walks that end early compare nothing.
    assert len(rules.missing(rules.taken)) < rules.total * 2 // 5
    assert steps > 8 * SEEDS * len(BOUNDS)


def test_every_field_of_the_controller_is_accounted_for() -> None:
    session = TurnController()._session
    assert set(vars(session)) == snapshots._SESSION, "say in snapshot.py how the new field is kept"
    assert set(Lane.__slots__) == {"holders", "turns", "connection", "speech"}
    kept = {"state", "up_since", "losses", "last_frame", "failure"}
    # Only a driver says what is at stake, and the search has none.
    assert set(Connection.__slots__) == kept | {"epoch", "end_announced", "at_stake"}
    assert set(UserSpeech.__slots__) == {"state", "server_answers", "until", "since", "_policy"}
