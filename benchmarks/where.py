"""Where the time goes that we add to a turn: a profile by part, of real calls."""

from __future__ import annotations

import asyncio
import functools
import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from livekit.rtc import EventEmitter

from realtime_fsm import TurnController
from realtime_fsm.livekit._creates import Creates
from realtime_fsm.livekit._deadline_timer import DeadlineTimer
from realtime_fsm.livekit._driver import Driver
from realtime_fsm.livekit._raw import RawLink
from realtime_fsm.livekit._speech import SpeechTracker
from realtime_fsm.livekit._turn_output import TurnOutput

from .calls import call
from .canned import Recording

#: The methods by which each part is entered.
_PARTS: dict[str, tuple[tuple[type, tuple[str, ...]], ...]] = {
    "livekit's EventEmitter": ((EventEmitter, ("emit",)),),
    "the core": (
        (TurnController, ("request", "receive", "more_output", "goes_on", "next_deadline", "commands")),
    ),
    "reading frames": (
        (
            RawLink,
            ("_on_server_event", "_on_client_event", "_on_generation", "_on_item_added", "_on_read"),
        ),
    ),
    "the driver": (
        (Driver, ("ask", "receive", "run", "_pulled", "generated", "all_read")),
        (RawLink, ("create",)),
        (Creates, ("_settled",)),
        (DeadlineTimer, ("set", "_fire")),
        (TurnOutput, ("received", "deliver", "end")),
        (
            SpeechTracker,
            ("_on_started", "_on_finished", "_on_speech_created", "_on_agent_state", "_on_item_added"),
        ),
    ),
}  # fmt: skip


def shares(recording: Recording, *, rounds: int) -> dict[str, float]:
    """Percent of each part in what we add to a turn.

    Reading the clock takes as long as some of what is measured, so shares are all this can tell.
    What is not entered by a method, as tasks and channels, is not in them.
    """
    spent = {with_us: _spent(recording, with_us, rounds) for with_us in (False, True)}
    added = {part: spent[True][part] - spent[False][part] for part in _PARTS}
    return {part: us / sum(added.values()) * 100 for part, us in added.items()}


def _spent(recording: Recording, with_us: bool, rounds: int) -> dict[str, float]:
    found = []
    loop = asyncio.new_event_loop()
    try:
        for _ in range(rounds + 1):
            gc.collect()
            with _watch() as spent:
                loop.run_until_complete(call(recording, controlled=with_us))
            found.append(dict(spent))
    finally:
        loop.close()
    turns = len(recording.replies)
    # The least disturbed round of each part; the first one warms up.
    return {part: min(one.get(part, 0.0) for one in found[1:]) / turns * 1e6 for part in _PARTS}


@contextmanager
def _watch() -> Iterator[dict[str, float]]:
    spent: dict[str, float] = defaultdict(float)
    nested = [0.0]
    with ExitStack() as stack:
        for part, owners in _PARTS.items():
            for owner, names in owners:
                for name in names:
                    timed = _timed(getattr(owner, name), part, spent, nested)
                    stack.enter_context(patch.object(owner, name, timed))
        yield spent


def _timed(
    method: Callable[..., Any], part: str, spent: dict[str, float], nested: list[float]
) -> Callable[..., Any]:
    clock = time.thread_time

    @functools.wraps(method)
    def timed(*args: Any, **kwargs: Any) -> Any:
        nested.append(0.0)
        start = clock()
        try:
            return method(*args, **kwargs)
        finally:
            took = clock() - start
            spent[part] += took - nested.pop()
            nested[-1] += took

    return timed
