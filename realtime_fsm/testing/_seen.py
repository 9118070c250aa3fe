"""What a call lets its witnesses see."""

from __future__ import annotations

from typing import Any, Protocol

from livekit.agents import CloseEvent, llm
from livekit.agents.voice import SpeechHandle

from .._core.controller import TurnController
from ..livekit import ControlledRealtimeModel
from ..livekit._features import AgentSession
from ..simulator.observed import ObservedServer
from ._screen import Screen
from .sink import PacedAudioOutput

__all__ = ["SeenCall"]


class SeenCall(Protocol):
    """A call, as far as its witnesses look at it; see `SimulatedCall`."""

    session: AgentSession[Any]
    plugin: llm.RealtimeModel
    model: ControlledRealtimeModel | None
    sinks: list[PacedAudioOutput]
    speeches: list[SpeechHandle]
    closed: list[CloseEvent]
    pushed: list[tuple[float, float, str]]
    screen: Screen | None

    @property
    def server(self) -> ObservedServer:
        """The other side of the wire."""
        ...

    @property
    def controller(self) -> TurnController:
        """The controller of the call."""
        ...
