"""Plants exceptions in our own code: in each method of core and adapter, once, or from then on."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import pkgutil
import sys
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import realtime_fsm
from realtime_fsm.livekit._facts import unsafe

#: Looked for once, and before anything is wrapped: what is wrapped has other arguments, by which every model
#: would pass through, and nothing that is planted would be in a call.
assert not unsafe()

_FOLDERS = ("_core", "livekit", "livekit.providers", "livekit.telemetry")
#: Modules in which nothing is planted, each with its reason. All others of these folders are.
LEFT_OUT = {
    "_core.activity": "asked by the application, outside of a call's course",
    "_core.commands": "data",
    "_core.data": "how data compares and is printed",
    "_core.difference": "asked by the application, outside of a call's course",
    "_core.errors": "data",
    "_core.events": "data",
    "_core.handlers": "data",
    "_core.machine_events": "data",
    "_core.playback_table": "rows, read at import",
    "_core.response_table": "rows, read at import",
    "_core.states": "data",
    "_core.turn_table": "rows, read at import",
    "livekit._aside": "stepping aside itself",
    "livekit._reply_request": "data",
    "livekit._duplex": "looked at when the model is made",
    "livekit.duplex": "watches full-duplex sessions, which are plain: tests/duplex/test_watcher.py",
    "livekit._facts": "looked at before there is a model",
    "livekit._follow_up": "off in these calls: tests/livekit/test_follow_up.py plants in it",
    "livekit._guard": "stepping aside itself",
    "livekit._host": "of a fallback adapter's calls: tests/aside/test_host.py",
    "livekit._http": "an application's choice, for real sockets",
    "livekit._link": "data",
    "livekit._log": "passes on to logging",
    "livekit._model": "makes the session, with a test for each step of it",
    "livekit._pass_on": "runs at import",
    "livekit._profile": "runs when the model is made",
    "livekit.providers._aws": "data",
    "livekit.providers._azure": "read when the session is made, with a test for that step",
    "livekit.providers._duplex": "data",
    "livekit.providers._google": "read when the session is made, with a test for that step",
    "livekit.providers._nvidia": "data",
    "livekit.providers._phonic": "data",
    "livekit.providers._ultravox": "data",
    "livekit.telemetry._observer": "what applications subclass",
    "livekit.telemetry._otel": "an application's observer",
    "livekit.telemetry._prometheus": "an application's observer",
}
MODULES = tuple(
    name
    for folder in _FOLDERS
    for info in pkgutil.iter_modules(importlib.import_module(f"realtime_fsm.{folder}").__path__)
    if (name := f"{folder}.{info.name}") not in LEFT_OUT
)
#: What stepping aside itself stands on, which is small for that reason: opening and closing an inner
#: session, what LiveKit, the plugin and the sink call, which passes on and asks the rest under the guard, and
#: what LiveKit reads from. Functions, classes, or whole modules.
TRUSTED = (
    "livekit._inner_session.InnerSession.__init__",
    "livekit._inner_session.InnerSession.open",
    "livekit._inner_session.InnerSession.repeat",
    "livekit._inner_session.close",
    "livekit._inner_session.InnerSession.on",
    "livekit._inner_session.InnerSession._relay",
    "livekit._guarded_output",
    "livekit._listener",
    "livekit._turn_output._Watched.__aiter__",
    "livekit._reader",
    "livekit._reading",
    *(
        f"livekit._session.ControlledRealtimeSession.{name}"
        for name in (
            "__init__",
            "_close",
            "_inner",
            "_push",
            "_update_session",
            "aclose",
            "capabilities",
            "chat_ctx",
            "clear_audio",
            "commit_audio",
            "emit",
            "generate_reply",
            "interrupt",
            "off",
            "on",
            "push_audio",
            "push_video",
            "say",
            "send_event",
            "tools",
            "truncate",
            "update_chat_ctx",
            "update_instructions",
            "update_options",
            "update_tools",
        )
    ),
    "livekit._speech.SpeechTracker._safe",
    "livekit._speech.SpeechTracker.__init__",  # with the model, before there is a call
    "livekit._tap.Tap.__aiter__",
)
#: What has added a moment of sound when it raises: the inner session, which takes over, adds it too.
ADDS_SOUND = ("livekit._sound.Sound.takes", "livekit._tap.AudioTap.add")
#: An answer of theirs is a RuntimeError.
ANSWERS = ("livekit._features.history_of", "livekit._features._activity_of")
_PACKAGE = Path(realtime_fsm.__file__).parent
#: What a call does not need: it looks on, or is the server's side.
_ONLOOKERS = (
    *(str(_PACKAGE / name) for name in ("simulator", "testing", "trace", "compare", "lab")),
    str(Path(__file__).with_name("calls.py")),
)
#: What these call is called for whoever calls them.
_SHARED = (
    *(str(_PACKAGE / name) for name in ("_core", "livekit/_features.py")),
    __file__,
    "<string>",
)
_WORDS = "planted: words of the user"


@dataclass(frozen=True)
class Target:
    """One function, under the name of where it is defined."""

    label: str
    function: types.FunctionType


def targets() -> list[Target]:
    """All of them, by name, those that are trusted too."""
    found: dict[str, Target] = {}
    for name in MODULES:
        module = importlib.import_module(f"realtime_fsm.{name}")
        for key, value in vars(module).items():
            if getattr(value, "_is_protocol", False):
                continue
            if isinstance(value, type) and value.__module__ == module.__name__:
                for target in _of_class(name, value):
                    found[target.label] = target
            elif isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
                found[f"{name}.{key}"] = Target(f"{name}.{key}", value)
    return [target for _, target in sorted(found.items())]


def _of_class(module: str, cls: type) -> Iterator[Target]:
    for key, value in vars(cls).items():
        function = value.fget if isinstance(value, property) else value
        if (
            isinstance(function, types.FunctionType)
            and function.__module__ == cls.__module__
            and (not key.startswith("__") or key in ("__init__", "__aiter__", "__bool__"))
        ):
            yield Target(f"{module}.{cls.__name__}.{key}", function)


def trusted(target: Target) -> bool:
    return any(target.label == t or target.label.startswith(f"{t}.") for t in TRUSTED)


def lines(target: Target) -> int:
    """How long it is."""
    with contextlib.suppress(OSError):  # a dataclass's own
        return len(inspect.getsource(target.function).splitlines())
    return 0


@contextlib.contextmanager
def wrapped(
    target: Target, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Iterator[None]:
    """Put something around it, wherever it is called from: tables hold functions, so the function itself
    runs other code for a while."""
    function, name = target.function, f"_planted_{target.label.replace('.', '_')}"
    code, defaults, more = function.__code__, function.__defaults__, function.__kwdefaults__
    before = types.FunctionType(
        code, function.__globals__, function.__name__, defaults, function.__closure__
    )
    before.__kwdefaults__ = more
    instead = eval(f"lambda *args, **kwargs: {name}(*args, **kwargs)", {}).__code__
    function.__globals__[name] = wrap(before)
    function.__defaults__ = function.__kwdefaults__ = None  # type: ignore[assignment]
    _put(function, instead.replace(co_freevars=code.co_freevars))
    try:
        yield
    finally:
        _put(function, code)
        function.__defaults__, function.__kwdefaults__ = defaults, more
        del function.__globals__[name]


def _put(function: types.FunctionType, code: types.CodeType) -> None:
    with warnings.catch_warnings():
        # Since Python 3.13, where one of the two is a generator's: what is planted only calls the other.
        warnings.simplefilter("ignore", DeprecationWarning)
        function.__code__ = code


def _looks_on() -> bool:
    """Whether what is planted is called for who only looks on, the recorder or the kit of tests, or for the
    simulated server: what fails there is not in the call."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_SHARED):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_ONLOOKERS)


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
    target: Target,
    nth: int,
    error: type[Exception],
    *,
    always: bool = False,
    after: bool = False,
) -> Iterator[Planted]:
    """Its n-th call raises, and with *always* each one after it. With *after* it does its work before."""
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
                done = function(*args, **kwargs) if after else None
                for each in filter(inspect.iscoroutine, (*args, done)):
                    each.close()  # nobody will await it
                raise error(_WORDS)
            return function(*args, **kwargs)

        return raising

    with wrapped(target, wrap):
        yield result
