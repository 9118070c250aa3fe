"""Recorded calls: each a coroutine that plays a call and leaves its trace in a file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from livekit.agents import Agent, function_tool

from realtime_fsm.simulator import (
    CREATED,
    Accept,
    Closed,
    Created,
    DoneLost,
    Dropped,
    Failed,
    FunctionCall,
    Incomplete,
    Message,
    Reply,
    ServerConfig,
    audio_ms,
)
from realtime_fsm.testing import SimulatedCall, simulated_call

HELLO = Reply([Message("Good morning to you.", seconds=1.0)])
TWO = Reply([Message("One moment please.", seconds=1.0), Message("It rains.", seconds=2.0)])
SLOW = Reply([Message("A long answer that goes on and on.", seconds=8.0)])
WEATHER = Reply([FunctionCall("get_weather", {"city": "Oslo"})])

Drive = Callable[[SimulatedCall], Awaitable[None]]


class Weather(Agent):
    @function_tool
    async def get_weather(self, city: str) -> str:
        """Say how the weather is."""
        await asyncio.sleep(0.5)
        return f"It rains in {city}."


async def play(path: Path, script: Any, drive: Drive, *, controlled: bool, **options: Any) -> None:
    options.setdefault("agent", Weather(instructions="Be brief."))
    options.setdefault("check", controlled)
    async with simulated_call(script, controlled=controlled, trace=path, **options) as call:
        with contextlib.suppress(RuntimeError):  # plain LiveKit's session may be gone
            await drive(call)


async def everything(path: Path, *, controlled: bool) -> None:
    """Two messages, a tool, an interruption, a failure that is made good, a connection that breaks."""

    async def drive(call: SimulatedCall) -> None:
        await call.say("Hello?")
        await call.idle()
        await call.say("The weather in Oslo?")
        await call.idle()
        await call.say("Tell me everything.")
        await call.until(lambda: call.heard > 5.0)
        await call.say("Stop.", 0.6)
        await call.idle()
        if controlled:
            await call.say("Are you there?")
            await call.idle()
            await call.say("And now?")
            await call.idle()

    script = [TWO, WEATHER, HELLO, SLOW, HELLO]
    script += [Reply(end=Failed("server_error")), HELLO, Reply(end=Dropped(at=CREATED)), HELLO]
    await play(path, script, drive, controlled=controlled)


def asks(*texts: str, wait: float = 20.0) -> Drive:
    async def drive(call: SimulatedCall) -> None:
        for text in texts:
            await call.say(text)
            await call.idle()
        await asyncio.sleep(wait)

    return drive


def replies(wait: float = 20.0) -> Drive:
    async def drive(call: SimulatedCall) -> None:
        call.session.generate_reply(user_input="Hello?")
        await asyncio.sleep(wait)

    return drive


async def interrupted(call: SimulatedCall) -> None:
    call.session.generate_reply(user_input="Hello?")
    await call.until(lambda: call.heard > 0.8)
    await call.session.interrupt()
    await call.idle()
    await asyncio.sleep(20)


async def interrupted_and_asked(call: SimulatedCall) -> None:
    """livekit/agents#2064."""
    call.session.generate_reply(user_input="Tell me everything.")
    await call.until(lambda: call.heard > 0.5)
    await call.session.interrupt()
    call.session.generate_reply(user_input="Stop. What time is it?")
    await asyncio.sleep(21)


async def asked_while_vad_answers(call: SimulatedCall) -> None:
    await call.say("Hello?")
    await asyncio.sleep(0.05)
    call.session.generate_reply(instructions="Say hello.")
    await asyncio.sleep(21)


async def asked_after_time_out(call: SimulatedCall) -> None:
    with contextlib.suppress(Exception):
        await call.session.generate_reply(user_input="Hello?")
    call.session.generate_reply(user_input="Still there?")
    await asyncio.sleep(25)


ENDLESS = ServerConfig(handshakes=[Accept(Closed(), on="session.update")] * 40)
PUSH: dict[str, Any] = {"turn_detection": None}
TALK: dict[str, Any] = {}

#: BASELINE id: script, what happens, options, guarantees that plain LiveKit breaks in it.
FAULTS: dict[str, tuple[list[Reply], Drive, dict[str, Any], set[str]]] = {
    "c": ([Reply(end=Failed("server_error"))], replies(), PUSH, {"G8", "G18"}),
    "e": ([Reply([Message("Hello.", seconds=2)], end=Failed("server_error", at=audio_ms(500)))],
          replies(), PUSH, {"G8"}),
    "i2": ([Reply([Message("Late.")], ack=Created(after=11)), HELLO], asked_after_time_out, PUSH,
           {"G20"}),
    "j": ([Reply([Message("Hello.", seconds=2)], end=Dropped(at=audio_ms(500)))],
          replies(), PUSH, {"G8"}),
    "j3": ([Reply(end=Dropped(at=CREATED))], replies(), PUSH, {"G18", "G19"}),
    "k": ([], replies(20), {**PUSH, "config": ENDLESS}, {"G11"}),
    "l": ([TWO], interrupted, PUSH, {"G16"}),
    "m": ([SLOW, HELLO], interrupted_and_asked, {**PUSH, "config": ServerConfig(cancel_delay=0.3)},
          {"G1", "G5", "G6", "G20"}),
    "n": ([Reply(end=Failed("server_error"))], asks("Hello?"), TALK, {"G8", "G18"}),
    "o2": ([HELLO], asked_while_vad_answers,
           {"config": ServerConfig(vad_create_delay=0.15)}, {"G20", "G24"}),
    "q": ([Reply([Message("Hello.")], end=Incomplete("content_filter", at=audio_ms(500)))],
          replies(), PUSH, {"G8"}),
    "r": ([Reply()], replies(), PUSH, {"G18"}),
    "t": ([Reply([Message("Hello.", seconds=0.5)], end=DoneLost())], replies(60), PUSH, {"G7"}),
}  # fmt: skip
