"""What the commands do that have ``--watch``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from .._output import say
from ._serve import Local

__all__ = ["PATIENCE", "shown_in_browser"]

PATIENCE = 120.0  # seconds that a command waits for somebody to look


@contextlib.contextmanager
def shown_in_browser(
    wanted: bool, then: str, *, port: int | None = None, patience: float = PATIENCE
) -> Iterator[Path | None]:
    """Serve the page meanwhile, and afterwards until it is closed; begin when somebody looks.

    Args:
        wanted: whether at all; otherwise None is yielded.
        then: what happens when somebody looks, in words.
        port: of the page; by default the usual one, or any.
        patience: how long to wait for somebody to look, in seconds; then it goes on all the same.

    Yields:
        The socket of the hub.

    Raises:
        WatchError: The page cannot be served.
    """
    if not wanted:
        yield None
        return
    with Local(port=port) as hub:
        say(f"Watch at {hub.url}\n{then}", err=True)
        looked = hub.wait_for_viewer(patience)
        if not looked:
            say(f"Nobody looked for {patience:g} s: it begins.", err=True)
        yield hub.path
        if hub.viewers:
            say("It is over. This ends when the page is closed, or with Ctrl-C.", err=True)
            with contextlib.suppress(KeyboardInterrupt):
                hub.wait_until_nobody_looks()
