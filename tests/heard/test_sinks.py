"""G14, G30: whatever a sink does, or does not, each later message and speech is heard.

A report that is missing holds things up for what is left of the audio and `playback_grace`, and no longer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from livekit import rtc
from livekit.agents.voice import io

import realtime_fsm as rf
from realtime_fsm.livekit._guarded_output import GuardedOutput
from realtime_fsm.livekit._private import pending_segments
from realtime_fsm.simulator import Message, Reply
from realtime_fsm.testing import PacedAudioOutput, SimulatedCall, simulated_call, virtual_time

from .real_sinks import needs_progress

FULL = rf.MessageOutcome.FULL
SECONDS = 1.5
GRACE = rf.RetryPolicy().playback_grace
#: Between one speech and the next, when nothing is wrong.
USUAL = 0.2


def replies(count: int, messages: int = 1) -> list[Reply]:
    return [
        Reply([Message(f"Answer {n}, message {m}.", seconds=SECONDS) for m in range(messages)])
        for n in range(count)
    ]


class Sink(PacedAudioOutput):
    """Does something with the reports that it should make: none of them is counted by the rest."""

    def __init__(self, odd: Callable[[Sink, int, Callable[[], None]], None]) -> None:
        super().__init__()
        self._odd = odd
        self.ends = 0

    def on_playback_finished(self, **report: Any) -> None:
        said = super().on_playback_finished
        number, self.ends = self.ends, self.ends + 1
        self._odd(self, number, lambda: said(**report))


def never(sink: Sink, number: int, say: Callable[[], None]) -> None:
    pass


def all_but(*lost: int) -> Callable[..., None]:
    def odd(sink: Sink, number: int, say: Callable[[], None]) -> None:
        if number not in lost:
            say()

    return odd


def late(seconds: float, *which: int) -> Callable[..., None]:
    def odd(sink: Sink, number: int, say: Callable[[], None]) -> None:
        if number in which:
            asyncio.get_running_loop().call_later(seconds, say)
        else:
            say()

    return odd


def twice(sink: Sink, number: int, say: Callable[[], None]) -> None:
    say()
    asyncio.get_running_loop().call_later(0.3, say)


def raises(sink: Sink, number: int, say: Callable[[], None]) -> None:
    raise ValueError("no report today")


def raises_after(sink: Sink, number: int, say: Callable[[], None]) -> None:
    say()
    raise TypeError("reported, and then this")


ODD: dict[str, Callable[..., None]] = {
    "never": never,
    "not the first": all_but(0),
    "not the second": all_but(1),
    "3 s late": late(3.0, 0),
    "all 3 s late": late(3.0, *range(9)),
    "2.5 s late": late(2.5, 0, 1),
    "twice": twice,
    "raises": raises,
    "raises afterwards": raises_after,
}


async def asked(call: SimulatedCall, count: int) -> list[float]:
    """Ask so often, one after another. Returns how long each answer took to end."""
    took = []
    loop = asyncio.get_running_loop()
    for n in range(count):
        began = loop.time()
        handle = call.session.generate_reply(user_input=f"Question {n}?")
        await asyncio.wait_for(handle.wait_for_playout(), 60)
        took.append(loop.time() - began)
    return took


def spoken(call: SimulatedCall) -> list[float]:
    return [round(segment.position, 2) for sink in call.sinks for segment in sink.segments]


@pytest.mark.parametrize("odd", ODD)
@virtual_time
async def test_g30_each_later_speech_is_heard(odd: str) -> None:
    async with simulated_call(replies(4), sink=Sink(ODD[odd]), check=False) as call:
        took = await asked(call, 4)
        await asyncio.sleep(5.0)
        assert spoken(call) == [SECONDS] * 4
        assert max(took) < SECONDS + GRACE + USUAL
        assert [said for role, said in call.remembered if role == "assistant"] == [
            f"Answer {n}, message 0." for n in range(4)
        ]
        assert call.controller.differences() == {}


@pytest.mark.parametrize("odd", ODD)
@virtual_time
async def test_g30_g13_each_message_of_a_speech_is_heard(odd: str) -> None:
    async with simulated_call(replies(2, 3), sink=Sink(ODD[odd]), check=False) as call:
        took = await asked(call, 2)
        await asyncio.sleep(5.0)
        assert spoken(call) == [SECONDS] * 6
        assert max(took) < 3 * (SECONDS + GRACE + USUAL)


@pytest.mark.parametrize("odd", ODD)
@virtual_time
async def test_g30_an_interrupt_is_over_after_the_grace(odd: str) -> None:
    """LiveKit itself cuts an interrupted speech off after 5 s; what comes after it is heard."""
    async with simulated_call(replies(3), sink=Sink(ODD[odd]), check=False) as call:
        loop = asyncio.get_running_loop()
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.5)
        began = loop.time()
        call.session.interrupt()
        await handle
        assert loop.time() - began < GRACE + USUAL
        assert max(await asked(call, 2)) < SECONDS + GRACE + USUAL
        await asyncio.sleep(5.0)
        first, *later = spoken(call)
        assert first == pytest.approx(0.5, abs=0.05)
        assert later == [SECONDS] * 2
        (heard,) = [t for t in call.controller.finished if t.interrupted]
        assert heard.messages[0].heard_ms == pytest.approx(500, abs=50)


@pytest.mark.parametrize("after", [1.0, 2.0])
@virtual_time
async def test_g16_the_report_of_a_cut_that_comes_again_cuts_nothing_else(after: float) -> None:
    """What the next speech said was heard to its end, and is remembered so."""

    def again(sink: Sink, number: int, say: Callable[[], None]) -> None:
        say()
        asyncio.get_running_loop().call_later(after, say)

    async with simulated_call(replies(2), sink=Sink(again)) as call:
        call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.5)
        call.session.interrupt()
        await asyncio.sleep(after / 2)
        await asked(call, 1)
        await call.idle()
        assert [text for role, text in call.remembered if role == "assistant"][1:] == [
            "Answer 1, message 0."
        ]
        assert ("assistant", "Answer 1, message 0.") in call.history


@pytest.mark.parametrize("odd", ["never", "3 s late"])
@pytest.mark.parametrize("messages", [1, 2])
@virtual_time
async def test_g15_what_was_played_to_its_end_is_not_cut_there(messages: int, odd: str) -> None:
    """Interrupted when all of the first message was played, and its report is missing."""
    async with simulated_call(replies(1, messages), sink=Sink(ODD[odd]), check=False) as call:
        handle = call.session.generate_reply(user_input="hi")
        await call.until(lambda: call.heard > SECONDS - 0.01)
        await asyncio.sleep(0.1)
        call.session.interrupt()
        await handle
        await asyncio.sleep(4.0)
        assert call.server.sent("conversation.item.truncate") == []
        assert call.remembered[1:] == [("assistant", "Answer 0, message 0.")] == call.history[1:]
        assert call.controller.differences() == {}


@virtual_time
async def test_g14_a_late_report_ends_no_later_segment() -> None:
    """It comes 3 s late, while the next, longer one plays, and says what could be its own."""
    script = [Reply([Message("Short.", seconds=1.0)]), Reply([Message("A long one.", seconds=4.0)])]
    async with simulated_call(script, sink=Sink(late(3.0, 0))) as call:
        took = await asked(call, 2)
        assert took[0] == pytest.approx(1.0 + GRACE, abs=USUAL)
        assert took[1] == pytest.approx(4.0, abs=USUAL)
        assert spoken(call) == [1.0, 4.0]


@virtual_time
async def test_g14_a_lost_report_costs_one_grace_and_no_more() -> None:
    """Pairing by order alone would take each later report for the one before."""
    async with simulated_call(replies(5), sink=Sink(all_but(0)), check=False) as call:
        took = await asked(call, 5)
        assert took[0] == pytest.approx(SECONDS + GRACE, abs=USUAL)
        assert took[1:] == pytest.approx([SECONDS] * 4, abs=USUAL)


# --- paused, replaced, muted


@pytest.mark.parametrize("how", ["the sink", "the output"])
@virtual_time
async def test_g30_a_pause_that_is_forgotten(how: str) -> None:
    async with simulated_call(replies(3)) as call:
        loop = asyncio.get_running_loop()
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.5)
        began = loop.time()
        output = call.sink if how == "the sink" else call.session.output.audio
        assert output is not None
        output.pause()
        await handle
        assert loop.time() - began < SECONDS - 0.5 + GRACE + USUAL
        await asked(call, 2)
        await call.idle()
        assert spoken(call) == [SECONDS] * 3
        assert call.controller.differences() == {}


@virtual_time
async def test_g30_a_pause_while_the_user_speaks_is_not_forgotten() -> None:
    async with simulated_call(replies(2)) as call:
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.5)
        call.session._update_user_state("speaking")
        assert call.session.output.audio is not None
        call.session.output.audio.pause()
        await asyncio.sleep(20.0)
        assert call.sink.heard_seconds == pytest.approx(0.5, abs=0.05)
        call.session._update_user_state("listening")
        await asyncio.wait_for(handle.wait_for_playout(), SECONDS + GRACE + USUAL)
        assert spoken(call) == [SECONDS]


@pytest.mark.parametrize("new", [never, None], ids=["by a silent one", "by a good one"])
@pytest.mark.parametrize("old", [never, None], ids=["a silent one", "a good one"])
@pytest.mark.parametrize("when", [0.5, 2.0], ids=["while it plays", "while it is waited for"])
@virtual_time
async def test_g30_a_sink_that_is_replaced(when: float, old: Any, new: Any) -> None:
    first = PacedAudioOutput() if old is None else Sink(old)
    async with simulated_call(replies(3, 2), sink=first, check=False) as call:
        handle = call.session.generate_reply(user_input="Question?")
        await asyncio.sleep(when)
        call.play_on(PacedAudioOutput() if new is None else Sink(new))
        await asyncio.wait_for(handle.wait_for_playout(), 2 * (SECONDS + GRACE + USUAL))
        assert max(await asked(call, 2)) < 2 * (SECONDS + GRACE + USUAL)
        await asyncio.sleep(5.0)
        assert spoken(call) == [SECONDS] * 6
        assert call.controller.differences() == {}


@virtual_time
async def test_g30_a_silent_sink_takes_over_below_a_wrapper_within_a_message() -> None:
    """As the plugins of avatars do. Nobody tells that it was done."""
    script = [Reply([Message("One two three.", seconds=SECONDS)], pace=0.1), *replies(2)]
    async with simulated_call(script, check=False) as call:
        call.session.output.audio = Passing(call.sink)
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.3)
        silent = Sink(never)
        call.session.output.replace_audio_tail(silent)
        call.sinks.append(silent)
        await asyncio.wait_for(handle.wait_for_playout(), SECONDS + GRACE + USUAL)
        assert max(await asked(call, 2)) < SECONDS + GRACE + USUAL
        assert spoken(call)[-2:] == [SECONDS] * 2


@virtual_time
async def test_g14_a_message_that_goes_on_elsewhere_is_not_over() -> None:
    """It is longer than the grace, and half of it was played when the sink was swapped."""
    script = [Reply([Message("A long one.", seconds=6.0)], pace=0.1), *replies(1)]
    async with simulated_call(script) as call:
        call.session.output.audio = Passing(call.sink)
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 1.0)
        other = PacedAudioOutput()
        call.session.output.replace_audio_tail(other)
        call.sinks.append(other)
        await asyncio.sleep(3.5)
        assert not handle.done()
        await asked(call, 1)
        assert sum(spoken(call)) == pytest.approx(6.0 + SECONDS, abs=0.1)
        assert [m.outcome for m in call.controller.finished[0].messages] == [FULL]


@virtual_time
async def test_attaching_in_mid_call_cuts_nothing() -> None:
    async with simulated_call(replies(2), attach=False) as call:
        call.session.output.audio = Passing(call.sink)
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.3)
        assert call.model is not None
        call.model.attach(call.session)
        second = call.session.generate_reply(user_input="And?")
        await handle
        await second
        assert spoken(call) == [SECONDS] * 2
        assert not any(s.interrupted for s in call.sink.segments)


@virtual_time
async def test_g30_an_output_that_is_paused_and_then_replaced() -> None:
    """The pause is not the new output's to end, and LiveKit waits for the old one."""
    async with simulated_call(replies(3)) as call:
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.5)
        assert call.session.output.audio is not None
        call.session.output.audio.pause()
        call.play_on(PacedAudioOutput())
        await asyncio.wait_for(handle.wait_for_playout(), SECONDS + GRACE + USUAL)
        await asked(call, 2)
        assert spoken(call) == [SECONDS] * 3


