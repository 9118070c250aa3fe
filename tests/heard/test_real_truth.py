"""G16 on LiveKit's own outputs, in real time: what is remembered is what they really played.

Each test is several calls at once, since all they do is wait. The far end is the judge: how far into the
message the room's source, or the avatar, came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from livekit.agents.voice import io

from realtime_fsm.simulator import Message, Reply
from realtime_fsm.testing import SimulatedCall, simulated_call

from ..real_time import LONG, at_once, becomes, timed
from .real_sinks import Avatar, avatars, needs_progress, room, synchronised

WORDS = " ".join(f"w{n}" for n in range(30))
SECONDS = 3.0
#: Seconds: frames, a busy machine, and how LiveKit itself counts.
OFF = 0.12


@asynccontextmanager
async def speaking(sink: io.AudioOutput, *, words: bool) -> AsyncIterator[Any]:
    """A reply of three seconds that begins to sound on this sink."""
    chain = synchronised(sink) if words else None
    script = [Reply([Message(WORDS, seconds=SECONDS)]), Reply([Message("Well.", seconds=0.2)])]
    async with simulated_call(script, check=False, turn_detection=None) as call:
        call.session.output.audio = sink if chain is None else chain.audio_output
        if chain is not None:
            call.session.output.transcription = chain.text_output
        handle = call.session.generate_reply(user_input="Question?")
        try:
            yield call, handle
        finally:
            call.session.output.audio = None
            if chain is not None:
                await chain.aclose()


class Reached:
    """How far into the segment a room's source came, by what it says itself."""

    def __init__(self, sink: io.AudioOutput) -> None:
        self.started = asyncio.Event()
        self.seconds = 0.0
        sink.on("playback_started", lambda _: self.started.set())
        sink.on("playback_progressed", self._on)

    def _on(self, event: Any) -> None:
        self.seconds = event.offset + event.duration


def remembered(call: SimulatedCall, seconds: float) -> None:
    kept = [item for item in call.server.conversation if item.role == "assistant"]
    (message,) = call.turn.messages
    assert message.heard_ms is not None
    assert kept[0].audio_ms == pytest.approx(1000 * seconds, abs=1000 * OFF)
    assert kept[0].audio_ms == pytest.approx(message.heard_ms, abs=1)
    shown = [text for role, text in call.history if role == "assistant"]
    assert abs(len(shown[0].split()) - len(kept[0].text.split())) <= 3, (shown, kept)
    assert call.controller.differences() == {}
    assert len(call.server.sent("conversation.item.truncate")) == (kept[0].audio_ms < 2950)


async def judged(call: SimulatedCall, handle: Any, played: Callable[[], float]) -> None:
    """The first message is remembered as far as that everywhere, and the call goes on."""
    await asyncio.wait_for(handle.wait_for_playout(), LONG)
    await asyncio.sleep(0.3)
    await becomes(lambda: remembered(call, played()))
    await asyncio.wait_for(call.session.generate_reply(user_input="And?"), LONG)
    assert call.remembered[-1] == ("assistant", "Well.")
    assert call.errors == []


async def room_call(act: str, words: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        aclosing(await room(monkeypatch)) as sink,
        speaking(sink, words=words) as (call, handle),
        timed(),
    ):
        reached = Reached(sink)
        await asyncio.wait_for(reached.started.wait(), LONG)
        await asyncio.sleep(0.5)
        if act == "paused three times":
            for _ in range(3):
                call.session.output.audio.pause()
                await asyncio.sleep(0.3)
                call.session.output.audio.resume()
                await asyncio.sleep(0.3)
        elif act == "paused":
            call.session.output.audio.pause()
            await asyncio.sleep(0.3)
        handle.interrupt()
        await handle
        await judged(call, handle, lambda: reached.seconds)


@needs_progress
async def test_g16_a_rooms_output_that_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    acts = ("at once", "paused", "paused three times")
    await at_once(room_call, acts, (False, True), monkeypatch=monkeypatch)


async def replaced_call(words: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody interrupts. Below a synchroniser the old output is cleared; alone it plays to the end."""
    async with (
        aclosing(await room(monkeypatch)) as sink,
        aclosing(await room(monkeypatch)) as other,
        speaking(sink, words=words) as (call, handle),
        timed(),
    ):
        reached = Reached(sink)
        await asyncio.wait_for(reached.started.wait(), LONG)
        await asyncio.sleep(0.6)
        call.session.output.replace_audio_tail(other)
        await judged(call, handle, lambda: reached.seconds)


@needs_progress
async def test_g16_an_output_that_is_replaced_within_a_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await at_once(replaced_call, (False, True), monkeypatch=monkeypatch)


async def avatar_call(clears_after: float, words: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The synchroniser runs on while the avatar clears."""
    async with (
        aclosing(Avatar(clears_after=clears_after)) as avatar,
        speaking(avatars(avatar, monkeypatch), words=words) as (call, handle),
        timed(),
    ):
        await call.until(lambda: avatar.segments and avatar.segments[0].heard > 0.6)
        handle.interrupt()
        await handle
        await asyncio.sleep(0.3)
        await judged(call, handle, lambda: avatar.played[0])


async def test_g16_an_avatar_that_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    await at_once(avatar_call, (0.0, 0.1, 1.0), (False, True), monkeypatch=monkeypatch)
