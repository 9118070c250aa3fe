"""G27: whatever an application does while an answer is asked for, waits, or is tried again, the call is
never worse than on plain LiveKit.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from livekit.agents import Agent, AgentTask, RunContext, function_tool, llm

from realtime_fsm.compare import Finding, Life, judge
from realtime_fsm.simulator import Created, Failed, FunctionCall, Message, Rejected, Reply, Script
from realtime_fsm.testing import SimulatedCall, run_virtual, simulated_call

QUESTION = "Where is my parcel?"
#: Seconds from `response.created` to the answer's first item.
THINKING = (0.1, 0.6, 2.0)


def says(text: str, seconds: float, **options: Any) -> Reply:
    return Reply([Message(text, seconds=seconds)], **options)


def answer(thinking: float, **options: Any) -> Reply:
    return Reply([Message("It arrives tomorrow at noon.", seconds=1.5, after=thinking)], **options)


LATER = {"message": "Please try again in 1s."}


def answers(thinking: float) -> dict[str, list[Reply]]:
    """What the server does with the question."""
    return {
        "by voice": [answer(thinking)],
        "by voice, slow": [answer(thinking, ack=Created(after=0.4))],
        "asked": [answer(thinking, ack=Created(after=0.2))],
        "queued": [answer(thinking)],
        "retry, by voice": [Reply(end=Failed("rate_limit_exceeded", **LATER)), answer(thinking)],
        "retry, by voice, refused": [
            Reply(ack=Rejected("rate_limit_exceeded", **LATER)),
            answer(thinking),
        ],
        "retry, asked": [Reply(end=Failed("rate_limit_exceeded", **LATER)), answer(thinking)],
        "retry, asked, refused": [
            Reply(ack=Rejected("rate_limit_exceeded", **LATER)),
            answer(thinking),
        ],
    }


UNDER_WAY = tuple(answers(0.0))


class Kind(Agent):
    def __init__(self, chat_ctx: Any = None) -> None:
        super().__init__(instructions="Be kind.", chat_ctx=chat_ctx)


class Name(AgentTask[str]):
    """Asks, and is done when the answer is there."""

    def __init__(self, chat_ctx: Any) -> None:
        super().__init__(instructions="Ask for the name.", chat_ctx=chat_ctx)

    async def on_enter(self) -> None:
        await self.session.generate_reply(user_input="Task?")
        self.complete("Ann")


class Host(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
        self.ran = 0

    def _run(self) -> None:
        self.ran += 1

    @function_tool
    async def hand_over(self) -> Agent:
        """Hand over."""
        self._run()
        await asyncio.sleep(1.0)
        return Kind(self.chat_ctx.copy())

    @function_tool
    async def end_call(self, context: RunContext[Any]) -> str:
        """End the call."""
        self._run()
        await asyncio.sleep(1.0)
        context.session.shutdown(drain=True)
        return "bye"

    @function_tool
    async def task(self) -> str:
        """Ask for the name."""
        self._run()
        await asyncio.sleep(1.0)
        return await Name(self.chat_ctx.copy())


async def update_agent(call: SimulatedCall) -> None:
    call.session.update_agent(Kind(call.session.current_agent.chat_ctx.copy()))


async def drain(call: SimulatedCall) -> None:
    await call.session.drain()


async def shutdown(call: SimulatedCall) -> None:
    call.session.shutdown(drain=True)


async def shutdown_at_once(call: SimulatedCall) -> None:
    call.session.shutdown(drain=False)


async def interrupt(call: SimulatedCall) -> None:
    await call.session.interrupt()


ACTS: dict[str, Callable[[SimulatedCall], Awaitable[None]]] = {
    act.__name__: act for act in (update_agent, drain, shutdown, shutdown_at_once, interrupt)
}
TOOLS = ("hand_over", "end_call", "task")
GIVEN = ("attached", "not attached")
#: `make heard` tries each way at each moment, however long the model thinks.
ALL = os.environ.get("HEARD") == "all"
#: Seconds after the question, of thinking, and how the session is given.
CELLS = [(0.1, 0.6, GIVEN[0]), (0.3, 2.0, GIVEN[1]), (0.9, 0.1, GIVEN[0])]
if ALL:
    CELLS = list(itertools.product((0.1, 0.3, 0.9), THINKING, GIVEN))


def script(under_way: str, tool: str | None, thinking: float) -> Script:
    replies = {
        QUESTION: answers(thinking)[under_way],
        "Task?": [says("What is your name?", 0.6)],
        "First?": [says("First things first.", 1.0)],
        "And then?": [says("Then it is yours.", 0.5)],
    }
    if tool is not None:
        replies["Tool?"] = [Reply([FunctionCall(tool)])]
        replies[f"Tool? > {tool}"] = [says("There you are.", 0.4)]
    return Script(answers=replies)


async def ask(call: SimulatedCall, under_way: str) -> None:
    if "by voice" in under_way:
        await call.say(QUESTION, seconds=0.4)
        return
    if under_way == "queued":
        call.session.generate_reply(user_input="First?")
    call.session.generate_reply(user_input=QUESTION)


class Outcome:
    """What became of a call."""

    life: Life
    stuck: int
    closed: list[str]
    ran: int


async def course(call: SimulatedCall, under_way: str, act: str, moment: float) -> None:
    if act in TOOLS:
        await call.say("Tool?", seconds=0.3)
        await asyncio.sleep(moment)
        await ask(call, under_way)
    else:
        await ask(call, under_way)
        await asyncio.sleep(moment)
        done, _ = await asyncio.wait([asyncio.ensure_future(ACTS[act](call))], timeout=15.0)
        assert done, "the act never came to its end"
    await asyncio.sleep(9.0)
    if not call.closed:
        await call.say("And then?", seconds=0.4)
        await asyncio.sleep(4.0)


def play(
    under_way: str, act: str, moment: float, thinking: float, given: str, *, controlled: bool
) -> Outcome:
    outcome, agent = Outcome(), Host()

    async def run() -> None:
        async with simulated_call(
            script(under_way, act if act in TOOLS else None, thinking),
            controlled=controlled,
            attach=given == "attached",
            agent=agent,
            check=False,
        ) as call:
            refused = None
            try:
                await course(call, under_way, act, moment)
            except (llm.RealtimeError, RuntimeError) as e:
                refused = e  # nobody can be asked any more
            assert refused is None or call.closed, refused
            outcome.life = call.life()
            outcome.stuck = sum(not handle.done() for handle in call.speeches)
            outcome.closed = [event.reason.value for event in call.closed]
        outcome.ran = agent.ran

    run_virtual(run)
    return outcome


@functools.cache
def plain(under_way: str, act: str, moment: float, thinking: float) -> Outcome:
    return play(under_way, act, moment, thinking, "attached", controlled=False)


def known(finding: Finding, under_way: str, act: str, given: str) -> bool:
    """What cannot be otherwise."""
    if finding.clause == "late":
        # LiveKit speaks one after another what it was asked for: a tool's reply waits behind one that is
        # tried again, and which plain never answers. How long that thinks is no wait of ours.
        return act in TOOLS and under_way.startswith("retry, asked")
    # Nobody tells that LiveKit is drained and speaks no more.
    return finding.clause == "memory" and (act, given) == ("drain", "not attached")


@pytest.mark.sampled(4)
@pytest.mark.parametrize("under_way", UNDER_WAY)
@pytest.mark.parametrize("act", [*ACTS, *TOOLS])
def test_g27_never_worse_whatever_is_done_meanwhile(act: str, under_way: str) -> None:
    found = []
    for moment, thinking, given in CELLS:
        yardstick = plain(under_way, act, moment, thinking)
        ours = play(under_way, act, moment, thinking, given, controlled=True)
        verdict = judge(yardstick.life, ours.life)
        worse = [str(x) for x in verdict.worse if not known(x, under_way, act, given)]
        if ours.stuck > yardstick.stuck:
            worse.append(f"{ours.stuck} speeches never end")
        if ours.closed != yardstick.closed:
            worse.append(f"closed {ours.closed}, plain {yardstick.closed}")
        if ours.ran > yardstick.ran:
            worse.append(f"the tool ran {ours.ran} times")
        found += [f"{moment} s, thinks {thinking} s, {given}: {x}" for x in worse]
    assert found == []