@virtual_time
async def test_g30_a_sink_that_takes_nothing_before_it_is_done_is_cleared() -> None:
    class Serial(PacedAudioOutput):
        """Like a room's output that was left paused: it waits for what it holds."""

        def __init__(self) -> None:
            super().__init__()
            self.done = asyncio.Event()
            self.done.set()

        async def capture_frame(self, frame: rtc.AudioFrame) -> None:
            await self.done.wait()
            await super().capture_frame(frame)

        def on_playback_finished(self, **report: Any) -> None:
            if len(self.segments) == 1:
                self.done.clear()

        def clear_buffer(self) -> None:
            super().clear_buffer()
            self.done.set()

    async with simulated_call(replies(3), sink=Serial(), check=False) as call:
        took = await asked(call, 3)
        assert max(took) < SECONDS + 2 * GRACE + USUAL
        assert spoken(call) == [SECONDS] * 3


@virtual_time
async def test_g14_a_sink_that_the_application_clears_itself_goes_on_with_what_comes() -> None:
    """Its segment is over, and what is captured after it is another, for the sink and for LiveKit."""
    ends = []
    for controlled in (False, True):
        slow = [Reply([Message("One two three four.", seconds=SECONDS)], pace=0.1)]
        async with simulated_call(slow, controlled=controlled) as call:
            handle = call.session.generate_reply(user_input="Question?")
            await call.until(lambda: call.sink.heard_seconds > 0.5)
            call.sink.clear_buffer()
            await asyncio.wait_for(handle.wait_for_playout(), SECONDS + USUAL)
            ends.append((len(spoken(call)), round(sum(spoken(call)), 1)))
    assert ends[1] == ends[0]
    assert ends[0][0] == 2


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "wrapped"])
@pytest.mark.parametrize("by", ["application", "sink"])
@virtual_time
async def test_g16_what_is_heard_of_a_message_after_a_clear_is_remembered(
    by: str, wrapped: bool
) -> None:
    """Nobody interrupted it: the message goes on, and is whole for LiveKit, too."""
    slow = [Reply([Message("One two three four.", seconds=SECONDS)], pace=0.1)]
    async with simulated_call(slow) as call:
        if wrapped:
            call.session.output.audio = Passing(call.sink)
        call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.5)
        output = call.session.output.audio if by == "application" else call.sink
        assert output is not None
        output.clear_buffer()
        await call.idle()
        assert len(call.sink.segments) == 2
        assert call.history[-1] == call.remembered[-1] == ("assistant", "One two three four.")
        assert call.controller.differences() == {}


