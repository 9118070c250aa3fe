"""The input audio buffer, and a server VAD that is told when the user speaks."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import rules
from .config import ServerConfig
from .conversation import Conversation, Item
from .errors import Refusal
from .hearing import Ear
from .questions import Replies
from .responses import Responses
from .rule import enforces
from .session import Session
from .transcription import Transcriber
from .wire import Wire

__all__ = ["UserAudio"]

_BYTES_PER_MS = 48  # PCM16, 24 kHz, mono
_LARGEST_APPEND = 15 * 1024 * 1024  # bytes
_SILENCE_MS = 200  # ends a turn, documented
_LONGEST_WAIT = {"low": 8.0, "medium": 4.0, "auto": 4.0, "high": 2.0}  # seconds, documented
MIN_COMMIT_MS = 100


@dataclass(slots=True, eq=False)
class _Speech:
    """One turn of the user, as server VAD hears it.

    Attributes:
        began: when the user last started to speak; None in the silence before the commit.
        ms: what was said before that.
        part: counts the times the user started, so that an outdated timer is known.
        announced: ``speech_stopped`` was sent.
        taken: the client committed or cleared it; server VAD does nothing more with it.
    """

    item_id: str
    began: float | None
    ms: float = 0.0
    words: list[str] = field(default_factory=list)
    part: int = 0
    announced: bool = False
    taken: bool = False

    def heard_ms(self, now: float) -> float:
        """How much of it was heard until *now*."""
        return self.ms + (0.0 if self.began is None else (now - self.began) * 1000)


class UserAudio:
    """The user's side of one connection."""

    def __init__(
        self,
        wire: Wire,
        conversation: Conversation,
        session: Session,
        config: ServerConfig,
        responses: Responses,
        replies: Replies,
    ) -> None:
        self._wire = wire
        self._conversation = conversation
        self._session = session
        self._config = config
        self._responses = responses
        self._replies = replies
        self._transcriber = Transcriber(wire, config)
        self._buffer_ms = 0.0
        self._silent_ms = 0.0
        self._buffer_text: list[str] = []
        self._speech: _Speech | None = None
        self._ear = None if config.hears_above is None else Ear(config.hears_above)
        self.started_at = 0.0

    # --- client events ---

    @enforces(rules.APPEND)
    def append(self, event: Mapping[str, Any]) -> None:
        """Handle ``input_audio_buffer.append``."""
        try:
            audio = base64.b64decode(event["audio"], validate=True)
        except (binascii.Error, ValueError):
            # Assumed wording.
            message = "Invalid 'audio'. Expected base64-encoded audio bytes."
            raise Refusal("invalid_value", message, "audio") from None
        if len(audio) > _LARGEST_APPEND:
            # The code and the wording are assumed.
            message = f"Invalid 'audio': at most {_LARGEST_APPEND} bytes, got {len(audio)}."
            raise Refusal("invalid_value", message, "audio")
        self._buffer_ms += len(audio) / _BYTES_PER_MS
        vad = self._session.turn_detection
        if self._ear is not None and vad is not None:
            for heard in self._ear.hear(audio, vad.get("silence_duration_ms") or _SILENCE_MS):
                if heard == "starts":
                    self._starts("(heard)", None)
                elif (speech := self._speech) is not None:
                    self._falls_silent(speech, speech.part, self._ear.spoken_ms / 1000)
            self._count_silence(len(audio) / _BYTES_PER_MS, vad.get("idle_timeout_ms"))

    def _count_silence(self, ms: float, most: float | None) -> None:
        """What is heard of a silence; one counts from the end of what was said last."""
        busy = self._speech is not None or self._responses.active is not None
        self._silent_ms = 0.0 if busy else self._silent_ms + ms
        if most is not None and self._silent_ms >= most:
            self._silent_ms = 0.0
            self.idles()

    def clear(self, event: Mapping[str, Any]) -> None:
        """Handle ``input_audio_buffer.clear``."""
        self._empty()
        self._take_speech()
        self._wire.send("input_audio_buffer.cleared")

    @enforces(rules.COMMIT_EMPTY, rules.COMMIT_ONLY, rules.COMMIT_IN_SPEECH)
    def commit(self, event: Mapping[str, Any]) -> None:
        """Handle ``input_audio_buffer.commit``, which server VAD does not forbid."""
        speech = self._speech if self._speech is not None and not self._speech.taken else None
        ms = self._buffer_ms + (speech.heard_ms(self._wire.now) if speech else 0.0)
        if ms < MIN_COMMIT_MS:
            raise Refusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{MIN_COMMIT_MS}ms of audio, but buffer only has {ms:.2f}ms of audio.",
            )
        text = " ".join([*self._buffer_text, *(speech.words if speech else ())])
        item_id = speech.item_id if speech else self._wire.ids.next("item")
        self._take_speech()
        self._commit(item_id, round(ms), text)

    def _take_speech(self) -> None:
        """Leave nothing of the speech that is being heard for server VAD to commit."""
        speech = self._speech
        if speech is not None:
            speech.taken = True
            if speech.began is None:
                self._stopped(speech)
                self._speech = None

    # --- the user ---

    @enforces(rules.VAD_COMMITS)
    def speaks(self, seconds: float, transcript: str, item_id: str | None) -> str | None:
        """Let the user speak from now on; return the id of the item to come.

        Without server VAD the speech only fills the buffer, the client has to commit it, and None
        is returned. Speech that starts before the last one is committed goes on with its item.
        """
        if self._session.turn_detection is None:
            self._buffer_ms += seconds * 1000
            self._buffer_text.append(transcript)
            return None
        speech = self._starts(transcript, item_id)
        part = speech.part
        self._wire.after(seconds, lambda: self._falls_silent(speech, part, seconds))
        return speech.item_id

    @enforces(rules.VAD_IDLE)
    def idles(self) -> str | None:
        """Let the user have been silent for so long that server VAD answers it; return the id of the
        item to come, None without server VAD or while the user speaks."""
        if self._session.turn_detection is None or self._speech is not None:
            return None
        item_id, now = self._wire.ids.next("item"), self._clock_ms()
        self._wire.send(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=now,
            audio_end_ms=now,
            item_id=item_id,
        )
        self._commit(item_id, MIN_COMMIT_MS, "")
        if self._session.creates_responses:
            self._responses.create_by_vad(item_id)
        return item_id

    def _starts(self, transcript: str, item_id: str | None) -> _Speech:
        speech = self._speech
        if speech is None or speech.began is not None or speech.taken:
            if item_id in self._conversation:
                raise ValueError(f"the conversation already has an item {item_id!r}")
            speech = self._speech = _Speech(item_id or self._wire.ids.next("item"), None)
            self._started(speech)
        elif speech.announced:
            speech.announced = False
            self._started(speech)
        speech.began = self._wire.now
        speech.words.append(transcript)
        speech.part += 1
        return speech

    def _started(self, speech: _Speech) -> None:
        self._wire.send(
            "input_audio_buffer.speech_started",
            audio_start_ms=self._clock_ms(),
            item_id=speech.item_id,
        )
        if self._session.interrupts_responses:
            self._responses.cancel_by_vad()

    @enforces(rules.SEMANTIC_LATE)
    def _falls_silent(self, speech: _Speech, part: int, seconds: float) -> None:
        if speech.part != part:
            return
        speech.ms += seconds * 1000
        speech.began = None
        delay = self._config.commit_delay
        vad = self._session.turn_detection or {}
        if vad.get("type") == "semantic_vad":
            longest = _LONGEST_WAIT[vad.get("eagerness") or "auto"]
            delay = min(self._config.semantic_commit_delay, longest)
            if self._config.speech_stopped == "at_silence":
                self._stopped(speech)
        if delay > 0 and not speech.taken:
            self._wire.after(delay, lambda: self._turn_ends(speech, part))
        else:
            self._turn_ends(speech, part)

    def _turn_ends(self, speech: _Speech, part: int) -> None:
        if speech.part != part or speech.began is not None:
            return
        if self._speech is speech:
            self._speech = None
        if self._session.turn_detection is None:
            # Server VAD was switched off meanwhile: what was heard waits for the client's commit
            # (assumed).
            if not speech.taken:
                self._buffer_ms += speech.ms
                self._buffer_text += speech.words
            return
        self._stopped(speech)
        if speech.taken:
            return
        self._commit(speech.item_id, round(speech.ms), " ".join(speech.words))
        # Observed: livekit#6642. With create_response off the server still commits and transcribes.
        if self._session.creates_responses:
            self._responses.create_by_vad(speech.item_id)

    def _stopped(self, speech: _Speech) -> None:
        if not speech.announced:
            speech.announced = True
            self._wire.send(
                "input_audio_buffer.speech_stopped",
                audio_end_ms=self._clock_ms(),
                item_id=speech.item_id,
            )

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
        self._replies.said(item_id, transcript)
        self._wire.send("conversation.item.added", previous_item_id=before, item=item.payload())
        self._wire.send("conversation.item.done", previous_item_id=before, item=item.payload())
        if self._session.transcribes:
            self._transcriber.start(item, transcript)
        else:
            # The model hears the user all the same, and tests want to see what was said.
            item.text = transcript

    def _empty(self) -> None:
        self._buffer_ms = 0.0
        self._buffer_text.clear()
