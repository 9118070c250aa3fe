"""The simulated server alone, for people who point their own agent at it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from .._input import InputError, read_as
from ..profiles import CAREFUL, Profile, shipped
from ..profiles import load as load_profile
from .config import ServerConfig
from .faults import Profile as FaultProfile
from .faults import Schedule
from .profiled import configured
from .record import Record, without_audio
from .script import Script
from .script_json import load
from .validate import Dialect
from .websocket import RealtimeServer, is_loopback

__all__ = ["read_config", "read_script", "serve"]

_LOOK = 0.1  # seconds between two looks at the record

Write = Callable[[str], None]


def read_script(path: Path) -> Script:
    """Return the script in the file; see :mod:`realtime_fsm.simulator.script_json` for its form.

    Raises:
        OSError: The file cannot be read.
        InputError: It holds no script; says the file, the line, the field, and what is expected.
    """
    return read_as(path, load)


def read_config(
    faults: str = "none",
    seed: int = 1,
    dialect: str | None = None,
    *,
    profile: str | None = None,
    hears_above: float | None = None,
) -> ServerConfig:
    """Return the configuration with these faults: a profile's, drawn for *seed*, or a file's.

    Args:
        faults: A profile of faults, or a file.
        seed: Where a profile's faults are drawn from.
        dialect: Wins over the profile's; ``ga`` by default.
        profile: Of a server, shipped or a file: what is known of it sets the switches.
        hears_above: See :class:`ServerConfig`.

    Raises:
        OSError: The file cannot be read.
        InputError: *faults* is no profile and no file, the file holds no schedule, the *dialect*
            or the *profile* is unknown.
    """
    known = get_args(Dialect)
    if dialect is not None and dialect not in known:
        raise InputError("--dialect", dialect, f"one of {', '.join(known)}")
    fields: dict[str, Any] = {} if dialect is None else {"dialect": dialect}
    fields["faults"] = _schedule(faults, seed)
    return configured(_profile(profile), hears_above=hears_above, **fields)


def _profile(name_or_file: str | None) -> Profile:
    if name_or_file is None:
        return CAREFUL
    if name_or_file in shipped():
        return shipped()[name_or_file]
    path = Path(name_or_file)
    if not path.exists():
        names = ", ".join(shipped())
        raise InputError("--profile", name_or_file, f"one of {names}, or a file")
    return load_profile(path)


def _schedule(profile_or_file: str, seed: int) -> Schedule:
    profiles = get_args(FaultProfile)
    for profile in profiles:
        if profile_or_file == profile:
            return Schedule.random(seed, profile)
    path = Path(profile_or_file)
    if not path.exists():
        expected = f"one of {', '.join(profiles)}, or a file"
        raise InputError("--faults", profile_or_file, expected)
    return read_as(path, Schedule.from_json)


def serve(
    script: Script | None = None,
    config: ServerConfig | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    log: bool = False,
    write: Write,
    warn: Write | None = None,
) -> None:
    """Run a server until SIGINT or SIGTERM. Then all connections are closed, and it returns.

    Args:
        script: What it replies.
        config: Its delays, switches and faults.
        host: The address to listen on.
        port: 0 lets the system pick one.
        log: Whether each event is written, one a line, with audio as its milliseconds.
        write: Takes each line, the first when the server is ready; it should flush.
        warn: Takes warnings; *write* by default. There is one when *host* is not a loopback
            address: the server asks nobody for a key.

    Raises:
        OSError: The address cannot be listened on.
        RuntimeError: Called from a running event loop.
    """
    asyncio.run(_serve(script, config, host, port, log, write, warn or write))


async def _serve(
    script: Script | None,
    config: ServerConfig | None,
    host: str,
    port: int,
    log: bool,
    write: Write,
    warn: Write,
) -> None:
    if not is_loopback(host):
        warn(f"realtime-fsm: {host} is not loopback: whoever reaches it can use this server")
    server = RealtimeServer(script, host=host, port=port, config=config, allow_remote=True)
    with _until_signal() as stop:
        async with server:
            write(f"realtime-fsm: listening on {server.url} (Ctrl-C to stop)")
            while not stop.is_set():
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(stop.wait(), _LOOK)
                _drain(server, write if log else None)
        _drain(server, write if log else None)
    write("realtime-fsm: stopped")


def _drain(server: RealtimeServer, write: Write | None) -> None:
    """Write what is new on record, and forget it: a server may run for days."""
    new, server.record[:] = list(server.record), []
    if write is not None:
        for each in new:
            write(_line(each))


def _line(each: Record) -> str:
    event = {name: value for name, value in each.event.items() if name != "type"}
    if each.type == "response.audio.delta":  # the beta name, under which it is recorded as it came
        event = without_audio({**event, "type": "response.output_audio.delta"})
        del event["type"]
    shown = json.dumps(event, ensure_ascii=False) if event else ""
    head = f"{each.t:9.3f} s  {each.connection}  {each.direction:6}  {each.type}"
    return f"{head}  {shown}".rstrip()


@contextlib.contextmanager
def _until_signal() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set, instead of what they do otherwise."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    before = {
        number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
