"""The engine of OpenAI's plugin and its relatives: Azure OpenAI, xAI, ThunderPhone, LiveKit's
hosted models."""

from __future__ import annotations

from typing import Any

from ._family import Family, declared_events

OPENAI = Family(name="openai", control="full")

#: Raw events of the engine, wherever LiveKit keeps it.
_RAW = {"openai_server_event_received", "openai_client_event_queued"}
_ENGINES = ("livekit.agents.llm._realtime.openai", "livekit.plugins.openai.realtime.")


def shows_engine(session: Any) -> bool:
    """Whether a session is the engine's, by what it shows."""
    declares = declared_events(type(session)) >= _RAW
    return declares and callable(getattr(session, "send_event", None))


def has_engine(model: Any) -> bool:
    """Whether a model is the engine's, where its sessions do not show."""
    return any(cls.__module__.startswith(_ENGINES) for cls in type(model).__mro__)
