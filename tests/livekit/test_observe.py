"""``mode="observe"``: nothing is different from plain LiveKit, and what would be is on record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import Agent, function_tool, llm

import realtime_fsm as rf
from realtime_fsm.livekit import ControlledRealtimeModel, Observation
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import (
    BEFORE_CREATED,
    CREATED,
    Dropped,
    Failed,
    FunctionCall,
    Incomplete,
    Message,
    Rejected,
    Reply,
    ServerConfig,
    Stalled,
    Unanswered,
    audio_ms,
)
from realtime_fsm.testing import (
    PacedAudioOutput,
    SimulatedCall,
    canonical,
    simulated_call,
    virtual_time,
)

from .call import HELLO, TWO, VAD, Call, call

Story = Callable[[Call], Awaitable[None]]


async def ask(c: Call) -> None:
    await c.session.generate_reply(user_input="Hello?")


async def ask_and_wait(c: Call) -> None:
    c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(12.0)


async def ask_and_wait_long(c: Call) -> None:
    c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(24.0)


async def interrupt(c: Call) -> None:
    handle = c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(0.7)
    handle.interrupt()
    await handle


async def interrupt_and_ask(c: Call) -> None:
    handle = c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(0.7)
    handle.interrupt()
    await c.session.generate_reply(user_input="Wait!")


async def speak(c: Call) -> None:
    await c.server.user_speaks("Hello?", seconds=0.5)
    await asyncio.sleep(4.0)


LONG = Message("This goes on for a while.", seconds=2.0)
BAD = Failed("server_error")
#: id: what the server does, what happens, the options, what would have been done.
STORIES: dict[str, tuple[list[Reply], Story, dict[str, Any], list[str]]] = {
    "a": ([HELLO], ask, {}, []),
    "b": ([TWO], ask, {}, []),
    "c": ([Reply(end=BAD)], ask, {}, ["retry"]),
    "e": ([Reply([LONG], end=Failed("server_error", at=audio_ms(500)))], ask, {}, ["report"]),
    "g": ([Reply(ack=Rejected("server_error"))], ask, {}, ["retry"]),
    "h": ([Reply(ack=Unanswered())], ask_and_wait, {}, ["check", "retry", "probe", "retry"]),
    "j": ([Reply([LONG], end=Dropped(at=audio_ms(500)))], ask, {}, ["report", "restore"]),
    "j3": ([Reply([LONG], end=Dropped(at=CREATED))], ask, {}, ["retry"]),
    "l": ([TWO], interrupt, {}, ["delete"]),
    "m": ([Reply([LONG]), HELLO], interrupt_and_ask, {}, ["hold"]),
    "n": ([Reply(end=BAD)], speak, {"turn_detection": VAD}, ["retry"]),
    "n2": ([HELLO], speak, {"turn_detection": VAD}, []),
    "q": (
        [Reply([LONG], end=Incomplete("max_output_tokens", at=audio_ms(700)))],
        *(ask, {}, ["report"]),
    ),
    "u": (
        [Reply([LONG], end=Stalled(at=audio_ms(500)))],
        *(ask_and_wait_long, {}, ["report", "cancel"]),
    ),
}


async def told(
    row: str, mode: str | None
) -> tuple[bytes, list[Any], float, list[Observation], list[rf.TurnEnded]]:
    """The wire, the events of the session, what was heard, and what was noted."""
    script, story, options, _ = STORIES[row]
    events: list[Any] = []
    slow = ServerConfig(cancel_delay=0.3, pace=0.1 if row == "m" else 0.02)
    async with call(
        script,
        controlled=mode is not None,
        mode=mode,
        config=slow,
        sink=PacedAudioOutput(),
        hangs=row == "u",
        **options,
    ) as c:
        c.session.on("agent_state_changed", lambda e: events.append((e.old_state, e.new_state)))
        c.session.on("conversation_item_added", lambda e: events.append(_shown(e.item)))
        c.session.on("speech_created", lambda e: events.append(e.source))
        await story(c)
        events += [(type(e.error.error).__name__, e.error.recoverable) for e in c.errors]
        wire, heard = canonical(c.server.record), c.sink.heard_seconds
        await asyncio.sleep(3.0)
        noted = [] if c.model is None else list(c.model.observations)
        return wire, events, heard, noted, c.ended


def _shown(item: Any) -> Any:
    return (item.role, item.text_content) if isinstance(item, llm.ChatMessage) else item.type


@pytest.mark.parametrize("row", STORIES)
@virtual_time
async def test_observe_is_plain_livekit_and_notes_what_would_be_done(row: str) -> None:
    plain = await told(row, None)
    watched = await told(row, "observe")
    assert watched[:3] == plain[:3]
    assert [o.action for o in watched[3]] == STORIES[row][3]
    assert watched[4], "the turns are there to be looked at"


LOST = Reply(end=Dropped(at=BEFORE_CREATED))


async def _ask_twice(c: Call) -> None:
    c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(0.05)
    await c.session.generate_reply(user_input="And then?")


@pytest.mark.parametrize("story", [ask, _ask_twice])
@virtual_time
async def test_what_the_engine_asks_again_itself_is_no_retry_of_ours(story: Story) -> None:
    """Since livekit-agents 2.0 it does, under the same event id."""
    async with call([LOST, HELLO, HELLO], mode="observe", sink=PacedAudioOutput()) as c:
        await story(c)
        await asyncio.sleep(3.0)
        asked = 1 if story is ask else 2
        engines = c.server.creates - asked
        assert c.model is not None
        assert [o.action for o in c.model.observations] == ["retry"] * (1 - engines)
        lost = [] if engines else [rf.TurnOutcome.FAILED]
        answered = [rf.TurnOutcome.COMPLETED] * (asked - len(lost))
        assert [e.outcome for e in c.ended] == lost + answered


async def _stop(c: SimulatedCall) -> None:
    await c.say("Hello?", seconds=0.5)
    await c.until(lambda: c.heard > 0.4)
    await c.session.interrupt()


async def _handle(c: SimulatedCall) -> None:
    handle = c.session.generate_reply(user_input="Hello?")
    await c.until(lambda: c.heard > 0.4)
    handle.interrupt()
    await handle


async def _speak_over(c: SimulatedCall) -> None:
    await c.say("Hello?", seconds=0.5)
    await c.until(lambda: c.heard > 0.4)
    await c.say("Wait!", seconds=0.5)


async def _at_once(c: SimulatedCall) -> None:
    handle = c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(0.0)
    handle.interrupt()


async def _while_it_thinks(c: SimulatedCall) -> None:
    await c.say("Hello?", seconds=0.5)
    await asyncio.sleep(0.05)
    await c.session.interrupt()


async def _twice(c: SimulatedCall) -> None:
    for _ in range(2):
        await c.session.generate_reply(user_input="Hello?")


async def _said_meanwhile(c: SimulatedCall) -> None:
    """Another sound, which is no response, before what waits."""
    inner: Any = realtime_session_of(c.session)
    c.session.say("Ready.", audio=_tone(2.0))
    await c.until(lambda: c.heard > 0.1)
    inner.send_event({"type": "response.create", "event_id": "own"})
    await c.until(lambda: c.heard > 2.5)
    await c.session.interrupt()


async def _read_in_part(c: SimulatedCall) -> None:
    c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(0.3)
    await c.session.interrupt()


async def _tone(seconds: float) -> AsyncIterator[rtc.AudioFrame]:
    for _ in range(round(seconds * 10)):
        yield rtc.AudioFrame(b"\0" * 4800, 24000, 1, 2400)


async def _its_own_frame(c: SimulatedCall) -> None:
    inner: Any = realtime_session_of(c.session)
    other = c.session.say("Ready.", audio=_tone(2.0))
    await c.until(lambda: c.heard > 0.1)
    inner.send_event({"type": "response.create", "event_id": "own"})
    await asyncio.sleep(0.1)
    other.interrupt()


async def _closed(c: SimulatedCall) -> None:
    c.session.generate_reply(user_input="Hello?")
    await c.until(lambda: c.heard > 0.2)
    await c.session.aclose()


async def _drained(c: SimulatedCall) -> None:
    """LiveKit makes no speech any more of what comes then."""
    await c.session.drain()
    await c.say("Hello?", seconds=0.5)


async def _silent(c: SimulatedCall) -> None:
    """A sink that tells of no begin."""
    c.sink.on_playback_started = lambda **_: None  # type: ignore[method-assign]
    await _handle(c)


THINKING = Reply([Message("This goes on for a while.", seconds=2.0, after=0.3)])
SLOW = Reply([*TWO.items, Message("And bye.", seconds=1.0)], pace=0.1)
TEXT: dict[str, Any] = {"modalities": ["text"]}
LATE = {"config": ServerConfig(create_delay=0.5)}
INTERRUPTED, COMPLETED = rf.TurnOutcome.INTERRUPTED, rf.TurnOutcome.COMPLETED
#: What happens, in which call, and how the turns end.
ENDS: dict[str, tuple[Any, list[Reply], dict[str, Any], list[rf.TurnOutcome]]] = {
    "stopped": (_stop, [Reply([LONG])], {}, [INTERRUPTED]),
    "its handle": (_handle, [Reply([LONG])], {}, [INTERRUPTED]),
    "in two messages": (_handle, [TWO], {}, [INTERRUPTED]),
    "spoken over": (_speak_over, [Reply([LONG]), HELLO], {}, [INTERRUPTED, COMPLETED]),
    "before it left": (_at_once, [Reply([LONG])], {}, []),
    "while it thinks": (_while_it_thinks, [THINKING], {}, [INTERRUPTED]),
    "no begin": (_silent, [Reply([LONG])], {}, [INTERRUPTED]),
    "text": (_twice, [HELLO, TWO], TEXT, [COMPLETED, COMPLETED]),
    "text, stopped": (_while_it_thinks, [THINKING], TEXT, [INTERRUPTED]),
    "text, in part": (_read_in_part, [SLOW], TEXT, [INTERRUPTED]),
    "not the one that plays": (_said_meanwhile, [Reply([LONG])], {}, [INTERRUPTED]),
    "asked for by a frame": (_its_own_frame, [HELLO], LATE, [COMPLETED]),
    "closed": (_closed, [Reply([LONG])], {}, [INTERRUPTED]),
    "drained": (_drained, [HELLO], {}, [INTERRUPTED]),
}


async def ends(row: str, mode: Any) -> tuple[list[Any], list[float], list[str], int]:
    story, script, options, _ = ENDS[row]
    async with simulated_call(script, mode=mode, check=False, **options) as c:
        if "modalities" in options:
            c.read()
        await story(c)
        await asyncio.sleep(6.0)
        assert c.model is not None
        turns = sorted(c.ended, key=lambda e: e.turn_id)
        deletes = [r for r in c.server.record if r.event.get("type") == "conversation.item.delete"]
        heard = [round(s.position, 2) for s in c.sink.segments]
        noted = [o.action for o in c.model.observations]
        return [e.outcome for e in turns], heard, noted, len(deletes)


@pytest.mark.parametrize("row", ENDS)
@virtual_time
async def test_turns_end_as_control_would_end_them(row: str) -> None:
    outcomes, heard, noted, _ = await ends(row, "observe")
    control, heard_there, _, deletes = await ends(row, "control")
    assert outcomes == control
    assert heard == heard_there
    assert noted.count("delete") == deletes
    if ENDS[row][3]:
        assert control == ENDS[row][3]


@pytest.mark.parametrize("name", ["turn_moved", "turn_ended", "observed"])
@virtual_time
async def test_a_listener_that_raises_is_not_noticed(name: str) -> None:
    """``json.dumps(event)`` raises what LiveKit's emitter passes on."""
    told: list[Any] = []
    for mode in ("off", "observe"):
        async with simulated_call([Reply([LONG]), HELLO], mode=mode, check=False) as c:
            assert c.model is not None
            c.model.on(name, json.dumps)
            await _speak_over(c)
            await asyncio.sleep(4.0)
            told.append((canonical(c.server.record), [s.position for s in c.sink.segments]))
    assert told[0] == told[1]


