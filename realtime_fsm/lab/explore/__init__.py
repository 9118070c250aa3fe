"""Every order of events within a bound: controller, protocol, playback, user and timers.

::

    report = explore(Bound(turns=1, messages=1))
    assert report["complete"] and not report["violations"]

What is explored, what is abstracted and what a bound costs: docs/explore.md.
"""

from .bound import Bound
from .command import describe, explore, parts
from .counterexample import Played, mermaid, replay
from .rows import Tables
from .search import Found, Result, search

__all__ = [
    "Bound",
    "Found",
    "Played",
    "Result",
    "Tables",
    "describe",
    "explore",
    "mermaid",
    "parts",
    "replay",
    "search",
]
