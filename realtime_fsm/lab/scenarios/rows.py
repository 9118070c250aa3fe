"""The rows of the baseline, in its order."""

from __future__ import annotations

from . import rows_connections, rows_failures, rows_fallback, rows_interrupts, rows_time
from .scenario import Scenario

__all__ = ["BASELINE_IDS", "ROWS"]

BASELINE_IDS = (
    "a", "b", "c", "d", "e", "f", "f2", "g", "h", "h2", "i", "i2", "j", "j2", "j3", "j4", "k",
    "k2", "k3", "k4", "l", "l2", "l3", "l5", "m", "m2", "m3", "n", "n2", "o", "o2", "o3", "p",
    "p2", "p3", "p4", "q", "q2", "r", "s", "t", "u", "v", "w", "w2", "w3", "w4", "x", "y", "z",
    "bb", "bb2", "bb3", "bb4",
)  # fmt: skip
"""What was measured of plain LiveKit before this project, one letter a cause."""

_MODULES = (rows_failures, rows_time, rows_connections, rows_interrupts, rows_fallback)

ROWS: tuple[Scenario, ...] = tuple(
    sorted(
        (row for module in _MODULES for row in module.ROWS),
        key=lambda row: BASELINE_IDS.index(row.id),
    )
)