@virtual_time
async def test_g15_a_message_that_is_cut_after_a_clear_counts_what_was_heard_before() -> None:
    slow = [Reply([Message("One two three four five six.", seconds=3.0)], pace=0.1)]
    async with simulated_call(slow) as call:
        call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.5)
        call.sink.clear_buffer()
        await call.until(lambda: call.sink.heard_seconds > 1.5)
        call.session.interrupt()
        await call.idle()
        assert call.turn.messages[0].heard_ms == pytest.approx(1000 * call.heard, abs=50)


@virtual_time
async def test_g16_what_is_cleared_and_taken_out_plays_on() -> None:
    slow = [Reply([Message("One two three four.", seconds=SECONDS)], pace=0.1)]
    async with simulated_call(slow) as call:
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.5)
        call.sink.clear_buffer()
        call.session.output.audio = None
        await asyncio.wait_for(handle.wait_for_playout(), SECONDS + GRACE + USUAL)
        assert len(call.sink.segments) == 2
        assert call.history[-1] == call.remembered[-1] == ("assistant", "One two three four.")


@needs_progress
@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "wrapped"])
@virtual_time
async def test_g16_what_a_sink_played_that_tells_no_start_and_is_replaced(wrapped: bool) -> None:
    class Startless(PacedAudioOutput):
        def on_playback_started(self, **_: Any) -> None:
            pass

    async with simulated_call(replies(1), sink=Startless()) as call:
        if wrapped:
            call.session.output.audio = Passing(call.sink)
        call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.9)
        call.session.output.replace_audio_tail(PacedAudioOutput())
        await call.idle()
        assert call.turn.messages[0].heard_ms == pytest.approx(1000 * call.heard, abs=50)


