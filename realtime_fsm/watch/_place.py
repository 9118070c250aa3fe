"""Where the hubs of a user are: a folder that nobody else can read."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
import sys
import tempfile
from pathlib import Path

from .._input import CommandError

__all__ = ["HUB", "SOCKET", "WatchError", "address", "folder", "token"]

#: The environment variable that tells the processes of a worker which hub their calls join.
SOCKET = "REALTIME_FSM_WATCH"
#: The socket of the hub that calls join by themselves.
HUB = "hub.sock"
_NAME = "realtime-fsm"
_TOKEN = "token"


class WatchError(CommandError, RuntimeError):
    """Why nothing can be watched, in one sentence."""


def folder() -> Path:
    """The folder, made if it is not there.

    ``$REALTIME_FSM_WATCH_DIR``, else in ``$XDG_RUNTIME_DIR``, else one of the user's own in the
    folder for temporary files: the path of a socket has to be short.

    Raises:
        WatchError: It cannot be made, belongs to somebody else, or others can read it.
    """
    if sys.platform == "win32":
        raise WatchError("watching needs Unix sockets, which Python has not on Windows")
    given, runtime = os.environ.get("REALTIME_FSM_WATCH_DIR"), os.environ.get("XDG_RUNTIME_DIR")
    if given:
        path = Path(given)
    elif runtime and os.access(runtime, os.W_OK):
        path = Path(runtime) / _NAME
    else:
        path = Path(tempfile.gettempdir()) / f"{_NAME}-{os.getuid()}"
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700, parents=True)
        found = os.lstat(path)
    except OSError as error:
        raise WatchError(f"{path}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise WatchError(f"{path} is no folder")
    if found.st_uid != os.getuid():
        raise WatchError(f"{path} belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise WatchError(f"{path} can be read by others: make its mode 700")
    return path


def token() -> str:
    """What an address has to hold. The same for all hubs of the user, so that a page that is open
    finds a hub that was started anew.

    Raises:
        WatchError: It can neither be read nor written.
    """
    path = folder() / _TOKEN
    try:
        with contextlib.suppress(FileExistsError):
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "w") as file:
                file.write(secrets.token_urlsafe(24))
        found = path.read_text().strip()
        if len(found) < 16:  # somebody wrote half of it
            path.unlink()
            raise WatchError(f"{path} was damaged and is removed: try again")
    except OSError as error:
        raise WatchError(f"{path}: {error.strerror}") from None
    return found


def address() -> str | None:
    """Where the page of the user's hub is, or None if there is no such hub. With its token: whoever
    has it can look.

    Raises:
        WatchError: Nothing can be watched here.
    """
    place = folder()
    try:
        with socket.socket(socket.AF_UNIX) as found:
            found.connect(str(place / HUB))  # a hub that was killed left its address
        return (place / f"{HUB}.url").read_text() or None
    except OSError:
        return None
