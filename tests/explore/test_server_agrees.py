"""The model of the server allows what the simulator's server does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_fsm import RetryPolicy
from realtime_fsm import simulator as sim
from realtime_fsm._core import events as ev
from realtime_fsm._core.frames import parse
from realtime_fsm._core.states import ErrorKind
from realtime_fsm.lab.explore import Bound, acts
from realtime_fsm.lab.explore.rows import Rules
from realtime_fsm.lab.explore.world import Action, World

SPOKEN = sim.Message("Good morning.", seconds=1.0)
REPLIES = {
    "two messages": sim.Reply([SPOKEN, SPOKEN]),
    "a call": sim.Reply([sim.FunctionCall("look", json.dumps({}))]),
    "empty": sim.Reply([]),
    "failed": sim.Reply([SPOKEN], end=sim.Failed("server_error")),
    "incomplete": sim.Reply([SPOKEN], end=sim.Incomplete("max_output_tokens")),
    "rejected": sim.Reply(ack=sim.Rejected("server_error")),
    "unanswered": sim.Reply(ack=sim.Unanswered()),
    "late": sim.Reply([SPOKEN], ack=sim.Created(after=2.0)),
}


class Pair:
    """The two servers side by side; the simulator's leads."""

    def __init__(self, reply: sim.Reply) -> None:
        rules = Rules()
        bound = Bound(turns=2, vad_turns=0, oddities=2, policy=RetryPolicy(max_retry=0))
        self.world = World(bound, rules)
        self.server = sim.ServerCore(sim.Script([reply]))
        self.server.connect(0.0)
        self.server.take()
        self.started: set[str] = set()
        self.followed = 0

    def do(self, action: Action) -> None:
        assert action in acts.actions(self.world), action
        acts.apply(self.world, action)

    def send(self, frame: dict[str, Any], now: float) -> None:
        self.server.receive(frame, now)
        self.follow()

    def follow(self) -> None:
        for frame in self.server.take():
            assert isinstance(frame, sim.Send)
            action = self._choice(parse(frame.event))
            if action is not None:
                self.do(action)
                self.followed += 1

    def _choice(self, event: ev.Event | None) -> Action | None:
        if isinstance(event, ev.ResponseCreated):
            active = self.world.server.active
            return ("serve", "accept") if active is None else ("announce",)
        if isinstance(event, ev.ErrorReceived):
            conflict = event.error.kind is ErrorKind.CONFLICT
            kind = self.world.server.inbox[0][0]
            refused = "nothing" if kind == "cancel" else "conflict"
            return ("serve", refused if conflict else "refuse")
        if isinstance(event, ev.ItemStarted):
            call = event.kind is ev.ItemKind.FUNCTION_CALL
            return ("item", "call" if call else "message")
        if isinstance(event, (ev.OutputReceived, ev.CallReceived)):
            known = event.item_id in self.started
            self.started.add(event.item_id)
            return None if known else ("output",)
        if isinstance(event, ev.ResponseDone):
            if event.status is ev.ResponseStatus.CANCELLED:
                return ("serve", "cancel")
            return ("done", event.status.value)
        return None


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("then", ["runs", "is cancelled", "meets another"])
def test_what_the_simulator_sends_is_a_choice_of_the_model(name: str, then: str) -> None:
    pair = Pair(REPLIES[name])
    pair.do(("ask",))
    pair.do(("leave",))
    pair.send({"type": "response.create", "event_id": "c1"}, 0.0)
    if name == "late":
        pair.do(("serve", "hold"))
    if name == "unanswered":
        pair.do(("serve", "ignore"))
    active = pair.world.server.active
    if then == "is cancelled" and active is not None and active.announced:
        pair.do(("interrupt", 0))
        pair.send({"type": "response.cancel", "event_id": "x1"}, 0.0)
    elif then == "meets another" and active is not None:
        # Our controller would wait; another client of the same wire need not.
        pair.world.server.inbox.append(("create", "e_99", "turn_99", 1))
        pair.send({"type": "response.create", "event_id": "c2"}, 0.0)
    while (at := pair.server.next_deadline()) is not None and at < 60:
        pair.server.advance(at)
        pair.follow()
    assert pair.world.server.active is None or name == "unanswered"
    assert pair.followed >= (0 if name == "unanswered" else 1)
