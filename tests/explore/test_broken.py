"""Rules that are broken on purpose are found, each by a short sequence and for the right reason."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from realtime_fsm import RetryPolicy, TurnState
from realtime_fsm import _rules as rules
from realtime_fsm._commands import DeliverItem
from realtime_fsm._core import Core
from realtime_fsm._machine import arrows
from realtime_fsm._playback_table import PLAYBACK_TABLE, PlaybackEvent
from realtime_fsm._table import Row, TurnEvent
from realtime_fsm._turn import Attempt
from realtime_fsm.explore import Bound, mermaid, replay, search

S, E = TurnState, TurnEvent
SMALL = Bound(
    turns=1, messages=1, vad_turns=0, interrupts=0, drops=0, policy=RetryPolicy(max_retry=1)
)
CUT = replace(SMALL, interrupts=1)
ODD = replace(CUT, turns=1, oddities=1)


def table(**changed: Any) -> tuple[Row, ...]:
    """Our table with every guard or effect of these names replaced."""
    out = []
    for row in arrows():
        for part in ("guard", "effect"):
            function = getattr(row, part)
            if function is not None and function.__name__ in changed:
                row = row._replace(**{part: changed[function.__name__]})
        out.append(Row(*row))
    return tuple(out)


def without(state: TurnState, event: TurnEvent) -> tuple[Row, ...]:
    rows = (r for r in arrows() if (r.source, r.event) != (state, event))
    return tuple(Row(*r) for r in rows)


def redirected(state: TurnState, event: TurnEvent, dest: TurnState | None) -> tuple[Row, ...]:
    return tuple(
        Row(*(r._replace(dest=dest) if (r.source, r.event) == (state, event) else r))
        for r in arrows()
    )


def redone(state: TurnState, event: TurnEvent, effect: Any) -> tuple[Row, ...]:
    return tuple(
        Row(*(r._replace(effect=effect) if (r.source, r.event) == (state, event) else r))
        for r in arrows()
    )


def yes(turn: Any, step: Any) -> bool:
    return True


def nothing(turn: Any, step: Any) -> None:
    pass


def retry_after_exposure(turn: Any, step: Any) -> bool:
    return turn.retries < step.policy.max_retry


def fail_unseen(turn: Any, step: Any) -> None:
    turn.ending = rules.TurnOutcome.FAILED
    rules.fail(turn, step)


def keep_the_response(turn: Any, step: Any) -> None:
    mark = len(step.out)
    rules.schedule_retry(turn, step)
    step.out[mark:] = [c for c in step.out[mark:] if type(c).__name__ != "CancelResponse"]
    turn.attempt = None


def give_the_call_twice(turn: Any, step: Any) -> None:
    rules.hand_out_call(turn, step)
    step.out.append(DeliverItem(turn_id=turn.id, item_id=step.event.item_id))


def cancel_without_a_cancel(turn: Any, step: Any) -> None:
    turn.interrupted, turn.ending = True, rules.TurnOutcome.INTERRUPTED
    rules.end_generation(turn, step)
    turn.deadline = step.now + 5


def end_streams_twice(turn: Any, step: Any) -> None:
    rules.finish_completed(turn, step)
    turn.generation_over = False
    rules.end_generation(turn, step)


def send_two(turn: Any, step: Any) -> None:
    rules.send_create(turn, step)
    rules.send_create(turn, step)


BROKEN = {
    "a retry after exposure": (SMALL, "G9", table(may_retry=retry_after_exposure)),
    "retries without end": (
        SMALL,
        "G9",
        table(may_retry=lambda turn, step: not turn.exposed),
    ),
    "no retry at all": (SMALL, "G9", table(may_retry=lambda turn, step: False)),
    "a failure nobody is told of": (SMALL, "G8", table(fail=fail_unseen)),
    "an interrupt without a cancel": (CUT, "G23", table(cancel=cancel_without_a_cancel)),
    "a late response is not cancelled": (CUT, "G4", table(adopt_and_cancel=rules.adopt_response)),
    "a call is handed out twice": (SMALL, "G17", table(hand_out_call=give_the_call_twice)),
    "a message is not handed out": (SMALL, "G13", table(expose_message=nothing)),
    "streams end twice": (SMALL, "G7", table(finish_completed=end_streams_twice)),
    "two creates at once": (SMALL, "G1", table(send_create=send_two)),
    "a conflict is fatal": (ODD, "G20", table(may_ask_again=lambda turn, step: False)),
    "output of a cancelled response": (
        CUT,
        "G3",
        redone(S.CANCELLING, E.OUTPUT_RECEIVED, rules.expose_message),
    ),
    "no rule for a terminal": (SMALL, "G8", without(S.CREATED, E.RESPONSE_INCOMPLETE)),
    "no rule for late output": (CUT, "no rule", without(S.CANCELLING, E.ITEM_STARTED)),
    "a turn that waits for ever": (
        SMALL,
        "liveness",
        redirected(S.STREAMING, E.PLAYBACK_TIMEOUT, S.CANCELLING),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_found_with_a_short_sequence(name: str) -> None:
    bound, guarantee, broken = BROKEN[name]
    result = search(bound, table=broken, stop_at_violation=True)
    assert result.violations
    found = result.violations[0]
    assert any(v.text.startswith(guarantee) for v in result.violations), found.text
    assert len(found.sequence) <= 9
    played = replay(found.sequence, bound, table=broken)
    assert played.violation is not None
    assert mermaid(played).startswith("sequenceDiagram\n")


def test_a_broken_playback_rule_is_found() -> None:
    """G14: a report that settles nothing."""
    broken = tuple(
        r._replace(effect=None) if r.event is PlaybackEvent.REPORTED else r for r in PLAYBACK_TABLE
    )
    result = search(SMALL, playback_table=broken, stop_at_violation=True)
    assert result.violations[0].text.startswith("G14")
    assert len(result.violations[0].sequence) <= 7


def test_our_own_tables_hold_within_the_same_bounds() -> None:
    for bound in (SMALL, CUT):
        result = search(bound)
        assert result.complete
        assert not result.violations


DEAF = replace(ODD, frames=True)


def test_a_dead_connection_that_nobody_notices_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """G4: every server answers a cancel; one that says nothing at all is not there."""
    chase = Core.chase

    def trusting(core: Core, attempt: Attempt, step: rules.Step) -> None:
        heard, core.last_frame = core.last_frame, None
        chase(core, attempt, step)
        core.last_frame = heard

    monkeypatch.setattr(Core, "chase", trusting)
    assert "G4: a dead connection is not noticed" in _found(DEAF)


def test_a_connection_that_is_replaced_though_it_answers_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chase = Core.chase

    def hasty(core: Core, attempt: Attempt, step: rules.Step) -> None:
        core.last_frame = None if core.last_frame is None else -math.inf
        chase(core, attempt, step)

    monkeypatch.setattr(Core, "chase", hasty)
    assert "G4: a connection that answers is replaced" in _found(DEAF)


def test_a_retry_before_the_rate_limit_is_reset_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """G9: what the server said of its rate limits counts for the failure before and after it."""
    monkeypatch.setattr(Core, "limited", lambda core, until, step: None)
    assert any(text.startswith("G9: a retry before the rate limit") for text in _found(DEAF))


def _found(bound: Bound) -> list[str]:
    return [found.text for found in search(bound, limit_states=2500).violations]
