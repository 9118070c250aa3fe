"""A witness of all that can be seen of a call: who waited how long, what was heard, and heard twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import PlaybackFinishedEvent

from ..._core.words import heard_words
from ...simulator.observed import ObservedServer
from ...simulator.script import Message
from ..call import SimulatedCall
from ._outcome import Handle, Outcome

__all__ = ["Witness", "describe"]

_STEP = 0.01  # seconds; what comes so soon after comes at the same moment
_TOLERANCE = 1e-6  # seconds of audio
_REPEATED = 3  # so many words in a row are no accident


@dataclass(eq=False)
class _Spoken:
    """A message that the agent spoke, with the seconds heard."""

    text: str = ""
    seconds: float = 0.0
    shown_at: float | None = None


class Witness:
    """Sees one call, from before it begins.

    Args:
        messages: All that the server may say.
        text: The model answers by text.
    """

    def __init__(self, messages: Sequence[Message], *, text: bool) -> None:
        self.results: list[str] = []
        self._messages = messages
        self._text = text
        self._loop = asyncio.get_running_loop()
        self._spoken: list[_Spoken] = []
        self._asked: list[float] = []
        self._handles: list[tuple[SpeechHandle, float]] = []
        self._done: dict[str, float] = {}
        self._refused: list[tuple[float, str]] = []
        self._interrupted: list[float] = []
        self._call: SimulatedCall

    def meet(self, call: SimulatedCall) -> None:
        """The call is connected."""
        self._call = call
        for handle in call.speeches:
            self.take(handle)
        call.session.on("speech_created", lambda event: self.take(event.speech_handle))
        call.sink.on("playback_finished", self._sounded)

    def refused(self, error: Exception) -> None:
        """LiveKit does not take what was asked now."""
        self._refused.append((self._loop.time(), str(error)))

    def interrupted(self) -> None:
        """The application interrupts now."""
        self._interrupted.append(self._loop.time())

    def asked(self) -> None:
        """Something is asked now."""
        self._asked.append(self._loop.time())

    def take(self, handle: SpeechHandle) -> None:
        """Watch a speech."""
        if all(handle is not known for known, _ in self._handles):
            self._handles.append((handle, self._loop.time()))
            handle.add_done_callback(self._note_end)

    def _note_end(self, handle: SpeechHandle) -> None:
        self._done.setdefault(handle.id, self._loop.time())

    async def reads(self, text: AsyncIterable[Any]) -> AsyncIterator[Any]:
        """A message is spoken from now on."""
        message = _Spoken()
        self._spoken.append(message)
        async for delta in text:
            message.text += str(delta)
            if message.shown_at is None:
                message.shown_at = self._loop.time()
            yield delta

    def _sounded(self, report: PlaybackFinishedEvent) -> None:
        if self._spoken and report.playback_position > 0:
            self._spoken[-1].seconds += report.playback_position

    # --- what was seen

    @property
    def undone(self) -> bool:
        """Whether a speech has not ended."""
        return any(not handle.done() for handle, _ in self._handles)

    def outcome(
        self, case: str, mode: str, servers: Sequence[ObservedServer], tools: int
    ) -> Outcome:
        """What was seen by now."""
        call = self._call
        waits = [self._wait(number) for number in range(len(self._asked))]
        silence, answered = max(waits, default=(0.0, True))
        newest = servers[-1 if servers[-1].connections else 0]
        said = [i.text for i in newest.conversation if i.role == "assistant" and i.text]
        return Outcome(
            case=case,
            mode=mode,
            heard=self._heard(),
            silence=silence,
            unanswered=not answered,
            repeated=self._repeated(),
            unheard=self._unheard(said),
            handles=tuple(self._handle(handle, since) for handle, since in self._handles),
            creates=sum(server.creates for server in servers),
            collisions=sum(server.collisions + server.vad_collisions for server in servers),
            errors=tuple(_error(event) for event in call.errors),
            closed=bool(call.closed),
            remembered=tuple(said),
            tools=tools,
            state=call.session.agent_state,
            attempts=sum(server.attempts for server in servers),
            runs=tuple(self.results),
            refused=tuple(why for _, why in self._refused),
            shown=tuple(m.text for m in self._spoken if m.text) if self._text else (),
        )

    def _handle(self, handle: SpeechHandle, since: float) -> Handle:
        done = self._done.get(handle.id)
        if done is None:
            return Handle("never done", None)
        error = handle.exception()
        ended = "interrupted" if handle.interrupted else "ok"
        return Handle(describe(error) if error is not None else ended, done - since)

    def _heard(self) -> tuple[float, ...]:
        over = [s.position for s in self._call.sink.segments if s.position > 0]
        playing = self._call.heard - sum(over)
        return tuple([*over, playing] if playing > _TOLERANCE else over)

    def _wait(self, number: int) -> tuple[float, bool]:
        """The longest silence after a question, and whether an answer, or word of its failure,
        ended it."""
        start, now = self._asked[number], self._loop.time()
        following = [*self._asked[number + 1 :], now]
        handles = [h for h, since in self._handles if start - _STEP <= since < following[0]]
        over = max((self._done.get(h.id, now) for h in handles), default=following[0])
        # Who asks again while the first reply is still to come waits for both.
        end = following[0] if over <= following[0] else now
        over = min(over, end)
        if self._text:
            shown = [m.shown_at for m in self._spoken if m.shown_at and start <= m.shown_at < end]
            if shown:
                return shown[0] - start, True
        # What still sounds of the answer before answers nothing.
        sounds = [s for s in self._call.sink.sounding if start <= s[0] < end]
        if any(start <= t < end for t in self._interrupted) and over < end:
            end = over  # who interrupts waits for nothing
        if any(start <= t < following[0] for t, _ in self._refused):
            end = over = start
        if not sounds:
            ended_at = [*self._interrupted, *(t for t, _ in self._refused)]
            told = any(start <= t < end + _STEP for t in ended_at) or any(
                h.done() and h.exception() is not None for h in handles
            )
            return (over if told else end) - start, told
        until = min(max(over, sounds[-1][1]), end)
        return self._call.sink.longest_silence(start, until), until < now

    def _words(self, message: _Spoken) -> list[str]:
        """The words of a message that were heard."""
        scripted = next(
            (m for m in self._messages if m.text.startswith(message.text.strip())), None
        )
        words = (scripted.text if scripted else message.text).split()
        if scripted is None or self._text:
            return message.text.split()
        return heard_words(" ".join(words), message.seconds, scripted.seconds).split()

    def _repeated(self) -> int:
        count = 0
        heard = [self._words(message) for message in self._spoken]
        for number, words in enumerate(heard):
            for earlier in heard[:number]:
                match = SequenceMatcher(None, earlier, words, autojunk=False).find_longest_match()
                if match.size >= _REPEATED:
                    count += match.size
                    break
        return count

    def _unheard(self, said: list[str]) -> int:
        """Words remembered beyond those heard. A word is cut in two where speech is."""
        heard = [self._words(message) for message in self._spoken if message.seconds]
        if self._text:
            heard = [message.text.split() for message in self._spoken]
        count = 0
        for text in said:
            words = text.split()
            common = max((_common(words, known) for known in heard), default=0)
            surplus = len(words) - common
            count += surplus if surplus > 1 or not common else 0
        return count


def _common(words: list[str], heard: list[str]) -> int:
    """How many first words are the same."""
    count = 0
    for a, b in zip(words, heard, strict=False):
        if a != b:
            break
        count += 1
    return count


def _error(event: Any) -> str:
    text = describe(getattr(event.error, "error", event.error))
    return text if getattr(event.error, "recoverable", False) else f"FATAL {text}"


def describe(error: object) -> str:
    """The provider's code where there is one, else the message."""
    body = getattr(error, "body", None)
    found = [getattr(error, "code", None), getattr(body, "code", None)]
    if isinstance(body, dict):
        found.append(body.get("code"))
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    return str(next((code for code in found if code), message))
