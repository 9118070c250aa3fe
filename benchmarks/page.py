"""The page ``docs/performance.md``: its figures and plots, written anew after a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import svg
from .report import number

BEGIN = "<!-- figures of the last run: make bench-page -->"
END = "<!-- end of the figures -->"
PLOTS = ("targets.svg", "turn.svg", "growth.svg")

_MEANING = {
    "session_cpu_ratio": "a whole call with us ÷ without us",
    "turn_vs_framework": "what we add to a turn ÷ what it takes without us",
    "turn_vs_transitions_floor": "a turn in our core ÷ the 21 bare `transitions` triggers of its three machines",
    "turn_vs_python_statemachine": "a turn in our core ÷ the same tables on python-statemachine",
    "delta_vs_plugin": "what we add to an audio delta ÷ what the plugin takes for it",
    "first_audio_added_ms_p99": "from asking to the first frame at the sink: ms added, p99 of the turns",
    "reaction_ms_p99": "from a failure to the next `response.create`, without the backoff: ms, p99",
    "turn_bytes": "a finished turn of two messages in the record",
    "controller_bytes": "a controller without turns",
    "growth_ratio": "a turn after all others ÷ a turn of a fresh controller, side by side",
    "rss_growth_mb": "growth of the process over those turns, MB",
    "import_ms": "`from realtime_fsm import TurnController`, ms",
    "push_ratio_600": "a push of the history in a call of 600 items, with us ÷ without us",
    "recorder_ratio": "what a recorder adds to a call with us ÷ the call without either",
    "first_audio_loop_turns_added": "from asking to the first frame at the sink: iterations of the event loop added",
    "adapter_import_ms": "`from realtime_fsm.livekit import ControlledRealtimeModel`, with LiveKit and its plugin imported before, ms",
}
_DETAILS = {
    "session_cpu_ratio_without_user_audio": "the same call in which the user is silent",
    "first_audio_outliers_ms": "first audio with the machine's outliers: p99 with us less p99 without, ms",
    "turn_framework_us": "a turn of two messages without us, µs",
    "turn_added_us": "what we add to it, µs",
    "turn_listener_us": "of that: LiveKit telling its 75 frames to one listener that does nothing, µs",
    "share of livekit's EventEmitter": "of that: calling our listeners, in livekit's `EventEmitter`, %",
    "share of the core": "of that: the core, %",
    "share of reading frames": "of that: reading frames, %",
    "share of the driver": "of that: the driver, %",
    "core_turn_us": "the same turn in the core alone, µs",
    "turn_vs_triggers_without_response": "a turn in our core ÷ 14 bare triggers, without those of its response",
    "turn_vs_bare_state_changes": "a turn in our core ÷ 5 bare triggers, its changes of state alone",
    "transitions_trigger_us": "one bare trigger of `transitions`, µs",
    "audio_delta_plugin_us": "an audio delta of 100 ms in the plugin, µs",
    "audio_delta_added_us": "what we add to it, µs",
    "audio_delta_listener_us": "of that: LiveKit telling it to a listener that does nothing, µs",
    "transcript_delta_plugin_us": "a transcript delta in the plugin, µs",
    "transcript_delta_added_us": "what we add to it, µs",
    "transcript_delta_listener_us": "of that: LiveKit telling it to a listener that does nothing, µs",
    "push_plain_us_600": "that push without us, µs",
    "push_ratio_300": "a push with us ÷ without us, of 300 items",
    "push_ratio_100": "of 100 items",
    "push_ratio_20": "of 20 items",
    "push_plain_us_20": "that push without us, µs",
    "call_plain_kb": "memory of a running call after 12 turns without us, kB",
    "call_added_kb": "what we add to it, kB",
    "controller_bytes_without_record": "a controller that keeps no turn, after a thousand: ids of late events",
}
_OBSERVERS = {
    "hook": "an observer that does nothing: telling it",
    "prometheus": "`PrometheusObserver`",
    "opentelemetry_without_provider": "`OpenTelemetryObserver`, no tracer provider",
    "opentelemetry": "`OpenTelemetryObserver`, spans kept in memory",
    "debug_logs": "every log event, down to debug, written to a file",
    "all": "all of these",
}


def write(data: dict[str, Any], docs: Path) -> None:
    """Put the figures into the page, and the plots beside it."""
    page = docs / "performance.md"
    before, rest = page.read_text("utf-8").split(BEGIN)
    _, after = rest.split(END)
    page.write_text(f"{before}{BEGIN}\n{_figures(data)}{END}{after}", "utf-8")
    folder = docs / "performance"
    folder.mkdir(exist_ok=True)
    plots = (svg.targets(data), svg.turn(data), svg.growth(data))
    for name, plot in zip(PLOTS, plots, strict=True):
        (folder / name).write_text(plot, "utf-8")


def _figures(data: dict[str, Any]) -> str:
    where = ", ".join(
        f"{name} {value}"
        for name, value in data["where"].items()
        if name not in ("machine", "load")
    )
    lines = [
        f"{where}; {data['where']['machine']}, load {data['where']['load']} from other work.",
        "",
        "| key | what | median | quartiles | target | |",
        "|---|---|---:|---:|---:|---|",
    ]
    for key, meaning in _MEANING.items():
        value, target = data[key], data["targets"][key]
        met = "met" if value <= target else "**missed**"
        lines.append(
            f"| `{key}` | {meaning} | {number(value)} | {_spread(*data['spread'][key])} "
            f"| ≤ {number(target)} | {met} |"
        )
    lines += ["", "| more | median | quartiles |", "|---|---:|---:|"]
    for key, meaning in _DETAILS.items():
        value, low, high = data["details"][key]
        lines.append(f"| {meaning} | {number(value)} | {_spread(low, high)} |")
    lines += [
        "",
        "| switched on | µs more a turn | quartiles | a turn ÷ one without | a whole call ÷ one without |",
        "|---|---:|---:|---:|---:|",
    ]
    for key, meaning in _OBSERVERS.items():
        cost = data["observers"][key]
        value, low, high = cost["turn_us"]
        turn, call = cost["turn_ratio"][0], cost["call_ratio"][0]
        lines.append(
            f"| {meaning} | {number(value)} | {_spread(low, high)} | {number(turn)} | {number(call)} |"
        )
    return "\n".join(lines) + "\n"


def _spread(low: float, high: float) -> str:
    return "" if low == high else f"{number(low)} … {number(high)}"
