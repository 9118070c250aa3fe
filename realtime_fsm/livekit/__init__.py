"""The LiveKit adapter: put `ControlledRealtimeModel` around a realtime model."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._http import http_session
from ._model import ControlledRealtimeModel
from .providers import Family

if TYPE_CHECKING:
    from ._observe import Observation
    from .telemetry import TurnObserver

__all__ = ["ControlledRealtimeModel", "Family", "Observation", "TurnObserver", "http_session"]

#: What only those need who observe.
_MODULES = {"Observation": "_observe", "TurnObserver": "telemetry"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
