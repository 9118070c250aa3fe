"""G22, G27: the state that is shown, and who is listened to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool, llm
from livekit.plugins import openai

from realtime_fsm.livekit import ControlledRealtimeModel, Family
from realtime_fsm.simulator import (
    Created,
    FunctionCall,
    InMemoryServer,
    Message,
    Reply,
    Script,
    Unanswered,
)
from realtime_fsm.testing import PacedAudioOutput, simulated_call, virtual_time

from ..livekit.test_families import Session, capabilities
from .real_sinks import synchronised

STREAMS = Family(name="made up", control="streams", owes_replies=True)


class Composing(Session):
    """Composes the reply to a tool's output by itself, when it is told to."""

    def __init__(self, model: llm.RealtimeModel) -> None:
        super().__init__(model)
        self.asked: list[asyncio.Future[llm.GenerationCreatedEvent]] = []

    def generate_reply(self, **options: Any) -> asyncio.Future[llm.GenerationCreatedEvent]:
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]


class ComposingModel(llm.RealtimeModel):
    def __init__(self) -> None:
        super().__init__(capabilities=capabilities())
        self._capabilities.auto_tool_reply_generation = True
        self.opened: list[Composing] = []

    def session(self, *, turn_detection_disabled: bool = False) -> Any:
        self.opened.append(Composing(self))
        return self.opened[-1]

    async def aclose(self) -> None: ...


def generation(
    response_id: str, *calls: llm.FunctionCall, asked: bool = True
) -> llm.GenerationCreatedEvent:
    async def audio() -> AsyncIterator[rtc.AudioFrame]:
        for _ in range(10):
            yield rtc.AudioFrame(b"\0\0" * 2400, 24_000, 1, 2400)

    async def text() -> AsyncIterator[str]:
        yield "Let me check."

    async def messages() -> AsyncIterator[llm.MessageGeneration]:
        modalities = asyncio.get_running_loop().create_future()
        modalities.set_result(["audio", "text"])
        yield llm.MessageGeneration(
            message_id=f"message_{response_id}",
            text_stream=text(),
            audio_stream=audio(),
            modalities=modalities,
        )

    async def functions() -> AsyncIterator[llm.FunctionCall]:
        for call in calls:
            yield call

    return llm.GenerationCreatedEvent(
        message_stream=messages(),
        function_stream=functions(),
        user_initiated=asked,
        response_id=response_id,
    )


class Looking(Agent):
    @function_tool
    async def look(self) -> str:
        """Look."""
        await asyncio.sleep(1.0)
        return "there"

    @function_tool
    async def search(self) -> str:
        """Look for longer than it is spoken."""
        await asyncio.sleep(2.0)
        return "here"

    @function_tool
    async def fail(self) -> str:
        """Look in vain."""
        await asyncio.sleep(1.0)
        raise RuntimeError("nothing there")


#: What else happens: which tools are called, when an interrupt comes, when another reply is asked for.
ACTS: dict[str, tuple[tuple[str, ...], float | None, float | None]] = {
    "nothing": (("look",), None, None),
    "the tool fails": (("fail",), None, None),
    "two tools": (("look", "fail"), None, None),
    "interrupted while it speaks": (("look",), 0.5, None),
    "interrupted while the tool runs": (("look",), 1.5, None),
    "interrupted while the tool alone runs": (("search",), 1.5, None),
    "interrupted while it composes": (("look",), 3.0, None),
    "another reply while it composes": (("look",), None, 3.0),
}


async def thought(
    *, controlled: bool, composes: bool, act: str = "nothing"
) -> dict[str, list[str]]:
    """A tool runs, and the model composes its reply for three seconds."""
    tools, cut_at, ask_at = ACTS[act]
    inner = ComposingModel()
    model = ControlledRealtimeModel(inner, family=STREAMS) if controlled else inner
    session: AgentSession[None] = AgentSession(llm=model, user_away_timeout=2.0, vad=None)
    session.output.audio = sink = PacedAudioOutput()
    if isinstance(model, ControlledRealtimeModel):
        model.attach(session)
    states: dict[str, list[str]] = {"agent": [], "user": [], "both": []}
    for who, event in (("agent", "agent_state_changed"), ("user", "user_state_changed")):
        told = [states[who], states["both"]]
        session.on(event, lambda e, told=told: [each.append(e.new_state) for each in told])  # type: ignore[misc,call-overload]
    await session.start(Looking(instructions="Be brief."))
    session.generate_reply()
    await asyncio.sleep(0.1)
    (opened,) = inner.opened
    calls = [llm.FunctionCall(call_id=name, name=name, arguments="{}") for name in tools]
    opened.asked[0].set_result(generation("r1", *calls))
    loop = asyncio.get_running_loop()
    if cut_at is not None:
        loop.call_later(cut_at, session.interrupt)
    if ask_at is not None:
        loop.call_later(ask_at, session.generate_reply)
    await asyncio.sleep(4.0)
    if ask_at is not None:
        opened.asked[1].set_result(generation("r3"))
    await asyncio.sleep(1.0)
    if composes:
        opened.emit("generation_created", generation("r2", asked=False))
        await asyncio.sleep(6.0)
    await session.aclose()
    await sink.aclose()
    return states


