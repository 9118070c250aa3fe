"""Calls in the browser, while they run: ``realtime-fsm run --watch``, or :func:`watch` in code.

See ``docs/watch.md``. Only :func:`watch` imports LiveKit, when it is called: a hub does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._place import WatchError, address

if TYPE_CHECKING:
    from ._source import Watching, watch

__all__ = ["WatchError", "Watching", "address", "watch"]


def __getattr__(name: str) -> Any:
    if name not in ("Watching", "watch"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _source

    value = globals()[name] = getattr(_source, name)
    return value
