"""Ultravox (livekit-plugins-ultravox)."""

from __future__ import annotations

from typing import Any

from ..._core import events as ev
from ._family import Family, no_error


def _reads(raw: Any) -> ev.Event | None:
    """The last transcript of what the agent says. It may come when the state is "listening" again: the
    plugin then makes a response of it, which has nothing else."""
    if raw.get("type") == "transcript" and raw.get("role") == "agent" and raw.get("final"):
        return ev.ResponseDone(response_id="", status=ev.ResponseStatus.COMPLETED)
    return None


ULTRAVOX = Family(
    name="ultravox",
    control="streams",
    shows="ultravox_server_event_received",
    reads=_reads,
    # "Stopped" comes when the answer begins.
    tells_of_user=False,
    # The field that says so gets lost in the plugin: its barge-in asks for a reply.
    cancels=False,
    announces=True,
    # From "thinking" back to "listening": nothing to say, or the user goes on. Only what plays is cleared.
    cuts_show=False,
    # It gives up after 5 s, and speaks all the same what comes later.
    patience=10.0,
    owes_replies=True,
    # An unexpected close is not recoverable, and a failed connect comes before there is a call.
    tells_loss=no_error,
    expects={"auto_tool_reply_generation": True},
    promises={
        "G1": ("kept", ""),
        "G2": ("kept", ""),
        "G3": (
            "partly",
            "its events name neither requests nor replies: what is said next answers what waits",
        ),
        "G4": ("partly", "a late answer is adopted within 10 s; what runs is cut by a barge-in"),
        "G5": ("partly", "a barge-in is not confirmed; what is asked next follows it in order"),
        "G6": ("partly", "a barge-in names no response, and ends the one that runs"),
        "G8": ("kept", ""),
        "G9": ("kept", ""),
        "G11": ("cannot", "it never connects again after an unexpected close"),
        "G15": ("cannot", "it claims to truncate, and does not"),
        "G16": ("partly", "LiveKit's history is as heard; the server keeps all that it said"),
        "G18": (
            "partly",
            "a tool's reply, and an empty one that was asked for, are asked for; a lost connection is the end",
        ),
        "G19": ("cannot", "it never connects again after an unexpected close"),
        "G20": ("cannot", "it knows no conflicts"),
        "G24": ("partly", "it does not show when the user's speech is committed"),
        "G28": ("partly", "what the provider runs by itself is not shown"),
        "G31": ("cannot", "a dead connection shows only when it closes"),
    },
)
