"""The user's and the application's side of a call, and a witness of what can be seen of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import singledispatchmethod
from typing import Any

from livekit.agents import Agent, ModelSettings, function_tool
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import PlaybackFinishedEvent
from livekit.agents.voice.run_result import RunResult

from ..._core.words import heard_words
from ...livekit import ControlledRealtimeModel
from ...simulator.memory import InMemoryServer
from ...simulator.websocket import RealtimeServer
from ...testing import SimulatedCall
from .outcome import Handle, Outcome
from .scenario import Mode, Scenario
from .steps import (
    Again,
    Ask,
    HandleDone,
    Heard,
    Interrupt,
    Run,
    Say,
    Wait,
)
from .turns import Microphone

__all__ = ["Player"]

_STEP = 0.01  # seconds between two looks
_PATIENCE = 20.0  # seconds until a sound counts as never heard
_QUIET = 1.0  # seconds at rest that end a call
_TOLERANCE = 1e-6  # seconds of audio
_REPEATED = 3  # so many words in a row are no accident


@dataclass(eq=False)
class _Spoken:
    """A message that the agent spoke, with the seconds heard."""

    text: str = ""
    seconds: float = 0.0
    shown_at: float | None = None


class _Agent(Agent):
    """Has one tool, and tells which message is being spoken."""

    def __init__(self, player: Player) -> None:
        super().__init__(instructions="Be brief.")
        self._player = player

    async def on_enter(self) -> None:
        if self._player.scenario.greets:
            self._player.asked()
            self._player.take(self.session.generate_reply(instructions="Greet the user."))

    @function_tool
    async def look_up(self, what: str) -> str:
        """Look something up."""
        self._player.tools += 1
        await asyncio.sleep(self._player.scenario.tool_seconds)
        return f"Found {what}."

    def transcription_node(
        self, text: AsyncIterable[Any], model_settings: ModelSettings
    ) -> AsyncIterator[Any]:
        # LiveKit asks for the text of each message before its sound, in the order they are spoken.
        return self._player.reads(text)


class Player:
    """Plays a scenario's steps, and says what came of them.

    Args:
        scenario: What happens.
        speed: Of the user, in times real time.
        servers: The other side of the wire, one for each model.
    """

    microphone: Microphone

    def __init__(
        self, scenario: Scenario, speed: float, servers: Sequence[InMemoryServer | RealtimeServer]
    ) -> None:
        self.scenario = scenario
        self.tools = 0
        self.agent = _Agent(self)
        self._speed = speed
        self._servers = servers
        self._loop = asyncio.get_running_loop()
        self._spoken: list[_Spoken] = []
        self._asked: list[float] = []
        self._handles: list[tuple[SpeechHandle, float]] = []
        self._done: dict[str, float] = {}
        self._runs: list[str] = []
        self._running: list[asyncio.Task[None]] = []
        self._refused: list[tuple[float, str]] = []
        self._interrupted: list[float] = []
        self._call: SimulatedCall

    # --- the witness

    def meet(self, call: SimulatedCall, own: Sequence[ControlledRealtimeModel]) -> None:
        """The call is connected. *own*: our models, where the call does not know them."""
        self._call = call
        for model in own:
            model.attach(call.session)
        for handle in call.speeches:
            self.take(handle)
        call.session.on("speech_created", lambda event: self.take(event.speech_handle))
        call.sink.on("playback_finished", self._sounded)
        if self.scenario.turns == "client":
            call.session.input.audio = self.microphone
        if self.scenario.text:
            call.read()

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

    # --- the call

    async def play(self) -> None:
        """Take the steps, then wait until nothing is under way."""
        for step in self.scenario.steps:
            await self._take(step)
        await asyncio.sleep(self.scenario.seconds / self._speed)
        end = self._loop.time() + self.scenario.patience
        rest_since = self._loop.time()
        while self._loop.time() < end and self._loop.time() - rest_since < _QUIET / self._speed:
            await asyncio.sleep(_STEP)
            if self._busy():
                rest_since = self._loop.time()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _busy(self) -> bool:
        return self._call.busy or any(not handle.done() for handle, _ in self._handles)

    @singledispatchmethod
    async def _take(self, step: object) -> None:
        raise TypeError(f"no such step: {step!r}")

    @_take.register
    async def _(self, step: Ask) -> None:
        self.asked()
        self._reply(user_input=step.words)

    @_take.register
    async def _(self, step: Again) -> None:
        self.asked()
        self._reply()

    def _reply(self, **arguments: Any) -> None:
        try:
            self.take(self._call.session.generate_reply(**arguments))
        except RuntimeError as error:
            self._refused.append((self._loop.time(), str(error)))

    @_take.register
    async def _(self, step: Run) -> None:
        self.asked()

        async def run() -> None:
            try:
                result: RunResult[Any] = await self._call.session.run(user_input=step.words)
            except Exception as error:
                self._runs.append(_describe(error))
            else:
                messages = [e for e in result.events if e.type == "message"]
                self._runs.append(f"{len(messages)} messages")

        self._running.append(asyncio.create_task(run()))

    @_take.register
    async def _(self, step: Say) -> None:
        seconds = step.seconds / self._speed
        server, turns = self._call.server, self.scenario.turns
        if turns == "client":
            await server.user_speaks(step.words, seconds=0.0)
            self.microphone.speak(seconds)
            await asyncio.sleep(seconds)
            self.asked()
        elif turns == "create_response=False":
            await server.user_speaks(step.words, seconds=seconds)
            await asyncio.sleep(seconds + 0.05)
            self.asked()
            self._reply()
        elif turns in ("server_vad", "semantic_vad"):
            await server.user_speaks(step.words, seconds=seconds)
            await asyncio.sleep(seconds)
            self.asked()
        else:
            await self._call.say(step.words, seconds)
            self.asked()

    @_take.register
    async def _(self, step: Wait) -> None:
        await asyncio.sleep(step.seconds / self._speed)

    @_take.register
    async def _(self, step: Heard) -> None:
        await self._until(lambda: self._call.heard >= step.seconds - 1e-6, _PATIENCE)

    @_take.register
    async def _(self, step: HandleDone) -> None:
        await self._until(
            lambda: len(self._handles) >= step.number and self._handles[step.number - 1][0].done(),
            step.timeout,
        )

    @_take.register
    async def _(self, step: Interrupt) -> None:
        self._interrupted.append(self._loop.time())
        try:
            if step.by == "handle":
                self._handles[-1][0].interrupt()
            else:
                interrupted = self._call.session.interrupt()
                if step.awaited:
                    await interrupted
        except RuntimeError as error:
            self._refused.append((self._loop.time(), str(error)))

    async def _until(self, what: Any, timeout: float) -> None:
        end = self._loop.time() + timeout
        while not what() and self._loop.time() < end:  # noqa: ASYNC110 - anything may be waited for
            await asyncio.sleep(_STEP)

    # --- what was seen

    def outcome(self, mode: Mode, broken: tuple[str, ...]) -> Outcome:
        """What was seen by now."""
        call, servers = self._call, self._servers
        waits = [self._wait(number) for number in range(len(self._asked))]
        silence, answered = max(waits, default=(0.0, True))
        remembered = [
            item
            for item in servers[-1 if servers[-1].connections else 0].conversation
            if item.role in ("user", "assistant")
        ]
        said = [item.text for item in remembered if item.role == "assistant" and item.text]
        return Outcome(
            scenario=self.scenario.id,
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
            questions=sum(item.role == "user" for item in remembered),
            tools=self.tools,
            state=call.session.agent_state,
            attempts=sum(server.attempts for server in servers),
            runs=tuple(self._runs),
            refused=tuple(why for _, why in self._refused),
            shown=tuple(m.text for m in self._spoken if m.text) if self.scenario.text else (),
            broken=broken,
            complaints=(),
        )

    def _handle(self, handle: SpeechHandle, since: float) -> Handle:
        done = self._done.get(handle.id)
        if done is None:
            return Handle("never done", None)
        error = handle.exception()
        ended = "interrupted" if handle.interrupted else "ok"
        return Handle(_describe(error) if error is not None else ended, done - since)

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
        if self.scenario.text:
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
            (m for m in self.scenario.messages() if m.text.startswith(message.text.strip())), None
        )
        words = (scripted.text if scripted else message.text).split()
        if scripted is None or self.scenario.text:
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
        if self.scenario.text:
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
    text = _describe(getattr(event.error, "error", event.error))
    return text if getattr(event.error, "recoverable", False) else f"FATAL {text}"


def _describe(error: object) -> str:
    """The provider's code where there is one, else the message."""
    body = getattr(error, "body", None)
    found = [getattr(error, "code", None), getattr(body, "code", None)]
    if isinstance(body, dict):
        found.append(body.get("code"))
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    return str(next((code for code in found if code), message))
