"""G14, G30 on LiveKit's own outputs, in real time: no sink mutes the call.

Each test is several calls at once, since all they do is wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from livekit.agents.voice import io
from livekit.agents.voice.avatar import QueueAudioOutput

import realtime_fsm as rf
from realtime_fsm.livekit._private import captured_segments
from realtime_fsm.simulator import Message, Reply
from realtime_fsm.testing import SimulatedCall, simulated_call

from ..real_time import LONG, at_once, becomes, timed
from .real_sinks import Avatar, avatars, loses, needs_progress, room, synchronised

SECONDS = 0.3
#: Short, so that the tests are.
POLICY = rf.RetryPolicy(playback_grace=0.3)


def replies(count: int) -> list[Reply]:
    return [Reply([Message(f"Answer {n}.", seconds=SECONDS)]) for n in range(count)]


@asynccontextmanager
async def talking(
    sink: io.AudioOutput, *, words: bool, script: list[Reply] | None = None
) -> AsyncIterator[Any]:
    """A call whose output is this sink, below a synchroniser of words or bare."""
    chain = synchronised(sink) if words else None
    async with simulated_call(script or replies(3), policy=POLICY, check=False) as call:
        call.session.output.audio = sink if chain is None else chain.audio_output
        if chain is not None:
            call.session.output.transcription = chain.text_output
        try:
            yield call
        finally:
            call.session.output.audio = None
            if chain is not None:
                await chain.aclose()


def heard_on(sink: io.AudioOutput) -> list[float]:
    """Adds up what the sink says it has played, stretch by stretch."""
    played: list[float] = []
    sink.on("playback_progressed", lambda event: played.append(event.duration))
    return played


async def ask(call: SimulatedCall) -> None:
    handle = call.session.generate_reply(user_input="Question?")
    await asyncio.wait_for(handle.wait_for_playout(), LONG)
    assert handle.exception() is None


def said(call: SimulatedCall) -> list[str]:
    return [text for role, text in call.remembered if role == "assistant"]


async def room_plays(what: str, words: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        aclosing(await room(monkeypatch)) as sink,
        talking(sink, words=words) as call,
        timed(),
    ):
        played = heard_on(sink)
        if what in ("lost", "late"):
            loses(sink, delay=0.7 if what == "late" else None)
        if what.startswith("paused"):
            handle = call.session.generate_reply(user_input="Question?")
            await call.until(lambda: captured_segments(sink))
            (sink if what == "paused" else call.session.output.audio).pause()
            await asyncio.wait_for(handle.wait_for_playout(), LONG)
        else:
            await ask(call)
        await ask(call)
        await ask(call)
        await asyncio.sleep(0.5)
        await becomes(lambda: said(call) == ["Answer 0.", "Answer 1.", "Answer 2."])
        await becomes(lambda: call.controller.differences() == {})
        # A pause drops what was under way to the room, 200 ms at most.
        await becomes(lambda: sum(played) > 3 * SECONDS - 0.25)


@needs_progress
async def test_g30_a_rooms_output(monkeypatch: pytest.MonkeyPatch) -> None:
    whats = ("good", "lost", "late", "paused", "paused by the host")
    await at_once(room_plays, whats, (False, True), monkeypatch=monkeypatch)


async def room_plays_three(what: str, words: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three messages of one speech: the report of the first is missing, or comes in the second."""
    texts = ["First of three.", "Second of three.", "Third of three."]
    script = [Reply([Message(text, seconds=SECONDS) for text in texts]), *replies(1)]
    async with (
        aclosing(await room(monkeypatch)) as sink,
        talking(sink, words=words, script=script) as call,
        timed(),
    ):
        played = heard_on(sink)
        loses(sink, delay=0.7 if what == "late" else None)
        await ask(call)
        await ask(call)
        await asyncio.sleep(0.5)
        await becomes(lambda: said(call) == [*texts, "Answer 0."])
        await becomes(lambda: call.controller.differences() == {})
        assert sum(played) == pytest.approx(4 * SECONDS, abs=0.1)


@needs_progress
async def test_g13_g30_three_messages_on_a_rooms_output(monkeypatch: pytest.MonkeyPatch) -> None:
    await at_once(room_plays_three, ("lost", "late"), (False, True), monkeypatch=monkeypatch)


