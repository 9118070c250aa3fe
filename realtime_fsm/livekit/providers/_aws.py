"""Nova Sonic (livekit-plugins-aws)."""

from __future__ import annotations

from ._family import Family

_AGAIN = "a request would be said twice: it can be neither withdrawn nor repeated"
_OWN = "the plugin restarts by itself, and retries itself"

AWS = Family(
    name="aws",
    control="streams",
    # "Stopped" comes with the first words of the answer.
    tells_of_user=False,
    interrupt_ends=False,
    cancels=False,
    withdraws=False,
    repeats=False,
    patience=10.0,  # the plugin's own
    announces=True,
    resends=True,
    expects={"message_truncation": False, "auto_tool_reply_generation": True},
    promises={
        "G1": ("partly", "one request at a time; nothing can be cancelled"),
        "G2": ("kept", ""),
        "G3": ("partly", "by the stream that a reply is read from; a request has no id"),
        "G4": ("cannot", "an answer that comes late is not known from another"),
        "G5": ("cannot", "nothing can be cancelled"),
        "G6": ("cannot", "nothing can be cancelled"),
        "G8": ("kept", ""),
        "G9": ("cannot", _AGAIN),
        "G11": ("cannot", _OWN),
        "G15": ("cannot", "nothing can be truncated"),
        "G16": ("partly", "LiveKit's history is as heard; the server keeps all that it said"),
        "G18": ("partly", "a failure is told; " + _AGAIN),
        "G19": ("cannot", _OWN),
        "G20": ("cannot", "it knows no conflicts"),
        "G24": ("cannot", "it shows no raw events"),
        "G28": ("partly", "what the provider runs by itself is not shown"),
        "G31": ("cannot", "it shows no raw events"),
    },
)
