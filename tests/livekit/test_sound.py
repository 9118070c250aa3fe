"""Further audio deltas are decoded by us: what is heard, counted and remembered stays as in plain."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import llm, utils
from livekit.plugins import openai

from realtime_fsm.livekit._features import history_of, realtime_session_of
from realtime_fsm.livekit._private import only_decodes_audio
from realtime_fsm.livekit._sound import Sound
from realtime_fsm.livekit._tap import tapped
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from .call import TWO, call

AUDIO = "response.output_audio.delta"
HANDLER = "_handle_response_audio_delta"


class Kept(PacedAudioOutput):
    """Keeps what it was given."""

    def __init__(self) -> None:
        super().__init__(speed=5.0)
        self.frames: list[tuple[bytes, int, int]] = []

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        self.frames.append((bytes(frame.data), frame.sample_rate, frame.num_channels))
        await super().capture_frame(frame)


async def _two_turns(patch: pytest.MonkeyPatch, **options: Any) -> dict[str, Any]:
    """What the user hears, what is counted and what is remembered of two turns; and the deltas that the
    engine was shown."""
    shown: Counter[str] = Counter()
    handle = getattr(openai.realtime.RealtimeSession, HANDLER)

    def counted(self: Any, event: Any) -> None:
        shown[event.item_id] += 1
        handle(self, event)

    sink, metrics = Kept(), list[Any]()
    async with call([TWO, TWO], **options) as c:
        c.session.output.audio = sink
        session: Any = realtime_session_of(c.session)
        inner = session._inner if c.model is not None else session
        if options.get("controlled", True):
            patch.setattr(inner, HANDLER, counted.__get__(inner))
        session.on("metrics_collected", metrics.append)
        for _ in range(2):
            await c.session.generate_reply(user_input="Hello?")
        await asyncio.sleep(1.0)
        usage = [(m.ttft > 0, m.cancelled, m.output_tokens, m.input_tokens) for m in metrics]
        patch.undo()
        return {
            "heard": sink.frames,
            "metrics": usage,
            "mirror": [getattr(i, "content", None) for i in inner.chat_ctx.items],
            "history": [i.text_content for i in history_of(c.session).items if i.type == "message"],
            "active": inner.has_active_generation,
            "shown": sorted(shown.values()),
        }


@virtual_time
async def test_g27_all_is_as_plain_and_the_engine_sees_the_first_delta_of_a_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = await _two_turns(monkeypatch, controlled=False)
    ours = await _two_turns(monkeypatch)
    shown, _ = ours.pop("shown"), theirs.pop("shown")
    assert ours == theirs
    assert len(ours["heard"]) > 40
    assert all(usage[0] for usage in ours["metrics"])
    assert len(shown) == 4
    assert shown[:3] == [1, 1, 1], "of the first message more, until one was read"
    assert shown[3] < 8


@virtual_time
async def test_an_engine_that_does_more_with_a_delta_sees_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: Counter[str] = Counter()
    handle = getattr(openai.realtime.RealtimeSession, HANDLER)

    def more(self: Any, event: Any) -> None:
        seen[event.item_id] += 1
        handle(self, event)

    monkeypatch.setattr(openai.realtime.RealtimeSession, HANDLER, more)
    async with call([TWO]) as c:
        await c.session.generate_reply(user_input="Hello?")
        deltas = [r for r in c.server.record if r.event.get("type") == AUDIO]
        assert sum(seen.values()) == len(deltas) > 20


def _message(item_id: str) -> llm.MessageGeneration:
    return llm.MessageGeneration(
        message_id=item_id,
        text_stream=utils.aio.Chan[str](),
        audio_stream=utils.aio.Chan[rtc.AudioFrame](),
        modalities=asyncio.get_running_loop().create_future(),
    )


def _delta(sound: bytes = b"\1\0" * 10, **fields: Any) -> dict[str, Any]:
    return {"type": AUDIO, "delta": base64.b64encode(sound).decode(), **fields}


class Engine:
    """As far as a delta goes, the engine."""

    _handle_response_audio_delta = openai.realtime.RealtimeSession._handle_response_audio_delta


async def _sounding(engine: object = None) -> tuple[Sound, llm.MessageGeneration, Any]:
    """Message m1, of which the first delta was played."""
    inner: Any = Engine() if engine is None else engine
    sound, source = Sound(inner), _message("m1")
    message = tapped(source, lambda work: None)
    sound.begins("m1", message)
    channel: Any = source.audio_stream
    channel.send_nowait(rtc.AudioFrame(b"\0\0" * 5, 24_000, 1, 5))
    await message.audio_stream.__aiter__().__anext__()
    assert not sound.takes("m1", _delta()), "the engine is told that there is sound"
    return sound, message, channel


async def test_a_delta_is_decoded_as_the_engine_does() -> None:
    sound, message, channel = await _sounding()
    assert sound.takes("m1", _delta(b"\2\0" * 7))
    frame = await message.audio_stream.__aiter__().__anext__()
    assert (bytes(frame.data), frame.sample_rate, frame.num_channels) == (b"\2\0" * 7, 24_000, 1)
    assert frame.samples_per_channel == 7
    channel.close()
    assert sound.takes("m1", _delta()), "nobody reads it any more, as with the engine"


@pytest.mark.parametrize(
    "delta", ["ä", "abc", "=", "A", "A A=B", base64.b64encode(b"\0\0\0").decode(), "\n"]
)
async def test_g25_a_malformed_delta_is_what_the_engine_makes_of_it(delta: str) -> None:
    sound, _, channel = await _sounding()
    try:
        data = base64.b64decode(delta)
        frame = rtc.AudioFrame(data, 24_000, 1, len(data) // 2)
    except ValueError:
        assert not sound.takes("m1", _delta(delta=delta)), "the engine says so in the log"
        assert channel.empty()
    else:
        assert sound.takes("m1", _delta(delta=delta))
        assert channel.recv_nowait().data == frame.data


async def test_what_is_of_another_message_is_the_engines() -> None:
    sound, _, channel = await _sounding()
    assert not sound.takes("m2", _delta())
    assert not sound.takes("m1", _delta(type="response.audio.delta")), (
        "the engine knows no such type"
    )
    sound.begins("m2", tapped(_message("m2"), lambda work: None))
    assert not sound.takes("m1", _delta()), "it comes late"
    assert not sound.takes("m2", _delta()), "its first"
    assert sound.takes("m2", _delta()), "what a frame is like is known by now"
    sound.ends()
    assert not sound.takes("m2", _delta())
    assert channel.qsize() == 0


async def test_a_stream_that_is_pumped_is_left_alone() -> None:
    async def frames() -> Any:
        yield rtc.AudioFrame(b"\0\0" * 5, 24_000, 1, 5)

    inner: Any = Engine()
    sound, source = Sound(inner), _message("m1")
    source.audio_stream = frames()
    tasks: list[Any] = []
    message = tapped(source, lambda work: tasks.append(asyncio.ensure_future(work)))
    sound.begins("m1", message)
    assert [frame async for frame in message.audio_stream]
    assert not sound.takes("m1", _delta())
    assert not sound.takes("m1", _delta())
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("engine", [object(), type("No", (), {HANDLER: None})()])
def test_an_engine_that_is_not_known_is_shown_all(engine: Any) -> None:
    assert only_decodes_audio(Engine())  # type: ignore[arg-type]
    assert not only_decodes_audio(engine)
