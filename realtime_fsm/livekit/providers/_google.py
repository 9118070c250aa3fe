"""Gemini Live (livekit-plugins-google)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livekit.agents import llm

from .._private import may_stay_silent, own_retries
from ._family import Family, any_error

_SHOWN = "it shows no raw events: its own turn ends are private"
_ONE_SLOT = "a request has no id: the plugin keeps one, and what comes next answers it"
_NO_CANCEL = "nothing can be cancelled: what runs goes on, unheard"


def _adapts(model: llm.RealtimeModel) -> Mapping[str, Any]:
    """A proactive model answers what it takes to be meant for it."""
    silent = {"answers_all": False, "owes_replies": False} if may_stay_silent(model) else {}
    return {"losses": own_retries(model), **silent}


GOOGLE = Family(
    name="google",
    control="streams",
    # It emits them when a reply begins and ends.
    tells_of_user=False,
    interrupt_ends=False,
    cancels=False,
    withdraws=False,
    # It gives up after 5 s, and speaks all the same what comes later.
    patience=10.0,
    owes_replies=True,
    # Transcripts have no order among the other messages (ai.google.dev/api/live,
    # BidiGenerateContentServerContent).
    words_begin=True,
    # 1007 and a failed connect are not recoverable; whatever else it tells, it reconnects.
    tells_loss=any_error,
    adapts=_adapts,
    expects={"message_truncation": False, "auto_tool_reply_generation": True},
    promises={
        "G1": ("partly", f"one request at a time; {_NO_CANCEL}"),
        "G2": ("kept", ""),
        "G3": ("partly", _ONE_SLOT),
        "G4": ("partly", f"a late answer is adopted within 10 s; {_NO_CANCEL}"),
        "G5": ("cannot", _NO_CANCEL),
        "G6": ("cannot", _NO_CANCEL),
        "G8": ("partly", "completed, cut and failed are told apart; incomplete is not shown"),
        "G9": ("kept", ""),
        "G11": ("partly", "the plugin's budget, which it resets itself"),
        "G15": ("cannot", "nothing can be truncated"),
        "G16": ("partly", "LiveKit's history is as heard; the server keeps all that it said"),
        "G18": (
            "partly",
            "an empty, silent or lost answer and a tool's are asked for; without a transcript nothing shows that the user spoke",
        ),
        "G20": ("cannot", "it knows no conflicts"),
        "G24": ("partly", _SHOWN),
        "G28": ("partly", "what the provider runs by itself is not shown"),
        "G31": ("cannot", _SHOWN),
    },
)
