"""What the command line writes: safe to print, and honest when it cannot be written."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

__all__ = ["CarefulGroup", "UnwritableError", "in_words", "printable", "say", "unwritable"]

_LONGEST = 400  # characters of one value
_UNSAFE = re.compile(r"[^ -~\u00a0-\U0010ffff]")
#: The disk is full, the quota is used up, the file is too large, nobody reads any more.
_WRITING = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EPIPE", "EIO", "EROFS")
    if hasattr(errno, name)
)


class UnwritableError(OSError):
    """Something that a command writes could not be written."""


def printable(text: str, limit: int | None = _LONGEST) -> str:
    """The text with whatever a terminal would act on, or cannot show, as escapes: control characters,
    those that turn the direction of writing, halves of characters, line ends; and no longer than *limit* characters."""
    if limit is not None and len(text) > limit:
        text = f"{text[:limit]}… ({len(text)} characters)"
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def say(text: str, *, err: bool = False) -> None:
    """Write lines, safe to print."""
    typer.echo("\n".join(printable(line, None) for line in text.split("\n")), err=err)


def in_words(error: OSError, what: str = "") -> str:
    """An error of the system, in one line: what it is about, and what it is."""
    name = what or (os.fsdecode(error.filename) if error.filename is not None else "")
    told = error.strerror or str(error) or type(error).__name__
    return printable(f"{name}: {told}" if name else told)


def unwritable(error: OSError) -> bool:
    """Whether it is about writing what a command has to say."""
    return isinstance(error, UnwritableError) or error.errno in _WRITING


class CarefulGroup(TyperGroup):
    """A command that cannot write ends with exit status 2 and one line: 1 would mean that it found
    something."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _careful():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _careful():
            return super().invoke(ctx)


@contextlib.contextmanager
def _careful() -> Iterator[None]:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that knows few characters gets escapes for the others.
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if not unwritable(error):
            raise
        raise _failed(error) from None
    except SystemExit as end:
        # What rich makes of a pipe that nobody reads any more.
        if isinstance(end.__context__, BrokenPipeError):
            raise _failed(end.__context__) from None
        raise


def _failed(error: OSError) -> typer.Exit:
    _give_up()
    with contextlib.suppress(OSError):
        typer.echo(f"realtime-fsm: cannot be written: {in_words(error)}", err=True)
    return typer.Exit(2)


def _give_up() -> None:
    """What is left for standard output goes nowhere, or Python would fail once more at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, sys.stdout.fileno())
        finally:
            os.close(nowhere)
