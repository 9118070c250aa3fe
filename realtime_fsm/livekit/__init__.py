"""The LiveKit adapter: put `ControlledRealtimeModel` around a realtime model."""

from ._model import ControlledRealtimeModel

__all__ = ["ControlledRealtimeModel"]
