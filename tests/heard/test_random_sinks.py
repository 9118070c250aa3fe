"""G14, G30: an application changes, clears and pauses its outputs at any time, and each speech ends.

The outputs lose or double what they tell, and take their time. Those that raise are in `test_sinks`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.voice import io

from realtime_fsm.simulator import Message, Reply
from realtime_fsm.testing import PacedAudioOutput, simulated_call, virtual_time

from .test_sinks import Passing

#: Seconds within which a speech of 4 s is over, whatever its output does.
LONG = 30.0


class Rude(PacedAudioOutput):
    def __init__(self, draw: random.Random) -> None:
        super().__init__()
        self._draw = draw
        self._turns = draw.choice([0, 0, 1, 2, 5])  # of the loop, for each frame
        self._blocks, self._doubles = draw.choice([0, 0, 0.2]), draw.choice([0, 0, 0.3])
        self._loses = draw.choice([0, 0, 0.3, 1])

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        for _ in range(self._turns):
            await asyncio.sleep(0)
        if self._draw.random() < self._blocks:
            await asyncio.sleep(self._draw.uniform(0, 0.3))
        await super().capture_frame(frame)

    def on_playback_finished(self, **report: Any) -> None:
        said = super().on_playback_finished
        if self._draw.random() < self._loses:
            return
        said(**report)
        if self._draw.random() < self._doubles:
            again = self._draw.uniform(0, 1)
            asyncio.get_running_loop().call_later(again, lambda: said(**report))


def acts(session: AgentSession[Any], draw: random.Random) -> dict[str, Callable[[], object]]:
    output = session.output

    def tail() -> None:
        if output.audio is not None:
            output.replace_audio_tail(Rude(draw))

    def twice() -> None:
        tail()
        tail()

    def whole() -> None:
        output.audio = chain(draw)

    def on_the_output(what: str) -> None:
        if output.audio is not None:
            getattr(output.audio, what)()

    return {
        "tail": tail,
        "twice": twice,
        "whole": whole,
        "pause": lambda: on_the_output("pause"),
        "resume": lambda: on_the_output("resume"),
        "clear": lambda: on_the_output("clear_buffer"),
        "interrupt": session.interrupt,
    }


def chain(draw: random.Random) -> io.AudioOutput:
    sink = Rude(draw)
    return sink if draw.random() < 0.4 else Passing(sink)


@pytest.mark.sampled(12)
@pytest.mark.parametrize("seed", range(300))
@virtual_time
async def test_g30_whatever_becomes_of_the_outputs(seed: int) -> None:
    draw = random.Random(seed)
    lengths = [draw.choice([0.3, 1.0, 2.0]) for _ in range(6)]
    script = [Reply([Message("Some words.", seconds=s)] * draw.choice([1, 1, 2])) for s in lengths]
    async with simulated_call(script, check=False) as call:
        call.session.output.audio = chain(draw)
        does = acts(call.session, draw)

        async def act() -> None:
            for _ in range(draw.randint(1, 5)):
                await asyncio.sleep(draw.uniform(0, 2))
                for _ in range(draw.randint(0, 8)):
                    await asyncio.sleep(0)
                does[draw.choice(["tail", *does])]()

        acting = asyncio.create_task(act())
        for n in range(draw.randint(2, 4)):
            handle = call.session.generate_reply(user_input=f"Question {n}?")
            await asyncio.wait_for(handle.wait_for_playout(), LONG)
            await asyncio.sleep(draw.uniform(0, 1))
        await acting
        good = call.session.output.audio = PacedAudioOutput()
        handle = call.session.generate_reply(user_input="Well?")
        await asyncio.wait_for(handle.wait_for_playout(), LONG)
        assert good.segments, "what is asked last is heard"
