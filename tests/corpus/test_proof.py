"""The proof of the proof: break the code on purpose, and the cases of that family fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm._core import (
    connection_events,
    error_events,
    error_kinds,
    handlers,
    playback_table,
    response_effects,
    retry_budget,
)
from realtime_fsm._core.lane import Lane
from realtime_fsm._core.user_speech import UserSpeech
from realtime_fsm.livekit._driver import Driver
from realtime_fsm.livekit._raw import RawLink
from realtime_fsm.testing.corpus import Case, cases, run

Patch = pytest.MonkeyPatch
CASES = {case.id: case for case in cases()}


def the_lane_is_always_free(patch: Patch) -> None:
    patch.setattr(Lane, "free", lambda self: self.connection.up)


def nobody_waits_for_server_vad(patch: Patch) -> None:
    patch.setattr(UserSpeech, "closes_lane", False)


def the_error_names_no_create(patch: Patch) -> None:
    handle: Any = handlers.HANDLERS[rf.ErrorReceived]

    def nameless(session: Any, event: rf.ErrorReceived, step: Any) -> bool:
        return bool(handle(session, rf.ErrorReceived(error=event.error), step))

    patch.setitem(handlers.HANDLERS, rf.ErrorReceived, nameless)


def a_late_response_is_let_live(patch: Patch) -> None:
    patch.setattr(response_effects, "cancel", lambda response, step: None)


def nothing_is_tried_again(patch: Patch) -> None:
    patch.setattr(retry_budget, "RETRIES", dict.fromkeys(rf.ErrorKind, 0))


def the_type_says_it_all(patch: Patch) -> None:
    code = "inference_rate_limit_exceeded"
    patch.setitem(error_kinds.BY_CODE, code, rf.ErrorKind.CLIENT_BUG)


def quota_is_a_passing_failure(patch: Patch) -> None:
    patch.setattr(error_kinds, "FATAL", frozenset())
    patch.setitem(error_kinds.BY_CODE, "insufficient_quota", rf.ErrorKind.TRANSIENT)


def a_lost_connection_loses_its_turns(patch: Patch) -> None:
    patch.setattr(connection_events, "end_connection", lambda session, step: None)


def unheard_items_stay(patch: Patch) -> None:
    patch.setitem(Driver._HANDLERS, rf.DeleteItem, lambda driver, command: None)


def every_truncate_passes(patch: Patch) -> None:
    patch.setattr(Driver, "truncating", lambda self, item_id, ms: ms + 400)


def endless_positions_are_zero(patch: Patch) -> None:
    within = playback_table._within

    def believed(report: playback_table.Report, message: rf.Message) -> int:
        return within(report, message) if math.isfinite(report.position_ms) else 0

    patch.setattr(playback_table, "_within", believed)


def the_sink_is_not_heard(patch: Patch) -> None:
    for event in (rf.PlaybackFinished, rf.PlaybackStarted):
        patch.setitem(handlers.HANDLERS, event, lambda session, event, step: False)


def calls_are_not_handed_out(patch: Patch) -> None:
    deliver: Any = Driver._HANDLERS[rf.DeliverItem]

    def messages_only(driver: Any, command: rf.DeliverItem) -> None:
        turn = driver.controller.find(command.turn_id)
        if turn is None or command.item_id not in turn.calls:
            deliver(driver, command)

    patch.setitem(Driver._HANDLERS, rf.DeliverItem, messages_only)


def nothing_to_cancel_means_nothing(patch: Patch) -> None:
    patch.setattr(error_events, "_nothing_to_cancel", lambda session, event_id, step: None)


def cancels_name_no_response(patch: Patch) -> None:
    patch.setattr(RawLink, "cancel", lambda self, response_id, event_id: self.probe(event_id))


#: What is broken, the cases that must fail, and one that need not.
BROKEN: list[tuple[Callable[[Patch], None], str, str]] = [
    (the_lane_is_always_free, "A3 A4.exact A5 A6 A11 A12 A19 I-b", "A17"),
    (nobody_waits_for_server_vad, "A7 A7.exact G14", "A4.exact"),
    (the_error_names_no_create, "A8 A9.exact", "A7.exact"),
    (a_late_response_is_let_live, "B1.exact", "B5"),
    (nothing_is_tried_again, "C1 C1.vad C6 C13 D2.expiry D7", "C12"),
    (the_type_says_it_all, "C1 C7", "C6"),
    (quota_is_a_passing_failure, "C12", "C1"),
    (a_lost_connection_loses_its_turns, "C13", "C1"),
    (unheard_items_stay, "E4 E5 E8 F6 I-i", "E1"),
    (every_truncate_passes, "E3 E4 F7", "F5"),
    (endless_positions_are_zero, "F11", "F3"),
    (the_sink_is_not_heard, "E4.exact G15 F3", "G10"),
    (calls_are_not_handed_out, "C5 E6 H1 H2 H9", "H8"),
    (nothing_to_cancel_means_nothing, "I-g", "I-d"),
    (cancels_name_no_response, "A3 F4", "C1"),
]


@pytest.mark.parametrize(
    ("broken", "ids", "unconcerned"),
    [pytest.param(*row, id=row[0].__name__) for row in BROKEN],
)
def test_breaking_it_fails_the_cases_of_the_family(
    broken: Callable[[Patch], None], ids: str, unconcerned: str, monkeypatch: Patch
) -> None:
    broken(monkeypatch)
    still_hold = [case.id for case in named(ids) if run(case).holds]
    assert still_hold == []
    (case,) = named(unconcerned)
    assert run(case).holds, "the break is not as wide as all that"


def named(ids: str) -> list[Case]:
    return [CASES[name] for name in ids.split()]


def test_a_controller_of_another_make_can_be_run() -> None:
    """G1: one that grants every turn at once."""

    class Eager(rf.TurnController):
        def request(
            self, now: float, *, origin: rf.Origin = rf.Origin.CLIENT, of_user: bool = True
        ) -> rf.Turn:
            lane = self._session.lane
            holders, lane.holders = lane.holders, []
            turn = super().request(now, origin=origin, of_user=of_user)
            lane.holders = [*holders, *lane.holders]
            return turn

    (case,) = named("A4.exact")
    assert run(case).holds
    (told, *_) = run(case, controller=Eager).problems
    assert "response.create B was sent" in told
