"""Schedules as JSON text, with errors that say where they are.

A schedule is ``{"seed": null, "faults": [...]}``. A fault is one flat object: ``fault`` names its
class in snake case, the rest are the fields of the class and of its :class:`At`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .faults import At, Fault, Schedule

__all__ = ["ScheduleError", "dump", "load"]

_SPACE = re.compile(r"[ \t\r\n]*")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


_KINDS: dict[str, type[Any]] = {_snake(kind.__name__): kind for kind in get_args(Fault)}


class ScheduleError(ValueError):
    """A schedule that cannot be used.

    Attributes:
        line: where in the text, from 1.
        field: what is wrong, such as ``faults[2].seconds``.
        value: what is there, None if it is missing.
        expected: what should be there, in words.
    """

    def __init__(self, line: int, field: str, value: object, expected: str) -> None:
        super().__init__(f"line {line}: {field} is {json.dumps(value)}, expected {expected}")
        self.line = line
        self.field = field
        self.value = value
        self.expected = expected


def dump(schedule: Schedule) -> str:
    """Return *schedule* as JSON, one fault a line, without what has its default."""
    lines = ",\n".join("    " + json.dumps(_flat(fault)) for fault in schedule.faults)
    listed = f"[\n{lines}\n  ]" if lines else "[]"
    return f'{{\n  "seed": {json.dumps(schedule.seed)},\n  "faults": {listed}\n}}\n'


def _flat(fault: Any) -> dict[str, Any]:
    flat: dict[str, Any] = {"fault": _snake(type(fault).__name__)}
    for part in [fault.at, fault] if hasattr(fault, "at") else [fault]:
        flat.update(_changed(part))
    return flat


def _changed(part: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults."""
    values = {f.name: (getattr(part, f.name), f.default) for f in fields(part) if f.name != "at"}
    return {name: value for name, (value, default) in values.items() if value != default}


def load(text: str) -> Schedule:
    """Return the schedule that *text* describes. Raises :class:`ScheduleError`."""
    try:
        data = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise ScheduleError(line, "the text", None, f"JSON ({error})") from None
    if not isinstance(data, dict):
        raise ScheduleError(1, "the schedule", data, 'an object with "faults"')
    for name in data:
        if name not in ("seed", "faults"):
            raise ScheduleError(_line(text, name), name, data[name], '"seed" or "faults"')
    seed, listed = data.get("seed"), data.get("faults")
    if seed is not None and type(seed) is not int:
        raise ScheduleError(_line(text, "seed"), "seed", seed, "an integer or null")
    if not isinstance(listed, list):
        raise ScheduleError(_line(text, "faults"), "faults", listed, "a list")
    starts = _starts(text)
    made = [_Reader(text, starts[i], i).fault(one) for i, one in enumerate(listed)]
    return Schedule(made, seed)


class _Reader:
    """Reads the *index*-th fault, whose text starts at *start*."""

    def __init__(self, text: str, start: int, index: int) -> None:
        self._text = text
        self._start = start
        self._where = f"faults[{index}]"

    def fault(self, data: object) -> Any:
        if not isinstance(data, dict):
            raise self._error("", data, "an object")
        kind = _KINDS.get(data["fault"]) if isinstance(data.get("fault"), str) else None
        if kind is None:
            raise self._error("fault", data.get("fault"), f"one of {', '.join(sorted(_KINDS))}")
        hints = _hints(kind)
        parts: list[type[Any]] = [At, kind] if "at" in hints else [kind]
        known = {f.name for part in parts for f in fields(part)} - {"at"}
        for name in data:
            if name not in known | {"fault"}:
                raise self._error(name, data[name], f"one of {', '.join(sorted(known))}")
        built: dict[str, Any] = {"at": self._part(At, data)} if "at" in hints else {}
        made = self._part(kind, data, **built)
        try:
            Schedule([made])
        except ValueError as error:
            raise self._error("fault", data["fault"], str(error)) from None
        return made

    def _part(self, part: type[Any], data: dict[str, Any], **values: Any) -> Any:
        hints = _hints(part)
        for field in fields(part):
            if field.name in values:
                continue
            if field.name in data:
                if not _fits(data[field.name], hints[field.name]):
                    raise self._error(field.name, data[field.name], _words(hints[field.name]))
                values[field.name] = data[field.name]
            elif field.default is MISSING:
                raise self._error(field.name, None, _words(hints[field.name]))
        try:
            return part(**values)
        except ValueError as error:
            raise self._error("number", data.get("number"), str(error)) from None

    def _error(self, name: str, value: object, expected: str) -> ScheduleError:
        field = f"{self._where}.{name}" if name else self._where
        return ScheduleError(_line(self._text, name, self._start), field, value, expected)


def _hints(part: type[Any]) -> dict[str, Any]:
    # Python 3.10 does not take the KW_ONLY marker for a type.
    return get_type_hints(part, localns={"KW_ONLY": object})


def _fits(value: object, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if hint is type(None):
        return value is None
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        try:
            return isinstance(value, (int, float)) and math.isfinite(value)
        except OverflowError:  # an integer that no float holds
            return False
    return isinstance(value, dict if get_origin(hint) is Mapping else hint)


def _words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_words(one) for one in get_args(hint))
    if get_origin(hint) is Mapping:
        return "an object"
    names = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
    return names.get(hint, "null")


def _line(text: str, name: str, start: int = 0) -> int:
    """Return the line of field *name* at or after *start*, or of *start* if there is none."""
    found = text.find(f'"{name}"', start) if name else -1
    return text.count("\n", 0, max(found, start)) + 1


def _starts(text: str) -> list[int]:
    """Return where each element of "faults" starts, in a text that is known to be JSON."""
    decoder = json.JSONDecoder()

    def skip(at: int) -> int:
        found = _SPACE.match(text, at)
        return found.end() if found else at

    starts: list[int] = []
    at = skip(skip(0) + 1)
    while text[at] != "}":
        key, at = decoder.raw_decode(text, at)
        at = skip(skip(at) + 1)
        if key == "faults" and text[at] == "[":
            starts.clear()
            at = skip(at + 1)
            while text[at] != "]":
                starts.append(at)
                at = skip(decoder.raw_decode(text, at)[1])
                at = skip(at + 1) if text[at] == "," else at
            at += 1
        else:
            at = decoder.raw_decode(text, at)[1]
        at = skip(at)
        at = skip(at + 1) if text[at] == "," else at
    return starts
