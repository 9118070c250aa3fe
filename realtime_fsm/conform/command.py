"""What ``realtime-fsm conform`` does."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from .._input import InputError, read_as
from .._output import UnwritableError, in_words, to_file
from ..profiles import dump
from .compare import compare
from .cost import estimate
from .formats import badge, junit
from .known import ConformError, Pace
from .page import page
from .profile import profile_of
from .result import Result
from .run import Options, Run
from .text import change_lines, lines

__all__ = ["Request", "headers_of", "run"]

_OPENAI = "api.openai.com"
Write = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for on the command line; see there."""

    target: str
    key_env: str | None = None
    model: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    dialect: str | None = None
    only: Sequence[str] = ()
    directed: bool = False
    expiry: float = 0.0
    mcp: str | None = None
    patience: float = 10.0
    minutes: float = 10.0
    yes: bool = False
    as_json: bool = False
    since: Path | None = None
    files: Mapping[Literal["junit", "page", "profile", "badge"], Path] = field(default_factory=dict)


def run(request: Request, *, write: Write, warn: Write) -> int:
    """Ask a server, or read what an earlier run found, and write what is wanted of it.

    Returns the exit status: 0 nothing deviates from what is documented or was observed, 1 something
    does, 2 not all was asked, 130 or 143 stopped.

    Raises:
        ConformError: Nothing can be asked.
        OSError: A file cannot be read or written.
        InputError: A file is no result, or an option is wrong.
    """
    _check(request.files.values())
    old = _read(request.since) if request.since is not None else None
    saved = Path(request.target)
    code = 0
    if "://" not in request.target:
        if not saved.exists():
            known = "ws://, wss://, http:// or https://"
            expected = f"a file, or a URL that begins with {known}"
            raise InputError("URL", request.target, expected)
        result = _read(saved)
    else:
        result, code = _ask(request, warn)
    changes = None if old is None else compare(old, result)
    if request.as_json:
        write(result.to_json().rstrip())
    else:
        for line in lines(result):
            write(line)
        if changes is not None and old is not None:
            for line in change_lines(changes, old.date):
                write(line)
    made: dict[str, Callable[[], str]] = {
        "junit": lambda: junit(result),
        "page": lambda: page(result, changes, "" if old is None else old.date),
        "profile": lambda: dump(profile_of(result, request.files["profile"].stem)),
        "badge": lambda: badge(result),
    }
    failed = [_save(path, made[kind](), warn) for kind, path in request.files.items()]
    if any(failed):
        raise UnwritableError("; ".join(filter(None, failed)))
    return code or (2 if result.ended else 1 if result.deviations else 0)


def _save(path: Path, text: str, warn: Write) -> str | None:
    """Write a file; return why not, if it cannot be written: the others may."""
    try:
        if to_file(path, text):
            warn(str(path))
    except OSError as error:
        return in_words(error)
    return None


def _check(paths: Iterable[Path]) -> None:
    """Refuse, before anything is asked, what cannot be written afterwards."""
    for path in paths:
        if str(path) == "-":
            continue
        folder = path.parent
        if path.is_dir():
            raise ConformError(f"{path} is a folder")
        if not folder.is_dir():
            raise ConformError(f"{path}: there is no folder {folder}")
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise ConformError(f"{path} cannot be written")


def _read(path: Path) -> Result:
    return read_as(path, Result.from_json)


def _ask(request: Request, warn: Write) -> tuple[Result, int]:
    asking = Run(_options(request, warn), warn)
    options = asking.options
    cost = estimate(
        asking.questions,
        seconds=options.time_limit + options.expiry,
        responses=options.response_limit,
    )
    warn(f"{asking.result.url}: {cost.sentence()}")
    if not (request.yes or _is_local(asking.result.url)) and not _agreed():
        raise ConformError("nothing was asked; --yes goes on without being asked")
    try:
        asyncio.run(_until_told(asking))
    except (KeyboardInterrupt, asyncio.CancelledError) as stop:
        asking.result.ended = asking.result.ended or "it was stopped"
        return asking.result, 130 if isinstance(stop, KeyboardInterrupt) else 143
    return asking.result, 0


async def _until_told(asking: Run) -> None:
    """Ask, and stop at SIGTERM as at Ctrl-C: what was found is kept."""
    task = asyncio.current_task()
    assert task is not None
    with contextlib.suppress(NotImplementedError, RuntimeError):  # Windows, another thread
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asking.go()


def _options(request: Request, warn: Write) -> Options:
    host = urlsplit(request.target).hostname
    name = request.key_env or ("OPENAI_API_KEY" if host == _OPENAI else None)
    key = None
    if name is not None:
        key = os.environ.get(name, "").strip()
        if not key:
            raise ConformError(f"{name} is not set")
        if not key.isascii() or not key.isprintable():
            raise ConformError(f"{name} holds what cannot be a key")
    secret = key is not None or bool(request.headers)
    if (
        secret
        and urlsplit(request.target).scheme in ("ws", "http")
        and not _is_local(request.target)
    ):
        warn(f"realtime-fsm: the key goes to {host} in the clear")
    if request.dialect not in (None, "ga", "beta"):
        raise ConformError(f"--dialect is {request.dialect!r}, expected ga or beta")
    model = request.model or ("gpt-realtime" if host == _OPENAI else None)
    dialect: Any = request.dialect
    return Options(
        url=request.target,
        model=model,
        key=key,
        headers=request.headers,
        dialect=dialect,
        only=request.only,
        directed=request.directed,
        expiry=request.expiry,
        mcp=request.mcp,
        pace=Pace(patience=request.patience),
        time_limit=request.minutes * 60 + request.expiry,
    )


def headers_of(given: Sequence[str]) -> dict[str, str]:
    """Return the headers of ``Name: value`` texts. Raises :class:`InputError`."""
    made = {}
    for one in given:
        name, colon, value = one.partition(":")
        name, value = name.strip(), value.strip()
        odd = not all(c.isalnum() or c in "-_" for c in name) or not value.isprintable()
        if not colon or not name or not name.isascii() or odd:
            raise InputError("--header", f"{name} …", "'Name: value'")
        made[name] = value
    return made


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _agreed() -> bool:
    """Ask on the terminal; where there is none nobody agrees."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
