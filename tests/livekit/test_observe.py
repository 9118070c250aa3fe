"""``mode="observe"``: nothing is different from plain LiveKit, and what would be is on record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from livekit.agents import Agent, function_tool, llm

import realtime_fsm as rf
from realtime_fsm.livekit import ControlledRealtimeModel, Observation
from realtime_fsm.simulator import (
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
from realtime_fsm.testing import PacedAudioOutput, canonical, virtual_time

from .call import HELLO, TWO, VAD, Call, call

Story = Callable[[Call], Awaitable[None]]


async def ask(c: Call) -> None:
    await c.session.generate_reply(user_input="Hello?")


async def ask_and_wait(c: Call) -> None:
    c.session.generate_reply(user_input="Hello?")
    await asyncio.sleep(12.0)


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
    "h": ([Reply(ack=Unanswered())], ask_and_wait, {}, ["probe", "retry"]),
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
    "u": ([Reply([LONG], end=Stalled(at=audio_ms(500)))], ask_and_wait, {}, ["report", "cancel"]),
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
