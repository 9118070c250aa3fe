"""Phonic (livekit-plugins-phonic)."""

from __future__ import annotations

from ._family import Family, any_error

_AGAIN = "the plugin sends the user's words with one request only: they are lost if it is repeated"

PHONIC = Family(
    name="phonic",
    control="streams",
    # It emits them for every sound, answered or not.
    tells_of_user=False,
    interrupt_ends=False,
    cancels=False,
    withdraws=False,
    repeats=False,
    patience=10.0,  # the plugin's own
    # Each is followed by one that is not recoverable: it never connects again.
    tells_loss=any_error,
    expects={"message_truncation": False, "auto_tool_reply_generation": True},
    promises={
        "G1": ("partly", "one request at a time; nothing can be cancelled"),
        "G2": ("kept", ""),
        "G3": ("partly", "a request has no id: the plugin keeps one"),
        "G4": ("cannot", "an answer that comes late is not known from another"),
        "G5": ("cannot", "nothing can be cancelled"),
        "G6": ("cannot", "nothing can be cancelled"),
        "G8": ("kept", ""),
        "G9": ("cannot", _AGAIN),
        "G11": ("cannot", "it never connects again"),
        "G15": ("cannot", "nothing can be truncated"),
        "G16": ("partly", "LiveKit's history is as heard; the server keeps all that it said"),
        "G18": ("partly", "a failure is told; " + _AGAIN),
        "G19": ("cannot", "it never connects again"),
        "G20": ("cannot", "it knows no conflicts"),
        "G24": ("cannot", "it shows no raw events"),
        "G28": ("partly", "what the provider runs by itself is not shown"),
        "G31": ("cannot", "it shows no raw events"),
    },
)
