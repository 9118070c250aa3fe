"""Calls in the browser, while they run: ``realtime-fsm run --watch``, or `watch` in code.

See ``docs/watch.md``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from livekit.agents import llm

from ._link import link_to
from ._place import HUB, SOCKET, WatchError, address, folder
from ._source import Watching

__all__ = ["WatchError", "Watching", "address", "watch"]


def watch(
    source: llm.RealtimeModel | llm.RealtimeSession[Any],
    *,
    transcripts: bool = False,
    label: str = "",
    group: str = "",
) -> Watching:
    """Show the calls of a model, or one realtime session, in the browser while they run.

    ::

        watching = watch(model)
        watching.attach(session)

    Under ``realtime-fsm run --watch`` they join its page. Elsewhere they join the user's hub, which
    is started if there is none, and ends by itself; `address` tells where its page is. While nobody
    looks nothing is written down, so a page that is opened late tells from where it knows the call.

    Args:
        source: As for `realtime_fsm.trace.record`.
        transcripts: Whether what is said is shown, too. Never audio.
        label: A name for the call.
        group: Calls of one group are shown side by side.

    Raises:
        TypeError: *source* is neither.
        WatchError: Nothing can be watched here; the message says why.
    """
    if not isinstance(source, (llm.RealtimeModel, llm.RealtimeSession)):
        raise TypeError(f"source must be a realtime model or session, got {source!r}")
    joined = os.environ.get(SOCKET)
    path = Path(joined) if joined else folder() / HUB
    link = link_to(path, start=not joined)
    return Watching(source, link, transcripts=transcripts, label=label, group=group)
