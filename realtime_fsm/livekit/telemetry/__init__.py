"""What happens to turns, told to observers: spans, metrics, or whatever you write.

::

    from realtime_fsm.livekit.telemetry import OpenTelemetryObserver, PrometheusObserver

    model = ControlledRealtimeModel(
        openai.realtime.RealtimeModel(),
        observers=[OpenTelemetryObserver(), PrometheusObserver()],
    )

Nothing is made, counted or sent unless an observer is passed. See ``docs/observability.md``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._observer import (
    AttemptEnd,
    AttemptInfo,
    AttemptOutcome,
    Correction,
    SessionInfo,
    TurnInfo,
    TurnObserver,
)

if TYPE_CHECKING:
    from ._otel import OpenTelemetryObserver
    from ._prometheus import PrometheusObserver

__all__ = [
    "AttemptEnd",
    "AttemptInfo",
    "AttemptOutcome",
    "Correction",
    "OpenTelemetryObserver",
    "PrometheusObserver",
    "SessionInfo",
    "TurnInfo",
    "TurnObserver",
]

#: What only those need who pass one.
_MODULES = {"OpenTelemetryObserver": "_otel", "PrometheusObserver": "_prometheus"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
