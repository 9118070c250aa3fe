"""A TTS that speaks silence: so many milliseconds for each word, or fails."""

from __future__ import annotations

from typing import Any

from livekit.agents import APIConnectOptions, APIError, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

RATE = 24_000
MS_A_WORD = 60


class FakeTTS(tts.TTS):
    def __init__(self, *, fails: bool = False, ms_a_word: int = MS_A_WORD) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1
        )
        self.fails = fails
        self.ms_a_word = ms_a_word

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _Stream(tts=self, input_text=text, conn_options=conn_options)


class _Stream(tts.ChunkedStream):
    async def _run(self, output_emitter: Any) -> None:
        owner = self._tts
        assert isinstance(owner, FakeTTS)
        if owner.fails:
            raise APIError("no voice today", retryable=False)
        output_emitter.initialize(
            request_id="x", sample_rate=RATE, num_channels=1, mime_type="audio/pcm"
        )
        samples = len(self._input_text.split()) * owner.ms_a_word * RATE // 1000
        output_emitter.push(bytes(2 * samples))
        output_emitter.flush()
