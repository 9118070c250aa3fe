"""Fake servers of the providers that LiveKit has realtime plugins for, on loopback.

For tests of an agent with the plugin it will run with, and no network::

    async with GeminiLive({"Hi": [Answer("Good morning.", 0.8)]}) as server:
        session = AgentSession(llm=server.model())

Each speaks its provider's protocol, in the types of the provider's SDK. The plugins come with the
extra ``providers``.
"""

from __future__ import annotations

from ._fake import Fake, PluginMissing
from ._script import Answer, Answers
from .gemini import GeminiLive
from .nova import NovaSonic
from .openai_like import XAI, Azure, AzureBeta, Inference, OpenAI, ThunderPhone
from .personaplex import PersonaPlex
from .phonic import Phonic
from .ultravox import Ultravox
from .voice_live import VoiceLive

__all__ = [
    "FAKES",
    "XAI",
    "Answer",
    "Answers",
    "Azure",
    "AzureBeta",
    "Fake",
    "GeminiLive",
    "Inference",
    "NovaSonic",
    "OpenAI",
    "PersonaPlex",
    "Phonic",
    "PluginMissing",
    "ThunderPhone",
    "Ultravox",
    "VoiceLive",
]

_ALL: tuple[type[Fake], ...] = (
    OpenAI,
    Azure,
    AzureBeta,
    Inference,
    XAI,
    ThunderPhone,
    VoiceLive,
    GeminiLive,
    NovaSonic,
    Ultravox,
    Phonic,
    PersonaPlex,
)

FAKES: dict[str, type[Fake]] = {fake.family: fake for fake in _ALL}
"""The fakes by name."""
