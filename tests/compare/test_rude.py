"""G27: a rude application at a healthy server. It interrupts, edits the history, switches its outputs and asks
while the agent speaks, at random moments, in the same call lived twice.

By default a few calls; ``RUDE=200`` tries so many. Requests that say nothing of their own, as ``generate_reply()``,
are left out: what they ask for depends on what was answered before.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from livekit.agents import Agent, llm

from realtime_fsm.simulator import Message, Reply, ServerConfig
from realtime_fsm.testing import Living, SimulatedCall, assert_not_worse

Act = Callable[[SimulatedCall, str, random.Random], Any]
CALLS = int(os.environ.get("RUDE", "6"))


def ask(call: SimulatedCall, name: str, rng: random.Random) -> None:
    call.session.generate_reply(instructions=f"Say {name}")


def type_in(call: SimulatedCall, name: str, rng: random.Random) -> None:
    call.session.generate_reply(user_input=f"Typed {name}?")


def ask_twice(call: SimulatedCall, name: str, rng: random.Random) -> None:
    ask(call, f"{name} once", rng)
    ask(call, f"{name} again", rng)


async def ask_and_cut(call: SimulatedCall, name: str, rng: random.Random) -> None:
    handle = call.session.generate_reply(instructions=f"Cut {name}")
    await asyncio.sleep(0.05)
    handle.interrupt()


def interrupt(call: SimulatedCall, name: str, rng: random.Random) -> None:
    call.session.interrupt(force=rng.random() < 0.3)


def output(call: SimulatedCall, name: str, rng: random.Random) -> None:
    call.session.output.set_audio_enabled(rng.random() < 0.5)


def microphone(call: SimulatedCall, name: str, rng: random.Random) -> None:
    call.session.input.set_audio_enabled(rng.random() < 0.5)


def clear(call: SimulatedCall, name: str, rng: random.Random) -> None:
    call.session.clear_user_turn()


async def instruct(call: SimulatedCall, name: str, rng: random.Random) -> None:
    await call.session.current_agent.update_instructions(f"Be {name}.")


async def edit(call: SimulatedCall, name: str, rng: random.Random) -> None:
    agent = call.session.current_agent
    context = agent.chat_ctx.copy()
    how = rng.choice(("as it is", "noted", "twice", "without one"))
    if how == "noted":
        context.items.append(llm.ChatMessage(role="system", content=[f"note {name}"]))
    elif context.items and how == "twice":
        context.items.append(rng.choice(context.items))
    elif context.items and how == "without one":
        gone = context.items.pop(rng.randrange(len(context.items)))
        call.witness.forgotten.add(gone.id)
    call.witness.edited.append(asyncio.get_running_loop().time())
    await agent.update_chat_ctx(context)


ACTS: tuple[Act, ...] = (
    ask, type_in, ask_twice, ask_and_cut, interrupt, output, microphone, clear, instruct, edit,
)  # fmt: skip


def rude(seed: int) -> Callable[[Living], Any]:
    rng = random.Random(f"rude:{seed}")
    delays = (rng.choice((0.005, 0.1, 0.4)), rng.choice((0.02, 0.3)), rng.choice((0.01, 0.6)))
    lengths = [round(rng.uniform(0.6, 4.0), 2) for _ in range(60)]
    replies = [
        Reply([Message(" ".join([f"w{n}"] * max(2, round(s * 2.5))), seconds=s)])
        for n, s in enumerate(lengths)
    ]
    # Never at the same time as something of the server's, or of what comes with the acts.
    plan = [
        (round(rng.uniform(0.2, 6.0), 2) + 0.0005, rng.choice(ACTS), rng.random())
        for _ in range(14)
    ]

    async def live(living: Living) -> None:
        create, vad, words = delays
        config = ServerConfig(create_delay=create, vad_create_delay=vad, transcription_delay=words)
        agent = Agent(instructions="Be brief.")
        acting: set[asyncio.Task[None]] = set()
        async with living(replies, agent=agent, config=config) as call:
            for number, (pause, act, chance) in enumerate(plan):
                await asyncio.sleep(pause)
                if chance < 0.35:
                    await call.say(f"Question {number}?", seconds=0.6)
                    await asyncio.sleep(0.0537)
                done = act(call, str(number), random.Random(chance))
                if done is not None:
                    acting.add(asyncio.create_task(done))
            call.session.output.set_audio_enabled(True)
            call.session.input.set_audio_enabled(True)
            await asyncio.sleep(25.0)
            await call.say("The last question?", seconds=0.6)
            await call.idle()
            await asyncio.gather(*acting)

    return live


@pytest.mark.parametrize("seed", range(CALLS))
def test_g27_a_rude_application(seed: int) -> None:
    assert_not_worse(rude(seed))
