"""G21, G27: what LiveKit does on its own, and what applications end a call or an agent by, ends no
answer that plain LiveKit would speak.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from livekit.agents import Agent, AgentTask, RunContext, function_tool

from realtime_fsm.livekit._features import end_task, given_history, hand_over, history_of
from realtime_fsm.simulator import Failed, FunctionCall, Message, Rejected, Reply
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from ..livekit.fake_tts import FakeTTS
from .hosts import Host, compared, hosted, plain_agent, told

QUESTION = "Where is my parcel?"
ANSWER = "It arrives tomorrow at noon."
SECONDS = 1.5
#: How the model is given: attached, not attached, one for each agent.
HOSTS: dict[str, dict[str, Any]] = {
    "attached": {"attach": (0,)},
    "not attached": {"attach": ()},
    "own models": {"own": True},
    "own models, first attached": {"own": True, "attach": (0,)},
    "own models, not attached": {"own": True, "attach": ()},
}
THINKING = (0.1, 0.5, 2.0)


def answer(thinking: float) -> Reply:
    return Reply([Message(ANSWER, seconds=SECONDS, after=thinking)])


def more() -> list[Reply]:
    return [Reply([Message(f"More {n}.", seconds=0.5)]) for n in range(3)]


class Kind(Agent):
    def __init__(self, host: Host, chat_ctx: Any) -> None:
        super().__init__(instructions="Be kind.", **given_history(chat_ctx), **host.model(1))


# --- acts of the application, 0.05 s after the user's question, and what is said afterwards


async def update_agent(host: Host) -> None:
    history = history_of(host.session).copy()
    hand_over(host.session, Kind(host, history), history)


async def drain(host: Host) -> None:
    await host.session.drain()


async def shutdown(host: Host) -> None:
    host.session.shutdown(drain=True)


ACTS: dict[str, Callable[[Host], Awaitable[None]]] = {
    "update_agent": update_agent,
    "drain": drain,
    "shutdown": shutdown,
}


def acting(act: Callable[[Host], Awaitable[None]]) -> Callable[[Host], Awaitable[None]]:
    async def story(host: Host) -> None:
        await host.say(QUESTION)
        await asyncio.sleep(0.05)
        await act(host)
        await host.idle()
        if act is update_agent:
            await host.say("And then?")

    return story


@pytest.mark.sampled(5)
@pytest.mark.parametrize("given", HOSTS)
@pytest.mark.parametrize("thinking", THINKING)
@pytest.mark.parametrize("act", ACTS)
def test_g21_g27_an_act_waits_for_the_answer_as_in_plain_livekit(
    act: str, thinking: float, given: str
) -> None:
    plain, ours = compared(
        lambda: [answer(thinking), *more()], plain_agent, acting(ACTS[act]), **HOSTS[given]
    )
    assert ours == plain
    assert ours["heard"][0][1] == SECONDS


# --- tools that come to their end while an answer thinks


class Name(AgentTask[str]):
    """Asks for the name, and has it when that was said."""

    def __init__(self, host: Host) -> None:
        super().__init__(instructions="Ask for the name.", **host.model(1))

    async def on_enter(self) -> None:
        await self.session.generate_reply(instructions="Name?")
        end_task(self, "Ann")


class Caller(Agent):
    def __init__(self, host: Host) -> None:
        super().__init__(instructions="Be brief.", **host.model(0))
        self._host = host

    @function_tool
    async def hand_over(self) -> Agent:
        """Hand over."""
        await asyncio.sleep(1.5)
        return Kind(self._host, self.chat_ctx.copy())

    @function_tool
    async def end_call(self, context: RunContext[Any]) -> str:
        """End the call."""
        await asyncio.sleep(1.5)
        context.session.shutdown(drain=True)
        return "bye"

    @function_tool
    async def look_up(self) -> str:
        """Look it up."""
        await asyncio.sleep(1.5)
        return "found"

    @function_tool
    async def task(self) -> str:
        """Ask for the name."""
        await asyncio.sleep(1.5)
        return await Name(self._host)


async def asking_meanwhile(host: Host) -> None:
    await host.say("Hello?")
    await asyncio.sleep(0.9)
    await host.say(QUESTION, seconds=0.3)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("given", HOSTS)
@pytest.mark.parametrize("thinking", THINKING)
@pytest.mark.parametrize("tool", ["hand_over", "end_call", "look_up", "task"])
def test_g21_g27_a_tool_waits_for_the_answer_as_in_plain_livekit(
    tool: str, thinking: float, given: str
) -> None:
    plain, ours = compared(
        lambda: [Reply([FunctionCall(tool)]), answer(thinking), *more()],
        *(Caller, asking_meanwhile),
        **HOSTS[given],
    )
    assert ours == plain
    assert SECONDS in [position for _, position, _ in ours["heard"]]


# --- answers that are tried again

LATER = "Please try again in 3s."
FAILED = Reply(end=Failed("rate_limit_exceeded", message=LATER))
REFUSED = Reply(ack=Rejected("rate_limit_exceeded", message=LATER))


@pytest.mark.parametrize("act", ACTS)
@virtual_time
async def test_g18_an_act_waits_for_the_next_attempt(act: str) -> None:
    """The speech of the first attempt is the speech of the second."""

    async def story(host: Host) -> None:
        await host.say(QUESTION)
        await asyncio.sleep(0.3)
        await ACTS[act](host)

    found = await told([FAILED, answer(0.1)], plain_agent, story, controlled=True)
    assert [(position, cut) for _, position, cut in found["heard"]] == [(SECONDS, False)]
    assert found["speeches"] == [(True, False, None)]
    assert found["errors"] == []


@virtual_time
async def test_g29_what_the_application_says_meanwhile_does_not_wait_for_the_next_attempt() -> None:
    async def story(host: Host) -> None:
        await host.say(QUESTION)
        await asyncio.sleep(0.3)
        host.session.say("One moment please.")

    tts = FakeTTS(ms_a_word=200)
    found = await told([FAILED, answer(0.1)], plain_agent, story, controlled=True, tts=tts)
    assert [text for role, text in found["history"][-2:]] == ["One moment please.", ANSWER]
    assert found["heard"][0][0] < 1.4
    assert [cut for *_, cut in found["heard"]] == [False, False]
    assert found["errors"] == []


@virtual_time
async def test_g18_a_sound_of_the_user_puts_the_next_attempt_off() -> None:
    """LiveKit interrupts the speech at the first sound, of which nobody knows yet what it is."""

    async def story(host: Host) -> None:
        await host.say(QUESTION)
        await asyncio.sleep(0.3)
        await host.server.user_speaks("", seconds=0.4)
        await asyncio.sleep(0.2)
        host.session.clear_user_turn()

    found = await told([FAILED, answer(0.1)], plain_agent, story, controlled=True)
    assert [(position, cut) for _, position, cut in found["heard"]] == [(SECONDS, False)]
    assert [cut for _, cut, _ in found["speeches"]] == [True, False]


@pytest.mark.parametrize("given", ["attached", "own models"])
@pytest.mark.parametrize("drained", [True, False])
@virtual_time
async def test_g8_an_attempt_that_is_not_made_any_more_is_told_of(
    drained: bool, given: str
) -> None:
    """Nothing shows LiveKit that server VAD's create was refused, so it waits for nothing. Plain
    LiveKit tells of the refusal when it comes."""

    async def story(host: Host) -> None:
        await host.say(QUESTION)
        await asyncio.sleep(0.3)
        host.session.shutdown(drain=drained)

    options = {"controlled": True, **HOSTS[given]}
    found = await told([REFUSED, answer(0.1)], plain_agent, story, **options)
    assert found["heard"] == []
    assert found["errors"] == [True]


@virtual_time
async def test_g8_a_speech_that_is_closed_within_its_retry_says_why() -> None:
    async def story(host: Host) -> None:
        await host.say(QUESTION)
        await asyncio.sleep(0.3)
        host.session.shutdown(drain=False)

    found = await told([FAILED, answer(0.1)], plain_agent, story, controlled=True)
    assert found["speeches"] == [(True, True, "RealtimeError")]
    assert found["errors"] == [True]


@virtual_time
async def test_g8_an_answer_that_fails_for_good_after_it_was_announced_is_told_of() -> None:
    bad = [Reply(end=Failed("server_error")) for _ in range(4)]
    found = await told(bad, plain_agent, lambda host: host.say(QUESTION), controlled=True)
    assert found["speeches"] == [(True, False, "RealtimeError")]
    assert found["errors"] == [True]


@virtual_time
async def test_g21_a_listener_that_asks_for_a_reply_is_not_taken_for_the_answers_speech() -> None:
    """The application asks within LiveKit's own announcement: two speeches are made in one step."""
    asked: list[Any] = []
    async with hosted([answer(0.3), *more()], controlled=True) as host:

        def ask(event: Any) -> None:
            if not event.user_initiated:
                asked.append(host.session.generate_reply(instructions="Say more."))

        host.session.on("speech_created", ask)
        await host.session.start(plain_agent(host))
        await asyncio.sleep(0.2)
        await host.say(QUESTION)
        await asyncio.sleep(0.1)
        asked[0].interrupt()
        await host.idle()
        assert isinstance(host.sink, PacedAudioOutput)
        assert [s.position for s in host.sink.segments] == pytest.approx([SECONDS])
