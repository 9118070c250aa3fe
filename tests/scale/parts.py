"""Parts of work for workers, which import them by name."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path


def double(number: int) -> int:
    return 2 * number


def refuse(number: int) -> int:
    raise ValueError(f"no {number}")


class Unsendable(Exception):  # noqa: N818 - only its pickle matters
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")
        self.lock = threading.Lock()


def unsendable(number: int) -> int:
    raise Unsendable(number, number)


def die_once(flag: str) -> str:
    """The first worker that has it is killed."""
    path = Path(flag)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def die(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def slowly(number: int) -> int:
    time.sleep(0.2)
    return number
