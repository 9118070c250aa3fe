"""What is around a full-duplex model is, for LiveKit, an adapter of one."""

from __future__ import annotations

from typing import Any

from livekit.agents import llm

#: LiveKit's adapter, what it wraps, and the session of that; None before 1.8.
ADAPTER: type[Any] | None = getattr(llm, "DuplexRealtimeAdapter", None)
MODEL: type[Any] | None = getattr(llm, "DuplexModel", None)
SESSION: type[Any] | None = getattr(llm, "DuplexSession", None)


def adapted(inner: Any) -> Any:
    """A full-duplex model as an ``AgentSession`` takes it; any other as it is."""
    if MODEL is not None and ADAPTER is not None and isinstance(inner, MODEL):
        return ADAPTER(inner)
    return inner


def is_duplex(inner: object) -> bool:
    """Whether it is a full-duplex model, or LiveKit's adapter of one."""
    return any(kind is not None and isinstance(inner, kind) for kind in (MODEL, ADAPTER))


_made: dict[type[Any], type[Any]] = {}


def duplex_class(cls: type[Any]) -> type[Any]:
    """The class with LiveKit's adapter among its bases: LiveKit asks for that before it starts what such
    a model cannot do, such as a simulation by text."""
    found = _made.get(cls)
    if found is None:
        assert ADAPTER is not None
        model = property(lambda self: self._inner.duplex_model)
        members = {"__module__": cls.__module__, "__doc__": cls.__doc__, "duplex_model": model}
        found = _made[cls] = type(cls.__name__, (cls, ADAPTER), members)
    return found
