"""Who ends the user's turns, as settings of the plugin and of the session."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from openai.types.realtime.realtime_audio_input_turn_detection import SemanticVad, ServerVad

from ._microphone import LoudnessVAD, Microphone

__all__ = ["Turns"]


class Turns:
    """What ``setup:`` says of it.

    Attributes:
        model: arguments of the plugin's model; *session*: of the session.
        microphone: the user's, where LiveKit listens itself.
    """

    def __init__(self, flags: Collection[str]) -> None:
        self.model: dict[str, Any] = {}
        self.session: dict[str, Any] = {}
        self.microphone: Microphone | None = None
        if "semantic" in flags:
            detection = SemanticVad(
                type="semantic_vad", create_response=True, interrupt_response=True
            )
            self.model["turn_detection"] = detection
        elif "client_creates" in flags:
            # With interrupt_response the plugin warns that LiveKit is not told of the interruption.
            self.model["turn_detection"] = ServerVad(
                type="server_vad", create_response=False, interrupt_response=False
            )
            self.session["turn_handling"] = {"turn_detection": "manual"}
        elif "client_vad" in flags:
            self.model["turn_detection"] = None
            self.microphone = Microphone()
            self.session |= {"vad": LoudnessVAD(), "turn_handling": {"turn_detection": "vad"}}
        elif "push" in flags or "uncut" in flags:
            self.model["turn_detection"] = None
            handling: dict[str, Any] = {"turn_detection": "manual"}
            if "uncut" in flags:
                handling["interruption"] = {"enabled": False}
            self.session["turn_handling"] = handling
