"""What the commands do that have ``--watch``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from .._input import CommandError, InputError
from .._output import say
from ..trace.format import Line
from ..trace.reader import follow
from ..trace.source import check_readable, opened
from ._place import WatchError, address
from ._player import play_all
from ._serve import Local, own_socket, serving

__all__ = ["FASTEST", "PATIENCE", "around", "check_speed", "run", "shown_in_browser"]

FASTEST = 100.0  # times real time
#: Those that end a worker, as far as the system has them.
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

PATIENCE = 120.0  # seconds that a command waits for somebody to look; then it goes on all the same


@contextlib.contextmanager
def shown_in_browser(wanted: bool, then: str, *, port: int | None = None) -> Iterator[Path | None]:
    """Serve the page meanwhile, and afterwards until it is closed; begin when somebody looks.

    Args:
        wanted: whether at all; otherwise None is yielded.
        then: what happens when somebody looks, in words.
        port: of the page; by default the usual one, or any.

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
        if not hub.wait_for_viewer(PATIENCE):
            say(f"Nobody looked for {PATIENCE:g} s: it begins.", err=True)
        yield hub.path
        if hub.viewers:
            say("It is over. This ends when the page is closed, or with Ctrl-C.", err=True)
            with contextlib.suppress(KeyboardInterrupt):
                hub.wait_until_nobody_looks()


def check_speed(speed: float) -> None:
    """Raise `InputError` for a speed that no film can have, in times real time."""
    if not 0 < speed <= FASTEST:
        raise InputError("--speed", speed, f"more than 0 and at most {FASTEST:g}")


def run(traces: Sequence[Path], *, speed: float = 1.0, port: int | None = None) -> None:
    """What ``realtime-fsm watch`` does.

    Args:
        traces: to show as a film; none: tell where the page of the user's hub is.
        speed: of the film, in times real time.
        port: of its page, as for `shown_in_browser`.

    Raises:
        CommandError: A trace cannot be read.
        InputError: The speed is none.
        WatchError: The page cannot be served, or there is none.
    """
    check_speed(speed)
    if not traces:
        found = address()
        if found is None:
            raise WatchError("no call is watched now; start one with `run --watch`, or in code")
        say(found)
        return
    for trace in traces:
        check_readable(trace)
        with opened(trace) as file:
            if not any(isinstance(each, Line) for each in follow(file)):
                raise CommandError(f"{trace}: no event of a call in it")
    with shown_in_browser(True, "The film begins when it is open.", port=port) as hub:
        assert hub is not None
        named = [(trace.stem, trace) for trace in traces]
        asyncio.run(play_all(named, hub, speed=speed, group="film" if len(named) > 1 else ""))


async def around(
    command: Sequence[str],
    environment: Callable[[Path], Mapping[str, str]],
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
) -> int:
    """Run a worker below a hub, and return its exit status, as a shell has it.

    Args:
        command: of the worker.
        environment: of the worker, for the hub's socket.
        host, port: of the page, as `serving` takes them.

    Raises:
        WatchError: The page cannot be served. The worker was not started.
        OSError: The worker cannot be started.
    """
    path = own_socket()
    async with serving(path, host=host, port=port) as (_, web):
        say(f"realtime-fsm: watch at {web.url}", err=True)
        if not web.local:
            say("realtime-fsm: whoever reads that address can look; it is not encrypted", err=True)
        worker = await asyncio.create_subprocess_exec(*command, env=dict(environment(path)))
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, _pass_on, worker, number)
        try:
            status = await worker.wait()
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
        return status if status >= 0 else 128 - status


def _pass_on(worker: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """The worker ends as it does without us; what the terminal sends reaches it anyway."""
    if number is signal.SIGINT and _in_foreground():
        return
    with contextlib.suppress(ProcessLookupError):
        worker.send_signal(number)


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno()) == os.getpgrp() if sys.__stdin__ else False
    except (OSError, ValueError):
        return False
