"""Plays one call and judges it."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .caller import play
from .drawing import draw
from .evidence import Evidence
from .judge import Judged, judge
from .scenario import Profile, Scenario

__all__ = ["CallResult", "quiet_logs", "run_call", "run_scenario"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """The figures of one call. Times are milliseconds, so that sums do not depend on the order.

    Attributes:
        seed: the call's own.
        fates: how many turns came to which fate.
        lost_after_error: lost turns during which a recoverable ``error`` event came.
        violations: creates that left against evidence (G1).
        broken: how often each guarantee was broken.
        collisions: creates, of the client and of server VAD, that met a taken slot.
        hang: whether the call, or a speech of it, never came to its end.
        crash: what ended the call before its end; empty otherwise.
        mismatches: messages that are remembered otherwise than heard.
        differences: messages of which the controller itself says that heard, shown and remembered
            differ.
        repeated: messages heard twice.
        silence_ms: the longest silence after a turn.
        first_audio_ms: from the end of each answered turn to its first sound.
        simulated_ms: how long the call was.
        why: what is wrong with the call, in words.
    """

    seed: int
    fates: dict[str, int] = field(default_factory=dict)
    lost_after_error: int = 0
    violations: int = 0
    broken: dict[str, int] = field(default_factory=dict)
    collisions: int = 0
    hang: bool = False
    crash: str = ""
    mismatches: int = 0
    differences: int = 0
    repeated: int = 0
    silence_ms: int = 0
    first_audio_ms: tuple[int, ...] = ()
    simulated_ms: int = 0
    why: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        """Whether something happened that should not."""
        return bool(self.why)


def run_call(
    seed: int, profile: Profile = "none", *, plain: bool = False, traces: Path | None = None
) -> CallResult:
    """Draw the call of that seed, play it and judge it. *traces* is a folder for its trace, which is
    named by the seed."""
    trace = None if traces is None else traces / f"{seed}.jsonl"
    return run_scenario(draw(seed, profile), plain=plain, trace=trace)[0]


def run_scenario(
    scenario: Scenario, *, plain: bool = False, trace: Path | None = None, machines: bool = False
) -> tuple[CallResult, Evidence, Judged]:
    """Play a call and judge it; return the figures, and what they rest on. The arguments are those of
    `play`."""
    with quiet_logs():
        seen = play(scenario, plain=plain, trace=trace, machines=machines)
    judged = judge(seen)
    return _figures(scenario, seen, judged), seen, judged


def _figures(scenario: Scenario, seen: Evidence, judged: Judged) -> CallResult:
    fates, verdict = Counter(fate.fate for fate in judged.fates), judged.verdict
    why = [f"turn {n} lost: {f.why}" for n, f in enumerate(judged.fates, 1) if f.fate == "lost"]
    why += [f"turn {n}: heard twice" for n, f in enumerate(judged.fates, 1) if f.repeated]
    why += [f"{each.id} {each.text}" for each in verdict.violations]
    if seen.stuck:
        why.append(f"hang: {seen.stuck} speeches never ended")
    if seen.broken:
        why.append(f"{'hang' if seen.hang else 'crash'}: {seen.broken}")
    return CallResult(
        seed=scenario.seed or 0,
        fates=dict(sorted(fates.items())),
        lost_after_error=sum(fate.reported for fate in judged.fates),
        violations=verdict.broken["G1"],
        broken=dict(sorted(verdict.broken.items())),
        collisions=seen.collisions + seen.vad_collisions,
        hang=seen.hang or bool(seen.stuck),
        crash="" if seen.hang else seen.broken,
        mismatches=verdict.broken["G16"],
        differences=seen.differences,
        repeated=sum(fate.repeated for fate in judged.fates),
        silence_ms=max((round(f.silence * 1000) for f in judged.fates), default=0),
        first_audio_ms=tuple(
            round(f.first_sound * 1000)
            for f in judged.fates
            if f.fate == "answered" and f.first_sound is not None
        ),
        simulated_ms=round(seen.seconds * 1000),
        why=tuple(why),
    )


@contextlib.contextmanager
def quiet_logs() -> Iterator[None]:
    """Log nothing meanwhile."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
