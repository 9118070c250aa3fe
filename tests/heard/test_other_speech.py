"""G16, G30: speech that is no sound of the model's, on outputs that LiveKit ships, in real time: words that
a TTS speaks, words that are only shown, and an output that the application mutes."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm.livekit._features import history_of
from realtime_fsm.simulator import Message, Reply, ServerConfig
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

from ..livekit.fake_tts import FakeTTS
from ..real_time import LONG, at_once, becomes, timed
from .far_ends import KINDS
from .real_sinks import loses, synchronised
from .test_outputs import ACTS, CHOSEN, OFF, SECONDS, TEXTS, WORDS, Chain, happens, joined

POLICY = rf.RetryPolicy(playback_grace=0.4)
#: `make heard` tries them all; `test_outputs` does for the model's own sound.
CHOSEN_KINDS = tuple(KINDS) if os.environ.get("HEARD") == "all" else ("room", "queue")


def script() -> list[Reply]:
    return [
        Reply([Message(text, seconds=SECONDS) for text in TEXTS]),
        Reply([Message("Well.", seconds=0.2)]),
    ]


def remembered(call: SimulatedCall) -> list[tuple[str, str]]:
    """What server and agent have of each message of the first turn."""
    server = {item.id: item.text for item in call.server.conversation}
    local = {
        i.id: i.text_content or "" for i in history_of(call.session).items if i.type == "message"
    }
    ids = [message.item_id for message in call.controller.finished[0].messages]
    return [(server.get(item_id, ""), local.get(item_id, "")) for item_id in ids]


async def spoken(kind: str, act: str, chain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tts = FakeTTS(ms_a_word=round(1000 * SECONDS / len(TEXTS[0].split())))
    options: dict[str, Any] = {"modalities": ["text"], "session": {"tts": tts}, "policy": POLICY}
    config = ServerConfig(create_delay=0.2)
    async with (
        aclosing(await KINDS[kind](monkeypatch)) as far,
        aclosing(await KINDS[kind](monkeypatch)) as other,
        simulated_call(
            script(), turn_detection=None, config=config, check=False, **options
        ) as call,
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
        words = "words" in chain
        await becomes(lambda: judge(call, played, OFF + far.late + lag.seconds, words=words))
        await asyncio.wait_for(call.session.generate_reply(user_input="And?"), LONG)
        assert call.remembered[-1] == ("assistant", "Well.")
        assert call.errors == []


def judge(call: SimulatedCall, played: list[float], off: float, *, words: bool) -> None:
    """Each message is remembered as far as it was heard, by server and agent alike."""
    for number, (server, local) in enumerate(remembered(call)):
        heard = played[number] if number < len(played) else 0.0
        told = f"{number + 1}: {heard:.3f} s heard; server {server!r}; shown {local!r}"
        assert server == local, told
        if words:
            count = len(TEXTS[number].split())
            slack = WORDS + off / SECONDS * count
            # LiveKit's synchroniser may lag behind the sound on a busy machine, never run ahead.
            assert len(server.split()) <= heard / SECONDS * count + slack, told
            assert server or heard <= off + SECONDS / count, told
        elif heard > off:
            # Without a synchroniser LiveKit takes all that was forwarded for heard.
            assert server, told
            assert TEXTS[number].startswith(server), told
        elif not heard:
            assert server == "", told
    assert call.controller.differences() == {}


@pytest.mark.parametrize("kind", CHOSEN_KINDS)
async def test_g16_g30_words_that_a_tts_speaks(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await at_once(spoken, (kind,), ACTS, CHOSEN, monkeypatch=monkeypatch)


async def muted(kind: str, how: str, chain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was playing plays out, and what follows is only shown. LiveKit takes what was shown for heard,
    as nobody can have heard it."""
    options: dict[str, Any] = {"policy": POLICY, "check": False}
    if how == "tts":
        tts = FakeTTS(ms_a_word=round(1000 * SECONDS / len(TEXTS[0].split())))
        options |= {"modalities": ["text"], "session": {"tts": tts}}
    async with (
        aclosing(await KINDS[kind](monkeypatch)) as far,
        simulated_call(script(), turn_detection=None, **options) as call,
        aclosing(Chain(call, chain, far.output)),
        timed(),
    ):
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: any(at > 0.3 for at in far.reached()))
        call.session.output.set_audio_enabled(False)
        await asyncio.wait_for(handle.wait_for_playout(), LONG)
        await asyncio.sleep(0.5)
        await becomes(lambda: shown_only(call))
        call.session.output.set_audio_enabled(True)
        await asyncio.wait_for(call.session.generate_reply(user_input="And?"), LONG)
        assert call.remembered[-1] == ("assistant", "Well.")
        assert sum(far.reached()) > 0.3
        assert call.errors == []


def shown_only(call: SimulatedCall) -> None:
    (first, shown), second = remembered(call)
    assert first == shown
    assert TEXTS[0].startswith(first)
    assert second == (TEXTS[1], TEXTS[1])
    assert call.controller.differences() == {}


@pytest.mark.parametrize("kind", CHOSEN_KINDS)
async def test_g16_g30_an_output_that_is_muted(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await at_once(muted, (kind,), ("sound", "tts"), CHOSEN, monkeypatch=monkeypatch)


@pytest.mark.parametrize("pace", [0.001, 0.02], ids=["all came", "more is generated"])
@pytest.mark.parametrize("seconds", [0.03, 0.2, 0.6])
@virtual_time
async def test_g16_a_tts_that_is_cut_keeps_the_words_that_were_heard(
    seconds: float, pace: float
) -> None:
    """Also while the response goes on, when LiveKit's own cut does nothing; of less than a word nothing."""
    long = " ".join(f"c{n}" for n in range(100))
    first = Reply([Message(TEXTS[0]), Message(long)], pace=pace)
    tts = FakeTTS(ms_a_word=100)
    options: dict[str, Any] = {"modalities": ["text"], "session": {"tts": tts}, "check": False}
    async with simulated_call([first, *script()[1:]], turn_detection=None, **options) as call:
        chain = synchronised(call.sink)
        call.session.output.audio = chain.audio_output
        call.session.output.transcription = chain.text_output
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.heard > seconds)
        handle.interrupt()
        await asyncio.sleep(3.0)
        [(server, local), *rest] = remembered(call)
        assert server == local
        assert abs(len(server.split()) - 10 * seconds) <= WORDS
        assert rest == [("", "")]
        assert all(item.text for item in call.server.conversation), "no item without words"
        assert call.errors == []
        assert call.controller.differences() == {}
        await call.session.generate_reply(user_input="And?")
        assert call.remembered[-1] == ("assistant", "Well.")
        await chain.aclose()
