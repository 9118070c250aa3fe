"""The LiveKit adapter: put `ControlledRealtimeModel` around a realtime model."""

from ._http import http_session
from ._model import ControlledRealtimeModel
from ._observe import Observation
from .providers import Family
from .telemetry import TurnObserver

__all__ = ["ControlledRealtimeModel", "Family", "Observation", "TurnObserver", "http_session"]
