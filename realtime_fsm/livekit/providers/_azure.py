"""Azure Voice Live (livekit-plugins-azure). Azure OpenAI is the openai plugin's."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from livekit.agents import APIConnectionError, llm

from ..._core import events as ev
from ..._core.frames import parse
from .._private import sender_of
from ._family import Family, Sends


def _lost(report: llm.RealtimeModelError) -> bool:
    """A failed response, or a refused request, is an `APIError` too."""
    return isinstance(report.error, APIConnectionError)


def _reads(raw: Any) -> ev.Event | None:
    """An event of the SDK: OpenAI's frame, by its beta names. Deltas are left to the streams."""
    kind = raw.get("type")
    if not isinstance(kind, str) or kind.endswith(".delta"):
        return None
    return parse(raw.as_dict())


def _sends(session: llm.RealtimeSession[Any]) -> Sends | None:
    """As the SDK's events, in the plugin's own order: after what it sent before."""
    send = sender_of(session)
    if send is None:
        return None
    try:
        sdk = import_module("azure.ai.voicelive.models")
        kinds = {
            "response.cancel": sdk.ClientEventResponseCancel,
            "conversation.item.delete": sdk.ClientEventConversationItemDelete,
        }
    except (ImportError, AttributeError):
        return None
    return lambda frame: send(kinds[frame["type"]](frame))


AZURE = Family(
    name="azure",
    control="streams",
    shows="azure_server_event_received",
    reads=_reads,
    sends=_sends,
    # What it sent and the server did not confirm.
    resends=True,
    tells_loss=_lost,
    expects={"message_truncation": False, "auto_tool_reply_generation": False},
    promises={
        "G1": ("kept", ""),
        "G2": ("kept", ""),
        "G3": (
            "partly",
            "requests and ends by their ids; the plugin has one slot, which another's `response.created` takes",
        ),
        "G4": ("partly", "after 10 s the plugin gives a request up, and cancels the late response"),
        "G5": ("kept", ""),
        "G6": ("kept", ""),
        "G8": ("kept", ""),
        "G9": ("kept", ""),
        "G11": ("partly", "the plugin's budget, which it resets once the server took its settings"),
        "G15": ("cannot", "the plugin has no truncation, and says so"),
        "G16": (
            "partly",
            "what nobody heard is deleted; what was heard in part stays whole on the server",
        ),
        "G18": ("kept", ""),
        "G20": ("kept", ""),
        "G28": ("kept", ""),
        "G31": (
            "partly",
            "the SDK pings every 30 s; its connection is the plugin's own, and cannot be replaced sooner",
        ),
    },
)
