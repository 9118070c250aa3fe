"""The session's configuration, as ``session.update`` changes it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

__all__ = ["Session"]

_PCM = {"type": "audio/pcm", "rate": 24000}

# Documented defaults: server VAD is on, and it creates and interrupts responses, until the client
# says otherwise.
_DEFAULTS: dict[str, Any] = {
    "type": "realtime",
    "model": "gpt-realtime",
    "output_modalities": ["audio"],
    "instructions": "",
    "tools": [],
    "tool_choice": "auto",
    "max_output_tokens": "inf",
    "audio": {
        "input": {
            "format": _PCM,
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": {
                "type": "server_vad",
                "threshold": 0.5,
                "prefix_padding_ms": 300,
                "silence_duration_ms": 200,
                "create_response": True,
                "interrupt_response": True,
            },
        },
        "output": {"format": _PCM, "voice": "marin", "speed": 1.0},
    },
}

# Objects that an update merges into; any other value replaces the old one (documented: "only the
# fields that are present are updated; to clear turn_detection, pass null").
_MERGED = (("audio",), ("audio", "input"), ("audio", "output"))


class Session:
    """The configuration of one connection; ``data`` is what the session events carry."""

    __slots__ = ("data",)

    def __init__(self, session_id: str) -> None:
        self.data: dict[str, Any] = {
            "id": session_id,
            "object": "realtime.session",
            **copy.deepcopy(_DEFAULTS),
        }

    def update(self, patch: Mapping[str, Any]) -> None:
        """Apply the ``session`` field of a ``session.update``."""
        _merge(self.data, patch, ())

    def snapshot(self) -> dict[str, Any]:
        """Return a copy that later updates do not change."""
        return copy.deepcopy(self.data)

    @property
    def modalities(self) -> list[str]:
        """``["audio"]`` or ``["text"]``."""
        return list(self.data["output_modalities"])

    @property
    def turn_detection(self) -> Mapping[str, Any] | None:
        """The server VAD's settings, None when it is off."""
        found: Mapping[str, Any] | None = self.data["audio"]["input"].get("turn_detection")
        return found

    @property
    def creates_responses(self) -> bool:
        """Whether server VAD answers the user by itself."""
        return self._vad_flag("create_response")

    @property
    def interrupts_responses(self) -> bool:
        """Whether server VAD cancels the running response when the user speaks."""
        return self._vad_flag("interrupt_response")

    @property
    def transcribes(self) -> bool:
        """Whether the user's audio is transcribed."""
        return self.data["audio"]["input"].get("transcription") is not None

    def _vad_flag(self, name: str) -> bool:
        vad = self.turn_detection
        # Documented: both flags are true when absent.
        return vad is not None and vad.get(name) is not False


def _merge(into: dict[str, Any], patch: Mapping[str, Any], path: tuple[str, ...]) -> None:
    for key, value in patch.items():
        where = (*path, key)
        if where in _MERGED:
            if isinstance(value, Mapping):
                _merge(into[key], value, where)
        else:
            into[key] = copy.deepcopy(value)
