"""What somebody wrote or asked for, and cannot be used."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ._error import RealtimeFSMError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CommandError",
    "InputError",
    "StoppedError",
    "from_json",
    "from_toml",
    "read_as",
    "too_deep",
]

T = TypeVar("T")

_LONGEST = 200  # characters of a value
_PLACE = re.compile(r"at line (\d+)")  # where TOML is none


class InputError(RealtimeFSMError, ValueError):
    """A script, a schedule, a profile, a case, a setting or an option that cannot be used.

    Attributes:
        field: what is wrong, such as ``replies[2].items[0].seconds`` or ``--jobs``.
        value: what is there, None if it is missing.
        expected: what should be there, in words.
        line: where in the text, from 1; None where there are no lines.
        file: where it stands, "" if it is in no file.
    """

    def __init__(
        self,
        field: str,
        value: object,
        expected: str,
        *,
        line: int | None = None,
        file: object = "",
    ) -> None:
        super().__init__(field, value, expected)
        self.field = field
        self.value = value
        self.expected = expected
        self.line = line
        self.file = str(file)

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        if self.line is not None:
            where += f"line {self.line}: "
        there = "missing" if self.value is None else _shown(self.value)
        return f"{where}{self.field} is {there}, expected {self.expected}"

    def within(self, file: object) -> InputError:
        """The same, in that file."""
        return InputError(self.field, self.value, self.expected, line=self.line, file=file)


def read_as(path: Path, read: Callable[[str], T]) -> T:
    """Return what *read* makes of the text in a file.

    Raises:
        OSError: It cannot be opened.
        InputError: It is not UTF-8, or *read* says what is wrong with it; names the file.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        there = f"byte 0x{error.object[error.start]:02x}"
        raise InputError("the text", there, "UTF-8", line=line, file=path) from None
    try:
        return read(text)
    except InputError as error:
        raise error.within(path) from None


def from_json(text: str) -> Any:
    """Return the JSON value that *text* is. Raises `InputError`."""
    import json  # this module is imported with the core, which reads nothing

    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise _at(text, error.pos, f"JSON: {error.msg}") from None
    except ValueError as error:  # a number of too many digits
        raise InputError("the text", text, f"JSON: {error}", line=1) from None
    except RecursionError:
        raise too_deep(text) from None


def too_deep(text: str) -> InputError:
    """Why a JSON text of too many levels cannot be read."""
    return InputError("the text", text, "JSON that is less deep", line=1)


def from_toml(text: str) -> dict[str, Any]:
    """Return the table that *text* is, as TOML. Raises `InputError`."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _PLACE.search(str(error))
        at = text.splitlines(keepends=True)[: int(found[1]) - 1] if found else []
        raise _at(text, len("".join(at)), f"TOML: {error}") from None
    return table


def _at(text: str, place: int, expected: str) -> InputError:
    rest = text[place:].split("\n", 1)[0]
    return InputError("the text", rest or None, expected, line=text.count("\n", 0, place) + 1)


class CommandError(RealtimeFSMError):
    """Why a command cannot do what it was asked to, in one sentence.

    Attributes:
        status: The exit status.
    """

    status = 2


class StoppedError(CommandError):
    """Others did the work, and went away: what is done, and where it is."""

    status = 3


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