async def room_is_cut(lost: bool, words: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        aclosing(await room(monkeypatch)) as sink,
        talking(sink, words=words) as call,
        timed(),
    ):
        played = heard_on(sink)
        if lost:
            loses(sink)
        handle = call.session.generate_reply(user_input="Question?")
        started = asyncio.Event()
        sink.on("playback_started", lambda _: started.set())
        await asyncio.wait_for(started.wait(), LONG)
        await asyncio.sleep(0.15)
        call.session.interrupt()
        await asyncio.wait_for(handle.wait_for_playout(), LONG)
        cut = sum(played)
        await ask(call)
        await ask(call)
        await becomes(lambda: said(call)[-2:] == ["Answer 1.", "Answer 2."])
        turn = call.controller.finished[0]
        assert turn.messages[0].heard_ms == pytest.approx(1000 * cut, abs=120)
        await becomes(lambda: call.controller.differences() == {})


@needs_progress
async def test_g30_a_rooms_output_that_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    await at_once(room_is_cut, (False, True), (False, True), monkeypatch=monkeypatch)


async def avatar_plays(what: str, words: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Avatar(lost=lambda n: what == "all lost" or (what == "lost" and n == 0))
    async with (
        aclosing(silent) as avatar,
        talking(avatars(avatar, monkeypatch), words=words) as call,
        timed(),
    ):
        for _ in range(3):
            await ask(call)
        await asyncio.sleep(0.5)
        await becomes(lambda: avatar.played == pytest.approx([SECONDS] * 3))
        await becomes(lambda: said(call) == ["Answer 0.", "Answer 1.", "Answer 2."])


async def test_g30_an_avatar(monkeypatch: pytest.MonkeyPatch) -> None:
    whats = ("good", "lost", "all lost")
    await at_once(avatar_plays, whats, (False, True), monkeypatch=monkeypatch)


async def avatar_is_cut(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """LiveKit waits 2 s for its confirmation, without which another segment is not sent."""
    rude = Avatar(lost=lambda n: what == "lost" and n == 0, refuses=what == "refused")
    async with (
        aclosing(rude) as avatar,
        talking(avatars(avatar, monkeypatch), words=True) as call,
        timed(),
    ):
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: avatar.segments and avatar.segments[0].heard > 0.1)
        call.session.interrupt()
        await asyncio.wait_for(handle.wait_for_playout(), LONG)
        await ask(call)
        await ask(call)
        await becomes(lambda: said(call)[-2:] == ["Answer 1.", "Answer 2."])


async def test_g30_an_avatar_that_does_not_confirm_a_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    await at_once(avatar_is_cut, ("lost", "refused"), monkeypatch=monkeypatch)


async def queue_fills(words: bool) -> None:
    sink = QueueAudioOutput(sample_rate=24_000)
    async with talking(sink, words=words) as call:
        await ask(call)
        await ask(call)
        await becomes(lambda: said(call) == ["Answer 0.", "Answer 1."])


async def test_g30_a_queue_that_nobody_reads() -> None:
    await at_once(queue_fills, (False, True))


async def avatar_takes_over(silent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the plugins of avatars do it: `replace_audio_tail`."""
    async with (
        aclosing(await room(monkeypatch)) as sink,
        aclosing(Avatar(lost=lambda n: silent)) as avatar,
        talking(sink, words=True) as call,
        timed(),
    ):
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: captured_segments(sink))
        await asyncio.sleep(0.1)
        call.session.output.replace_audio_tail(avatars(avatar, monkeypatch))
        await asyncio.wait_for(handle.wait_for_playout(), LONG)
        await ask(call)
        await ask(call)
        await asyncio.sleep(0.5)
        await becomes(lambda: avatar.played[-2:] == pytest.approx([SECONDS] * 2))
        await becomes(lambda: said(call)[-2:] == ["Answer 1.", "Answer 2."])


async def test_g30_a_rooms_output_is_replaced_by_an_avatars_while_it_plays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await at_once(avatar_takes_over, (False, True), monkeypatch=monkeypatch)
