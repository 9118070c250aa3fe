"""Runs one call in one mode, and measures it. Prints nothing."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from livekit.agents import ErrorEvent, llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import PlaybackFinishedEvent, PlaybackStartedEvent

from ..._core import commands as cmd
from ...livekit import ControlledRealtimeModel
from ...livekit._features import AgentSession
from ...simulator import Script
from ...testing import PacedAudioOutput, simulated_call
from ...testing.corpus._player import Player, Rest
from ...testing.corpus._script import plan
from ...testing.corpus._witness import describe
from ...watch import Watching
from ...watch._link import link_to
from . import moments as m
from .calls import Call
from .quiet import quiet_logs
from .result import MODES, NAMES, Answer, Mode, Remembered, Result

__all__ = ["Mode", "run_both", "run_call"]


def run_call(
    call: Call,
    mode: Mode,
    observer: m.Observer = lambda *_: None,
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
    observers: tuple[m.Observer, m.Observer],
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


class _Run(Player):
    """A player that tells what happens, and measures it."""

    def __init__(
        self,
        call: Call,
        mode: Mode,
        observer: m.Observer,
        speed: float,
        trace: Path | None,
        hub: Path | None = None,
    ) -> None:
        super().__init__(
            call.case,
            plan(call.case),
            controlled=mode == "controlled",
            make=functools.partial(
                _simulated, trace=trace, recorder=None if hub is None else self._watched
            ),
            rest=Rest(patience=0.0, hangs=False),
            speed=speed,
            sockets=True,
        )
        self._shown = call
        self._hub = hub
        self._mode = mode
        self._observer = observer
        self._counts: Counter[str] = Counter()
        self._turn_numbers: dict[str, int] = {}
        self._errors: list[str] = []
        self._asked: list[float] = []

    async def measure(self) -> Result:
        found: list[Result] = []
        await self.play(lambda _: found.append(self._measured()))
        return found[0]

    def begun(self) -> None:
        """The call is connected."""
        call, model = self.call, self.call.model
        self.started_at = asyncio.get_running_loop().time()
        if model is not None:
            self._follow(model)
        self._listen(call.session, call.sink)

    def _watched(self, model: llm.RealtimeModel) -> Watching:
        assert self._hub is not None
        link, name = link_to(self._hub), NAMES[self._mode]
        return Watching(model, link, transcripts=True, label=name, group=self._shown.name)

    # --- observing

    def _tell(self, moment: m.Moment) -> None:
        self._observer(asyncio.get_running_loop().time() - self.started_at, moment)

    def _follow(self, model: ControlledRealtimeModel) -> None:
        def number(turn_id: str) -> int:
            return self._turn_numbers.setdefault(turn_id, len(self._turn_numbers) + 1)

        def moved(move: cmd.TurnMoved) -> None:
            self._tell(m.Moved(number(move.turn_id), move))

        def recovering(plan: cmd.Recovering) -> None:
            self._counts["recoveries"] += 1
            self._tell(m.Recovers(number(plan.turn_id), plan))

        def ended(end: cmd.TurnEnded) -> None:
            self._tell(m.Ended(number(end.turn_id), end))

        model.on("turn_moved", moved)
        model.on("recovering", recovering)
        model.on("turn_ended", ended)

    def _listen(self, session: AgentSession[Any], sink: PacedAudioOutput) -> None:
        def failed(event: ErrorEvent) -> None:
            text = describe(getattr(event.error, "error", event.error))
            self._errors.append(text)
            self._tell(m.ErrorReported(text, bool(getattr(event.error, "recoverable", False))))

        def finished(report: PlaybackFinishedEvent) -> None:
            self._tell(m.SoundEnded(report.playback_position, report.interrupted))

        def started(_: PlaybackStartedEvent) -> None:
            self._tell(m.SoundStarted())

        session.on("error", failed)
        sink.on("playback_started", started)
        sink.on("playback_finished", finished)

    def ask(
        self, session: AgentSession[Any], name: str, *, cuts: bool = False, **given: Any
    ) -> None:
        """See `Player`."""
        now = asyncio.get_running_loop().time()
        if not self._asked:
            self.started_at = now
        self._asked.append(now)
        number = len(self._asked)
        self._tell(m.Asked(number, given["user_input"], cuts))
        super().ask(session, name, cuts=cuts, **given)
        self.handles[name].add_done_callback(
            lambda h: self._tell(m.HandleDone(number, _exception(h), h.interrupted))
        )

    # --- what came of it

    def _measured(self) -> Result:
        ended_at = asyncio.get_running_loop().time()
        self._tell(m.HungUp())
        (server,), sink = self.servers, self.call.sink
        asked, handles = self._asked, list(self.handles.values())
        windows = zip(asked, [*asked[1:], ended_at], strict=True)
        return Result(
            call=self._shown.name,
            mode=self._mode,
            seconds=ended_at - self.started_at,
            answers=tuple(
                self._answer(question, handle, sink, start, end)
                for question, handle, (start, end) in zip(
                    self._shown.questions, handles, windows, strict=True
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
                for item in self.call.session.history.items
                if isinstance(item, llm.ChatMessage) and item.role == "assistant"
            ),
            logged_errors={},
        )

    def _answer(
        self,
        question: str,
        handle: SpeechHandle,
        sink: PacedAudioOutput,
        start: float,
        end: float,
    ) -> Answer:
        # What still sounds of an earlier answer when the caller interrupts answers nothing.
        sounds = [sound for sound in sink.sounding if start <= sound[0] < end]
        segments = [s for s in sink.segments if s.started_at is not None]
        return Answer(
            question=question,
            asked_at=start - self.started_at,
            first_sound=sounds[0][0] - start if sounds else None,
            heard=sum(s.position for s in segments if start <= (s.started_at or 0.0) < end),
            silence=sink.longest_silence(start, min(sounds[-1][1], end) if sounds else end),
            done=handle.done(),
            exception=_exception(handle),
        )


def _simulated(script: Script, **options: Any) -> Any:
    # Without a look at the tasks that are left: two calls run at once, on one loop.
    return simulated_call(script, **{**options, "check": False}, transcripts=True)


def _exception(handle: SpeechHandle) -> str | None:
    error = handle.exception() if handle.done() else None
    return None if error is None else describe(error)
