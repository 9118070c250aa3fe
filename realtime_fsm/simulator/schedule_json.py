"""Schedules as JSON text, with errors that say where they are.

A schedule is ``{"seed": null, "faults": [...]}``. A fault is one flat object: ``fault`` names its
class in snake case, the rest are the fields of the class and of its :class:`At`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_args

from .._input import InputError, from_json
from ._reading import Path, at, fits, hints, lines, snake, words
from .fault_kinds import At, Fault, check

__all__ = ["dump", "load"]

_KINDS: dict[str, type[Any]] = {snake(kind.__name__): kind for kind in get_args(Fault)}


def dump(faults: Iterable[Fault], seed: int | None) -> str:
    """Return a schedule as JSON, one fault a line, without what has its default."""
    listed = ",\n".join("    " + json.dumps(_flat(fault)) for fault in faults)
    shown = f"[\n{listed}\n  ]" if listed else "[]"
    return f'{{\n  "seed": {json.dumps(seed)},\n  "faults": {shown}\n}}\n'


def _flat(fault: Any) -> dict[str, Any]:
    flat: dict[str, Any] = {"fault": snake(type(fault).__name__)}
    for part in [fault.at, fault] if hasattr(fault, "at") else [fault]:
        flat.update(_changed(part))
    return flat


def _changed(part: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults."""
    values = {f.name: (getattr(part, f.name), f.default) for f in fields(part) if f.name != "at"}
    return {name: value for name, (value, default) in values.items() if value != default}


def load(text: str) -> tuple[list[Fault], int | None]:
    """Return the faults and the seed of the schedule that *text* describes. Raises :class:`InputError`."""
    data = from_json(text)
    return _Reader(lines(text)).schedule(data)


class _Reader:
    def __init__(self, found: Mapping[Path, int]) -> None:
        self._lines = found

    def schedule(self, data: object) -> tuple[list[Fault], int | None]:
        if not isinstance(data, dict):
            raise self._error((), data, 'an object with "faults"')
        for name in data:
            if name not in ("seed", "faults"):
                raise self._error((name,), data[name], '"seed" or "faults"')
        seed, listed = data.get("seed"), data.get("faults")
        if not fits(seed, int | None):
            raise self._error(("seed",), seed, "an integer or null")
        if not isinstance(listed, list):
            raise self._error(("faults",), listed, "a list")
        return [self.fault(one, ("faults", i)) for i, one in enumerate(listed)], seed

    def fault(self, data: object, path: Path) -> Any:
        if not isinstance(data, dict):
            raise self._error(path, data, "an object")
        kind = _KINDS.get(data["fault"]) if isinstance(data.get("fault"), str) else None
        if kind is None:
            raise self._error(
                (*path, "fault"), data.get("fault"), f"one of {', '.join(sorted(_KINDS))}"
            )
        types = hints(kind)
        parts: list[type[Any]] = [At, kind] if "at" in types else [kind]
        known = {f.name for part in parts for f in fields(part)} - {"at"}
        for name in data:
            if name not in known | {"fault"}:
                raise self._error((*path, name), data[name], f"one of {', '.join(sorted(known))}")
        built: dict[str, Any] = {"at": self._part(At, data, path)} if "at" in types else {}
        made = self._part(kind, data, path, **built)
        try:
            check(made)
        except ValueError as error:
            raise self._error((*path, "fault"), data["fault"], str(error)) from None
        return made

    def _part(self, part: type[Any], data: dict[str, Any], path: Path, **values: Any) -> Any:
        types = hints(part)
        for field in fields(part):
            if field.name in values:
                continue
            if field.name in data:
                if not fits(data[field.name], types[field.name]):
                    raise self._error(
                        (*path, field.name), data[field.name], words(types[field.name])
                    )
                values[field.name] = data[field.name]
            elif field.default is MISSING:
                raise self._error((*path, field.name), None, words(types[field.name]))
        try:
            return part(**values)
        except ValueError as error:
            raise self._error((*path, "number"), data.get("number"), str(error)) from None

    def _error(self, path: Path, value: object, expected: str) -> InputError:
        return at(self._lines, path, value, expected, whole="the schedule")