@pytest.mark.parametrize("act", [each for each in ACTS if each != "nothing"])
@pytest.mark.parametrize("composes", [True, False])
@virtual_time
async def test_g22_g27_what_happens_while_it_composes(composes: bool, act: str) -> None:
    plain = await thought(controlled=False, composes=composes, act=act)
    assert await thought(controlled=True, composes=composes, act=act) == plain


@pytest.mark.parametrize("composes", [True, False])
@virtual_time
async def test_g22_g27_a_reply_that_the_model_composes_by_itself(composes: bool) -> None:
    plain = await thought(controlled=False, composes=composes)
    ours = await thought(controlled=True, composes=composes)
    assert ours == plain
    assert "thinking" in plain["agent"]
    if composes:
        thinks = ours["both"].index("thinking")
        assert "away" not in ours["both"][thinks : ours["both"].index("speaking", thinks)]
        assert ours["both"][-1] == "away", "afterwards"


@pytest.mark.parametrize("answered", [True, False])
@virtual_time
async def test_g22_g27_the_user_goes_on_while_a_tool_runs(answered: bool) -> None:
    """It thinks until the next answer, as in plain LiveKit; but not for ever, if none comes."""
    script = [
        Reply([FunctionCall("look")]),
        Reply([Message("There.", seconds=0.5)], ack=Created(0.8) if answered else Unanswered()),
    ]
    shown = []
    for controlled in (False, True):
        states: list[str] = []
        agent = Looking(instructions="Be brief.")
        async with simulated_call(script, agent=agent, controlled=controlled, check=False) as call:
            call.session.on("agent_state_changed", lambda e, to=states: to.append(e.new_state))  # type: ignore[misc]
            await call.say("Where is it?", 0.5)
            await asyncio.sleep(0.3)
            await call.say("Hello?", 0.5)
            await asyncio.sleep(20.0)
            shown.append(list(states))
    plain, ours = shown
    assert plain == (["thinking", "speaking", "listening"] if answered else ["thinking"])
    assert ours == plain if answered else ours[-1] == "listening"


@virtual_time
async def test_nobody_listens_to_a_session_that_is_closed() -> None:
    listeners: list[int] = []
    async with simulated_call([Reply([Message("Hello.")])], controlled=True) as c:
        await c.session.generate_reply(user_input="hi")
        session, sink, model = c.session, c.sink, c.model
        listeners.append(heard_by_us(session))
    assert listeners[0] > 0
    assert heard_by_us(session) == heard_by_us(sink) == 0
    assert model is not None


@pytest.mark.parametrize("words", [False, True])
@virtual_time
async def test_an_output_serves_one_session_after_another(words: bool) -> None:
    """Alone it has nothing of ours after each. Below others the guard goes on to pass on, for whoever takes
    the chain next, and is the only one."""
    sink = PacedAudioOutput()
    chain = synchronised(sink) if words else None
    top = sink if chain is None else chain.audio_output
    for number in range(3):
        async with simulated_call([Reply([Message("Hello.", seconds=0.5)])], check=False) as c:
            c.session.output.audio = top
            await c.session.generate_reply(user_input="hi")
            assert heard_by_us(sink) == 3
            session = c.session
        assert heard_by_us(sink) == (3 if words else 0)
        assert heard_by_us(top) == (0 if words else heard_by_us(sink))
        assert heard_by_us(session) == 0
        assert len(sink.segments) == number + 1
    if chain is not None:
        await chain.aclose()
    await sink.aclose()


def heard_by_us(emitter: Any) -> int:
    """How many listeners are of the package."""
    every = [each for listed in emitter._events.values() for each in listed]
    return sum(getattr(each, "__module__", "").startswith("realtime_fsm.livekit") for each in every)


@pytest.mark.parametrize("first", ["the attached", "the other"])
@virtual_time
async def test_two_sessions_on_one_model_are_told_so(
    first: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each is heard; what the attached one played is remembered as it was heard."""
    words = " ".join(f"w{n}" for n in range(30))
    script = Script([Reply([Message(words, seconds=3.0)])] * 4)
    caplog.set_level(logging.WARNING, "realtime_fsm")
    async with InMemoryServer(script) as server:
        web: Any = server.http_session
        inner = openai.realtime.RealtimeModel(
            api_key="x", http_session=web, base_url=server.url, turn_detection=None
        )
        model = ControlledRealtimeModel(inner)
        one, other = (AgentSession[None](llm=model, vad=None) for _ in range(2))
        sinks = [PacedAudioOutput(), PacedAudioOutput()]
        one.output.audio, other.output.audio = sinks
        model.attach(one)
        await one.start(Agent(instructions="one"))
        await other.start(Agent(instructions="two"))
        order = [one, other] if first == "the attached" else [other, one]
        for session in order:
            handle = session.generate_reply(user_input="hi")
            await asyncio.sleep(1.5)
            if session is one:
                handle.interrupt()
            await handle
            await asyncio.sleep(1.0)
        assert sinks[0].heard_seconds == pytest.approx(1.5, abs=0.05)
        assert sinks[1].heard_seconds == pytest.approx(3.0, abs=0.05)
        said = [i for i in one.history.items if i.type == "message" and i.role == "assistant"]
        assert said[0].text_content == " ".join(words.split()[:14])
        told = [r for r in caplog.records if "two AgentSessions" in r.getMessage()]
        assert len(told) == 1
        for session in (one, other):
            await session.aclose()
        for sink in sinks:
            await sink.aclose()
        await inner.aclose()
