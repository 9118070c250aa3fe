"""Plants exceptions in our own code: in each method of core and adapter, once, or from then on."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import realtime_fsm
from realtime_fsm.testing import _watch, call
from realtime_fsm.trace import recorder

#: Everything that runs in a call.
_CORE = (
    "_activity",
    "_classify",
    "_connection",
    "_controller",
    "_core",
    "_hear",
    "_lane",
    "_machine",
    "_playback",
)
_CORE += ("_receive", "_response_rules", "_rules", "_step", "_timers", "_turn", "_user_speech")
_CORE += ("_wire",)
_ADAPTER = ("_alarm", "_announcements", "_below", "_conversation", "_driver", "_foreign", "_gate")
_ADAPTER += ("_history", "_outlet", "_private", "_raw", "_sight", "_speech", "_usage")
_ADAPTER += ("telemetry._reporter",)
MODULES = (*_CORE, *(f"livekit.{name}" for name in _ADAPTER))
#: What stepping aside itself stands on, which is small for that reason: opening and closing an inner
#: session, and what LiveKit reads from.
TRUSTED = {
    "livekit._below.Below.__init__",
    "livekit._below.Below.open",
    "livekit._below.Below.repeat",
    "livekit._below.close",
    "livekit._below.Below.on",
    "livekit._below.Below._relay",
    "livekit._outlet._Watched.__aiter__",
    "livekit._speech.Speeches.__init__",  # with the model, before there is a call
}
_ONLOOKERS = (recorder.__file__, call.__file__, _watch.__file__)
_HERE = Path(__file__).parent
_CORE_FOLDER = Path(realtime_fsm.__file__).parent
_WORDS = "planted: words of the user"


@dataclass(frozen=True)
class Target:
    """One function. ``holder[name]`` or ``holder.name``, under the name of where it is defined."""

    label: str
    places: tuple[tuple[Any, str], ...]
    kind: str  # "function", "property" or "entry" (of a table of handlers)


def targets() -> list[Target]:
    """All of them, by name."""
    found: dict[str, Target] = {}
    for name in MODULES:
        module = importlib.import_module(f"realtime_fsm.{name}")
        for key, value in vars(module).items():
            if isinstance(value, type) and value.__module__ == module.__name__:
                for target in _of_class(name, value):
                    found[target.label] = target
            elif isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
                found[f"{name}.{key}"] = Target(f"{name}.{key}", tuple(_places(value)), "function")
    return [target for label, target in sorted(found.items()) if label not in TRUSTED]


def _of_class(module: str, cls: type) -> Iterator[Target]:
    for key, value in vars(cls).items():
        label = f"{module}.{cls.__name__}.{key}"
        if isinstance(value, property) and value.fget is not None:
            yield Target(label, ((cls, key),), "property")
        elif (
            isinstance(value, types.FunctionType)
            and value.__module__ == cls.__module__
            and (not key.startswith("__") or key in ("__init__", "__aiter__", "__bool__"))
        ):
            yield Target(label, ((cls, key), *_entries(value)), "function")


def _places(function: Any) -> Iterator[tuple[Any, str]]:
    """Wherever a function of a module is known by name, and in tables."""
    for name, module in list(sys.modules.items()):
        if name.startswith("realtime_fsm"):
            for key, value in list(vars(module).items()):
                if value is function:
                    yield module, key
    yield from _entries(function)


def _entries(function: Any) -> Iterator[tuple[Any, Any]]:
    from realtime_fsm._receive import HANDLERS
    from realtime_fsm._wire import _READERS
    from realtime_fsm.livekit._driver import Driver

    for table in (HANDLERS, _READERS, Driver._HANDLERS):
        for key, value in table.items():
            if value is function:
                yield table, key


@contextlib.contextmanager
def wrapped(
    target: Target, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Put something around it, wherever it is called from."""
    before = []
    for holder, key in target.places:
        old = holder[key] if isinstance(holder, dict) else vars(holder)[key]
        new: Any = wrap(old.fget if isinstance(old, property) else old)
        if isinstance(old, property):
            new = property(new, old.fset)
        before.append((holder, key, old))
        _put(holder, key, new)
    try:
        yield
    finally:
        for holder, key, old in before:
            _put(holder, key, old)


def _put(holder: Any, key: Any, value: Any) -> None:
    if isinstance(holder, dict):
        holder[key] = value
    else:
        setattr(holder, key, value)


def _looks_on() -> bool:
    """Whether what is planted is called for who only looks on, the recorder or the kit of tests: what
    fails there is not in the call."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None and Path(frame.f_code.co_filename).parent in (_CORE_FOLDER, _HERE):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename in _ONLOOKERS


@contextlib.contextmanager
def counting() -> Iterator[Counter[str]]:
    """How often each is called."""
    calls: Counter[str] = Counter()

    def count(label: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*args: Any, **kwargs: Any) -> Any:
                calls[label] += not _looks_on()
                return function(*args, **kwargs)

            return counted

        return wrap

    with contextlib.ExitStack() as stack:
        for target in targets():
            stack.enter_context(wrapped(target, count(target.label)))
        yield calls


@dataclass
class Planted:
    raised: int = 0


@contextlib.contextmanager
def planted(
    target: Target, nth: int, error: type[Exception], *, always: bool = False
) -> Iterator[Planted]:
    """Its n-th call raises, and with *always* each one after it."""
    result = Planted()
    calls = 0

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def raising(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            if _looks_on():
                return function(*args, **kwargs)
            calls += 1
            if calls == nth or (always and calls > nth):
                result.raised += 1
                for each in filter(inspect.iscoroutine, args):
                    each.close()  # nobody will await it
                raise error(_WORDS)
            return function(*args, **kwargs)

        return raising

    with wrapped(target, wrap):
        yield result
