"""Random calls, drawn from a seed: an agent that greets, has tools, says things itself and hands over; a
user who listens, cuts in, coughs and types."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from livekit.agents import Agent, RunContext, StopResponse, function_tool, llm

from realtime_fsm import simulator as sim
from realtime_fsm.livekit._features import given_history, history_of, push_history
from realtime_fsm.testing import SimulatedCall, check_all, run_virtual, simulated_call
from realtime_fsm.trace.facts import Fact

from ..livekit.fake_tts import FakeTTS

__all__ = ["Played", "play"]

TEXT = (
    "the parcel comes around noon and the driver rings before so please keep the door in sight "
    "while we look after the rest of it for you"
)
WORDS = TEXT.split()
TOOLS = ("work", "long_work", "announce", "fill", "hush", "hand_over", "hand_over_fresh")


class Anybody(Agent):
    def __init__(self, *, greets: bool, chat_ctx: llm.ChatContext | None = None) -> None:
        super().__init__(instructions="Be brief.", **given_history(chat_ctx))
        self._greets = greets

    async def on_enter(self) -> None:
        if self._greets:
            self.session.generate_reply(instructions="Greet the caller.")

    @function_tool
    async def work(self) -> str:
        """Takes a moment."""
        await asyncio.sleep(0.4)
        return "Done."

    @function_tool
    async def long_work(self) -> str:
        """Takes long."""
        await asyncio.sleep(20.0)
        return "Done at last."

    @function_tool
    async def announce(self) -> str:
        """Say something."""
        await self.session.say("Please hold the line for a moment.")
        return "Said."

    @function_tool
    async def fill(self, context: RunContext[Any]) -> str:
        """Takes a while, and says so."""
        async with context.with_filler("One moment please.", delay=0.3):
            await asyncio.sleep(2.5)
        return "Found."

    @function_tool
    async def hush(self) -> str:
        """Say nothing."""
        raise StopResponse

    @function_tool
    async def hand_over(self) -> tuple[Agent, str]:
        """To somebody who knows what was said."""
        return Anybody(greets=False, chat_ctx=self.chat_ctx.copy()), "Over to you."

    @function_tool
    async def hand_over_fresh(self) -> Agent:
        """To somebody who does not."""
        return Anybody(greets=True)


class Played:
    """A call that was played.

    Attributes:
        facts: what was seen of it.
        told: what `check_all` says.
        differences: what the controller says that differs.
    """

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.told = ""
        self.differences: dict[str, str] = {}

    @property
    def alarms(self) -> set[str]:
        """Ids of the guarantees that `check_all` says are broken."""
        return {line.split()[0] for line in self.told.splitlines() if line.startswith("G")}


def play(seed: int, path: Path, *, failing: float = 0.0, controlled: bool = True) -> Played:
    """Play the call of that seed. *failing*: share of the responses that fail."""
    played = Played()
    run_virtual(lambda: _call(random.Random(seed), path, failing, controlled, played))
    return played


async def _call(
    rng: random.Random, path: Path, failing: float, controlled: bool, played: Played
) -> None:
    agent = Anybody(greets=rng.random() < 0.5)
    config = sim.ServerConfig(
        create_delay=rng.uniform(0.005, 0.15),
        vad_create_delay=rng.uniform(0.02, 0.2),
        cancel_delay=rng.uniform(0.01, 0.2),
        pace=rng.choice((0.01, 0.03)),
    )
    options: dict[str, Any] = {"session": {"tts": FakeTTS(ms_a_word=200)}, "config": config}
    if rng.random() < 0.3:
        options["turn_detection"] = None
    asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
    async with simulated_call(
        _script(rng, failing),
        agent=agent,
        controlled=controlled,
        trace=path,
        check=False,
        **options,
    ) as call:
        await _settle(call)
        for _ in range(rng.randint(2, 6)):
            with contextlib.suppress(RuntimeError):  # nobody is connected, or the session is over
                await _act(rng, call)
            await _settle(call)
        await asyncio.sleep(20.0 if failing else 2.0)
        await _settle(call)  # a turn may have begun meanwhile: nobody judges it half way
        if call.model is not None and call.model.controller is not None:
            played.differences = call.controller.differences()
        try:
            check_all(call)
        except AssertionError as error:
            played.told = str(error)
    played.facts = call.facts(rest=None)


async def _settle(call: SimulatedCall) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await call.idle(timeout=60.0)


async def _act(rng: random.Random, call: SimulatedCall) -> None:
    kind = rng.choices(("says", "cuts in", "coughs", "types", "announces", "forgets"),
                       (40, 20, 8, 16, 10, 6))[0]  # fmt: skip
    session = call.session
    if kind == "says":
        await call.say("Where is it?", rng.uniform(0.3, 1.5))
    elif kind == "types":
        session.generate_reply(user_input="And now?")
    elif kind == "announces":
        session.say("We close in five minutes.")
    elif kind == "forgets":
        history = history_of(session).copy().truncate(max_items=rng.randint(1, 4))
        await push_history(session, history)
    else:
        await call.say("Where is it?", rng.uniform(0.3, 1.0))
        before, after = call.heard, rng.uniform(0.1, 2.0)
        with contextlib.suppress(asyncio.TimeoutError):
            await call.until(lambda: call.heard > before + after, timeout=12.0)
        if kind == "cuts in":
            await call.say("Wait, something else.", rng.uniform(0.3, 1.0))
        else:
            session.interrupt()


def _script(rng: random.Random, failing: float) -> sim.Script:
    replies: list[sim.Reply] = []
    called = over = False
    for _ in range(16):
        items: list[Any] = []
        called = not called and not over and rng.random() < 0.25
        if not called or rng.random() < 0.4:
            items += [_message(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        if called:
            tool = rng.choice(TOOLS)
            items.append(sim.FunctionCall(tool))
            over = tool == "hand_over"  # LiveKit forbids tools in what follows, and models obey
        reply = sim.Reply(items)
        replies.append(_fail(rng, reply) if rng.random() < failing else reply)
    return sim.Script(replies, default=sim.Reply([_message(rng)]))


def _message(rng: random.Random) -> sim.Message:
    seconds = round(rng.uniform(0.5, 3.5), 1)
    start = rng.randrange(len(WORDS) - 10)
    return sim.Message(" ".join(WORDS[start : start + max(2, int(seconds * 2.5))]), seconds=seconds)


def _fail(rng: random.Random, reply: sim.Reply) -> sim.Reply:
    spoken = any(isinstance(item, sim.Message) for item in reply.items)
    ends = (
        sim.Failed("server_error", at=sim.CREATED),
        sim.Failed("rate_limit_exceeded", at=sim.ITEM_ADDED),
        sim.Dropped(at=sim.CREATED),
        sim.Incomplete("content_filter", at=sim.CREATED),
        *(
            (sim.Failed("server_error", at=sim.audio_ms(300)), sim.Dropped(at=sim.audio_ms(400)))
            if spoken
            else ()
        ),
    )
    which = rng.randrange(len(ends) + 2)
    if which < len(ends):
        return replace(reply, end=ends[which])
    return replace(
        reply, ack=sim.Rejected("server_error") if which == len(ends) else sim.Unanswered()
    )
