"""What a newer LiveKit adds to the interface of models and sessions is the inner one's."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T", bound=type)

#: The wrapper is the realtime model that its session tells of.
_OF_THE_WRAPPER = frozenset({"realtime_model"})


def passes_on(base: type) -> Callable[[T], T]:
    """Let a class that wraps one in ``_inner`` pass on what *base* has and the class does not define.

    Without this a new abstract method would keep it from being made, and one with a default would be
    answered by the default.
    """

    def decorate(cls: T) -> T:
        for name in vars(base):
            known = name.startswith("_") or name in _OF_THE_WRAPPER or name in vars(cls)
            if not known:
                setattr(cls, name, _inners(name))
        abc.update_abstractmethods(cls)
        return cls

    return decorate


def _inners(name: str) -> Any:
    return property(lambda self: getattr(self._inner, name))
