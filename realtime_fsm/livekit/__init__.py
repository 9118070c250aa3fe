"""The LiveKit adapter: put `ControlledRealtimeModel` around a realtime model."""

from typing import TYPE_CHECKING

from .._lazy import lazily
from ._http import http_session
from ._model import ControlledRealtimeModel
from .providers import Family

if TYPE_CHECKING:
    from ._observe import Observation
    from .telemetry import TurnObserver

__all__ = ["ControlledRealtimeModel", "Family", "Observation", "TurnObserver", "http_session"]

#: What only those need who observe.
__getattr__, __dir__ = lazily(
    __name__, {"_observe": ("Observation",), "telemetry": ("TurnObserver",)}
)
