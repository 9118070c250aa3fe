"""What happens to turns, told to observers: spans, metrics, or whatever you write.

::

    from realtime_fsm.livekit.telemetry import OpenTelemetryObserver, PrometheusObserver

    model = ControlledRealtimeModel(
        openai.realtime.RealtimeModel(),
        observers=[OpenTelemetryObserver(), PrometheusObserver()],
    )

Nothing is made, counted or sent unless an observer is passed. See ``docs/observability.md``.
"""

from typing import TYPE_CHECKING

from ..._lazy import lazily
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
__getattr__, __dir__ = lazily(
    __name__, {"_otel": ("OpenTelemetryObserver",), "_prometheus": ("PrometheusObserver",)}
)