@virtual_time
async def test_g16_what_is_cleared_at_its_end_was_not_heard() -> None:
    """All of it was generated, nothing follows: what was heard is what was reported."""
    async with simulated_call(replies(1)) as call:
        call.session.generate_reply(user_input="Question?")
        await call.until(lambda: call.sink.heard_seconds > 0.5)
        call.sink.clear_buffer()
        await call.idle()
        assert call.turn.messages[0].heard_ms == pytest.approx(500, abs=50)


@pytest.mark.parametrize("odd", [never, None], ids=["silent", "good"])
@virtual_time
async def test_g30_an_output_that_is_muted_and_heard_again(odd: Any) -> None:
    sink = PacedAudioOutput() if odd is None else Sink(odd)
    async with simulated_call(replies(4), sink=sink, check=False) as call:
        handle = call.session.generate_reply(user_input="Question?")
        await asyncio.sleep(0.5)
        call.session.output.set_audio_enabled(False)
        await asyncio.wait_for(handle.wait_for_playout(), SECONDS + GRACE + USUAL)
        await asyncio.wait_for(asked(call, 1), 30)
        call.session.output.set_audio_enabled(True)
        await asyncio.wait_for(asked(call, 2), 30)
        await asyncio.sleep(5.0)
        assert spoken(call)[-2:] == [SECONDS] * 2


