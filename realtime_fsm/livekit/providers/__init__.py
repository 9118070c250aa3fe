"""Families of realtime plugins: what each lets us do, one small file each.

A family is recognised by what its session shows, not by the name of a class: a plugin, LiveKit's
hosted models and other providers share one engine, and a release may move it. What is not
recognised, or no longer is what it was, passes through: a call must never be worse for us.
"""

from __future__ import annotations

from typing import Any

from livekit.agents import llm

from .._private import models_of
from ._aws import AWS
from ._azure import AZURE
from ._duplex import DUPLEX
from ._family import Family, declared_events, least, packages_of
from ._google import GOOGLE
from ._nvidia import NVIDIA
from ._openai import OPENAI, has_engine, shows_engine
from ._phonic import PHONIC
from ._ultravox import ULTRAVOX

__all__ = ["CONTROLLED", "DUPLEX", "NAMED", "STREAMS", "Family", "declared_events", "family_of"]

#: What every session shows, taken at its word.
STREAMS = Family(name="streams", control="streams")
#: LiveKit's fallback adapter over models of the openai engine, whose frames it hides.
FALLBACK = Family(name="fallback adapter", control="streams")
_UNKNOWN = Family(
    name="unknown",
    control="plain",
    why="Nothing is known of how it takes requests: declare it with family=, see docs/providers.md.",
)

#: The families that are known.
CONTROLLED = (OPENAI, AZURE, GOOGLE, AWS, ULTRAVOX, PHONIC)
#: What can be said with one word.
NAMED = {f.name: f for f in (*CONTROLLED, STREAMS)}
#: By the package of LiveKit's plugins.
_PACKAGES = {f.name: f for f in (AZURE, GOOGLE, AWS, ULTRAVOX, PHONIC, NVIDIA)}


def family_of(model: llm.RealtimeModel, session: llm.RealtimeSession[Any]) -> Family:
    """The family of a model that made this session."""
    if getattr(model.capabilities, "supports_overlapping_speech", False):  # since 1.8
        return DUPLEX
    if shows_engine(session):
        return OPENAI
    if isinstance(model, llm.RealtimeModelFallbackAdapter):
        return _of_fallback(model)
    for package in packages_of(model):
        if package in _PACKAGES:
            return _as_it_was(_PACKAGES[package], session).of(model)
    return _UNKNOWN


def _as_it_was(family: Family, session: llm.RealtimeSession[Any]) -> Family:
    """The family, or plain if the plugin shows that it is another than was declared."""
    moved = family.moved(session.capabilities, type(session))
    if moved and family.control != "plain":
        return family.plain(f"The plugin is not what it was: {', '.join(moved)} changed.")
    return family


def _of_fallback(adapter: llm.RealtimeModelFallbackAdapter) -> Family:
    """LiveKit's adapter hides the raw events of its models; their traits it cannot hide."""
    children = [_of_child(model) for model in models_of(adapter)]
    known = [child for child in children if child is not None]
    if not children or len(known) < len(children):
        why = "A model inside the fallback adapter is of a family that is not controlled."
        return FALLBACK.plain(why)
    return least("fallback adapter", known)


def _of_child(model: llm.RealtimeModel) -> Family | None:
    """What is known of a model whose sessions do not show."""
    if has_engine(model):
        return FALLBACK
    for package in packages_of(model):
        family = _PACKAGES.get(package)
        if family is not None and family.control != "plain":
            return None if family.moved(model.capabilities) else family.of(model)
    return None
