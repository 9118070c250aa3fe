"""Who ends the user's turns: the settings for it, and the user's side of it."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from livekit import rtc
from livekit.agents import vad
from livekit.agents.voice import io
from openai.types.realtime.realtime_audio_input_turn_detection import SemanticVad, ServerVad

from .scenario import Turns

__all__ = ["LoudnessVAD", "Microphone", "detection", "session_options"]

RATE = 24_000
_FRAME = 0.05  # seconds
_SILENCE = 0.2  # seconds of silence that end a speech


def detection(turns: Turns) -> ServerVad | SemanticVad | None:
    """The plugin's ``turn_detection``."""
    if turns == "server_vad":
        return ServerVad(type="server_vad", create_response=True, interrupt_response=True)
    if turns == "semantic_vad":
        return SemanticVad(type="semantic_vad", create_response=True, interrupt_response=True)
    if turns == "create_response=False":
        # With interrupt_response the plugin warns that LiveKit is not told of the interruption.
        return ServerVad(type="server_vad", create_response=False, interrupt_response=False)
    return None


class _Ears(Protocol):
    microphone: Microphone


def session_options(turns: Turns, ears: _Ears) -> dict[str, Any]:
    """What ``AgentSession`` is given beside its model."""
    if turns == "client":
        ears.microphone = Microphone()
        return {"vad": LoudnessVAD(), "turn_handling": {"turn_detection": "vad"}}
    if turns in ("manual", "create_response=False"):
        return {"turn_handling": {"turn_detection": "manual"}}
    if turns == "no interruptions":
        handling = {"turn_detection": "manual", "interruption": {"enabled": False}}
        return {"turn_handling": handling}
    return {}


class Microphone(io.AudioInput):
    """The user's microphone: loud while they speak, silent otherwise, in frames of 50 ms."""

    def __init__(self) -> None:
        super().__init__(label="microphone")
        self._loud_until = 0.0

    def speak(self, seconds: float) -> None:
        """Be loud for *seconds* from now on."""
        self._loud_until = asyncio.get_running_loop().time() + seconds

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.sleep(_FRAME)
        samples = round(RATE * _FRAME)
        loud = asyncio.get_running_loop().time() <= self._loud_until
        data = (b"\x00\x40" if loud else b"\x00\x00") * samples
        return rtc.AudioFrame(data, RATE, 1, samples)


class LoudnessVAD(vad.VAD):
    """What is not silent is speech."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=_FRAME))

    def stream(self) -> vad.VADStream:
        """See ``livekit.agents.vad.VAD``."""
        return _LoudnessStream(self)


class _LoudnessStream(vad.VADStream):
    async def _main_task(self) -> None:
        speaking, speech, silence, samples = False, 0.0, 0.0, 0

        def tell(type: vad.VADEventType) -> None:
            self._event_ch.send_nowait(
                vad.VADEvent(
                    type=type,
                    samples_index=samples,
                    timestamp=asyncio.get_running_loop().time(),
                    speech_duration=speech,
                    silence_duration=silence,
                    probability=float(speaking),
                    speaking=speaking,
                )
            )

        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                continue
            samples += frame.samples_per_channel
            if any(frame.data[:1]):
                silence, speech = 0.0, speech + frame.duration
                if not speaking:
                    speaking = True
                    tell(vad.VADEventType.START_OF_SPEECH)
            else:
                silence += frame.duration
                if speaking and silence >= _SILENCE - 1e-6:
                    speaking = False
                    tell(vad.VADEventType.END_OF_SPEECH)
                    speech = 0.0
            tell(vad.VADEventType.INFERENCE_DONE)
