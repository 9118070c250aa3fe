"""What scripts and schedules have in common as JSON: values by the types of fields, and their lines."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from .._input import InputError, too_deep

__all__ = ["Path", "at", "fits", "hints", "lines", "snake", "words"]

Path: TypeAlias = tuple["str | int", ...]

_SPACE = re.compile(r"[ \t\r\n]*")
_NAMES = {str: "text", int: "an integer", float: "a number", bool: "true or false"}


def snake(name: str) -> str:
    """The name of a class as it stands in JSON."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def hints(kind: Any) -> Mapping[str, Any]:
    """The types of a class's fields."""
    # Python 3.10 does not take the KW_ONLY marker for a type.
    return get_type_hints(kind, localns={"KW_ONLY": object})


@cache
def _validate(hint: Any) -> Callable[[object], object]:
    from pydantic import ConfigDict, TypeAdapter  # slow, and for those who read a file alone

    config = ConfigDict(strict=True, allow_inf_nan=False)
    return TypeAdapter(hint, config=config).validate_python


def fits(value: object, hint: Any) -> bool:
    """Whether a value, as JSON has it, is of that type."""
    try:
        _validate(hint)(value)
    except (ValueError, OverflowError):  # an integer that no float holds
        return False
    return True


def words(hint: Any) -> str:
    """That type, in words."""
    origin = get_origin(hint)
    if origin is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if origin in (Union, UnionType):
        return " or ".join(words(one) for one in get_args(hint))
    if origin is not None and issubclass(origin, Mapping):
        return "an object"
    return _NAMES.get(hint, "null")


def lines(text: str) -> dict[Path, int]:
    """Return the line of each value, and of each field's name, in a text that is known to be JSON."""
    decoder = json.JSONDecoder()
    found: dict[Path, int] = {}

    def skip(at: int) -> int:
        space = _SPACE.match(text, at)
        return space.end() if space else at

    def walk(at: int, path: Path) -> int:
        found.setdefault(path, text.count("\n", 0, at) + 1)
        if text[at] not in "[{":
            return decoder.raw_decode(text, at)[1]
        closing, number = "]" if text[at] == "[" else "}", 0
        at = skip(at + 1)
        while text[at] != closing:
            part: str | int = number
            if closing == "}":
                found_name, end = decoder.raw_decode(text, at)
                part = str(found_name)
                # The last of two equal names counts, as for `json`.
                here = (*path, part)
                found[here] = text.count("\n", 0, at) + 1
                at = skip(skip(end) + 1)
            at = skip(walk(at, (*path, part)))
            number += 1
            at = skip(at + 1) if text[at] == "," else at
        return at + 1

    try:
        walk(skip(0), ())
    except RecursionError:
        raise too_deep(text) from None
    return found


def at(
    found: Mapping[Path, int],
    path: Path,
    value: object,
    expected: str,
    *,
    whole: str,
    below: Path = (),
) -> InputError:
    """What is wrong there.

    Args:
        found: what `lines` found.
        path: of what is wrong; of what it is missing in, where it has no line.
        value, expected: as `InputError` has them.
        whole: what the whole text is, in words.
        below: what stands before the path, for people.
    """
    known = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in found)
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in (*below, *path))
    field = "".join(parts).removeprefix(".") or whole
    return InputError(field, value, expected, line=found[known])
