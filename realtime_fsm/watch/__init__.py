"""Calls in the browser, while they run: ``realtime-fsm run --watch``, or :func:`watch` in code.

See ``docs/watch.md``. Only :func:`watch` imports LiveKit, when it is called: a hub does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazily
from ._place import WatchError, address

if TYPE_CHECKING:
    from ._source import Watching, watch

__all__ = ["WatchError", "Watching", "address", "watch"]

__getattr__, __dir__ = lazily(__name__, {"_source": ("Watching", "watch")})
