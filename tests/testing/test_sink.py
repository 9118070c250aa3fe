"""The paced output: what it plays and what it reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from livekit import rtc
from livekit.agents.voice import io

from realtime_fsm.testing import PacedAudioOutput

from ..real_time import LONG

pytestmark = pytest.mark.real_time

SPEED = 20.0
RATE = 24000


def frame(seconds: float) -> rtc.AudioFrame:
    samples = round(seconds * RATE)
    return rtc.AudioFrame(
        data=bytes(2 * samples), sample_rate=RATE, num_channels=1, samples_per_channel=samples
    )


async def say(sink: PacedAudioOutput, *seconds: float) -> None:
    for each in seconds:
        await sink.capture_frame(frame(each))


class Reports:
    """What a sink reports."""

    def __init__(self, sink: PacedAudioOutput) -> None:
        self.started = 0
        self.finished: list[io.PlaybackFinishedEvent] = []
        sink.on("playback_started", self._on_started)
        sink.on("playback_finished", self.finished.append)

    def _on_started(self, _: io.PlaybackStartedEvent) -> None:
        self.started += 1


@pytest.fixture
async def sink() -> AsyncIterator[PacedAudioOutput]:
    output = PacedAudioOutput(speed=SPEED)
    yield output
    await output.aclose()


async def playout(sink: PacedAudioOutput) -> io.PlaybackFinishedEvent:
    return await asyncio.wait_for(sink.wait_for_playout(), LONG)


async def heard_at_least(sink: PacedAudioOutput, seconds: float) -> None:
    while sink.heard_seconds < seconds:  # noqa: ASYNC110 - the sink has no event for a position
        await asyncio.sleep(0)


async def test_a_flushed_segment_plays_out_in_its_time(sink: PacedAudioOutput) -> None:
    reports = Reports(sink)
    await say(sink, 0.2, 0.3)
    assert reports.started == 1
    sink.flush()
    event = await playout(sink)
    assert event.playback_position == pytest.approx(0.5)
    assert (event.interrupted, event.synchronized_transcript) == (False, None)
    (segment,) = sink.segments
    assert segment.started_at is not None
    assert segment.finished_at - segment.started_at >= 0.5 / SPEED - 1e-3
    assert segment.position == pytest.approx(0.5)
    assert not segment.interrupted
    assert sink.heard_seconds == pytest.approx(0.5)
    assert reports.finished == [event]


async def test_a_segment_does_not_end_before_its_flush(sink: PacedAudioOutput) -> None:
    await say(sink, 0.02)
    await heard_at_least(sink, 0.02)
    assert sink.segments == []
    await say(sink, 0.02)
    await heard_at_least(sink, 0.04)
    sink.flush()
    assert (await playout(sink)).playback_position == pytest.approx(0.04)
    assert len(sink.sounding) == 2, "the sink ran dry in between"


async def test_segments_queue_up(sink: PacedAudioOutput) -> None:
    reports = Reports(sink)
    for seconds in (0.2, 0.1):
        await say(sink, seconds)
        sink.flush()
    assert reports.started == 1
    await playout(sink)
    first, second = sink.segments
    assert first.started_at is not None
    assert second.started_at is not None
    assert second.started_at >= first.finished_at
    assert reports.started == 2
    assert sink.longest_silence(first.started_at, second.finished_at) < 0.2


@pytest.mark.parametrize("flushed", [False, True])
async def test_a_clear_interrupts_where_it_is(sink: PacedAudioOutput, flushed: bool) -> None:
    reports = Reports(sink)
    await say(sink, 600.0)
    if flushed:
        sink.flush()
    await heard_at_least(sink, 0.1)
    sink.clear_buffer()
    if not flushed:
        sink.flush()
    event = await playout(sink)
    assert event.interrupted
    assert 0.1 <= event.playback_position < 600.0
    assert [s.position for s in sink.segments] == [event.playback_position]
    assert len(reports.finished) == 1


async def test_a_clear_ends_waiting_segments_unheard(sink: PacedAudioOutput) -> None:
    for _ in range(2):
        await say(sink, 600.0)
        sink.flush()
    sink.clear_buffer()
    assert (await playout(sink)).playback_position == 0.0
    assert [(s.started_at is None, s.interrupted) for s in sink.segments] == [
        (False, True),
        (True, True),
    ]


async def test_a_frame_after_a_clear_starts_a_new_segment(sink: PacedAudioOutput) -> None:
    await say(sink, 600.0)
    sink.clear_buffer()
    await say(sink, 0.1)
    sink.flush()
    event = await playout(sink)
    assert event.playback_position == pytest.approx(0.1)
    assert not event.interrupted
    assert len(sink.segments) == 2


async def test_nothing_to_flush_and_nothing_to_clear(sink: PacedAudioOutput) -> None:
    reports = Reports(sink)
    sink.flush()
    sink.clear_buffer()
    sink.resume()
    assert (reports.finished, sink.segments, sink.heard_seconds) == ([], [], 0)


async def test_a_pause_holds_the_audio(sink: PacedAudioOutput) -> None:
    assert sink.can_pause
    await say(sink, 0.4)
    sink.flush()
    sink.pause()
    held = sink.heard_seconds
    await asyncio.sleep(0.4 / SPEED * 2)
    assert sink.heard_seconds == held
    assert sink.segments == []
    sink.resume()
    assert (await playout(sink)).playback_position == pytest.approx(0.4)
    (segment,) = sink.segments
    assert sink.longest_silence(sink.sounding[0][0], segment.finished_at) >= 0.4 / SPEED * 2 - 1e-3


async def test_an_interrupted_pause_reports_what_was_heard(sink: PacedAudioOutput) -> None:
    sink.pause()
    await say(sink, 0.4)
    sink.clear_buffer()
    event = await playout(sink)
    assert (event.playback_position, event.interrupted) == (0.0, True)


async def test_a_mute_reporter_plays_without_a_word() -> None:
    sink = PacedAudioOutput(speed=SPEED, report=False)
    reports = Reports(sink)
    await say(sink, 0.1)
    sink.flush()
    await heard_at_least(sink, 0.1)
    while not sink.segments:  # noqa: ASYNC110 - it reports nothing that could be awaited
        await asyncio.sleep(0)
    await say(sink, 0.1)
    sink.clear_buffer()
    await sink.aclose()
    assert (reports.started, reports.finished) == (0, [])
    assert len(sink.segments) == 2


async def test_a_closed_sink_takes_nothing_more(sink: PacedAudioOutput) -> None:
    await say(sink, 600.0)
    await sink.aclose()
    assert sink.segments[0].interrupted
    await say(sink, 0.1)
    sink.flush()
    assert len(sink.segments) == 1
    await playout(sink)


async def test_silence_is_measured_between_the_given_times(sink: PacedAudioOutput) -> None:
    sink.sounding = [(1.0, 2.0), (2.5, 3.0), (6.0, 7.0)]
    assert sink.longest_silence(0.0, 7.0) == 3.0
    assert sink.longest_silence(1.5, 2.75) == 0.5
    assert sink.longest_silence(6.5, 10.0) == 3.0
    assert sink.longest_silence(8.0, 9.0) == 1.0


def test_speed_is_positive() -> None:
    with pytest.raises(ValueError, match="speed"):
        PacedAudioOutput(speed=0)
