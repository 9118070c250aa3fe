"""All measurements in one run, and what is asked of them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field

from .bare import PythonStateMachine, Transitions
from .canned import Recording, record
from .deltas import AUDIO, BLOCK, TEXT
from .imports import LIVEKIT, import_ms
from .memory import Growth, controller_bytes, controller_bytes_without_record, turn_bytes
from .observers import Cost, costs
from .pushes import BLOCK as BLOCK_OF_PUSHES
from .pushes import LENGTHS, pushes
from .reaction import reactions
from .rounds import Figure, Rounds, alternate
from .scripted_turn import RESPONSE_TRIGGERS, STATE_CHANGES, TRIGGERS, Caller
from .sessions import (
    USER,
    Calls,
    call_kb,
    calls,
    delta_us,
    deltas,
    first_audio_turns,
    p99,
    recorded,
)
from .where import shares

#: What each key should not exceed.
TARGETS = {
    "session_cpu_ratio": 1.10,
    "turn_vs_framework": 0.14,
    "turn_vs_transitions_floor": 1.5,
    "turn_vs_python_statemachine": 0.2,
    "delta_vs_plugin": 0.05,
    "first_audio_added_ms_p99": 1.0,
    "reaction_ms_p99": 1.0,
    "turn_bytes": 1536.0,
    "controller_bytes": 8192.0,
    "growth_ratio": 1.05,
    "rss_growth_mb": 1.0,
    "import_ms": 80.0,
    "push_ratio_600": 1.3,
    "recorder_ratio": 0.15,
    "first_audio_loop_turns_added": 2.0,
    "adapter_import_ms": 250.0,
}
#: Core turns in one measurement.
_TURNS = 10


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    calls: int
    turns: int
    growth: int
    at_once: int
    imports: int
    pushes: int


FULL = Size(rounds=101, calls=41, turns=12, growth=1_000_000, at_once=10, imports=21, pushes=31)
#: To see that everything runs.
QUICK = Size(rounds=3, calls=2, turns=2, growth=1_000, at_once=2, imports=2, pushes=2)


@dataclass
class Results:
    """What a run found.

    Attributes:
        figures: By key of `TARGETS`.
        details: Further figures, by name.
        rounds: CPU seconds of every round, by benchmark.
        growth: The long run.
        observers: What each way of observing adds when it is switched on, by name.
    """

    figures: dict[str, Figure] = field(default_factory=dict)
    details: dict[str, Figure] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)
    growth: Growth | None = None
    observers: dict[str, Cost] = field(default_factory=dict)

    def keep(self, name: str, rounds: Rounds) -> None:
        for side, seconds in rounds.seconds.items():
            self.rounds[f"{name}: {side}"] = seconds


def run(size: Size, tell: Callable[[str], None] = lambda line: None) -> Results:
    """Measure everything. *tell* is called with the name of what comes next."""
    gc.collect()
    gc.freeze()  # what was imported need not be gone through between any two measurements
    try:
        return _run(size, tell)
    finally:
        gc.unfreeze()


def _run(size: Size, tell: Callable[[str], None]) -> Results:
    found = Results()
    tell("a turn in the core")
    _core(found, size)
    tell("an audio delta")
    _deltas(found, size)
    tell("whole calls")
    _calls(found, size)
    tell("reaction to a failure")
    replies = record(size.turns)
    found.figures["reaction_ms_p99"] = _reactions(replies, rounds=size.calls)
    for part, percent in shares(replies, rounds=min(size.calls, 10)).items():
        found.details[f"share of {part}"] = _exact(percent)
    found.figures["first_audio_loop_turns_added"] = first_audio_turns(replies)
    found.figures["recorder_ratio"] = recorded(replies, rounds=min(size.calls, 21))
    tell("observers")
    found.observers = costs(replies, rounds=min(size.calls, 21))
    tell("memory and import")
    found.figures["turn_bytes"] = _exact(turn_bytes(min(500, size.growth // 10)))
    found.figures["controller_bytes"] = _exact(controller_bytes())
    without = controller_bytes_without_record(min(1000, size.growth // 5))
    found.details["controller_bytes_without_record"] = _exact(without)
    plain_kb, controlled_kb = call_kb(turns=size.turns, at_once=size.at_once)
    found.details["call_plain_kb"] = _exact(plain_kb)
    found.details["call_added_kb"] = _exact(controlled_kb - plain_kb)
    found.figures["import_ms"] = import_ms("realtime_fsm", "TurnController", size.imports)
    found.figures["adapter_import_ms"] = import_ms(
        "realtime_fsm.livekit", "ControlledRealtimeModel", min(size.imports, 7), before=LIVEKIT
    )
    tell("pushes of the history")
    for items in LENGTHS:
        rounds = pushes(replies, items, rounds=size.pushes)
        found.keep(f"push of {items} items", rounds)
        found.details[f"push_ratio_{items}"] = rounds.ratio("controlled", "plain")
        found.details[f"push_plain_us_{items}"] = rounds.cost("plain", per=BLOCK_OF_PUSHES)
    found.figures["push_ratio_600"] = found.details.pop("push_ratio_600")
    tell(f"{size.growth:,} turns through one controller")
    found.growth = Growth(size.growth, rounds=min(size.rounds, 31))
    found.figures["growth_ratio"] = found.growth.ratios[-1]
    found.figures["rss_growth_mb"] = _exact(found.growth.rss_mb[-1])
    found.figures = {key: found.figures[key] for key in TARGETS}
    return found


def _core(found: Results, size: Size) -> None:
    caller, bare, other = Caller(), Transitions(), PythonStateMachine()
    rounds = alternate(
        {
            "ours": lambda: caller.play(_TURNS),
            "transitions": lambda: bare.play(_TURNS),
            "python-statemachine": lambda: other.play(_TURNS),
        },
        rounds=size.rounds,
    )
    found.keep("core turn", rounds)
    floor = rounds.ratio("ours", "transitions")
    found.figures["turn_vs_transitions_floor"] = floor
    found.figures["turn_vs_python_statemachine"] = rounds.ratio("ours", "python-statemachine")
    found.details["turn_vs_bare_state_changes"] = rounds.ratio(
        "ours", "transitions", per=TRIGGERS / STATE_CHANGES
    )
    found.details["turn_vs_triggers_without_response"] = rounds.ratio(
        "ours", "transitions", per=TRIGGERS / (TRIGGERS - RESPONSE_TRIGGERS)
    )
    found.details["core_turn_us"] = rounds.cost("ours", per=_TURNS)
    found.details["transitions_trigger_us"] = rounds.cost("transitions", per=_TURNS * TRIGGERS)


def _deltas(found: Results, size: Size) -> None:
    for kind, name in ((AUDIO, "audio_delta"), (TEXT, "transcript_delta")):
        rounds = deltas(kind, rounds=size.rounds)
        found.keep(name, rounds)
        found.details[f"{name}_plugin_us"] = rounds.cost("plain", per=BLOCK)
        found.details[f"{name}_added_us"] = delta_us(rounds, "controlled")
        found.details[f"{name}_listener_us"] = delta_us(rounds, "listened")
        if kind == AUDIO:
            found.figures["delta_vs_plugin"] = rounds.added("controlled", "plain")


def _calls(found: Results, size: Size) -> None:
    speaking = calls(turns=size.turns, rounds=size.calls, user=USER)
    silent = calls(turns=size.turns, rounds=size.calls)
    found.figures["session_cpu_ratio"] = speaking.ratio
    found.figures["turn_vs_framework"] = silent.turn
    found.figures["first_audio_added_ms_p99"] = silent.first_audio_added_ms
    found.details["first_audio_outliers_ms"] = _exact(silent.first_audio_outliers_ms)
    found.details["session_cpu_ratio_without_user_audio"] = silent.ratio
    found.details["turn_framework_us"] = silent.turn_us
    found.details["turn_added_us"] = silent.added_us
    found.details["turn_listener_us"] = silent.listener_us
    _keep_calls(found, "call with the user's audio", speaking)
    _keep_calls(found, "call", silent)


def _keep_calls(found: Results, name: str, those: Calls) -> None:
    found.rounds[f"{name}: plain"] = [r.total for r in those.plain]
    found.rounds[f"{name}: controlled"] = [r.total for r in those.controlled]


def _reactions(replies: Recording, *, rounds: int) -> Figure:
    """The collector runs between the calls and not within them, as everywhere here."""
    values: list[float] = []
    for _ in range(rounds):
        gc.collect()
        gc.disable()
        try:
            values += reactions(replies)[1:]
        finally:
            gc.enable()
    spread = Figure.of(values)
    return Figure(p99(values), spread.low, spread.high, spread.rounds)


def _exact(value: float) -> Figure:
    return Figure(value, value, value, (value,))
