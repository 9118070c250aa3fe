"""A dict that forgets what is oldest."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

__all__ = ["Kept"]

K = TypeVar("K")
V = TypeVar("V")
_KEPT = 256


class Kept(OrderedDict[K, V]):
    """Remembers the newest 256, so that a call of any length takes the same memory."""

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > _KEPT:
            self.popitem(last=False)
