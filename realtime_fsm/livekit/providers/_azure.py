"""Azure Voice Live (livekit-plugins-azure). Azure OpenAI is the openai plugin's."""

from __future__ import annotations

from typing import Any

from livekit.agents import APIConnectionError, llm

from ..._core import events as ev
from ..._core.frames import parse
from ._family import Family

_BARE = "the plugin's cancel names no response"


def _lost(report: llm.RealtimeModelError) -> bool:
    """A failed response, or a refused request, is an `APIError` too."""
    return isinstance(report.error, APIConnectionError)


def _reads(raw: Any) -> ev.Event | None:
    """An event of the SDK: OpenAI's frame, by its beta names. Deltas are left to the streams."""
    kind = raw.get("type")
    if not isinstance(kind, str) or kind.endswith(".delta"):
        return None
    return parse(raw.as_dict())


AZURE = Family(
    name="azure",
    control="streams",
    shows="azure_server_event_received",
    reads=_reads,
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
        "G6": ("partly", _BARE),
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
