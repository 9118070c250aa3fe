"""A sink that is paused because the user perhaps speaks: resumed, or interrupted after all (G14)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm.simulator import Reply, ServerConfig
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from ..livekit.call import HELLO, Call, call
from .cells import FRAME, TEXTS
from .fake_vad import DeafSTT, FakeVAD
from .test_reconnect import FAST, GREETING, HALF, QUESTION, agents, check, drop, playing, said


def listening(vad: FakeVAD, patience: float = 1.0) -> dict[str, Any]:
    """LiveKit pauses when the VAD hears something, and waits a second for words."""
    interruption = {"false_interruption_timeout": patience, "resume_false_interruption": True}
    turns = {"turn_detection": "vad", "interruption": interruption}
    session = {"aec_warmup_duration": None, "stt": DeafSTT(), "turn_handling": turns}
    return {"vad": vad, "session_options": session}


GENERATION = {"complete": FAST, "generating": ServerConfig(pace=0.09)}


def paused(c: Call) -> bool:
    return any(m.state is rf.PlaybackState.PAUSED for m in c.turn.messages)


@pytest.mark.parametrize("config", GENERATION.values(), ids=GENERATION.keys())
@pytest.mark.parametrize("seconds", [0.7, 2.9], ids=["in 1", "in 2"])
@virtual_time
async def test_g14_g16_a_false_interruption_costs_nothing(
    seconds: float, config: ServerConfig
) -> None:
    vad, false_ones = FakeVAD(), []
    async with call(
        [Reply(said(2))], config=config, sink=PacedAudioOutput(), **listening(vad)
    ) as c:
        c.session.on("agent_false_interruption", false_ones.append)
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, seconds)
        turn = c.turn
        vad.begins()
        await c.until(lambda: paused(c))
        heard = c.sink.heard_seconds
        await asyncio.sleep(15.0)
        assert c.sink.heard_seconds == heard, "longer than any timer of playback"
        assert turn.live
        vad.ends()
        await c.until(lambda: false_ones)
        assert not paused(c)
        await handle
        assert [e.resumed for e in false_ones] == [True]
        assert c.sink.heard_seconds == pytest.approx(4.0, abs=0.01)
        assert [m.outcome for m in turn.messages] == [rf.MessageOutcome.FULL] * 2
        assert c.server.sent("conversation.item.truncate") == []
        check(c, [QUESTION, *(("assistant", text) for text in TEXTS[:2])], connections=1)


@virtual_time
async def test_g27_a_pause_is_livekits_to_end_for_as_long_as_it_waits_for_words() -> None:
    vad = FakeVAD()
    async with call(
        [Reply(said(1))], config=FAST, sink=PacedAudioOutput(), **listening(vad, 9.0)
    ) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 0.7)
        vad.begins()
        await c.until(lambda: paused(c))
        vad.ends()
        await asyncio.sleep(8.5)
        assert c.sink.heard_seconds == pytest.approx(0.7, abs=0.05)
        await handle
        assert c.sink.heard_seconds == pytest.approx(2.0)


@virtual_time
async def test_g15_g16_interrupted_while_paused_is_cut_where_it_was_paused() -> None:
    vad = FakeVAD()
    async with call(
        [Reply(said(2)), HELLO], config=FAST, sink=PacedAudioOutput(), **listening(vad)
    ) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 1.0)
        vad.begins()
        await c.until(lambda: paused(c))
        at = 1000 * c.sink.heard_seconds
        await asyncio.sleep(3.0)
        c.session.interrupt()
        await handle
        vad.ends()
        await asyncio.sleep(3.0)
        (truncate,) = c.server.sent("conversation.item.truncate")
        assert truncate["audio_end_ms"] == pytest.approx(at, abs=FRAME)
        assert agents(c)[:2] == [QUESTION, HALF]
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_paused_when_the_connection_breaks_and_resumed_after() -> None:
    vad = FakeVAD()
    async with call(
        [Reply(said(2)), HELLO], config=FAST, sink=PacedAudioOutput(), **listening(vad)
    ) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 1.0)
        vad.begins()
        await c.until(lambda: paused(c))
        drop(c)
        await asyncio.sleep(3.0)
        assert [i.text for i in c.server.conversation] == [QUESTION[1]], "not known yet"
        vad.ends()
        await handle
        await asyncio.sleep(0.5)
        check(c, [QUESTION, *(("assistant", text) for text in TEXTS[:2])])
        await c.session.generate_reply(user_input="And?")
        assert [i.text for i in c.server.conversation][-2:] == ["And?", GREETING[1]]


@virtual_time
async def test_g14_paused_before_the_first_frame_is_no_missing_report() -> None:
    vad = FakeVAD()
    config = ServerConfig(pace=0.001, create_delay=0.5)
    async with call(
        [Reply(said(2))], config=config, sink=PacedAudioOutput(), **listening(vad)
    ) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await asyncio.sleep(0.3)
        vad.begins()
        await c.until(lambda: c.turn.generation_over)
        await asyncio.sleep(40.0)
        assert c.sink.heard_seconds == 0
        assert c.turn.live
        vad.ends()
        await handle
        assert [m.outcome for m in c.turn.messages] == [rf.MessageOutcome.FULL] * 2
        check(c, [QUESTION, *(("assistant", text) for text in TEXTS[:2])], connections=1)
        question, first, second = [i for i in c.session.history.items if i.type == "message"]
        assert first.created_at - question.created_at > 40.0, "dated from its first sound"
        assert second.created_at - first.created_at == pytest.approx(2.0, abs=0.01)
