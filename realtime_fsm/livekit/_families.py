"""Families of realtime plugins: what each shows, and how much of it is controlled.

A family is recognised by what its session shows, not by the name of a class: a plugin, LiveKit's
hosted models and other providers share one engine, and a release may move it. What is not recognised,
or has no contract with us yet, is passed through as it is: a call must never be worse for us.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Any, Literal

from livekit.agents import llm

from ._private import models_of

Control = Literal["full", "reduced", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The traits of a family of realtime plugins.

    Attributes:
        name: What it is called in logs.
        control: ``"full"``: it shows its raw events as the OpenAI plugin does, and takes
            ``send_event()``. ``"reduced"``: it is controlled by what every `llm.RealtimeSession`
            shows. ``"plain"``: it passes through.
        why: With ``"plain"``, what keeps it from being controlled, one sentence.
    """

    name: str
    control: Control
    why: str = ""

    def __post_init__(self) -> None:
        if self.control not in typing.get_args(Control):
            raise ValueError(f"control must be one of {typing.get_args(Control)}")


OPENAI = Family(name="openai", control="full")
REDUCED = Family(name="reduced", control="reduced")
DUPLEX = Family(name="duplex", control="plain", why="A full-duplex model decides when to speak.")
_UNKNOWN = Family(
    name="unknown",
    control="plain",
    why="Nothing is known of how it takes requests: declare it with family=, see docs/reduced-mode.md.",
)

#: What can be said with one word.
NAMED = {family.name: family for family in (OPENAI, REDUCED)}

#: Raw events of the engine that OpenAI's plugin, LiveKit's hosted models and others share.
_RAW = {"openai_server_event_received", "openai_client_event_queued"}
_ENGINES = ("livekit.agents.llm._realtime.openai", "livekit.plugins.openai.realtime.")

#: Why plugins are not controlled yet, by the name of their package.
_WHY = {
    "google": "A request can be neither withdrawn nor repeated, and the user's speech is reported"
    " when it was answered already.",
    "aws": "A reply that was asked for is announced as one of the model's own, and a stream that is"
    " closed early ends the call.",
    "ultravox": "A reply that was asked for is announced as one of the model's own, and no request"
    " can be withdrawn.",
    "phonic": "A request that is repeated has lost the user's words, and a stream that is closed"
    " early ends the call.",
    "azure": "It repeats requests by itself after a lost connection, and cuts no message to what was"
    " heard.",
    "nvidia": "It takes no requests: the model listens and speaks at the same time.",
}


def family_of(model: llm.RealtimeModel, session: llm.RealtimeSession[Any]) -> Family:
    """The family of a model that made this session."""
    if getattr(model.capabilities, "supports_overlapping_speech", False):  # since 1.8
        return DUPLEX
    if declared_events(type(session)) >= _RAW and callable(getattr(session, "send_event", None)):
        return OPENAI
    if isinstance(model, llm.RealtimeModelFallbackAdapter):
        return _of_fallback(model)
    for package in _plugins(model):
        if package in _WHY:
            return Family(name=package, control="plain", why=_WHY[package])
    return _UNKNOWN


def declared_events(session: type) -> set[str]:
    """The events that a session's class declares besides those of every session, as
    ``llm.RealtimeSession[Literal["…"]]``."""
    names: set[str] = set()
    for base in (b for cls in session.__mro__ for b in getattr(cls, "__orig_bases__", ())):
        for argument in typing.get_args(base):
            names.update(name for name in typing.get_args(argument) if isinstance(name, str))
    return names


def _of_fallback(adapter: llm.RealtimeModelFallbackAdapter) -> Family:
    """LiveKit's adapter hides the raw events of its models; their traits it cannot hide."""
    models = models_of(adapter)
    if models and all(_has_engine(model) for model in models):
        return REDUCED
    why = "A model inside the fallback adapter is of a family that is not controlled."
    return Family(name="fallback adapter", control="plain", why=why)


def _has_engine(model: llm.RealtimeModel) -> bool:
    return any(cls.__module__.startswith(_ENGINES) for cls in type(model).__mro__)


def _plugins(model: llm.RealtimeModel) -> list[str]:
    """The packages under ``livekit.plugins`` that its classes are from."""
    modules = (cls.__module__.split(".") for cls in type(model).__mro__)
    return [m[2] for m in modules if m[:2] == ["livekit", "plugins"] and len(m) > 2]
