"""G16, G30: each output that LiveKit ships, in each chain, whatever happens to it, in real time.

The judge is the far end: how far into each message it came. A test is many calls at once, since all they
do is wait. By default the bare output and the chain of a recorded room; ``make heard`` tries all chains.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
from contextlib import aclosing
from pathlib import Path
from typing import Any

import livekit.agents
import pytest
from livekit.agents.cli._legacy import ConsoleAudioOutput
from livekit.agents.voice import io
from livekit.agents.voice.recorder_io import RecorderIO

import realtime_fsm as rf
from realtime_fsm.livekit._features import history_of
from realtime_fsm.simulator import Message, Reply, ServerConfig
from realtime_fsm.testing import SimulatedCall, simulated_call

from ..real_time import LONG, at_once, becomes, timed
from .far_ends import KINDS, FarEnd
from .real_sinks import loses, synchronised

SECONDS = 1.2
TEXTS = [" ".join(f"{m}{n}" for n in range(12)) for m in "ab"]
#: Seconds: frames, a busy machine, and how LiveKit itself counts.
OFF = 0.12
#: Words by which a synchronised transcript may be off, and how many of these texts' are said in a second.
WORDS, A_SECOND = 3, 12 / SECONDS

ACTS = (
    "interrupted before", "in 1 of 2", "in 2", "between", "paused and resumed",
    "paused and interrupted", "dead", "late", "replaced",
)  # fmt: skip
CHAINS = ("bare", "recorded words", "words", "recorded")
CHOSEN = CHAINS if os.environ.get("HEARD") == "all" else CHAINS[:2]


class Chain:
    """Outputs of LiveKit's on top of one."""

    def __init__(self, call: SimulatedCall, name: str, output: io.AudioOutput) -> None:
        self._session = call.session
        self.words = synchronised(output) if "words" in name else None
        top = output if self.words is None else self.words.audio_output
        if "recorded" in name:
            top = RecorderIO(agent_session=call.session).record_output(top)
        call.session.output.audio = top
        if self.words is not None:
            call.session.output.transcription = self.words.text_output

    async def aclose(self) -> None:
        self._session.output.audio = None
        if self.words is not None:
            await self.words.aclose()


async def live(kind: str, act: str, chain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script = [
        Reply([Message(text, seconds=SECONDS) for text in TEXTS]),
        Reply([Message("Well.", seconds=0.2)]),
    ]
    options: dict[str, Any] = {"policy": rf.RetryPolicy(playback_grace=0.4), "check": False}
    config = ServerConfig(create_delay=0.2)
    async with (
        aclosing(await KINDS[kind](monkeypatch)) as far,
        aclosing(await KINDS[kind](monkeypatch)) as other,
        simulated_call(script, turn_detection=None, config=config, **options) as call,
        aclosing(Chain(call, chain, far.output)),
        timed() as lag,
    ):
        if act in ("dead", "late"):
            loses(far.output, delay=0.7 if act == "late" else None)
        handle = call.session.generate_reply(user_input="Question?")
        await happens(call, act, handle, far, other)
        await asyncio.wait_for(handle.wait_for_playout(), LONG)
        await asyncio.sleep(0.8)
        played = far.reached()
        if act == "replaced":
            played = joined(played, other.reached())
        await becomes(lambda: judge(call, played, OFF + far.late + lag.seconds))
        await asyncio.wait_for(call.session.generate_reply(user_input="And?"), LONG)
        assert call.remembered[-1] == ("assistant", "Well.")
        assert call.errors == []


def joined(first: list[float], then: list[float]) -> list[float]:
    """What two outputs played, the second in the first's place from the middle of a message on."""
    return [*first, *then][:2]


async def happens(call: SimulatedCall, act: str, handle: Any, far: FarEnd, other: FarEnd) -> None:
    async def reaches(seconds: float, message: int = 1) -> None:
        await call.until(lambda: len(at := far.reached()) >= message and at[message - 1] >= seconds)

    if act == "interrupted before":
        await call.until(lambda: call.server.sent("response.create"))
        handle.interrupt()
    elif act in ("in 1 of 2", "in 2"):
        await reaches(0.5, int(act[3]))
        handle.interrupt()
    elif act == "between":
        await reaches(SECONDS - 0.01)
        handle.interrupt()
    elif act.startswith("paused"):
        await reaches(0.4)
        call.session.output.audio.pause()
        await asyncio.sleep(0.3)
        if act == "paused and resumed":
            call.session.output.audio.resume()
        else:
            handle.interrupt()
    elif act == "replaced":
        await reaches(0.4)
        call.session.output.replace_audio_tail(other.output)


def judge(call: SimulatedCall, played: list[float], off: float) -> None:
    """Each message is remembered as far as it was played, by everybody."""
    server = {item.id: item for item in call.server.conversation}
    words = WORDS + math.ceil((off - OFF) * A_SECOND)
    context = history_of(call.session).items
    local = {i.id: i.text_content or "" for i in context if i.type == "message"}
    for number, message in enumerate(call.turn.messages):
        heard = played[number] if number < len(played) else 0.0
        item, shown = server.get(message.item_id), local.get(message.item_id, "")
        told = f"{number + 1}: {heard:.3f} s of {played} were heard; server {item}; shown {shown!r}"
        if heard < off and item is None:
            assert not shown, told
            continue
        assert item is not None, told
        assert item.audio_ms / 1000 == pytest.approx(heard, abs=off), told
        assert abs(len(shown.split()) - len(item.text.split())) <= words, told
        assert message.heard_ms == pytest.approx(item.audio_ms, abs=1), told
    assert call.controller.differences() == {}


@pytest.mark.parametrize("kind", KINDS)
async def test_g16_g30_what_an_output_of_livekits_played_is_remembered(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "console" and not hasattr(ConsoleAudioOutput, "read_into"):
        pytest.skip("livekit-agents 1.7.0 reads it inside its console")
    await at_once(live, (kind,), ACTS, CHOSEN, monkeypatch=monkeypatch)


def test_no_output_of_livekits_is_left_out() -> None:
    """A class that a new release ships wants a far end here."""
    package = Path(livekit.agents.__file__).parent
    found = set()
    for path in package.rglob("*.py"):
        found |= set(re.findall(r"^class (\w+)\((?:io\.)?AudioOutput\b", path.read_text(), re.M))
    leaves = {
        "_ParticipantAudioOutput", "DataStreamAudioOutput", "TcpAudioOutput", "ConsoleAudioOutput",
    }  # fmt: skip
    wrappers = {"_AudioSinkProxy", "_SyncedAudioOutput", "RecorderAudioOutput"}
    assert found == leaves | wrappers, "QueueAudioOutput has its bases on several lines"
    assert len(KINDS) == len(leaves) + 1
