"""The user's microphone, and LiveKit's ears for it."""

from __future__ import annotations

import asyncio

from livekit import rtc
from livekit.agents import vad
from livekit.agents.voice import io

__all__ = ["LoudnessVAD", "Microphone"]

RATE = 24_000
_FRAME = 0.05  # seconds
_SILENCE = 0.2  # seconds of silence that end a speech


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
