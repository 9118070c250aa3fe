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
            "requests by their metadata; a frame of another response may end what runs",
        ),
        "G4": ("partly", "the plugin cancels a late response itself"),
        "G5": ("kept", ""),
        "G6": ("kept", ""),
        "G8": ("kept", ""),
        "G9": ("kept", ""),
        "G11": ("partly", "the plugin's budget"),
        "G15": ("cannot", "nothing can be truncated"),
        "G16": ("partly", "LiveKit's history is as heard; the server keeps all that it said"),
        "G18": ("kept", ""),
        "G20": ("partly", "a conflict fails the request, which is retried"),
        "G28": ("kept", ""),
        "G31": ("partly", "the plugin notices when the socket closes"),
    },
)
