"""Scenarios in which the controlled call does not do what it must, yet: id to reason.

A test fails when one of them begins to hold: then its line goes.
"""

from __future__ import annotations

__all__ = ["OPEN"]

_LOST_PART = "what was heard of the broken message is not replayed to the new connection (G16)"
_CUT_OFF = "the fatal error goes out, and the adapter interrupts, before what was received is heard"
_SILENT_CUT = (
    "in the reduced mode a response that fails after its first item ends as completed (G8)"
)
_NO_REASON = "the handle does not say why the connection was refused (G8)"

OPEN: dict[str, str] = {
    "h2": "an interrupted create without an answer holds up the next reply until its time-out",
    "j": _LOST_PART,
    "j/regenerate": _LOST_PART,
    "k2": _NO_REASON,
    "k3": _NO_REASON,
    "k4": _NO_REASON,
    "o3": "the agent's state stays at thinking (G22)",
    "w4": _CUT_OFF,
    "bb2": f"two error events for one failure (G12); {_LOST_PART}",
    "bb3": f"two error events for one failure (G12); {_LOST_PART}",
    "inside/after output": _CUT_OFF,
    "around/fatal": "the adapter's fatal error comes after the streams end: taken for empty",
    "around/fatal after output": _SILENT_CUT,
    "around/failed after output": _SILENT_CUT,
}
