"""The simulated server with the switches of a profile."""

from __future__ import annotations

from typing import Any

from .._input import InputError
from ..profiles import Profile
from .config import ServerConfig
from .rules import RULES

__all__ = ["configured", "switches"]


def switches(profile: Profile) -> dict[str, Any]:
    """Return the fields of :class:`ServerConfig` that a profile says something of.

    Raises :class:`InputError` for a value that its rule does not have.
    """
    found: dict[str, Any] = {}
    for name, fact in profile.facts.items():
        rule = RULES.get(name)
        if rule is None or rule.field is None or fact.value is None:
            continue
        if fact.value not in rule.alternatives:
            values = ", ".join(map(repr, rule.alternatives))
            expected = f"one of {values}"
            raise InputError(f"facts.{name}.value", fact.value, expected, file=profile.name)
        found[rule.field] = fact.value
    return found


def configured(profile: Profile, **fields: Any) -> ServerConfig:
    """Return the configuration of a server like that of *profile*; *fields* win over it."""
    return ServerConfig(**{**switches(profile), **fields})
