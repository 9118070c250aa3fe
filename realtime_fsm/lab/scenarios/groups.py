"""All scenarios, in groups. Imports no LiveKit."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

from ..._input import InputError
from ...testing.corpus import Case, parse
from .matrix import matrix

__all__ = ["GROUPS", "SCENARIOS", "select"]


def _read(name: str) -> tuple[Case, ...]:
    return parse((resources.files(__package__) / "cases" / f"{name}.txt").read_text("utf-8"))


_ROWS = _read("baseline")
GROUPS: dict[str, tuple[Case, ...]] = {
    "baseline": _ROWS,
    "variants": _read("variants"),
    "turns": matrix(_ROWS),
    "composition": _read("composition"),
}
SCENARIOS: dict[str, Case] = {each.id: each for group in GROUPS.values() for each in group}


def select(wanted: Iterable[str]) -> list[str]:
    """Return the ids that *wanted* names: ids, names of groups, or the part before the slash;
    nothing is all.

    Raises `InputError` for one that names nothing.
    """
    chosen: dict[str, None] = {}
    for name in wanted:
        found = [name] if name in SCENARIOS else [each.id for each in GROUPS.get(name, ())]
        found = found or [each for each in SCENARIOS if each.startswith(f"{name}/")]
        if not found:
            known = ", ".join([*GROUPS, *(each for each in SCENARIOS if "/" not in each)])
            raise InputError("the scenario", name, f"one of {known}")
        chosen.update(dict.fromkeys(found))
    return list(chosen) or list(SCENARIOS)
