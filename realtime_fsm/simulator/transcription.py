"""The transcripts of the user's audio, which run beside everything else."""

from __future__ import annotations

from functools import partial

from . import rules
from .config import ServerConfig
from .conversation import Item
from .rule import enforces
from .wire import Wire

__all__ = ["Transcriber"]

_EVENT = "conversation.item.input_audio_transcription"


class Transcriber:
    """Transcribes the committed items of one connection."""

    __slots__ = ("_config", "_count", "_wire")

    def __init__(self, wire: Wire, config: ServerConfig) -> None:
        self._wire = wire
        self._config = config
        self._count = 0

    @enforces(rules.TRANSCRIPTION)
    def start(self, item: Item, transcript: str) -> None:
        """Send the transcript of *item* when it is ready, or its failure."""
        self._count += 1
        delay, parts = self._config.transcription_delay, self._config.transcription_deltas
        words = transcript.split()
        for number in range(parts):
            chunk = words[len(words) * number // parts : len(words) * (number + 1) // parts]
            text = " ".join(chunk) + (" " if number + 1 < parts else "")
            self._wire.after(delay * (number + 1) / (parts + 1), partial(self._delta, item, text))
        failed = self._count in self._config.failed_transcriptions
        self._wire.after(delay, lambda: (self._fail if failed else self._end)(item, transcript))

    def _delta(self, item: Item, text: str) -> None:
        self._wire.send(f"{_EVENT}.delta", item_id=item.id, content_index=0, delta=text)

    def _end(self, item: Item, transcript: str) -> None:
        item.text = transcript
        self._wire.send(
            f"{_EVENT}.completed",
            item_id=item.id,
            content_index=0,
            transcript=transcript,
            usage={"type": "duration", "seconds": item.audio_ms / 1000},
        )

    def _fail(self, item: Item, transcript: str) -> None:
        # The model heard the audio itself, so it remembers it; what the error says is assumed.
        item.text = transcript
        error = {
            "type": "server_error",
            "code": "transcription_failed",
            "message": "Input transcription failed.",
            "param": None,
        }
        self._wire.send(f"{_EVENT}.failed", item_id=item.id, content_index=0, error=error)
