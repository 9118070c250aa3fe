"""Scenarios in which the controlled call does not do what it must, yet: id to reason.

A test fails when one of them begins to hold: then its line goes.
"""

from __future__ import annotations

__all__ = ["OPEN"]

_ORDER = "VAD's answer, ready first, waits behind a reply that was asked for (G16, G29)"

OPEN: dict[str, str] = {
    "o2": _ORDER,
    "server_vad/o2": _ORDER,
    "semantic_vad/o2": _ORDER,
}