@virtual_time
async def test_observations_are_events_too() -> None:
    seen: list[Observation] = []
    async with call([Reply(end=BAD)], mode="observe") as c:
        assert c.model is not None
        c.model.on("observed", seen.append)
        await ask(c)
        await asyncio.sleep(1.0)
        assert list(c.model.observations) == seen
        assert [(o.action, o.reason) for o in seen] == [("retry", "its attempt failed")]
        assert seen[0].turn_id == "turn_1"


@virtual_time
async def test_a_tool_call_is_watched() -> None:
    @function_tool
    async def look_up() -> str:
        """Look it up."""
        return "noon"

    agent = Agent(instructions="Be brief.", tools=[look_up])
    async with call([Reply([FunctionCall("look_up")]), HELLO], mode="observe", agent=agent) as c:
        await ask(c)
        await asyncio.sleep(1.0)
        assert [e.outcome for e in c.ended] == [rf.TurnOutcome.COMPLETED] * 2
        assert c.model is not None
        assert not c.model.observations


async def test_an_inner_session_without_raw_events_passes_through() -> None:
    class Session:
        pass

    class Model(llm.RealtimeModel):
        def session(self, *, turn_detection_disabled: bool = False) -> Any:
            return inner

        async def aclose(self) -> None:
            pass

    inner = Session()
    capabilities = llm.RealtimeCapabilities(
        message_truncation=True,
        turn_detection=False,
        user_transcription=False,
        auto_tool_reply_generation=False,
        audio_output=True,
        manual_function_calls=False,
    )
    model = ControlledRealtimeModel(Model(capabilities=capabilities), mode="observe")
    assert model.session() is inner
    assert model.controller is None
