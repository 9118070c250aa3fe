"""The kit for testers.

Names are imported when they are first used: pytest loads the plugin of this package in every run,
and LiveKit must not come with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._canonical import canonical
    from .call import SimulatedCall, simulated_call
    from .checks import (
        check_all,
        check_benign_cancel,
        check_cancel_barrier,
        check_creates_settle,
        check_failures_visible,
        check_heard_is_history,
        check_message_order,
        check_single_flight,
        check_tools_once,
        check_truncate_bounds,
        check_turns_end,
    )
    from .clock import NothingLeft, TimeIsUp, VirtualLoop, VirtualTimeError, describe_tasks
    from .pair import Living, WorseThanPlainError, assert_not_worse, live_twice
    from .sink import PacedAudioOutput, Segment
    from .virtual import run_virtual, virtual_time

__all__ = [
    "Living",
    "NothingLeft",
    "PacedAudioOutput",
    "Segment",
    "SimulatedCall",
    "TimeIsUp",
    "VirtualLoop",
    "VirtualTimeError",
    "WorseThanPlainError",
    "assert_not_worse",
    "canonical",
    "check_all",
    "check_benign_cancel",
    "check_cancel_barrier",
    "check_creates_settle",
    "check_failures_visible",
    "check_heard_is_history",
    "check_message_order",
    "check_single_flight",
    "check_tools_once",
    "check_truncate_bounds",
    "check_turns_end",
    "describe_tasks",
    "live_twice",
    "run_virtual",
    "simulated_call",
    "virtual_time",
]

_MODULES = {
    "Living": "pair",
    "NothingLeft": "clock",
    "PacedAudioOutput": "sink",
    "Segment": "sink",
    "SimulatedCall": "call",
    "TimeIsUp": "clock",
    "VirtualLoop": "clock",
    "VirtualTimeError": "clock",
    "WorseThanPlainError": "pair",
    "assert_not_worse": "pair",
    "canonical": "_canonical",
    "check_all": "checks",
    "check_benign_cancel": "checks",
    "check_cancel_barrier": "checks",
    "check_creates_settle": "checks",
    "check_failures_visible": "checks",
    "check_heard_is_history": "checks",
    "check_message_order": "checks",
    "check_single_flight": "checks",
    "check_tools_once": "checks",
    "check_truncate_bounds": "checks",
    "check_turns_end": "checks",
    "describe_tasks": "clock",
    "live_twice": "pair",
    "run_virtual": "virtual",
    "simulated_call": "call",
    "virtual_time": "virtual",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
