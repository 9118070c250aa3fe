"""Runs one call in one mode, and measures it. Prints nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from livekit.agents import Agent, ErrorEvent, llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import PlaybackFinishedEvent, PlaybackStartedEvent
from livekit.plugins import openai

from ..._core import commands as cmd
from ...livekit import ControlledRealtimeModel
from ...livekit._features import AgentSession
from ...simulator import RealtimeServer, Reply, Script
from ...testing import PacedAudioOutput
from ...trace import record
from ...watch import Watching
from ...watch._link import link_to
from .calls import Call, Question
from .moments import (
    Asked,
    Ended,
    ErrorReported,
    HandleDone,
    HungUp,
    Moment,
    Moved,
    Observer,
    Recovers,
    SoundEnded,
    SoundStarted,
)
from .quiet import quiet_logs
from .result import MODES, NAMES, Answer, Mode, Remembered, Result

__all__ = ["Mode", "run_both", "run_call"]

_PATIENCE = 15.0  # seconds until a sound counts as never heard, a handle as never done


def run_call(
    call: Call,
    mode: Mode,
    observer: Observer = lambda *_: None,
    *,
    speed: float = 1.0,
    trace: Path | None = None,
) -> Result:
    """Run *call* on an event loop of its own.

    Args:
        call: What happens.
        mode: ``"plain"``: LiveKit's model alone. ``"controlled"``: ours around it.
        observer: Told what happens, as it happens.
        speed: Of generation, playback and the caller, in times real time. The server's other
            delays and the backoff stay what they are.
        trace: A file to record the call in, with its words.
    """
    with quiet_logs() as errors:
        result = asyncio.run(_Run(call, mode, observer, speed, trace).measure())
    return replace(result, logged_errors=dict(errors))


def run_both(
    call: Call,
    observers: tuple[Observer, Observer],
    *,
    speed: float = 1.0,
    traces: tuple[Path | None, Path | None] = (None, None),
    hub: Path | None = None,
) -> tuple[Result, Result]:
    """Run *call* in both modes at the same time, on one event loop: to be watched.

    Args:
        call: What happens.
        observers: Told what happens in plain LiveKit, and controlled.
        speed: As for `run_call`.
        traces: Files to record the two in.
        hub: The socket of a hub that shows the two side by side, see ``docs/watch.md``.
    """

    async def both() -> tuple[Result, Result]:
        runs = zip(MODES, observers, traces, strict=True)
        plain, controlled = await asyncio.gather(
            *(_Run(call, mode, told, speed, trace, hub).measure() for mode, told, trace in runs)
        )
        return plain, controlled

    with quiet_logs() as errors:
        plain, controlled = asyncio.run(both())
    # Only those of our own logger are known to be of one of the two.
    ours = {name: count for name, count in errors.items() if name == "realtime_fsm"}
    return plain, replace(controlled, logged_errors=ours)


class _Run:
    def __init__(
        self,
        call: Call,
        mode: Mode,
        observer: Observer,
        speed: float,
        trace: Path | None,
        hub: Path | None = None,
    ) -> None:
        self._call = call
        self._trace = trace
        self._hub = hub
        self._mode = mode
        self._observer = observer
        self._speed = speed
        self._started_at = 0.0
        self._sounded = asyncio.Event()
        self._counts: Counter[str] = Counter()
        self._turns: dict[str, int] = {}
        self._errors: list[str] = []

    async def measure(self) -> Result:
        config = replace(self._call.config, pace=self._call.config.pace / self._speed)
        script = Script([self._faster(reply) for reply in self._call.replies])
        async with RealtimeServer(script, config=config) as server:
            plugin = openai.realtime.RealtimeModel(
                api_key="demo", base_url=server.url, turn_detection=None
            )
            model = self._controlled(plugin) if self._mode == "controlled" else plugin
            session: AgentSession[Any] = AgentSession(
                llm=model, vad=None, turn_handling={"turn_detection": "manual"}
            )
            if self._trace is not None:
                record(model, self._trace, transcripts=True).attach(session)
            if self._hub is not None:
                self._watch(model, self._hub).attach(session)
            if isinstance(model, ControlledRealtimeModel):
                model.attach(session)
            sink = PacedAudioOutput(speed=self._speed)
            session.output.audio = sink
            self._listen(session, sink)
            try:
                await session.start(Agent(instructions="Answer the caller's questions."))
                return await self._talk(session, sink, server)
            finally:
                await session.aclose()
                await model.aclose()
                await sink.aclose()

    def _faster(self, reply: Reply) -> Reply:
        return reply if reply.pace is None else replace(reply, pace=reply.pace / self._speed)

    def _watch(self, model: llm.RealtimeModel, hub: Path) -> Watching:
        link = link_to(hub)
        name = NAMES[self._mode]
        return Watching(model, link, transcripts=True, label=name, group=self._call.name)

    # --- observing

    def _tell(self, moment: Moment) -> None:
        self._observer(asyncio.get_running_loop().time() - self._started_at, moment)

    def _controlled(self, plugin: llm.RealtimeModel) -> ControlledRealtimeModel:
        model = ControlledRealtimeModel(plugin)

        def number(turn_id: str) -> int:
            return self._turns.setdefault(turn_id, len(self._turns) + 1)

        def moved(move: cmd.TurnMoved) -> None:
            self._tell(Moved(number(move.turn_id), move))

        def recovering(plan: cmd.Recovering) -> None:
            self._counts["recoveries"] += 1
            self._tell(Recovers(number(plan.turn_id), plan))

        def ended(end: cmd.TurnEnded) -> None:
            self._tell(Ended(number(end.turn_id), end))

        model.on("turn_moved", moved)
        model.on("recovering", recovering)
        model.on("turn_ended", ended)
        return model

    def _listen(self, session: AgentSession[Any], sink: PacedAudioOutput) -> None:
        def failed(event: ErrorEvent) -> None:
            text = _describe(getattr(event.error, "error", event.error))
            self._errors.append(text)
            self._tell(ErrorReported(text, bool(getattr(event.error, "recoverable", False))))

        def finished(report: PlaybackFinishedEvent) -> None:
            self._tell(SoundEnded(report.playback_position, report.interrupted))

        def started(_: PlaybackStartedEvent) -> None:
            self._sounded.set()
            self._tell(SoundStarted())

        session.on("error", failed)
        sink.on("playback_started", started)
        sink.on("playback_finished", finished)

    # --- the call

    async def _talk(
        self, session: AgentSession[Any], sink: PacedAudioOutput, server: RealtimeServer
    ) -> Result:
        loop = asyncio.get_running_loop()
        self._started_at = loop.time()
        asked: list[float] = []
        handles: list[SpeechHandle] = []
        for question in self._call.questions:
            await self._wait_to_ask(question)
            asked.append(loop.time())
            handles.append(self._ask(session, question, len(asked)))
        hang_up = self._started_at + self._call.seconds / self._speed
        await asyncio.sleep(max(0.0, hang_up - loop.time()))
        await asyncio.wait(
            [asyncio.ensure_future(_done(handle)) for handle in handles], timeout=_PATIENCE
        )
        ended_at = loop.time()
        self._tell(HungUp())
        return self._measured(session, sink, server, asked, handles, ended_at)

    async def _wait_to_ask(self, question: Question) -> None:
        if question.barge_in is None:
            return
        with contextlib.suppress(asyncio.TimeoutError):  # nothing to interrupt, ask all the same
            await asyncio.wait_for(self._sounded.wait(), _PATIENCE)
        await asyncio.sleep(question.barge_in / self._speed)

    def _ask(self, session: AgentSession[Any], question: Question, number: int) -> SpeechHandle:
        barge_in = question.barge_in is not None
        self._tell(Asked(number, question.text, barge_in))
        if barge_in:
            # Not awaited, as a caller does not wait either; awaiting it changes nothing, for it
            # does not wait for the server.
            session.interrupt()
        handle = session.generate_reply(user_input=question.text)
        handle.add_done_callback(
            lambda h: self._tell(HandleDone(number, _exception(h), h.interrupted))
        )
        return handle

    def _measured(
        self,
        session: AgentSession[Any],
        sink: PacedAudioOutput,
        server: RealtimeServer,
        asked: list[float],
        handles: list[SpeechHandle],
        ended_at: float,
    ) -> Result:
        windows = zip(asked, [*asked[1:], ended_at], strict=True)
        return Result(
            call=self._call.name,
            mode=self._mode,
            seconds=ended_at - self._started_at,
            answers=tuple(
                self._answer(question, handle, sink, start, end)
                for question, handle, (start, end) in zip(
                    self._call.questions, handles, windows, strict=True
                )
            ),
            heard=tuple(s.position for s in sink.segments if s.position > 0),
            creates=server.creates,
            collisions=server.collisions,
            recoveries=self._counts["recoveries"],
            error_events=tuple(self._errors),
            remembered=tuple(
                Remembered(item.text, item.audio_ms / 1000)
                for item in server.conversation
                if item.role == "assistant" and (item.text or item.audio_ms)
            ),
            history=tuple(
                item.text_content or ""
                for item in session.history.items
                if isinstance(item, llm.ChatMessage) and item.role == "assistant"
            ),
            logged_errors={},
        )

    def _answer(
        self,
        question: Question,
        handle: SpeechHandle,
        sink: PacedAudioOutput,
        start: float,
        end: float,
    ) -> Answer:
        # What still sounds of an earlier answer when the caller interrupts answers nothing.
        sounds = [sound for sound in sink.sounding if start <= sound[0] < end]
        segments = [s for s in sink.segments if s.started_at is not None]
        return Answer(
            question=question.text,
            asked_at=start - self._started_at,
            first_sound=sounds[0][0] - start if sounds else None,
            heard=sum(s.position for s in segments if start <= (s.started_at or 0.0) < end),
            silence=sink.longest_silence(start, min(sounds[-1][1], end) if sounds else end),
            done=handle.done(),
            exception=_exception(handle),
        )


async def _done(handle: SpeechHandle) -> None:
    await handle


def _exception(handle: SpeechHandle) -> str | None:
    error = handle.exception() if handle.done() else None
    return None if error is None else _describe(error)


def _describe(error: object) -> str:
    """The provider's code where there is one, else the message."""
    body = getattr(error, "body", None)
    found = [getattr(error, "code", None), getattr(body, "code", None)]
    if isinstance(body, dict):
        found.append(body.get("code"))
    return str(next((code for code in found if code), error))
