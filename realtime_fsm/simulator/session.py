"""The session's configuration, as ``session.update`` changes it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from . import rules
from .config import ServerConfig
from .errors import Refusal
from .rule import enforces

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
    """The configuration of one connection.

    Attributes:
        data: what the session events carry.
        has_spoken: whether a response has produced audio, which fixes the voice.
    """

    __slots__ = ("_config", "_has_model", "data", "has_spoken")

    def __init__(self, session_id: str, config: ServerConfig, model: str | None = None) -> None:
        self._config = config
        self._has_model = model is not None
        self.has_spoken = False
        self.data: dict[str, Any] = {
            "id": session_id,
            "object": "realtime.session",
            **copy.deepcopy(_DEFAULTS),
        }
        if model is not None:
            self.data["model"] = model

    @enforces(rules.UPDATE_PARTIAL)
    def update(self, patch: Mapping[str, Any], *, responding: bool) -> None:
        """Apply the ``session`` field of a ``session.update``, wholly or not at all.

        *responding* says whether a response is in progress. Raises :class:`Refusal`.
        """
        new = copy.deepcopy(self.data)
        _merge(new, patch, ())
        self._keep(new, "output_modalities")
        self._keep(new, "max_output_tokens")
        self._keep(new, "audio", "input", "format")
        for name in ("format", "voice", "speed"):
            self._keep(new, "audio", "output", name)
        output = new["audio"]["output"]
        new["model"] = self._model(new["model"])
        self._check_type(new["type"])
        self._check_ranges(new)
        self.check_voice(output["voice"], "session.audio.output.voice")
        self._check_fixed(new, responding=responding)
        self.data = new

    def _keep(self, new: dict[str, Any], *path: str) -> None:
        """Leave a field that was set to null as it is (assumed): it cannot be without a value."""
        old = self.data
        for key in path[:-1]:
            new, old = new[key], old[key]
        if new[path[-1]] is None:
            new[path[-1]] = old[path[-1]]

    @enforces(rules.MODEL_FIXED)
    def _model(self, model: str | None) -> str:
        current = str(self.data["model"])
        if model is not None and not self._has_model:
            # The service knows the model from the URL. A core that was told none takes the first.
            self._has_model = True
            return model
        if model not in (None, current) and self._config.model_change == "refuse":
            # The code is assumed.
            raise Refusal(
                "invalid_value", "The model of a session cannot be changed.", "session.model"
            )
        return current

    @enforces(rules.SESSION_TYPE)
    def _check_type(self, kind: object) -> None:
        if kind != "realtime":
            message = "The type of a session cannot be changed."
            raise Refusal("invalid_value", message, "session.type")

    @enforces(rules.VOICE_LOCKED)
    def check_voice(self, voice: object, param: str) -> None:
        """Raise :class:`Refusal` when *voice* is another one and it is too late for that."""
        if self.has_spoken and voice not in (None, self.data["audio"]["output"]["voice"]):
            raise Refusal(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
                param,
            )

    @enforces(rules.CREATE_RANGES)
    def _check_ranges(self, new: Mapping[str, Any]) -> None:
        check_tokens(new.get("max_output_tokens"), "session.max_output_tokens")
        check_modalities(new["output_modalities"], "session.output_modalities")
        vad = new["audio"]["input"].get("turn_detection") or {}
        _check_number(
            vad.get("threshold"), 0.0, 1.0, "session.audio.input.turn_detection.threshold"
        )
        _check_number(new["audio"]["output"]["speed"], 0.25, 1.5, "session.audio.output.speed")

    @enforces(rules.TRACING_FIXED, rules.SPEED_BETWEEN)
    def _check_fixed(self, new: Mapping[str, Any], *, responding: bool) -> None:
        # The codes and wordings are assumed.
        if self.data.get("tracing") is not None and new.get("tracing") != self.data["tracing"]:
            message = "Tracing cannot be changed once it is enabled."
            raise Refusal("invalid_value", message, "session.tracing")
        speed = self.data["audio"]["output"]["speed"]
        if responding and new["audio"]["output"]["speed"] != speed:
            message = "The speed cannot be changed while a response is in progress."
            raise Refusal("invalid_value", message, "session.audio.output.speed")

    def snapshot(self) -> dict[str, Any]:
        """Return a copy that later updates do not change."""
        return copy.deepcopy(self.data)

    @property
    def modalities(self) -> list[str]:
        """``["audio"]`` or ``["text"]``."""
        return list(self.data["output_modalities"])

    @property
    def max_output_tokens(self) -> int | str:
        """The limit of a response, ``"inf"`` for none."""
        limit: int | str | None = self.data["max_output_tokens"]
        return "inf" if limit is None else limit

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


def check_tokens(value: object, param: str) -> None:
    """Raise :class:`Refusal` unless *value* is a limit of output tokens."""
    if value not in (None, "inf"):
        _check_number(value, 1, 4096, param)


def check_modalities(value: list[str] | None, param: str) -> None:
    """Raise :class:`Refusal` when both modalities are asked for, or none is."""
    if value is not None and len(value) != 1:
        message = f"Invalid value: {value}. Supported are ['text'] and ['audio']."
        raise Refusal("invalid_value", message, param)


def _check_number(value: Any, low: float, high: float, param: str) -> None:
    if value is not None and not low <= value <= high:
        # The wording is assumed.
        message = f"Invalid '{param}': expected a value from {low} to {high}, but got {value}."
        raise Refusal("invalid_value", message, param)


def _merge(into: dict[str, Any], patch: Mapping[str, Any], path: tuple[str, ...]) -> None:
    for key, value in patch.items():
        where = (*path, key)
        if where in _MERGED:
            if isinstance(value, Mapping):
                _merge(into[key], value, where)
        else:
            into[key] = copy.deepcopy(value)
