"""G14, G15: what a sink says may be nonsense; each case has a defined outcome and none hangs."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm.simulator import Reply
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from ..livekit.call import HELLO, Call, call
from .cells import TEXTS
from .test_reconnect import FAST, QUESTION, playing, refused, said

FULL, PARTIAL, SKIPPED = (
    rf.MessageOutcome.FULL,
    rf.MessageOutcome.PARTIAL,
    rf.MessageOutcome.SKIPPED,
)


class Odd(PacedAudioOutput):
    """Reports this position, whatever it played; *times* over."""

    def __init__(self, position: Any, *, times: int = 1) -> None:
        super().__init__()
        self._position = position
        self._times = times

    def on_playback_finished(self, **report: Any) -> None:
        for _ in range(self._times):
            super().on_playback_finished(**{**report, "playback_position": self._position})


#: LiveKit's own arithmetic stops at some of them, before it truncates.
IMPOSSIBLE: list[Any] = [-0.5, math.nan, math.inf, -math.inf, 99.0, 1e308, None, "soon", True]


async def cut(c: Call) -> rf.Turn:
    handle = c.session.generate_reply(user_input=QUESTION[1])
    await playing(c, 0.7)
    turn = c.turn
    c.session.interrupt()
    await handle
    await c.until(lambda: not turn.live, timeout=60)
    await asyncio.sleep(1.0)
    return turn


@pytest.mark.parametrize(
    ("position", "outcome", "heard", "kept"),
    [
        (0.0, SKIPPED, 0, None),
        (0.7009, PARTIAL, 700, 700),
        # Of what cannot be the clock tells how much it was: 0.7 s.
        *((position, PARTIAL, 700, 700) for position in IMPOSSIBLE),
    ],
)
@virtual_time
async def test_g15_positions_that_cannot_be(
    position: Any, outcome: rf.MessageOutcome, heard: int, kept: int | None
) -> None:
    async with call([Reply(said(2)), HELLO], config=FAST, sink=Odd(position)) as c:
        turn = await cut(c)
        first, second = turn.messages
        assert (first.outcome, first.heard_ms) == (outcome, heard)
        assert (second.outcome, second.heard_ms) == (SKIPPED, 0)
        server = {i.id: i.audio_ms for i in c.server.conversation if i.role == "assistant"}
        assert server == ({} if kept is None else {first.item_id: kept})
        assert refused(c) == []
        # The call goes on.
        await c.session.generate_reply(user_input="And?")
        assert c.remembered()[-1] == "Good morning to you my friend."


@virtual_time
async def test_g14_each_report_twice() -> None:
    class Stutters(PacedAudioOutput):
        def on_playback_finished(self, **report: Any) -> None:
            super().on_playback_finished(**report)
            self.emit("playback_finished", _event(report))

    async with call([Reply(said(2)), HELLO], config=FAST, sink=Stutters()) as c:
        await c.session.generate_reply(user_input=QUESTION[1])
        await asyncio.sleep(0.5)
        assert [(m.outcome, m.heard_ms) for m in c.turn.messages] == [(FULL, 2000)] * 2
        assert c.remembered() == TEXTS[:2]


@virtual_time
async def test_g14_a_report_that_comes_after_the_turn() -> None:
    async with call([Reply(said(1)), HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input=QUESTION[1])
        turn = c.turn
        c.sink.emit("playback_finished", _event({"playback_position": 0.1, "interrupted": True}))
        assert (turn.messages[0].outcome, turn.messages[0].heard_ms) == (FULL, 2000)
        await c.session.generate_reply(user_input="And?")
        assert c.turn.messages[0].outcome is FULL
        assert c.server.sent("conversation.item.truncate") == []


@virtual_time
async def test_g14_a_sink_that_never_reports_does_not_hold_the_turn() -> None:
    sink = PacedAudioOutput(report=False)
    async with call([Reply(said(1)), HELLO], config=FAST, sink=sink) as c:
        await c.session.generate_reply(user_input=QUESTION[1])
        assert c.turn.messages[0].outcome is FULL, "nothing says otherwise"
        assert refused(c) == []


@virtual_time
async def test_g14_a_sink_swapped_within_a_message() -> None:
    """The message ends on the sink it began on; the next one is heard on the new one."""
    other = PacedAudioOutput()
    async with call([Reply(said(2)), HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 0.7)
        turn = c.turn
        c.session.output.audio = other
        await asyncio.sleep(0.5)
        c.session.interrupt()
        await asyncio.wait_for(asyncio.shield(_over(handle)), 20)
        await c.until(lambda: not turn.live, timeout=60)
        await asyncio.sleep(1.0)
        heard = round(1000 * (c.sink.heard_seconds + other.heard_seconds))
        first = turn.messages[0]
        server = {i.id: i.audio_ms for i in c.server.conversation if i.role == "assistant"}
        assert (first.outcome, first.heard_ms) == (PARTIAL, heard)
        assert turn.messages[1].outcome is SKIPPED
        assert server == {first.item_id: heard}
        assert refused(c) == []
        await c.session.generate_reply(user_input="And?")
        assert other.heard_seconds == pytest.approx(0.6)
        await other.aclose()


@pytest.mark.parametrize("queued", [False, True], ids=["alone", "another asked for"])
@virtual_time
async def test_g14_a_sink_swapped_before_the_second_message(queued: bool) -> None:
    """LiveKit takes the sink of a speech when that begins: its second message plays there too."""
    other = PacedAudioOutput()
    async with call([Reply(said(2)), HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 0.7)
        turn = c.turn
        c.session.output.audio = other
        if queued:
            c.session.generate_reply(user_input="And?")
        await asyncio.sleep(2.0)
        handle.interrupt(force=True)
        await c.until(lambda: not turn.live, timeout=60)
        first, second = turn.messages
        assert (first.outcome, first.heard_ms) == (FULL, 2000)
        assert second.outcome is PARTIAL
        assert second.heard_ms == pytest.approx(700, abs=10)
        await asyncio.sleep(2.5)
        server = {i.id: i.audio_ms for i in c.server.conversation if i.role == "assistant"}
        assert server[second.item_id] == second.heard_ms
        assert other.heard_seconds == pytest.approx(0.6 if queued else 0.0)
        assert c.controller.differences() == {}
        assert refused(c) == []
        await other.aclose()


async def _over(handle: Any) -> None:
    await handle


def _event(report: dict[str, Any]) -> Any:
    from livekit.agents.voice.io import PlaybackFinishedEvent

    return PlaybackFinishedEvent(**report)
