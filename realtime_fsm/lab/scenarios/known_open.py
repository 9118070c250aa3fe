"""Scenarios in which the controlled call does not do what it must, yet: id to reason.

A test fails when one of them begins to hold: then its line goes.
"""

from __future__ import annotations

__all__ = ["OPEN"]

OPEN: dict[str, str] = {}
