"""G27: what the user says while there is no connection is heard on the next one, as on plain LiveKit, where
the plugin keeps it."""

from __future__ import annotations

import asyncio
import math
from array import array

import pytest
from livekit import rtc

from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import Message, Reply, Script, ServerConfig
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

_RATE = 24_000
_STEP = 0.02
_LOUD = array("h", [round(8000 * math.sin(i / 5)) for i in range(round(_RATE * _STEP))]).tobytes()
_QUIET = bytes(len(_LOUD))
#: Whatever is said is answered.
SCRIPT = Script([Reply([Message("Noon.", seconds=0.5)]) for _ in range(4)])


async def microphone(call: SimulatedCall, loud: float, quiet: float) -> None:
    """Speak for so long, then be silent."""
    for sound, seconds in ((_LOUD, loud), (_QUIET, quiet)):
        for _ in range(round(seconds / _STEP)):
            frame = rtc.AudioFrame(sound, _RATE, 1, len(sound) // 2)
            realtime_session_of(call.session).push_audio(frame)
            await asyncio.sleep(_STEP)


@virtual_time
@pytest.mark.parametrize("controlled", [True, False], ids=["controlled", "plain"])
@pytest.mark.parametrize("losses", [1, 3, 4])
async def test_g27_it_is_answered_once_there_is_a_connection(controlled: bool, losses: int) -> None:
    config = ServerConfig(hears_above=400.0)
    async with simulated_call(SCRIPT, controlled=controlled, config=config, check=False) as call:
        await microphone(call, 0.0, 1.0)
        for n in range(losses):
            await call.until(lambda: call.server.connected)
            if n:
                await asyncio.sleep(0.05)
            call.server.drop()
        await microphone(call, 0.08, 0.02)  # a word, before the next connection
        await microphone(call, 1.0, 1.0)
        await call.idle(quiet=4.0)
        assert call.heard == pytest.approx(0.5), "one answer, and all of it"


@virtual_time
async def test_g27_push_to_talk_too() -> None:
    config = ServerConfig(hears_above=400.0)
    script = Script([Reply([Message("Noon.", seconds=0.5)])])
    async with simulated_call(script, config=config, turn_detection=None, check=False) as call:
        for n in range(3):
            await call.until(lambda: call.server.connected)
            if n:
                await asyncio.sleep(0.05)
            call.server.drop()
        await asyncio.sleep(0.05)
        assert not call.server.connected
        await microphone(call, 0.5, 0.1)
        assert not call.server.connected
        call.session.commit_user_turn()
        await call.idle(quiet=4.0)
        assert call.heard == pytest.approx(0.5)
