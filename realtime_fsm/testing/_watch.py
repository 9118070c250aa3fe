"""Watches a simulated call: what its recorders see, and what only its sinks and its server know."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from livekit.agents import llm

from ..livekit._features import AgentSession
from ..trace.facts import Fact, facts_of
from ..trace.format import Line
from ..trace.recorder import Recorder
from ..trace.witness import Witness
from ._frames import with_frames
from ._promised import shows_wire
from ._seen import SeenCall
from .sink import PacedAudioOutput

__all__ = ["Watch"]


class Watch:
    """One witness in memory, and a recorder of a file for a call that has a trace."""

    def __init__(self, session: AgentSession[Any], source: llm.RealtimeModel) -> None:
        self._session = session
        self._witness = Witness(source)
        self._witness.attach(session)
        self._recorders: list[Recorder] = [self._witness]
        self._sinks: list[PacedAudioOutput] = []

    def also(self, recorder: Recorder) -> None:
        """Note everything there, too."""
        recorder.attach(self._session)
        for sink in self._sinks:
            recorder.leave(sink)
        self._recorders.append(recorder)

    def hear(self, sink: PacedAudioOutput) -> None:
        """Note what this sink plays, whether or not it reports."""
        for recorder in self._recorders:
            recorder.leave(sink)
        self._sinks.append(sink)
        sink.watchers.append(_Ear(self, len(self._sinks)).hears)

    def note(self, by: str, what: str, **fields: Any) -> None:
        """Write a line."""
        for recorder in self._recorders:
            recorder.note(by, what, **fields)

    @property
    def now(self) -> float:
        """Seconds since the call began."""
        return self._witness.now

    def facts(self, call: SeenCall, *, rest: bool | None) -> list[Fact]:
        """All facts by now, and a look at the call, which is not kept."""
        facts = self._witness.facts()
        if not shows_wire(call):
            facts = with_frames(facts, call.server, self.loop_time(call.server.started_at))
        if rest is None:
            return facts
        seen = {**_seen(call, rest=rest), **_memories(call, self._witness)}
        line = Line(len(facts), self.now, "watch", "look", 0, seen)
        return [*facts, *facts_of([line])]

    def close(self) -> None:
        """Write nothing more."""
        for recorder in self._recorders:
            recorder.close()

    def speech(self) -> str | None:
        """The session's current speech."""
        current = self._session.current_speech
        return None if current is None else current.id

    def loop_time(self, t: float) -> float:
        """A time of the loop's clock, as a trace has it."""
        return round(self._witness.now - (asyncio.get_running_loop().time() - t), 6)

    def message(self) -> dict[str, Any]:
        """What plays, as the controller has it."""
        return self._witness.message()

    def look(self, call: SeenCall, *, rest: bool) -> None:
        """Note what is to be seen of a call."""
        seen = _seen(call, rest=rest)
        for recorder in self._recorders:
            recorder.note("watch", "look", **seen, **_memories(call, recorder))


def _seen(call: SeenCall, *, rest: bool) -> dict[str, Any]:
    """What is to be seen of a call now."""
    fields: dict[str, Any] = {
        "rest": rest,
        "connected": call.server.connected,
        "speeches": [handle.id for handle in call.speeches if not handle.done()],
        "agent": call.session.agent_state,
        "playing": not all(sink.idle for sink in call.sinks),
    }
    if call.model is not None and call.model.controller is not None:
        fields["differences"] = list(call.controller.differences())
    return fields


def _memories(call: SeenCall, recorder: Recorder) -> dict[str, Any]:
    """What each side remembers."""
    return {
        "history": recorder.items(call.session.history.items),
        "context": recorder.context(),
        "memory": [
            recorder.remembered(
                call.server.known_as(i.id), i.type, i.role or "", i.text, audio_ms=float(i.audio_ms)
            )
            for i in call.server.conversation
        ],
    }


class _Ear:
    """Hears one sink: notes with each segment whose speech it is."""

    def __init__(self, watch: Watch, number: int) -> None:
        self._watch = watch
        self._number = number
        self._segments: deque[dict[str, Any]] = deque()

    def hears(self, what: str, more: dict[str, Any]) -> None:
        watch, fields = self._watch, dict[str, Any](sink=self._number)
        if what == "captured":
            now = asyncio.get_running_loop().time()
            fields["captured"] = watch.loop_time(now)
            if (speech := watch.speech()) is not None:
                fields["speech"] = speech
            self._segments.append(fields)
            return
        if what == "started":
            fields = {**self._segments[0], **watch.message()}
            self._segments[0].update(fields)
        elif what == "finished":
            fields = self._segments.popleft()
            for name in ("position", "pushed"):
                fields[name] = round(more[name] * 1000, 3)
            fields |= {"interrupted": more["interrupted"], "paused": round(more["paused"], 3)}
        watch.note("playback", what, **fields)
