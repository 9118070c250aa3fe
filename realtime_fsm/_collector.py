"""How often Python's collector looks for circles while much is read."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["seldom_collected"]

_NEW = 50_000  # objects; 700 by default


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Within this it looks seldom: of a trace's lines are thousands of objects, and hardly a circle, and
    it goes through all that a process has imported again and again."""
    before = gc.get_threshold()
    if before[0]:  # else it never does
        gc.set_threshold(max(_NEW, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
