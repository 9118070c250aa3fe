"""Names that a package imports when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def lazily(
    package: str, homes: Mapping[str, Collection[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of *package*, whose modules *homes* have these names.

    Where several are given for a name, the first that has it is taken.
    """
    module = sys.modules[package]

    def get(name: str) -> Any:
        for home, names in homes.items():
            if name in names:
                found = getattr(import_module(f"{package}.{home}"), name, None)
                if found is not None:
                    setattr(module, name, found)
                    return found
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names_of() -> list[str]:
        return sorted(module.__all__)

    return get, names_of
