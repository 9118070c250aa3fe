"""Which timer a turn runs, on records of every kind."""

from __future__ import annotations

from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm._core.machine_events import TurnEvent as E
from realtime_fsm._core.records import Message, Response, Turn
from realtime_fsm._core.states import Generation, Origin, ResponseState, TurnState
from realtime_fsm._core.timers import timer_of

#: Seconds; each different from the rest.
TIMES: dict[str, Any] = {"stall_timeout": 8.0, "first_output_timeout": 20.0, "action_timeout": 60.0}
MESSAGE = Message(item_id="m1", number=1, attempt=2, delivered=True)
OLDER = Message(item_id="m0", number=1, attempt=1, delivered=True)
REGENERATE = "regenerate"


def due(
    after_exposure: Any = "stop", waited_for: bool = False, **fields: Any
) -> tuple[float, E] | None:
    """When something is due of a turn that streams, and of which nothing came since 100."""
    turn = Turn(id="t", origin=Origin.CLIENT, playback_reported=True, attempts=2)
    turn.state, turn.since = TurnState.STREAMING, fields.pop("since", 0.0)
    turn.messages = fields.pop("messages", ())
    turn.calls, turn.actions = fields.pop("calls", ()), fields.pop("actions", ())
    turn.attempt = Response(
        turn=turn, number=2, state=ResponseState.ACTIVE, last_activity=100.0, **fields
    )
    policy = rf.RetryPolicy(after_exposure=after_exposure, **TIMES)
    timer = timer_of(turn, policy, user_speaking=False, waited_for=waited_for)
    return None if timer is None else (timer.at, timer.event)


SPOKE: dict[str, Any] = {"has_output": True, "messages": (MESSAGE,)}
CALLED: dict[str, Any] = {"has_output": True, "calls": ("f1",)}
ACTED: dict[str, Any] = {"has_output": True, "actions": ("a1",)}


@pytest.mark.parametrize(
    ("turn", "timer"),
    [
        ({}, (108.0, E.STALLED)),
        ({"deltas_shown": False}, None),
        ({"acting": ("a1",)}, (160.0, E.STALLED)),
        # What the server did is its first output; what follows may take as long as a first one.
        (ACTED, (120.0, E.STALLED)),
        ({**ACTED, "messages": (OLDER,)}, (120.0, E.STALLED)),
        ({**ACTED, "messages": (MESSAGE,)}, (108.0, E.STALL_DOUBTED)),
        ({**ACTED, "calls": ("f1",)}, (108.0, E.STALL_DOUBTED)),
        # It may go on, and nobody was told yet, or was.
        (SPOKE, (108.0, E.STALL_DOUBTED)),
        ({**SPOKE, "since": 100.0}, (108.0, E.STALL_DOUBTED)),
        ({**SPOKE, "since": 108.0}, (120.0, E.STALLED)),
        ({**SPOKE, "waited_for": True}, (108.0, E.STALL_DOUBTED)),
        ({**SPOKE, "waited_for": True, "since": 108.0}, (120.0, E.STALLED)),
        # It can be asked for again, unless a tool ran or the server acted.
        ({**SPOKE, "after_exposure": REGENERATE}, (108.0, E.STALLED)),
        ({**CALLED, "after_exposure": REGENERATE}, (108.0, E.STALL_DOUBTED)),
        (
            {**SPOKE, "actions": ("a1",), "after_exposure": REGENERATE},
            (108.0, E.STALL_DOUBTED),
        ),
    ],
)
def test_g8_how_long_a_response_may_be_silent(
    turn: dict[str, Any], timer: tuple[float, E] | None
) -> None:
    assert due(**turn) == timer


def test_g8_a_stall_that_is_as_long_as_the_first_output_may_take_is_not_doubted() -> None:
    policy = rf.RetryPolicy(stall_timeout=20.0, first_output_timeout=20.0)
    turn = Turn(id="t", origin=Origin.CLIENT, playback_reported=True, attempts=2)
    turn.state, turn.messages, turn.generation = (
        TurnState.STREAMING,
        (MESSAGE,),
        Generation.RUNNING,
    )
    turn.attempt = Response(
        turn=turn, number=2, state=ResponseState.ACTIVE, last_activity=100.0, has_output=True
    )
    timer = timer_of(turn, policy, user_speaking=False, waited_for=False)
    assert timer == (120.0, E.STALLED)


@pytest.mark.parametrize(
    ("waited_for", "recover_by", "at"),
    [
        (False, None, 120.0),
        (True, None, 120.0),  # no retry: plain LiveKit waits for it as well
        (False, 107.0, 120.0),  # nobody waits: a model may think
        (True, 107.0, 107.0),
        (True, 130.0, 120.0),
    ],
)
def test_g27_a_retry_that_says_nothing_holds_nobody_up_for_longer_than_recovery_may_last(
    waited_for: bool, recover_by: float | None, at: float
) -> None:
    turn = Turn(id="t", origin=Origin.CLIENT, playback_reported=True, attempts=2)
    turn.state, turn.recover_by = TurnState.CREATED, recover_by
    turn.attempt = Response(turn=turn, number=2, state=ResponseState.ACTIVE, last_activity=100.0)
    policy = rf.RetryPolicy(**TIMES)
    timer = timer_of(turn, policy, user_speaking=False, waited_for=waited_for)
    assert timer == (at, E.STALLED)