# --- that raise


class Raising(PacedAudioOutput):
    def __init__(self, *methods: str) -> None:
        super().__init__()
        self._raise_in = methods

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if "capture_frame" in self._raise_in:
            raise OSError("no device")
        await super().capture_frame(frame)
        if "capture_frame, taken" in self._raise_in:
            raise OSError("no device")

    def flush(self) -> None:
        super().flush()
        if "flush" in self._raise_in:
            raise OSError("no device")

    def clear_buffer(self) -> None:
        super().clear_buffer()
        if "clear_buffer" in self._raise_in:
            raise OSError("no device")

    def resume(self) -> None:
        super().resume()
        if "resume" in self._raise_in:
            raise TypeError("no device")


METHODS = ["capture_frame", "capture_frame, taken", "flush", "clear_buffer", "resume"]


@pytest.mark.parametrize("method", METHODS)
@virtual_time
async def test_g30_a_sink_that_raises_for_a_while(method: str) -> None:
    sink = Raising(method)
    async with simulated_call(replies(4), sink=sink, check=False) as call:
        handle = call.session.generate_reply(user_input="Question?")
        await asyncio.sleep(0.5)
        call.session.interrupt()
        await asyncio.wait_for(handle.wait_for_playout(), GRACE + USUAL)
        assert max(await asked(call, 1)) < SECONDS + GRACE + USUAL
        sink._raise_in = ()
        assert max(await asked(call, 2)) < SECONDS + GRACE + USUAL
        assert spoken(call)[-2:] == [SECONDS] * 2


@virtual_time
async def test_g16_of_a_sink_that_takes_nothing_nothing_is_remembered() -> None:
    async with simulated_call(replies(2), sink=Raising("capture_frame"), check=False) as call:
        await asked(call, 1)
        await asyncio.sleep(0.5)
        assert [said for role, said in call.remembered if role == "assistant"] == []


def not_json(event: object) -> None:
    json.dumps(event)  # TypeError, which LiveKit's emitter passes on


