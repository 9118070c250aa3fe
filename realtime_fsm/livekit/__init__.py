"""The LiveKit adapter: put `ControlledRealtimeModel` around a realtime model."""

from ._http import http_session
from ._model import ControlledRealtimeModel
from ._observe import Observation
from .telemetry import TurnObserver

__all__ = ["ControlledRealtimeModel", "Observation", "TurnObserver", "http_session"]
