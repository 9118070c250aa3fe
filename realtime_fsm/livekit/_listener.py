"""Event handlers as LiveKit's emitter calls them cheapest.

``EventEmitter`` inspects each callback's signature for each event, which takes longer than most
handlers do. A ready signature is found at once, and of one that takes everything nothing is counted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

_ANY_ARGUMENTS = inspect.signature(lambda *event: None)


def cheap(handler: Callable[..., None]) -> Callable[..., None]:
    """This function, which takes any arguments, with a ready signature."""
    handler.__signature__ = _ANY_ARGUMENTS  # type: ignore[attr-defined]
    return handler


def listener(handler: Callable[[Any], None]) -> Callable[..., None]:
    """A method of one argument as such a function."""
    return cheap(lambda event, *_: handler(event))
