"""A VAD of the client's side that hears what a test tells it, and an STT that understands nothing.

With an STT LiveKit takes sound without words for a false interruption; without one every sound is
a turn.
"""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents import APIConnectOptions, stt, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr


class FakeVAD(vad.VAD):
    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.1))
        self._streams: list[_VADStream] = []

    def stream(self) -> vad.VADStream:
        stream = _VADStream(self)
        self._streams.append(stream)
        return stream

    def begins(self) -> None:
        """Somebody makes a sound, for long enough to be speech."""
        self._tell(vad.VADEventType.START_OF_SPEECH, speech=1.0, silence=0.0)
        self._tell(vad.VADEventType.INFERENCE_DONE, speech=1.0, silence=0.0)

    def ends(self) -> None:
        self._tell(vad.VADEventType.END_OF_SPEECH, speech=0.0, silence=0.5)

    def _tell(self, kind: vad.VADEventType, *, speech: float, silence: float) -> None:
        event = vad.VADEvent(
            type=kind,
            samples_index=0,
            timestamp=0.0,
            speech_duration=speech,
            silence_duration=silence,
            speaking=speech > 0,
        )
        for stream in self._streams:
            stream.tell(event)


class _VADStream(vad.VADStream):
    async def _main_task(self) -> None:
        await asyncio.Event().wait()

    def tell(self, event: vad.VADEvent) -> None:
        self._event_ch.send_nowait(event)


class DeafSTT(stt.STT):
    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(self, *args: Any, **kwargs: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _STTStream(stt=self, conn_options=conn_options)


class _STTStream(stt.RecognizeStream):
    async def _run(self) -> None:
        await asyncio.Event().wait()
