"""Opens what a command is to read, and says in one way what is wrong with it."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .._input import CommandError

__all__ = ["cannot_be_read", "check_readable", "is_whole", "name_of", "opened"]


def name_of(path: Path) -> str:
    """The name of a file for people; ``-`` is standard input."""
    return "standard input" if str(path) == "-" else str(path)


def cannot_be_read(error: OSError) -> str:
    """What is wrong with a file, as one of the things that are wrong with it."""
    return f"cannot be read: {error.strerror or error}"


def is_whole(path: Path) -> bool:
    """Whether a recorder wrote a trace to its end."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 1_000))
            last = file.read().rstrip(b"\n").rpartition(b"\n")[2]
        return dict(json.loads(last)).get("type") == "recorded"
    except (OSError, ValueError, TypeError):
        return False


def check_readable(path: Path) -> None:
    """Raise `CommandError` for a file that cannot be read, before anything is done with it."""
    if str(path) == "-":
        return
    try:
        path.open("rb").close()
    except OSError as error:
        raise CommandError(f"{path}: {cannot_be_read(error)}") from None


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, open for reading bytes.

    Raises:
        OSError: It cannot be opened.
    """
    if str(path) != "-":
        with path.open("rb") as file:
            yield file
    elif sys.stdin is None:
        raise OSError("it is closed")
    else:
        yield sys.stdin.buffer
