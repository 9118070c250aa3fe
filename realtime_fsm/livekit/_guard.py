"""What of ours runs on behalf of others: of LiveKit, of the plugin, of the event loop.

Nothing of it raises into them. The first thing that does raise makes the session step aside (G32,
`realtime_fsm.livekit._aside`), and from then on nothing of ours runs any more.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from ._log import get_logger

P = ParamSpec("P")
R = TypeVar("R")


class Guard:
    """One session's."""

    def __init__(self) -> None:
        #: The session stepped aside.
        self.off = False
        #: Told of the first error.
        self.failed: Callable[[Exception], None] = self._note
        #: Does with an event of the inner session what LiveKit would without us.
        self.plain: Callable[[str, Any], None] = lambda name, event: None

    def _note(self, error: Exception) -> None:
        self.off = True
        get_logger().exception("internal error")

    def run(self, default: Any, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | Any:
        """Call this, unless the session stepped aside. Returns *default* if it did, or does now."""
        if not self.off:
            try:
                return work(*args, **kwargs)
            except Exception as e:
                self.failed(e)
        return default

    def __call__(self, work: Callable[..., R], default: Any = None) -> Callable[..., R | Any]:
        """A callback that cannot raise."""
        return functools.partial(self.run, default, work)
