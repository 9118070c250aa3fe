"""The input audio buffer, and a server VAD that is told when the user speaks."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from .config import ServerConfig
from .conversation import Conversation, Item
from .responses import Responses
from .session import Session
from .wire import Wire

__all__ = ["UserAudio"]

_BYTES_PER_MS = 48  # PCM16, 24 kHz, mono
MIN_COMMIT_MS = 100


class UserAudio:
    """The user's side of one connection."""

    def __init__(
        self,
        wire: Wire,
        conversation: Conversation,
        session: Session,
        config: ServerConfig,
        responses: Responses,
    ) -> None:
        self._wire = wire
        self._conversation = conversation
        self._session = session
        self._config = config
        self._responses = responses
        self._buffer_ms = 0.0
        self._buffer_text: list[str] = []
        self.started_at = 0.0

    # --- client events ---

    def append(self, event: Mapping[str, Any]) -> None:
        """Handle ``input_audio_buffer.append``. Documented: it is not confirmed."""
        try:
            self._buffer_ms += len(base64.b64decode(event["audio"], validate=True)) / _BYTES_PER_MS
        except (binascii.Error, ValueError):
            # Assumed wording.
            message = "Invalid 'audio'. Expected base64-encoded audio bytes."
            self._wire.send_error(
                "invalid_value", message, event_id=event.get("event_id"), param="audio"
            )

    def clear(self, event: Mapping[str, Any]) -> None:
        """Handle ``input_audio_buffer.clear``."""
        self._empty()
        self._wire.send("input_audio_buffer.cleared")

    def commit(self, event: Mapping[str, Any]) -> None:
        """Handle ``input_audio_buffer.commit``. Documented: it makes an item and no response."""
        if self._buffer_ms < MIN_COMMIT_MS:
            # Observed: livekit#6642.
            message = (
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_COMMIT_MS}ms of audio, but buffer only has {self._buffer_ms:.2f}ms of audio."
            )
            self._wire.send_error(
                "input_audio_buffer_commit_empty", message, event_id=event.get("event_id")
            )
            return
        self._commit(
            self._wire.ids.next("item"), round(self._buffer_ms), " ".join(self._buffer_text)
        )

    # --- the user ---

    def speaks(self, seconds: float, transcript: str, item_id: str | None) -> str | None:
        """Let the user speak from now on; return the id of the item to come.

        Without server VAD the speech only fills the buffer, the client has to commit it, and None
        is returned.
        """
        if self._session.turn_detection is None:
            self._buffer_ms += seconds * 1000
            self._buffer_text.append(transcript)
            return None
        if item_id in self._conversation:
            raise ValueError(f"the conversation already has an item {item_id!r}")
        item_id = item_id or self._wire.ids.next("item")
        started = self._clock_ms()
        self._wire.send(
            "input_audio_buffer.speech_started", audio_start_ms=started, item_id=item_id
        )
        # Documented: the response is cancelled when the start of speech is detected.
        if self._session.interrupts_responses:
            self._responses.cancel_by_vad()
        self._wire.after(
            seconds, lambda: self._speech_ends(item_id, round(seconds * 1000), transcript)
        )
        return item_id

    def _speech_ends(self, item_id: str, ms: int, transcript: str) -> None:
        self._wire.send(
            "input_audio_buffer.speech_stopped", audio_end_ms=self._clock_ms(), item_id=item_id
        )
        self._commit(item_id, ms, transcript)
        # Observed: livekit#6642. With create_response off the server still commits and transcribes.
        if self._session.creates_responses:
            self._responses.create_by_vad()

    def _clock_ms(self) -> int:
        return round((self._wire.now - self.started_at) * 1000)

    def _commit(self, item_id: str, ms: int, transcript: str) -> None:
        self._empty()
        # Documented order: committed, then the item, then, whenever it is ready, the transcript.
        item = Item(item_id, "message", "user", part="input_audio", audio_ms=ms)
        self._wire.send(
            "input_audio_buffer.committed",
            previous_item_id=self._conversation.tail_id,
            item_id=item_id,
        )
        before = self._conversation.add(item)
        self._wire.send("conversation.item.added", previous_item_id=before, item=item.payload())
        self._wire.send("conversation.item.done", previous_item_id=before, item=item.payload())
        if self._session.transcribes:
            self._wire.after(
                self._config.transcription_delay, lambda: self._transcribe(item, transcript)
            )
        else:
            # The model hears the user all the same, and tests want to see what was said.
            item.text = transcript

    def _transcribe(self, item: Item, transcript: str) -> None:
        item.text = transcript
        self._wire.send(
            "conversation.item.input_audio_transcription.completed",
            item_id=item.id,
            content_index=0,
            transcript=transcript,
            usage={"type": "duration", "seconds": item.audio_ms / 1000},
        )

    def _empty(self) -> None:
        self._buffer_ms = 0.0
        self._buffer_text.clear()
