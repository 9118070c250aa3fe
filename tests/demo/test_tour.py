"""The demo itself, four times as fast: what is measured, and how it reads."""

from __future__ import annotations

import logging
import re
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.lab.demo import CALLS, Call, Result, run_call, tour
from realtime_fsm.lab.demo.moments import Observer
from realtime_fsm.lab.demo.result import Mode

SPEED = 4.0


class Tour(NamedTuple):
    output: str
    results: dict[tuple[str, str], Result]


@pytest.fixture(scope="module")
def shown() -> Tour:
    """One run of the whole demo, as a pipe sees it."""
    results: dict[tuple[str, str], Result] = {}

    def fast(call: Call, mode: Mode, observer: Observer, **more: Any) -> Result:
        results[call.name, mode] = run_call(call, mode, observer, speed=SPEED, **more)
        return results[call.name, mode]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tour, "run_call", fast)
        # As on a wide terminal: the demo keeps to its own width.
        done = CliRunner().invoke(
            app, ["demo"], env={"COLUMNS": "200", "FORCE_COLOR": None, "TTY_COMPATIBLE": None}
        )
    assert done.exit_code == 0, done.output
    assert not done.stderr
    return Tour(done.stdout, results)


# --- what is measured


def test_healthy_is_the_same_in_both_modes(shown: Tour) -> None:
    for mode in ("plain", "controlled"):
        healthy = shown.results["healthy", mode]
        assert healthy.heard == pytest.approx((0.8, 1.1), abs=0.01)
        assert (healthy.creates, healthy.collisions, healthy.recoveries) == (1, 0, 0)
        assert not healthy.exceptions
        assert not healthy.error_events
        assert healthy.memory_is_right


@pytest.mark.parametrize("name", ["rate limit", "dropped socket"])
def test_a_failure_before_output_is_silent_in_plain_and_recovers_controlled(
    shown: Tour, name: str
) -> None:
    plain, controlled = shown.results[name, "plain"], shown.results[name, "controlled"]
    assert plain.heard_seconds == 0
    assert plain.longest_silence == pytest.approx(plain.seconds, abs=0.05)
    assert plain.creates == 1

    assert controlled.heard == pytest.approx((1.2,), abs=0.01)
    assert (controlled.creates, controlled.collisions, controlled.recoveries) == (2, 0, 1)
    assert controlled.longest_silence < plain.longest_silence
    assert not controlled.exceptions
    assert controlled.memory_is_right


def test_barge_in_collides_in_plain_and_waits_controlled(shown: Tour) -> None:
    plain, controlled = shown.results["barge-in", "plain"], shown.results["barge-in", "controlled"]
    assert (plain.creates, plain.collisions) == (2, 1)
    assert plain.exceptions == ("conversation_already_has_active_response",)
    assert len(plain.unanswered) == 1

    assert (controlled.creates, controlled.collisions) == (2, 0)
    assert not controlled.exceptions
    assert not controlled.unanswered
    first, second = controlled.heard
    assert 0.6 <= first < 1.2
    assert second == pytest.approx(1.1, abs=0.01)


def test_controlled_logs_no_error_of_ours_and_ends_every_handle(shown: Tour) -> None:
    for call in CALLS:
        controlled = shown.results[call.name, "controlled"]
        assert "realtime_fsm" not in controlled.logged_errors
        assert all(answer.done for answer in controlled.answers)


def test_loggers_are_left_as_they_were(shown: Tour) -> None:
    for name in ("livekit", "asyncio", "realtime_fsm"):
        assert logging.getLogger(name).propagate


# --- how it reads


def test_output_fits_80_columns_and_has_no_control_codes(shown: Tour) -> None:
    lines = shown.output.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown.output)


def test_output_shows_the_states_the_recovery_and_the_sound(shown: Tour) -> None:
    shape = r"turn\s+requested.*→ created.*→ streaming message 1.*→ streaming message 2.*→ done"
    assert re.search(shape, shown.output, re.DOTALL)
    assert "retry_wait" in shown.output
    assert "inference_rate_limit_exceeded; retrying in 0.1 s" in shown.output
    assert "→ cancelling" in shown.output
    assert re.search(r"sound +is cut off, 0\.\d\d s heard", shown.output)
    assert re.search(r"handle 2 +done, exception conversation_already_has", shown.output)
    assert "(*)" in shown.output
    assert '! 1.00 s "Then turn left."' in shown.output


def test_output_ends_with_the_finding(shown: Tour) -> None:
    finding = " ".join(shown.output.rstrip().rsplit("\n\n", 1)[1].split())
    assert re.fullmatch(
        r"Plain LiveKit: 2 of 5 questions answered \(2 lost without an exception\), longest silence"
        r" \d\.\d\d s, 1 collision, memory wrong in \d of 4 calls\. Controlled: 5 of 5 questions"
        r" answered, longest silence \d\.\d\d s, 0 collisions, memory wrong in \d of 4 calls\.",
        finding,
    )
