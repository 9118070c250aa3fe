"""Listeners: ours, as LiveKit's emitter calls them cheapest, and others', which may raise.

``EventEmitter`` inspects each callback's signature for each event, which takes longer than most
handlers do. A ready signature is found at once, and of one that takes everything nothing is counted.
It also passes a ``TypeError`` of a callback on to whoever emitted, which is the inner session's
receive loop or a step of ours.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Optional, TypeVar

from livekit import rtc

from ._log import get_logger

Callback = Callable[..., Any]
Name = TypeVar("Name")

_ANY_ARGUMENTS = inspect.signature(lambda *event: None)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def cheap(handler: Callable[..., Any]) -> Callable[..., None]:
    """This function, which takes any arguments, with a ready signature."""
    handler.__signature__ = _ANY_ARGUMENTS  # type: ignore[attr-defined]
    return handler


def listener(handler: Callable[[Any], object]) -> Callable[..., None]:
    """A method of one argument as such a function."""
    return cheap(lambda event, *_: handler(event))


def safe_listener(
    handler: Callable[[Any], None], failed: Callable[[Exception], None]
) -> Callable[..., None]:
    """The same, which raises nothing into LiveKit (G32)."""

    def heard(event: Any, *_: object) -> None:
        try:
            handler(event)
        except Exception as e:
            failed(e)

    return cheap(heard)


class Listeners:
    """Callbacks of others for events: told in order, each with as many arguments as it takes, and
    whatever one of them raises harms neither the next nor whoever tells. It is logged once."""

    def __init__(self) -> None:
        #: By event: each callback, and how many arguments it takes (None: all).
        self._callbacks: dict[str, dict[Callback, int | None]] = {}
        self._failed: set[Callback] = set()

    def add(self, event: str, callback: Callback) -> None:
        """Tell this callback of an event from now on.

        Raises:
            ValueError: It is a coroutine function.
        """
        rtc.EventEmitter[str]().on(event, callback)  # refuses what LiveKit's refuses
        self._callbacks.setdefault(event, {})[callback] = _arguments_of(callback)

    def remove(self, event: str, callback: Callback) -> None:
        callbacks = self._callbacks.get(event)
        if callbacks is not None:
            callbacks.pop(callback, None)
            if not callbacks:
                del self._callbacks[event]

    def __contains__(self, event: object) -> bool:
        """Whether anybody is told of it."""
        return event in self._callbacks

    def tell(self, event: str, *args: Any) -> None:
        callbacks = self._callbacks.get(event)
        if callbacks is None:
            return
        for callback, count in list(callbacks.items()):
            self._call(event, callback, args[:count])

    def show(self, event: str, frame: Any) -> None:
        """Tell of a frame as it came, before anybody else looks at it. Who is told may keep it, so it
        gets one of its own; what it changes in it is changed for the inner session too, as without
        us."""
        if event not in self._callbacks:
            return
        if not isinstance(frame, dict):
            self.tell(event, frame)
            return
        shown = dict(frame)
        self.tell(event, shown)
        if shown != frame:
            frame.clear()
            frame.update(shown)

    def _call(self, event: str, callback: Callback, args: tuple[Any, ...]) -> None:
        try:
            callback(*args)
        except Exception:
            if callback not in self._failed:
                self._failed.add(callback)
                get_logger().warning("a listener failed", heard=event, exc_info=True)


class GuardedEmitter(rtc.EventEmitter[Name]):
    """An emitter that no listener can harm."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)  # of whatever it is mixed into
        self._listeners = Listeners()

    def on(self, event: Any, callback: Optional[Callback] = None) -> Callback:
        if callback is None:
            return super().on(event)  # a decorator, which comes back here
        self._listeners.add(event, callback)
        return callback

    def off(self, event: Any, callback: Callback) -> None:
        self._listeners.remove(event, callback)

    def emit(self, event: Any, *args: Any) -> None:
        self._listeners.tell(event, *args)


def hear_first(
    emitter: rtc.EventEmitter[Any],
    handlers: Mapping[str, Callable[[Any], object]],
    *,
    changes: bool = False,
) -> Callable[[], None]:
    """Take each of these events before any listener does, and without what ``EventEmitter`` spends on
    each. Handlers raise nothing. Returns what ends it.

    Args:
        changes: They may change what they are told: whoever only looks on hears it before.
    """
    if isinstance(emitter, GuardedEmitter):  # its listeners are called in order, and cheaply
        listeners = {name: listener(handler) for name, handler in handlers.items()}
        for name, each in listeners.items():
            emitter.on(name, each)

        def remove() -> None:
            for name, each in listeners.items():
                emitter.off(name, each)

        return remove

    own = vars(emitter)
    known = getattr(own.get("emit"), "ear", None)
    if isinstance(known, _Ear):
        ear = known
    else:
        ear = _Ear(own.get("emit"))
        own["emit"] = _telling(ear, emitter.emit)
    ear.add(handlers, changes=changes)

    def undo() -> None:
        ear.remove(handlers)
        if not ear.hears and getattr(own.get("emit"), "ear", None) is ear:
            del own["emit"]
            if ear.before is not None:  # another was there
                own["emit"] = ear.before

    return undo


class _Ear:
    """Who hears an emitter's events first."""

    def __init__(self, before: Any) -> None:
        #: What took the place of the emitter's method already, if anything did.
        self.before = before
        self._all: list[tuple[bool, Mapping[str, Callable[[Any], object]]]] = []
        #: By event, in the order in which they are told.
        self.hears: dict[Any, tuple[Callable[[Any], object], ...]] = {}

    def add(self, handlers: Mapping[str, Callable[[Any], object]], *, changes: bool) -> None:
        self._all.append((changes, handlers))
        self._all.sort(key=lambda one: one[0])
        self._list()

    def remove(self, handlers: Mapping[str, Callable[[Any], object]]) -> None:
        self._all = [one for one in self._all if one[1] is not handlers]
        self._list()

    def _list(self) -> None:
        self.hears.clear()
        for _, handlers in self._all:
            for name, handler in handlers.items():
                self.hears[name] = (*self.hears.get(name, ()), handler)


def _telling(ear: _Ear, emit: Callable[..., None]) -> Callable[..., None]:
    hears = ear.hears

    def told(event: Any, *args: Any) -> None:
        if args and event in hears:
            for handler in hears[event]:
                handler(args[0])
        emit(event, *args)

    told.ear = ear  # type: ignore[attr-defined]
    return told


def _arguments_of(callback: Callback) -> int | None:
    """How many positional arguments it takes; None: any number, or it does not tell."""
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in _POSITIONAL for p in parameters)
