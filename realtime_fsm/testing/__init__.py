"""The kit for testers.

Names are imported when they are first used: pytest loads the plugin of this package in every run,
and LiveKit must not come with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazily

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

__getattr__, __dir__ = lazily(
    __name__,
    {
        "_canonical": ("canonical",),
        "call": ("SimulatedCall", "simulated_call"),
        "checks": (
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
        ),
        "clock": ("NothingLeft", "TimeIsUp", "VirtualLoop", "VirtualTimeError", "describe_tasks"),
        "pair": ("Living", "WorseThanPlainError", "assert_not_worse", "live_twice"),
        "sink": ("PacedAudioOutput", "Segment"),
        "virtual": ("run_virtual", "virtual_time"),
    },
)
