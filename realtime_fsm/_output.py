"""What the command line writes: safe to print, and honest when it cannot be written."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from ._input import CommandError, InputError

__all__ = [
    "CarefulGroup",
    "UnwritableError",
    "check_writable",
    "in_words",
    "printable",
    "say",
    "to_file",
    "unwritable",
]

# Of Click, or of Typer that brings its own.
_UsageError: type[Any] = typer.BadParameter.__bases__[0]
_LONGEST = 400  # characters of one value
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


def to_file(path: Path, text: str) -> bool:
    """Write a file whole, or leave none: half a page looks like a whole one. ``-`` is standard output.

    Returns whether there is a file now.

    Raises:
        UnwritableError: It cannot be written.
    """
    if str(path) == "-":
        sys.stdout.write(text)
        return False
    try:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            opened_it = path.is_file()
            try:
                file.write(text)
                file.flush()
            except OSError:
                if opened_it:
                    path.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UnwritableError(error.errno, error.strerror, str(path)) from None
    return True


def check_writable(path: Path) -> None:
    """Raise `UnwritableError` for what can be no file, before the work that is to be written is done."""
    if path.is_dir():
        raise UnwritableError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not path.parent.is_dir():
        raise UnwritableError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def in_words(error: OSError, what: str = "") -> str:
    """An error of the system, in one line: what it is about, and what it is."""
    name = what or (os.fsdecode(error.filename) if error.filename is not None else "")
    told = error.strerror or str(error) or type(error).__name__
    return printable(f"{name}: {told}" if name else told)


def unwritable(error: OSError) -> bool:
    """Whether it is about writing what a command has to say."""
    return isinstance(error, UnwritableError) or error.errno in _WRITING


class CarefulGroup(TyperGroup):
    """A command that cannot do what it was asked to says why in one line, and ends with exit status 2,
    or 3 if its workers went away: 1 means that it found something. Ctrl-C ends it with 130."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _careful(), _in_one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _careful(), _in_one_line():
            return super().invoke(ctx)


@contextlib.contextmanager
def _in_one_line() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        where = error.ctx.command_path if error.ctx else "realtime-fsm"
        raise _refused(f"{error.format_message()} See {where} --help") from None
    except InputError as error:
        raise _refused(str(error)) from None
    except CommandError as error:
        raise _refused(str(error), error.status) from None
    except KeyboardInterrupt:
        say("Stopped.", err=True)
        raise typer.Exit(130) from None
    except OSError as error:
        if unwritable(error):
            raise
        raise _refused(in_words(error)) from None


def _refused(why: str, status: int = 2) -> typer.Exit:
    say(f"realtime-fsm: {' '.join(why.split())}", err=True)
    return typer.Exit(status)


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
