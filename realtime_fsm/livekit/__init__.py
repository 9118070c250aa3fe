"""The LiveKit adapter: put `ControlledRealtimeModel` around a realtime model."""

from ._model import ControlledRealtimeModel
from ._observe import Observation

__all__ = ["ControlledRealtimeModel", "Observation"]