@pytest.mark.parametrize("event", ["playback_started", "playback_finished"])
@pytest.mark.parametrize("where", ["the sink", "the output"])
@virtual_time
async def test_a_listener_of_the_application_that_raises(
    where: str, event: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be in front of ours. Plain LiveKit counts before it tells anybody."""
    sink = PacedAudioOutput()
    sink_heard = sink.on_playback_finished

    def as_from_a_task(**report: Any) -> None:
        with _quiet(TypeError):
            sink_heard(**report)

    sink.on_playback_finished = as_from_a_task  # type: ignore[method-assign]
    started = sink.on_playback_started

    def started_as_from_a_task(**report: Any) -> None:
        with _quiet(TypeError):
            started(**report)

    sink.on_playback_started = started_as_from_a_task  # type: ignore[method-assign]
    if where == "the sink":
        sink.on(event, not_json)
    async with simulated_call(replies(3, 2), sink=sink) as call:
        if where == "the output":
            await asked(call, 1)  # the output is a guard of ours from here on
            assert call.session.output.audio is not None
            call.session.output.audio.on(event, not_json)
        took = await asked(call, 2)
        assert took == pytest.approx([2 * SECONDS] * 2, abs=2 * USUAL)
        await call.idle()
        assert set(spoken(call)) == {SECONDS}
        assert call.controller.differences() == {}
    ours = [r for r in caplog.records if r.name == "realtime_fsm" and r.levelname == "ERROR"]
    assert len(ours) <= 2


class _quiet:  # noqa: N801 - contextlib.suppress, by another name for what it stands for
    def __init__(self, *errors: type[BaseException]) -> None:
        self._errors = errors

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, *_: object) -> bool:
        return kind is not None and issubclass(kind, self._errors)


class Passing(io.AudioOutput):
    """An application's own, above the sink."""

    def __init__(self, sink: io.AudioOutput) -> None:
        super().__init__(
            label="wrapper",
            capabilities=io.AudioOutputCapabilities(pause=True),
            next_in_chain=sink,
        )

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        assert self.next_in_chain is not None
        await self.next_in_chain.capture_frame(frame)

    def flush(self) -> None:
        super().flush()
        assert self.next_in_chain is not None
        self.next_in_chain.flush()

    def clear_buffer(self) -> None:
        assert self.next_in_chain is not None
        self.next_in_chain.clear_buffer()


class Wrapper(Passing):
    """What it is told it does not pass on."""

    def on_playback_finished(self, **report: Any) -> None:
        raise ValueError("not me")


@virtual_time
async def test_g30_a_wrapper_that_raises_on_each_report() -> None:
    async with simulated_call(replies(3)) as call:
        call.session.output.audio = Wrapper(call.sink)
        took = await asked(call, 3)
        assert max(took) < SECONDS + GRACE + USUAL
        assert spoken(call) == [SECONDS] * 3
        await call.idle()
        assert call.controller.differences() == {}


@virtual_time
async def test_g14_a_sink_that_counts_nothing_is_waited_for_as_in_plain_livekit() -> None:
    """It takes frames without `AudioOutput.capture_frame`, so its reports count for nothing."""

    class Uncounted(PacedAudioOutput):
        async def capture_frame(self, frame: rtc.AudioFrame) -> None:
            self.frames = getattr(self, "frames", 0) + 1

        def flush(self) -> None:
            pass

    for controlled in (False, True):
        sink = Uncounted()
        async with simulated_call(replies(2), sink=sink, controlled=controlled) as call:
            took = await asked(call, 2)
            assert max(took) < 1.0


@virtual_time
async def test_the_applications_own_sink_is_reached_through_the_guard() -> None:
    class Mine(PacedAudioOutput):
        volume = 0.5

    async with simulated_call(replies(1), sink=Mine()) as call:
        await asked(call, 1)
        output: Any = call.session.output.audio
        assert output.volume == 0.5
        assert output.label == call.sink.label
        assert output.can_pause
        assert not hasattr(output, "nothing_of_the_kind")


@virtual_time
async def test_observe_and_off_leave_the_outputs_alone() -> None:
    for mode in ("observe", "off"):
        async with simulated_call(replies(1), mode=mode) as call:  # type: ignore[arg-type]
            await asked(call, 1)
            assert call.session.output.audio is call.sink


class Slow(PacedAudioOutput):
    """Takes this frame of a message when it is let go, and any frame one turn of the loop later."""

    def __init__(self, holds: int | None = None) -> None:
        super().__init__()
        self.holds = holds
        self.go = asyncio.Event()
        self.taken = 0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await asyncio.sleep(0)
        self.taken += 1
        if self.taken == self.holds:
            await self.go.wait()
        await super().capture_frame(frame)


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("frame", [1, 2, 14, 15])
@virtual_time
async def test_g30_a_sink_that_is_replaced_while_it_takes_a_frame(frame: int, silent: bool) -> None:
    """The next frame is on its way to the new sink before the guard can be put in front of it."""
    first, second = Slow(holds=frame), Slow()
    if silent:
        second.on_playback_finished = lambda **_: None  # type: ignore[method-assign]
    async with simulated_call(replies(3), check=False) as call:
        call.session.output.audio = Passing(first)
        handle = call.session.generate_reply(user_input="Question?")
        await call.until(lambda: first.taken == frame)
        await asyncio.sleep(0.05)
        first.go.set()
        call.session.output.replace_audio_tail(second)
        await asyncio.wait_for(handle.wait_for_playout(), SECONDS + GRACE + USUAL)
        took = await asked(call, 2)
        assert max(took) < SECONDS + GRACE + USUAL
        assert [round(segment.position, 2) for segment in second.segments[-2:]] == [SECONDS] * 2
        await call.idle()
        assert call.controller.differences() == {}


@virtual_time
async def test_g30_a_message_begins_before_one_is_reported_that_was_not_seen() -> None:
    sink = PacedAudioOutput()
    frame = rtc.AudioFrame.create(24_000, 1, 24_000)
    await sink.capture_frame(frame)
    failed: list[Exception] = []
    guard = GuardedOutput(sink, GRACE, failed.append)
    guard.midway = True
    told: list[bool] = []
    guard.on("playback_finished", lambda _: told.append(pending_segments(guard) == 0))
    guard.flush()
    await guard.capture_frame(frame)
    guard.flush()
    await asyncio.wait_for(guard.wait_for_playout(), 3.0)
    assert told == [False, True], "the second one waited for its own report"
    assert not failed
