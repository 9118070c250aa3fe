"""``realtime-fsm run``: starts the worker's own script with the controller in it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import typer

from .._input import CommandError
from .settings import VARIABLE, RunSettings

__all__ = ["Watched", "run"]

_SITE = Path(__file__).parent / "site"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """How the calls are shown in the browser.

    Attributes:
        words: With what is said.
        host: The address of the page.
        port: None: the usual one, or any.
    """

    words: bool = False
    host: str = "127.0.0.1"
    port: int | None = None


def run(
    script: str,
    arguments: Sequence[str],
    *,
    module: bool,
    mode: str | None,
    record: str | None,
    retry: Sequence[str],
    watch: Watched | None = None,
) -> int:
    """Run *script*, or a module, with the controller around its realtime models.

    Returns:
        The worker's exit code.

    Raises:
        InputError: A setting cannot be. The worker was not started.
        CommandError: There is no such script, nowhere to record to, or the page cannot be served.
    """
    folder = Path.cwd() if module else Path(script).parent
    if not module and not Path(script).is_file():
        what = "is a folder" if Path(script).is_dir() else "no such file"
        raise CommandError(f"{script}: {what}")
    settings = RunSettings.read(
        folder.resolve(),
        mode=mode,
        record=record,
        retry=retry,
        watch=watch is not None,
        watch_words=watch is not None and watch.words,
    )
    if settings.record is not None:
        _make_folder(Path(settings.record))
    told = f"realtime-fsm: {_in_words(script, settings)}"
    command = [sys.executable, *(["-m"] if module else []), script, *arguments]
    if settings.watch:
        return _watched(command, settings, watch or Watched(), told)
    typer.echo(told, err=True)
    return _wait_for(command, _environment(settings))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise CommandError(f"record: {folder}: {e.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise CommandError(f"record: {folder}: cannot be written to")


def _in_words(script: str, settings: RunSettings) -> str:
    words = f"{script}, mode {settings.mode}"
    if settings.retry:
        words += ", " + ", ".join(f"{name}={value!r}" for name, value in settings.retry.items())
    return (
        words if settings.record is None else f"{words}, a trace of each call to {settings.record}"
    )


def _environment(settings: RunSettings) -> dict[str, str]:
    path = [str(_SITE), *filter(None, [os.environ.get("PYTHONPATH")])]
    absolute = None if settings.record is None else str(Path(settings.record).resolve())
    told = replace(settings, record=absolute)
    # Where the worker takes this process's place, it is told which one may speak for the whole.
    own = {f"{VARIABLE}_PID": str(os.getpid())}
    return {**os.environ, **own, "PYTHONPATH": os.pathsep.join(path), VARIABLE: told.dumped()}


def _watched(command: Sequence[str], settings: RunSettings, watch: Watched, told: str) -> int:
    """Run the worker below the hub of its page; *told* is said once there is one."""
    from ..watch._place import SOCKET
    from ..watch.command import around

    def environment(hub: Path) -> Mapping[str, str]:
        typer.echo(told, err=True)
        # The worker is a child of this process.
        return {**_environment(settings), f"{VARIABLE}_PARENT": str(os.getpid()), SOCKET: str(hub)}

    return asyncio.run(around(command, environment, host=watch.host, port=watch.port))


def _wait_for(command: Sequence[str], environment: Mapping[str, str]) -> int:
    if os.name == "posix":
        sys.stderr.flush()
        os.execve(command[0], list(command), dict(environment))  # signals reach the worker itself
    worker = subprocess.Popen(command, env=environment)

    def leave_it_to_the_worker(number: int, frame: FrameType | None) -> None:
        """Ctrl-C reaches the worker, too, which ends by itself."""

    signal.signal(signal.SIGINT, leave_it_to_the_worker)
    return worker.wait()
